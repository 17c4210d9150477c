"""The options of the claims' trainings: networks of each method as small as the effort has them, nothing enlarged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.claims.effort import Effort


def small(
    effort: Effort, method: str, domains: Sequence[str], size_px: int, rounds: int = 1
) -> dict[str, Any]:
    """Return what all methods' options say, for images of `size_px`, with `rounds` times the effort's steps."""
    return {
        "method": method,
        "domains": list(domains),
        "size_px": size_px,
        "steps": rounds * effort.steps_at(size_px),
        "augment": {"enlarge": 1.0},
    }


def cyclegan(effort: Effort, domains: Sequence[str], size_px: int, **options: Any) -> dict[str, Any]:
    """Return options of CycleGAN, or of a method with the same networks, for images of `size_px`."""
    return {
        **small(effort, "cyclegan", domains, size_px),
        "generator": {"width": effort.width, "blocks": effort.blocks, "upsample": "resize"},
        "discriminator": {"width": effort.width, "layers": 2},
        **options,
    }


def pix2pix(
    effort: Effort, domains: Sequence[str], size_px: int, rounds: int, **options: Any
) -> dict[str, Any]:
    """Return options of pix2pix with `rounds` times the steps of CycleGAN, of which each costs a quarter."""
    return {
        **small(effort, "pix2pix", domains, size_px, rounds),
        "generator": {"width": effort.width},
        "discriminator": {"width": effort.width, "layers": 2},
        **options,
    }

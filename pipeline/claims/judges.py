"""The networks that claims measure and train with, where their genuine weights are here."""

from __future__ import annotations

from pipeline import weights
from pipeline.errors import UserError
from pipeline.networks.lpips import Lpips, load_lpips


def find_lpips() -> tuple[Lpips | None, str]:
    """Return LPIPS with its genuine weights; None and the reason where they are missing."""
    try:
        return load_lpips("alex"), ""
    except UserError as error:
        return None, str(error)


def why_not(name: str) -> str:
    """Return what to do where the published weights of this name are not here; nothing where they are."""
    try:
        weights.sha256(name)
    except UserError:
        return f"weights missing: type `python -m pipeline weights fetch {name}`"
    return ""

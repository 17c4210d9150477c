"""What a recrawl brought, in lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def describe(found: Mapping[str, Any]) -> str:
    """Say what `recrawls.recrawl` found: counts, reasons, and what is not as usual."""
    refused = found["refused"]
    lines = {
        "met": f"{found['met']}: {found['new']} new, {found['known']} known, {sum(refused.values())} refused",
        "new images": f"{found['images']} in {len(found['parts'])} parts",
        "with a face": str(found["with_faces"]),
        "aligned": f"{found['faces']} faces of {found['aligned']} images",
        **{f"lost, {stage}": _counts(reasons) for stage, reasons in found["rejected"].items()},
        "licences": _counts(found["licences"]) or "none",
        "cost": f"{found['requests']} requests, {found['bytes'] / 1e6:.1f} MB",
        "sheet": found["sheet"] or "none: nothing is new",
    }
    verdict = [f"unusual: {each['message']}" for each in found["outside"]] or ["nothing about it is unusual"]
    down = [f"the site is down: {found['down']}"] if found["down"] else []
    return "\n".join([*(f"{name:<16}{said}" for name, said in lines.items()), *(down or verdict)])


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counted.items())

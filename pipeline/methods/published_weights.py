"""Where the weights lie that a method takes from others: by the name they are published under, or by their path."""

from __future__ import annotations

from pathlib import Path

from pipeline import weights
from pipeline.errors import UserError


def weight_file(name_or_path: str, option: str) -> Path:
    """Return the path of the file that `option` names.

    The hash of a published file is compared with what its publisher states. `UserError` with the command that fetches
    it where it is missing, and where no such file is here.
    """
    if name_or_path in weights.FETCHED:
        weights.sha256(name_or_path)
        return weights.path(name_or_path)
    path = Path(name_or_path)
    if not path.is_file():
        raise UserError(
            f"{option}: {name_or_path} is neither a file nor the name of published weights; "
            "correct the path, or name one of those that `python -m pipeline weights` lists"
        )
    return path

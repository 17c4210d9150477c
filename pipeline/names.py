"""What to say about a name that is not known: which ones are, and which one was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from pipeline.errors import UserError


def unknown_name(where: str, name: str, what: str, known: Iterable[str]) -> UserError:
    """Return the error for a `name` that is not one of `what`; `where` is the file and the key."""
    names = list(known)
    close = get_close_matches(name, names, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    return UserError(f"{where}: {name!r} is not one of the {what}: {', '.join(names) or 'none'}{meant}")

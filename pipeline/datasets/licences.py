"""Licences by one name each, however a source spells them: `CC BY-SA 4.0`, `by-sa` and its URL are `by-sa`."""

from __future__ import annotations

import re

_CONDITIONS = {
    "by": "by",
    "attribution": "by",
    "nc": "nc",
    "noncommercial": "nc",
    "nd": "nd",
    "noderivs": "nd",
    "noderivatives": "nd",
    "noderivative": "nd",
    "sa": "sa",
    "sharealike": "sa",
}
# Words that say nothing of what is allowed; a port is a country, such as `de` in `CC BY-SA 3.0 de`.
_NOISE = re.compile(r"cc|creative|commons|licen[cs]es?|the|[0-9]+|international|unported|generic|deed|igo")
_PORT = re.compile(r"[0-9] +(?:[a-z]{2}|scotland)$")
_ADDRESS = re.compile(r"(?:https?://)?(?:www\.)?creativecommons\.org/(licenses|publicdomain)/([a-z-]+)")
_ADDRESSES_OF_NO_RIGHTS = {"zero": "cc0", "mark": "pdm", "certification": "pdm"}
_OTHER_NAMES = {
    "cc0": "cc0",
    "cc zero": "cc0",
    "public domain dedication": "cc0",
    "public domain dedication cc0": "cc0",
    "zero": "cc0",
    "pdm": "pdm",
    "pd": "pdm",
    "public domain": "pdm",
    "public domain mark": "pdm",
    "own work": "own",
}


def licence_code(name: str | None) -> str | None:
    """Return a licence's short name: `cc0`, `pdm`, `by`, `by-sa`, `by-nc`, `by-nc-sa`, `by-nd`, `by-nc-nd`.

    Any other is its own words with hyphens: nothing is guessed of a name that says more than these, so that a licence
    with a condition is never taken for one without. None where no licence is said.
    """
    said = " ".join((name or "").lower().split())
    if not said:
        return None
    if address := _ADDRESS.match(said):
        kind, code = address.groups()
        return _ADDRESSES_OF_NO_RIGHTS.get(code, code) if kind == "publicdomain" else _creative(code) or code
    said = " ".join(re.findall(r"[^\W_]+", said.replace("non-commercial", "noncommercial")))
    said = re.sub(r"\bshare alike\b", "sharealike", re.sub(r"\bno deriv", "noderiv", said))
    said = re.sub(r"\bnon commercial\b", "noncommercial", said)
    plain = re.sub(r"( [0-9]+)+( universal)?$", "", said)
    return _OTHER_NAMES.get(plain) or _creative(said) or said.replace(" ", "-")


def _creative(said: str) -> str | None:
    """Return the code of a Creative Commons licence by its conditions; None where a word is not of such a name."""
    words = re.findall(r"[a-z0-9]+", _PORT.sub("", said))
    conditions = {_CONDITIONS[word] for word in words if word in _CONDITIONS}
    if "by" not in conditions or any(not (word in _CONDITIONS or _NOISE.fullmatch(word)) for word in words):
        return None
    return "-".join(condition for condition in ("by", "nc", "nd", "sa") if condition in conditions)

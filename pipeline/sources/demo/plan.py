"""What stands at each index, fixed beforehand: of the galleries' entries, and of the clinic's cases.

How many faces a picture has, which are hidden, what kind of entry it is; what was operated on in a case.

The places are chosen so that any 24 entries in a row from the start hold one of each kind, and 240 hold
8 pictures of two faces, 8 of none, 8 near-duplicates, 4 duplicates and 15 hidden faces.
"""

_BROKEN, _MISSING, _PRIVATE = 5, 14, 20
_UNFINISHED_CASE, _PRIVATE_CASE = 6, 16
_OPERATIONS = (
    ("nose",),
    ("eyes",),
    ("chin",),
    ("eyes", "nose"),
    ("nose",),
    ("eyes",),
    ("chin",),
    ("nose", "chin"),
)


def face_count(index: int) -> int:
    """How many faces the picture has: of every thirty one has two and one has none."""
    return {8: 2, 17: 0}.get(index % 30, 1)


def is_hidden(index: int) -> bool:
    """Whether the picture's face is drawn so that a detector may well miss it: one of every sixteen."""
    return index % 16 == 11


def entry_kind(index: int) -> str:
    """What kind of gallery entry the index is (see `site.Entry`)."""
    fixed = {_BROKEN: "broken", _MISSING: "missing", _PRIVATE: "private"}
    if index in fixed:
        return fixed[index]
    if index % 60 == 13:
        return "duplicate"
    return {8: "two", 17: "none", 22: "near-duplicate"}.get(index % 30, "single")


def original_of(index: int) -> int:
    """The index whose picture the entry shows: an earlier one's for duplicates, else its own."""
    return index - {"duplicate": 4, "near-duplicate": 6}.get(entry_kind(index), 0)


def procedures(index: int) -> tuple[str, ...]:
    """What is operated on in a case: one of nose, eyes and chin, or two of them in one case of four."""
    return _OPERATIONS[index % len(_OPERATIONS)]


def case_kind(index: int) -> str:
    """What kind of case the index is: a pair, one unfinished (no picture after it yet), one private."""
    return {_UNFINISHED_CASE: "unfinished", _PRIVATE_CASE: "private"}.get(index, "pair")

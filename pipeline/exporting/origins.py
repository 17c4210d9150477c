"""Where the faces of a dataset are from: sources, licences and authors, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline import parts
from pipeline.datasets.arrays import Dataset
from pipeline.datasets.licences import licence_code

FACES = parts.DATA / "catalogue" / "faces.parquet"
SPLITS = ("train", "val", "test")
NOT_SAID = "not said"
# Licences under which one may do as one likes.
_FREE = ("cc0", "pdm", "own")


@dataclass(frozen=True)
class Origin:
    """Faces of one domain that came from one source under one licence; `authors` with how many are theirs."""

    domain: str
    source: str
    licence: str
    faces: int
    authors: Counter[str]

    @property
    def code(self) -> str | None:
        """The licence's short name; None where none is said."""
        return None if self.licence == NOT_SAID else licence_code(self.licence)

    @property
    def is_free(self) -> bool:
        """Whether nothing is asked of who uses the faces."""
        return self.code in _FREE


def origins(dataset: Dataset) -> list[Origin]:
    """Return where a dataset's faces are from, by domain, the most frequent first.

    Sources are those of the catalogue; of faces that it does not know, the hosts that their images came from.
    """
    sources = _sources()
    found: dict[tuple[str, str, str], Counter[str]] = {}
    for domain, arrays in dataset.domains.items():
        for row in arrays.rows.select(["face_id", "url", "licence", "author"]).to_pylist():
            source = sources.get(row["face_id"]) or _host(row["url"])
            authors = found.setdefault((domain, source, row["licence"] or NOT_SAID), Counter())
            authors[row["author"] or NOT_SAID] += 1
    listed = [Origin(*key, authors.total(), authors) for key, authors in found.items()]
    order = list(dataset.domains)
    return sorted(listed, key=lambda each: (order.index(each.domain), -each.faces, each.source, each.licence))


def _sources() -> dict[str, str]:
    if not FACES.exists():
        return {}
    table = parts.read_table(FACES, ["face_id", "source"])
    return dict(zip(table["face_id"].to_pylist(), table["source"].to_pylist(), strict=True))


def _host(address: str | None) -> str:
    return urlsplit(address or "").hostname or NOT_SAID


def counts(dataset: Dataset) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield each domain with its number of faces in each split."""
    for domain, arrays in dataset.domains.items():
        yield domain, {split: len(arrays.indices(split)) for split in SPLITS}

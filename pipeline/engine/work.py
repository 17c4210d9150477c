"""What an engine is given: chunks that can be halved, and what is done with each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar


class Divisible(Protocol):
    """A piece of work that can be halved; it is hashable."""

    def __len__(self) -> int:
        """Return how many items the piece has."""
        ...

    def halves(self: Chunk) -> tuple[Chunk, Chunk]:
        """Return its first and second half."""
        ...


Chunk = TypeVar("Chunk", bound=Divisible)
Items = TypeVar("Items")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Work(Generic[Chunk, Items, Result]):
    """What is done with a chunk: its files are named, its items are read from them, and a result is made of these.

    `files` names them relative to the working directory; `load` gets the paths at which they are seen by whoever
    reads them. All three go to other processes, so they are pickled. `module` is imported there beforehand. `name`
    is that of no other work that may be under way in the same working directory.
    """

    name: str
    module: str
    files: Callable[[Chunk], Sequence[Path]]
    load: Callable[[Chunk, Sequence[Path]], Items]
    process: Callable[[Items], Result]

    def run(self, chunk: Chunk) -> Result:
        """Read and process a chunk in the working directory."""
        return self.process(self.load(chunk, self.files(chunk)))


class Deaths:
    """What becomes of chunks whose workers died."""

    def __init__(self) -> None:
        self._of_one_item: Counter[Divisible] = Counter()

    def retries(self, chunk: Chunk) -> list[Chunk]:
        """Return what to do instead of a chunk whose worker died: its halves; a single item, once more.

        Nothing where a single item's worker died for the second time: a worker may be killed by chance.
        """
        if len(chunk) > 1:
            return list(chunk.halves())
        self._of_one_item[chunk] += 1
        return [chunk] if self._of_one_item[chunk] == 1 else []


def tapered(chunks: Sequence[Chunk], workers: int) -> list[Chunk]:
    """Return the chunks with the last two for each worker cut in four, so that all end at about the same time."""
    last = max(len(chunks) - 2 * workers, 0)
    return [*chunks[:last], *(piece for chunk in chunks[last:] for piece in _quarters(chunk))]


def _quarters(chunk: Chunk) -> list[Chunk]:
    pieces = [chunk]
    for _ in range(2):
        pieces = [half for piece in pieces for half in (piece.halves() if len(piece) > 1 else (piece,))]
    return pieces

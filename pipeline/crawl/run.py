"""One crawl of one source: discover, fetch side by side, commit in the order of discovery, write parts."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from pipeline import parts
from pipeline.crawl.fetching import FetchedImage, fetch
from pipeline.crawl.references import ImageRef, Refusal, Source
from pipeline.crawl.session import Session
from pipeline.crawl.state import State
from pipeline.errors import UserError
from pipeline.progress import counter
from pipeline.project import PARAMS_FILE

THREADS = 8
WINDOW = 16


@dataclass
class Summary:
    """What a crawl met: every distinct URL is stored, known from before, or rejected."""

    discovered: int = 0
    new: int = 0
    known: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    bytes: int = 0


def crawl(
    name: str,
    source: Source,
    session: Session,
    folder: Path,
    state_path: Path,
    part_size: int,
    max_images: int | None = None,
) -> Summary:
    """Add what is new at `source` to its parts in `folder`, and bring `folder/rejected.parquet` up to date.

    At most `max_images` references are looked at. The same site gives the same bytes, also where a crawl
    was killed and started again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink()
    with closing(State(state_path, folder)) as state, counter(f"crawl@{name}", None, "image") as progress:
        run = _Crawl(name, session, state, folder, part_size, progress)
        try:
            run.follow(islice(run.distinct(source.discover(session)), max_images))
        except UserError as error:
            lines = str(error).splitlines()
            raise UserError("\n".join(f"{PARAMS_FILE}: sources.{name}.{line}" for line in lines)) from None
        run.write_parts(part_size=1)
        run.forget_refusals()
        parts.write_rows(folder / parts.REJECTED_NAME, list(state.rejected_rows()), parts.REJECTED_REFS)
    run.summary.requests, run.summary.bytes = session.requests, session.bytes
    return run.summary


class _Crawl:
    """The state of a running crawl; only its own thread touches it, the pool only fetches."""

    def __init__(
        self, name: str, session: Session, state: State, folder: Path, part_size: int, progress: tqdm
    ) -> None:
        self.name = name
        self.session = session
        self.state = state
        self.folder = folder
        self.part_size = part_size
        self.progress = progress
        self.summary = Summary()

    def distinct(self, found: Iterator[ImageRef | Refusal]) -> Iterator[ImageRef | Refusal]:
        """Pass on what was not met before in this crawl."""
        return (item for item in found if self.state.first_sight(item.url))

    def follow(self, found: Iterator[ImageRef | Refusal]) -> None:
        """Fetch a bounded window ahead, and commit its oldest first."""
        window: deque[Refusal | Future[FetchedImage | Refusal]] = deque()
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="fetch")
        try:
            for item in found:
                self.summary.discovered += 1
                self.forget_refusals()
                if isinstance(item, ImageRef):
                    if settled := self.state.settled(item):
                        self._count(settled)
                        continue
                    window.append(pool.submit(fetch, self.name, item, self.session))
                else:
                    window.append(item)
                if len(window) >= WINDOW:
                    self._commit(window.popleft())
            while window:
                self._commit(window.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def forget_refusals(self) -> None:
        """Take back the refusals at pages that could be read this time."""
        for page_url in self.session.take_pages_read():
            self.state.forget_refusals_of(page_url)

    def write_parts(self, part_size: int) -> None:
        """Write what is pending as parts of the crawl's size, as long as `part_size` images are pending."""
        while self.state.pending_count() >= part_size:
            written = parts.list_parts(self.folder)
            number = int(written[-1].stem.removeprefix("part-")) + 1 if written else 0
            part = self.folder / parts.part_name(number)
            parts.write_rows(part, self.state.pending_rows(self.part_size), parts.RAW)
            self.state.absorb(part)

    def _commit(self, outcome: Refusal | Future[FetchedImage | Refusal]) -> None:
        result = outcome if isinstance(outcome, Refusal) else outcome.result()
        self._count(self._reject(result) if isinstance(result, Refusal) else self._keep(result))
        self.write_parts(self.part_size)

    def _keep(self, image: FetchedImage) -> str:
        row = image.row
        if self.state.owner_of(row["image_id"]) is None:
            self.state.keep(row, image.last_modified, image.version)
            self.summary.new += 1
            return "new"
        return self._reject(Refusal(row["url"], "duplicate", row["image_id"], row["page_url"], image.version))

    def _reject(self, refusal: Refusal) -> str:
        if self.state.is_stored(refusal.url):
            self.state.saw_again(refusal.url, refusal.version)
            return "stored"
        self.state.reject(refusal)
        return refusal.reason

    def _count(self, outcome: str) -> None:
        self.progress.update()
        if outcome == "stored":
            self.summary.known += 1
        elif outcome != "new":
            self.summary.refused[outcome] += 1

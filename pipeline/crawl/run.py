"""One crawl of one source: discover, fetch side by side, commit in the order of discovery, write parts."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from pipeline import parts
from pipeline.crawl.compaction import finish_compaction
from pipeline.crawl.describing import Describers
from pipeline.crawl.failures import BudgetSpent
from pipeline.crawl.fetching import FetchedImage, Outcome, Screen, Unchanged, fetch
from pipeline.crawl.lock import only_writer
from pipeline.crawl.references import ImageRef, Refusal, Source
from pipeline.crawl.retries import REVALIDATE_S
from pipeline.crawl.session import Session
from pipeline.crawl.state import KnownToState, PendingPart, State
from pipeline.progress import counter
from pipeline.project import errors_in
from pipeline.takedowns import Takedowns

COMMIT_EVERY = 8
MAX_PART_BYTES = 128_000_000  # so that memory stays bounded however large the images are


@dataclass(frozen=True)
class Settings:
    """How a crawl works: `threads` fetch, and `processes` look at what they fetched (0: the threads do).

    `entry` names what is crawled: it changes when the source's entry shows other images.
    """

    part_size: int
    threads: int = 8
    processes: int = 0
    revalidate_s: float = REVALIDATE_S
    entry: str = ""
    takedowns: Takedowns = field(default_factory=Takedowns)
    screen: Screen | None = None
    now: Callable[[], float] = time.time


@dataclass
class Summary:
    """What a crawl met: every distinct URL is new, known from before, or refused.

    `unchanged` of the known ones were asked for again; what lies behind the `passed` pages, which need not be read
    again, is not met. `stored` is how many images there are now; `spent` is the budget that ended the crawl.
    """

    discovered: int = 0
    new: int = 0
    known: int = 0
    unchanged: int = 0
    passed: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    bytes: int = 0
    stored: int = 0
    spent: str | None = None


def crawl(
    name: str, source: Source, session: Session, folder: Path, state_path: Path, settings: Settings
) -> Summary:
    """Add what is new at `source` to its parts in `folder`, and bring `folder/rejected.parquet` up to date.

    It ends at the end of what the source shows, or where a budget of the session is spent. The same site gives
    the same bytes, also where a crawl was killed and started again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with only_writer(state_path), counter(f"crawl@{name}", None, "image") as progress:
        finish_compaction(folder)
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink()
        with (
            closing(State(state_path, folder, settings.revalidate_s, settings.now)) as state,
            _Crawl(name, session, state, folder, settings, progress) as run,
        ):
            with errors_in(f"sources.{name}"):
                run.follow_all(source)
            run.write_parts(part_size=1)
            run.finish_part()
            parts.write_rows(folder / parts.REJECTED_NAME, list(state.rejected_rows()), parts.REJECTED_REFS)
            run.summary.stored = state.stored_count()
            state.end_run(complete=run.summary.spent in (None, "pages"))
    run.summary.requests, run.summary.bytes = session.requests, session.bytes
    return run.summary


class _Crawl:
    """The state of a running crawl; only its own thread touches it, the pool only fetches."""

    def __init__(
        self, name: str, session: Session, state: State, folder: Path, settings: Settings, progress: tqdm
    ) -> None:
        self.name = name
        self.session = session
        self.state = state
        self.folder = folder
        self.settings = settings
        self.progress = progress
        self.summary = Summary()
        run = state.begin_run(settings.entry)
        self.sent = run.images
        self.bytes = run.bytes
        self.describers = Describers(settings.processes)
        self.writer = ThreadPoolExecutor(1, thread_name_prefix="write")
        self.writing: tuple[Path, Future[None]] | None = None
        self.on_its_way = self.bytes_on_their_way = 0
        self.uncommitted = 0

    def __enter__(self) -> _Crawl:
        return self

    def __exit__(self, *exception: object) -> None:
        self.writer.shutdown()
        self.describers.__exit__()

    def follow_all(self, source: Source) -> None:
        """Fetch what the source shows, then what it is time to ask for again; stop where a budget is spent."""
        known = KnownToState(self.state)
        try:
            self.follow(source.discover(self.session, known))
        except BudgetSpent as spent:
            self.summary.spent = spent.budget
        self.summary.passed = len(known.passed)
        self.forget_refusals()
        if self.summary.spent in (None, "pages"):
            try:
                self.follow(self.state.due())
            except BudgetSpent as spent:
                self.summary.spent = spent.budget

    def follow(self, found: Iterable[ImageRef | Refusal]) -> None:
        """Fetch a bounded window ahead, and commit its oldest first; raise `BudgetSpent` with all committed."""
        window: deque[Refusal | Future[Outcome]] = deque()
        waiting: deque[ImageRef | None] = deque()
        pool = ThreadPoolExecutor(self.settings.threads, thread_name_prefix="fetch")
        try:
            try:
                for item in found:
                    self.forget_refusals()
                    if (task := self._begin(item, pool)) is not None:
                        window.append(task)
                        waiting.append(item if isinstance(item, ImageRef) else None)
                    if len(window) >= 2 * self.settings.threads:
                        self._commit(window.popleft(), waiting.popleft())
            except BudgetSpent as spent:
                if spent.budget == "bytes":
                    raise
                self._drain(window, waiting)
                raise
            self._drain(window, waiting)
        finally:
            pool.shutdown(cancel_futures=True)

    def forget_refusals(self) -> None:
        """Take back the refusals at pages that could be read this time."""
        for page_url in self.session.take_pages_read():
            self.state.forget_refusals_of(page_url)

    def write_parts(self, part_size: int) -> None:
        """Write what is pending as parts, as long as `part_size` images or `MAX_PART_BYTES` are pending.

        The last part may be on its way still, see `finish_part`.
        """
        while (
            self.state.pending - self.on_its_way >= part_size
            or self.state.pending_bytes - self.bytes_on_their_way >= MAX_PART_BYTES
        ):
            self.finish_part()
            written = parts.list_parts(self.folder)
            number = int(written[-1].stem.removeprefix("part-")) + 1 if written else 0
            part = self.folder / parts.part_name(number)
            pending = self.state.begin_part(self.settings.part_size, MAX_PART_BYTES)
            self.on_its_way, self.bytes_on_their_way = len(pending), pending.size
            self.writing = part, self.writer.submit(_write_part, part, pending)

    def finish_part(self) -> None:
        """Wait for the part that is being written, and note that it is there."""
        if self.writing:
            part, task = self.writing
            task.result()
            self.state.absorb(part)
            self.writing, self.on_its_way, self.bytes_on_their_way = None, 0, 0

    def _drain(self, window: deque[Refusal | Future[Outcome]], waiting: deque[ImageRef | None]) -> None:
        while window:
            self._commit(window.popleft(), waiting.popleft())

    def _begin(self, item: ImageRef | Refusal, pool: ThreadPoolExecutor) -> Refusal | Future[Outcome] | None:
        """Return what is to be committed for an item; nothing where it was met in this crawl or is settled."""
        if not self.state.first_sight(item.url):
            return None
        self.summary.discovered += 1
        if isinstance(item, Refusal):
            return item
        if self.settings.takedowns.covers(url=item.url, subject=item.subject):
            return _taken_down(item)
        settled = self.state.settled(item)
        if isinstance(settled, str):
            self._count(settled)
            return None
        if item.checksum and (image_id := self.state.image_with_checksum(item.checksum, item.url)):
            return Refusal(item.url, "duplicate", image_id, item.page_url, item.version)
        if self._is_spent("images", self.sent):
            raise BudgetSpent("images")
        self.sent += 1
        return pool.submit(
            fetch, self.name, item, self.session, self.describers, settled, self.settings.screen
        )

    def _is_spent(self, budget: str, used: int) -> bool:
        bound = getattr(self.session.budget, budget)
        return bound is not None and used >= bound

    def _commit(self, task: Refusal | Future[Outcome], ref: ImageRef | None) -> None:
        self.uncommitted += 1
        if self.uncommitted >= COMMIT_EVERY:
            self.state.commit()
            self.uncommitted = 0
        if isinstance(task, Refusal):
            self._count(self._reject(task, None, cost=0))
            return
        outcome = task.result()
        if isinstance(outcome, Unchanged):
            self.state.saw_again(outcome.url, None)
            self.summary.unchanged += 1
            self._count("stored")
        elif isinstance(outcome, Refusal):
            self._count(self._reject(outcome, ref, cost=1))
        else:
            self._count(self._keep(outcome, ref))
            self.write_parts(self.settings.part_size)
            self.bytes += outcome.size
            if self._is_spent("bytes", self.bytes):
                raise BudgetSpent("bytes")

    def _keep(self, image: FetchedImage, ref: ImageRef | None) -> str:
        row = image.row
        if self.settings.takedowns.covers(image_id=row["image_id"]):
            return self._reject(Refusal(row["url"], "taken_down", "", row["page_url"], image.version), ref, 1)
        if self.state.owner_of(row["image_id"]) is None:
            self.state.keep(row, image.last_modified, image.version)
            self.summary.new += 1
            return "new"
        duplicate = Refusal(row["url"], "duplicate", row["image_id"], row["page_url"], image.version)
        return self._reject(duplicate, ref, cost=1)

    def _reject(self, refusal: Refusal, ref: ImageRef | None, cost: int) -> str:
        if self.state.is_stored(refusal.url):
            self.state.saw_again(refusal.url, refusal.version, cost)
            return "stored"
        self.state.reject(refusal, ref, cost)
        return refusal.reason

    def _count(self, outcome: str) -> None:
        self.progress.update()
        if outcome == "stored":
            self.summary.known += 1
        elif outcome != "new":
            self.summary.refused[outcome] += 1


def _write_part(path: Path, pending: PendingPart) -> None:
    parts.write_rows(path, pending.rows(), parts.RAW)


def _taken_down(ref: ImageRef) -> Refusal:
    return Refusal(ref.url, "taken_down", "", ref.page_url, ref.version)

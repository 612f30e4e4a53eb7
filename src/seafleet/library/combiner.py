"""One queue of changes for each library: whoever waits together is written together.

The first caller starts to work at once. Who comes while that goes on waits, and is taken up in the next
batch: all edits of a batch are applied to one tree, each touched folder is encoded once, edits of one author
that combine share a commit, and everything is written in one transaction. So a batch costs about as much as a
single edit.

Within a process nobody competes for a head. Another process may move it: then the batch is tried again on the
new head, a few times without holding anything up, then inside the transaction itself, where nobody can be
faster.

An edit that fails takes back its own changes only. If a batch as a whole is refused, each of its edits is
tried alone, so that the one that is to blame fails and the others do not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Condition, Event
from typing import Any, Final, Generic, TypeVar, cast

from seafleet.clock import Clock
from seafleet.db.engine import Database, Transaction
from seafleet.db.transaction import Captured, run_actions
from seafleet.errors import HeadMoved, LibraryNotFound, SeafleetError, StorageFailure
from seafleet.ids import LibraryId
from seafleet.library.heads import HeadTaken, move_head
from seafleet.library.model import Author, Edit, EditOutcome, Effects, HeadChanged
from seafleet.library.rows import read_head
from seafleet.library.workspace import Tools, Workspace

O = TypeVar("O")  # noqa: E741 - an outcome
R = TypeVar("R")

BATCH_LIMIT: Final = 256
ATTEMPTS: Final = 10
COMPANY_SECONDS: Final = 0.0005
"""How long the first of many waits for the others: that halves what eight busy threads cost."""
_OPTIMISTIC_ATTEMPTS: Final = 4
_SIZES_KEPT: Final = 1000

Listener = Callable[[HeadChanged], None]


class Job(ABC, Generic[O]):
    """Something that waits for its turn, and where its outcome goes."""

    def __init__(self) -> None:
        self.future: Future[O] = Future()
        self.outcome: O | None = None
        self.error: BaseException | None = None

    @property
    @abstractmethod
    def group(self) -> object:
        """What jobs of one batch that share a commit have in common."""

    def settle(self) -> None:
        """Hand out the outcome."""
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(cast(O, self.outcome))


class EditJob(Job[EditOutcome[R]]):
    """An edit that waits to be applied."""

    def __init__(self, author: Author, edit: Edit[R]) -> None:
        super().__init__()
        self.author = author
        self.edit = edit

    @property
    def group(self) -> object:
        """Author and kind, for edits that combine."""
        word = self.edit.combines_as
        return self if word is None else (self.author, word)


class Task(Job[O]):
    """Anything else that changes a library: a batch of its own, which makes its commits itself."""

    def __init__(self, run: Callable[[Workspace], O]) -> None:
        super().__init__()
        self.run = run

    @property
    def group(self) -> object:
        """Nothing in common with anybody."""
        return self


class Combiner:
    """Runs the queues. `submit` never blocks; the others work in the calling thread if nobody else is at it.

    A batch is prepared on one thread and goes on where it was written, so that between a request and the disk
    lies one change of threads in each direction.
    """

    def __init__(
        self,
        database: Database,
        tools: Tools,
        clock: Clock,
        quota_of: Callable[[int], int | None],
        *,
        threads: int = 8,
    ) -> None:
        self._database = database
        self._tools = tools
        self._clock = clock
        self._quota_of = quota_of
        self._listeners: list[Listener] = []
        self._waiting: dict[LibraryId, list[Job[Any]]] = {}  # a key for each library that is being worked on
        self._last_sizes: dict[LibraryId, int] = {}
        self._lock = Condition()
        self._closed = False
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="edits")

    def listen(self, listener: Listener) -> None:
        """Have `listener` told of every head that this process moves: short work only, on any thread."""
        self._listeners.append(listener)

    def submit(self, library_id: LibraryId, job: Job[O]) -> Future[O]:
        """Queue a job. Its future is done when its change is on disk. Raises StorageFailure when closed.

        What is called back then runs on the thread that writes: it is short, and writes nothing itself.
        """
        if self._enqueue(library_id, job):
            self._executor.submit(self._lead, library_id, [job])
        return job.future

    def begin(self, library_id: LibraryId, job: Job[O]) -> Future[O]:
        """Do the same, but the calling thread does what comes before the disk, if the job is the first."""
        if self._enqueue(library_id, job):
            self._lead(library_id, [job])
        return job.future

    def run(self, library_id: LibraryId, job: Job[O]) -> O:
        """Do the same, and wait for the outcome."""
        return self.begin(library_id, job).result()

    def close(self) -> None:
        """Finish what is queued; refuse what comes afterwards."""
        with self._lock:
            self._closed = True
            self._lock.wait_for(lambda: not self._waiting)
        self._executor.shutdown()

    def _enqueue(self, library_id: LibraryId, job: Job[Any]) -> bool:
        """Queue a job behind others; True when there are none and the caller has to see to it."""
        with self._lock:
            if self._closed:
                raise StorageFailure("the server is shutting down")
            waiting = self._waiting.get(library_id)
            if waiting is None:
                self._waiting[library_id] = []
                return True
            waiting.append(job)
            return False

    def _lead(self, library_id: LibraryId, batch: Sequence[Job[Any]]) -> None:
        """Prepare one batch and hand it to the writer, whose thread goes on with `_written`."""
        batch = self._with_company(library_id, batch)
        batch = [job for job in batch if job.future.set_running_or_notify_cancel()]
        with Captured() as captured:
            if batch and self._begin_writing(library_id, batch):
                return
        self._go_on(library_id, batch, captured.error)

    def _begin_writing(self, library_id: LibraryId, batch: Sequence[Job[Any]]) -> bool:
        """Do all jobs on the head as it is now; False, and they are settled, if there is nothing to write."""
        work = self._prepare(library_id, batch)
        if not work.has_moved:
            self._finish(work, batch)
            return False
        quota = self._quota(work)
        written = self._database.submit(lambda tx: self._move(tx, work, quota))
        written.add_done_callback(partial(self._written, library_id, batch, work))
        return True

    def _written(
        self, library_id: LibraryId, batch: Sequence[Job[Any]], work: Workspace, written: Future[None]
    ) -> None:
        """Go on after the attempt to write a batch, on the thread that made it."""
        error = written.exception()
        if error is None:
            self._finish(work, batch)
            self._go_on(library_id)
        else:
            self._executor.submit(self._go_on, library_id, batch, error)

    def _go_on(
        self, library_id: LibraryId, batch: Sequence[Job[Any]] = (), error: BaseException | None = None
    ) -> None:
        """See to a batch that failed, if it did, and pass the next one on: libraries take turns."""
        if error is not None:
            self._process(library_id, batch, error)
        following = self._next(library_id)
        if following:
            self._executor.submit(self._lead, library_id, following)

    def _next(self, library_id: LibraryId) -> list[Job[Any]]:
        """Return what is to be processed next; a library that nobody waits for is let go."""
        with self._lock:
            waiting = self._waiting[library_id]
            if not waiting:
                del self._waiting[library_id]
                self._lock.notify_all()  # whoever closes waits for this
                return []
            return _take(waiting, _batch_size(waiting))

    def _with_company(self, library_id: LibraryId, batch: Sequence[Job[Any]]) -> Sequence[Job[Any]]:
        """Return the batch with those who come within a moment, if the last one was much larger.

        Whoever was written together comes again together, but not at the very same time: without a moment's
        patience the first of them would be written alone, at the cost of all.
        """
        expected = self._last_sizes.get(library_id, 1)
        if len(batch) * 2 <= expected and not isinstance(batch[0], Task):
            Event().wait(COMPANY_SECONDS)
            with self._lock:
                waiting = self._waiting[library_id]
                room = 0 if waiting and isinstance(waiting[0], Task) else BATCH_LIMIT - len(batch)
                batch = [*batch, *_take(waiting, min(_batch_size(waiting), room))]
        self._remember(library_id, len(batch))
        return batch

    def _remember(self, library_id: LibraryId, size: int) -> None:
        with self._lock:
            self._last_sizes.pop(library_id, None)
            if size > 1:
                self._last_sizes[library_id] = size
                if len(self._last_sizes) > _SIZES_KEPT:
                    del self._last_sizes[next(iter(self._last_sizes))]

    def _process(
        self, library_id: LibraryId, batch: Sequence[Job[Any]], error: BaseException | None = None
    ) -> None:
        """Settle every job of a batch, which failed with `error` if it was tried; never raises."""
        with Captured() as captured:
            if error is None or isinstance(error, HeadTaken):
                self._try(library_id, batch)
            else:
                self._find_the_guilty(library_id, batch, error)
        for job in batch:
            if not job.future.done():
                job.error = job.error or captured.error
                job.settle()

    def _try(self, library_id: LibraryId, batch: Sequence[Job[Any]]) -> None:
        for attempt in range(ATTEMPTS):
            try:
                work = self._attempt(library_id, batch, inside=attempt >= _OPTIMISTIC_ATTEMPTS)
            except HeadTaken:
                continue
            except SeafleetError as error:
                self._find_the_guilty(library_id, batch, error)
                return
            self._finish(work, batch)
            return
        raise HeadMoved(library_id)

    def _find_the_guilty(
        self, library_id: LibraryId, batch: Sequence[Job[Any]], error: BaseException
    ) -> None:
        """Try each job of a refused batch alone; raise `error` again where that would change nothing."""
        if (
            len(batch) == 1
            or not isinstance(error, SeafleetError)
            or isinstance(error, (StorageFailure, LibraryNotFound))
        ):
            raise error
        for job in batch:
            self._process(library_id, [job])

    def _attempt(self, library_id: LibraryId, batch: Sequence[Job[Any]], *, inside: bool) -> Workspace:
        """Do all jobs on the head as it is now, and write what they did."""
        if inside:
            return self._database.write(lambda tx: self._write(tx, self._prepare(library_id, batch)))
        work = self._prepare(library_id, batch)
        if work.has_moved:
            quota = self._quota(work)
            self._database.write(lambda tx: self._move(tx, work, quota))
        return work

    def _prepare(self, library_id: LibraryId, batch: Sequence[Job[Any]]) -> Workspace:
        with self._database.read() as connection:
            head = read_head(connection, library_id)
        if head is None:
            raise LibraryNotFound(library_id)
        work = Workspace(self._tools, head, self._clock.now())
        for job in batch:
            job.outcome = job.error = None
        for group in _grouped(batch):
            _do(work, group)
        return work

    def _write(self, tx: Transaction, work: Workspace) -> Workspace:
        if work.has_moved:
            self._move(tx, work, self._quota(work))
        return work

    def _move(self, tx: Transaction, work: Workspace, quota_bytes: int | None) -> None:
        work.needs_propagation = move_head(
            tx, self._tools.objects, work.head_move(quota_bytes), self._clock.timestamp()
        )

    def _quota(self, work: Workspace) -> int | None:
        if not work.grows or work.quota_exempt:
            return None
        return self._quota_of(work.head.owner_id)

    def _finish(self, work: Workspace, batch: Iterable[Job[Any]]) -> None:
        if work.has_moved:
            work.keep_folders()
        for job in batch:
            job.settle()
        if work.has_moved:
            change = HeadChanged(work.head.library_id, work.head.commit_id, work.needs_propagation)
            run_actions([partial(listener, change) for listener in self._listeners])


def _take(waiting: list[Job[Any]], count: int) -> list[Job[Any]]:
    taken = waiting[:count]
    del waiting[:count]
    return taken


def _batch_size(waiting: Sequence[Job[Any]]) -> int:
    """Return how many jobs from the first on make a batch: a task alone, or edits up to the next task."""
    for count, job in enumerate(waiting[:BATCH_LIMIT]):
        if isinstance(job, Task):
            return max(count, 1)
    return min(len(waiting), BATCH_LIMIT)


def _grouped(batch: Iterable[Job[Any]]) -> Iterable[list[Job[Any]]]:
    groups: dict[object, list[Job[Any]]] = {}
    for job in batch:
        groups.setdefault(job.group, []).append(job)
    return groups.values()


def _do(work: Workspace, group: Sequence[Job[Any]]) -> None:
    first = group[0]
    if isinstance(first, Task):
        first.outcome = first.run(work)
    else:
        jobs = [job for job in group if isinstance(job, EditJob)]
        for job in jobs:
            _prepare_edit(work, job)
        _do_edits(work, jobs)


def _prepare_edit(work: Workspace, job: EditJob[Any]) -> None:
    before = job.edit.preparation()
    if before is None:
        return
    try:
        result, effects = work.apply(job.author, before)
    except SeafleetError as error:
        job.error = error
        return
    work.commit_edits(job.author, before.describe([result]), [effects])


def _do_edits(work: Workspace, jobs: Iterable[EditJob[Any]]) -> None:
    """Apply edits that share a commit."""
    applied: list[tuple[EditJob[Any], Any, Effects]] = []
    for job in jobs:
        if job.error is None:
            try:
                applied.append((job, *work.apply(job.author, job.edit)))
            except SeafleetError as error:
                job.error = error
    if not applied:
        return
    leader = applied[0][0]
    text = leader.edit.describe([result for _, result, _ in applied])
    changed = work.commit_edits(leader.author, text, [effects for _, _, effects in applied])
    for job, result, _ in applied:
        job.outcome = EditOutcome(work.head.commit_id, work.head.root_id, result, changed)

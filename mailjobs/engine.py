"""The delivery engine: claims mails in batches and deals them to the lines of their connections; the bridge from sync to async.

One engine is one asyncio loop and two database threads, one of which only writes down what happens on the wire. What a mail goes
through there is in `carrying`.
"""

import asyncio
import resource
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError
from django.utils import timezone

from mailjobs import errands, finishing, holds, incidents, keeping, lost, preparation, queue, sharing, workers
from mailjobs.carrying import Line
from mailjobs.collecting import Collector, Database
from mailjobs.core.lifecycle import Outcome, State
from mailjobs.core.reply import ReplyClass
from mailjobs.errands import ERRANDS, Errand
from mailjobs.judging import Barred, Held
from mailjobs.models import MailJob
from mailjobs.preparation import Prepared, Ready, Waiting
from mailjobs.results import Finished, internal_error
from mailjobs.routing import Broken, Settings
from mailjobs.wording import say_refusal
from mailsettings.installation import copied_from

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 8.0  # at the usual lease of 30 s; a shorter lease beats in proportion
DIRECT_SECONDS = 20.0  # how long a direct mail may take before the body (S2)
BACKLOG = 512  # jobs leased ahead
DATABASE_AWAY_SECONDS = 1.0
FINISH_TRIES = 60  # a second apart
_BUSY = 0.05  # seconds between looks while mails are under way


@dataclass(slots=True)
class Summary:
    """What a run did; counts of mails by the state they came to."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def document(self) -> dict[str, float]:
        """The shape of `deliver --json`."""
        states = ("sent", "partly_sent", "failed", "deferred", "held", "unknown")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {
            **{state: self.counts[state] for state in states},
            "seconds": round(self.seconds, 3),
            "peak_rss_mb": round(peak, 1),
        }


class Engine:
    """See the module's docstring. `only`: exactly these direct jobs, each once."""

    def __init__(
        self, *, concurrency: int | None, stop: threading.Event, name: str = "", only: tuple[int, ...] | None = None
    ) -> None:
        self.name = workers.new_name(name)
        self.concurrency, self.stop, self.only = concurrency, stop, only
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bell: asyncio.Event | None = None

    def run(self, *, until_empty: bool) -> Summary:
        """Deliver; blocks."""
        started = time.monotonic()
        self.summary = Summary()
        asyncio.run(self._main(until_empty=until_empty))
        self.summary.seconds = time.monotonic() - started
        return self.summary

    def wake(self) -> None:
        """Look for due mail now; from any thread."""
        loop, bell = self._loop, self._bell
        if loop is not None and bell is not None and not loop.is_closed():
            loop.call_soon_threadsafe(bell.set)

    # What the lines ask for.

    @property
    def ending(self) -> bool:
        """No more mail is taken: sessions end when their mails are done."""
        return self._ending or self.stop.is_set()

    async def end(self, job: MailJob, outcome: Outcome) -> None:
        """Record what came of a job that was not tried."""
        now = timezone.now()
        await self.write_down(Finished(job, job.epoch, outcome, now, now, worker=self.name))

    async def write_down(self, finished: Finished) -> None:
        """What has happened must be recorded: where the database is away for a while, again and again. Then the job is let go."""
        job, state = finished.job, finished.outcome.state
        try:
            for _attempt in range(FINISH_TRIES):
                try:
                    await self.write(finished)
                except DatabaseError:
                    log.exception("a result could not be recorded yet", job=job.pk)
                    await asyncio.sleep(1)
                else:
                    break
        finally:
            if self.only is not None and state is State.NEW:
                self._again.append(job.pk)
            self.let_go(job)
        self.summary.counts[state.value] += 1

    async def give_back(self, items: Sequence[Ready]) -> None:
        """Mails that were not tried go back to the queue."""
        if items:
            await self.database(queue.give_back, [ready.job.pk for ready in items], self.name)
        for ready in items:
            self.let_go(ready.job)

    def owe(self, job: MailJob, use: int | None = None) -> None:
        """Nothing of this mail was sent; it goes back, and its use of the connection ends, as soon as the database is there."""
        self._owed.append(queue.Owed(job.pk, job.epoch, use))
        self.let_go(job)

    async def dispatch(self, items: Sequence[Prepared]) -> None:
        """Deal prepared mails to the lines of their connections; what cannot go is settled here."""
        held = [item for item in items if isinstance(item, Held)]
        waiting = [item.job for item in items if isinstance(item, Waiting)]
        if held:
            self.summary.counts["held"] += await self.database(holds.hold, [(item.job, item.hold) for item in held])
        if waiting:
            await self.database(queue.wait_for_login, [job.pk for job in waiting], self.name)
        for item in items:
            match item:
                case Ready():
                    self._line(item).push(item)
                case Barred():
                    refused = say_refusal(item.refusal, item.details)
                    await self.end(item.job, Outcome(State.FAILED, {}, refused, reason=ReplyClass.CONFIGURATION))
                case Broken():
                    await self.end(item.job, internal_error(item.job, item.error))
                case _:
                    self.let_go(item.job)

    def let_go(self, job: MailJob) -> None:
        """The job is no longer leased here."""
        connection = self._held.pop(job.pk, None)
        if connection is None:
            return
        self._per_connection[connection] -= 1
        roomy = self._per_connection[connection] == queue.HELD_FOR_ONE_CONNECTION // 2 or len(self._held) == BACKLOG // 2
        if self._bell is not None and (roomy or not self._per_connection[connection]):
            self._bell.set()

    def forget(self, line: Line) -> None:
        """The line takes no further mail; while it has sessions, the engine's end waits for them."""
        if self._lines.get(line.fingerprint) is line:
            del self._lines[line.fingerprint]
            self._leaving.add(line)

    def gone(self, line: Line) -> None:
        """The line's last session has ended."""
        self._leaving.discard(line)

    # Running

    async def _main(self, *, until_empty: bool) -> None:
        self._loop, self._bell = asyncio.get_running_loop(), asyncio.Event()
        self.database, self._writer = Database(), Database()  # what is on the wire never waits for the next claim
        self.under_way = 0
        self.write = Collector(self._writer, finishing.write, enough=self._all_are_there)
        self.settings = Settings()
        self.load = Collector(self.database, self._load)
        self.use = Collector(self._writer, sharing.use)
        self._lines: dict[str, Line] = {}
        self._leaving: set[Line] = set()
        self._held: dict[int, int] = {}  # leased here: job → connection
        self._per_connection: Counter[int] = Counter()
        self._again: list[int] = []  # direct jobs that a change of policies sent back: to be judged anew in the same call
        self._ending = False
        self._turn = 0
        self._owed: list[queue.Owed] = []
        self.sessions, self.closed_sessions = set[int](), set[int]()
        self._errands: dict[str, asyncio.Task[None]] = {}
        self.direct_deadline = self._loop.time() + DIRECT_SECONDS if self.only is not None else None
        keeper = asyncio.create_task(self._keep_alive())
        try:
            await self._loop_until_done(until_empty=until_empty)
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            await self._close_lines()
            await asyncio.gather(*self._errands.values(), return_exceptions=True)
            await self._sign_off()
            for database in (self.database, self._writer):
                await asyncio.to_thread(database.close)
            self._loop = self._bell = None

    async def _sign_off(self) -> None:
        try:
            if self._held:
                await self.database(queue.give_back, list(self._held), self.name)
            await self.database(queue.sign_off, self.name)
        except DatabaseError:
            log.exception("an engine could not sign off; its leases run out", engine=self.name)

    async def _loop_until_done(self, *, until_empty: bool) -> None:
        self._last_sweep = 0.0
        self._remaining = self.only
        while not self.stop.is_set():
            try:
                if await self._look(until_empty=until_empty):
                    return
            except (OperationalError, InterfaceError):
                if self.only is not None:
                    raise
                log.exception("the database is away; the engine looks again", engine=self.name)
                await asyncio.sleep(DATABASE_AWAY_SECONDS)

    async def _look(self, *, until_empty: bool) -> bool:
        """Claim what is due, sweep where it is time, wait where there is nothing; True where all is done."""
        await self._make_up()
        claimed = await self._refill(self._remaining)
        if self.only is None and time.monotonic() - self._last_sweep >= settings.SWEEP_SECONDS:
            await self.database(_sweep)
            self._last_sweep = time.monotonic()
            claimed = claimed or await self._refill(None)
            await self._errands_are_left(until_empty=False, swept=True)  # also where mail never ends
        if self.only is not None:
            self._remaining = self._sent_back()
        if claimed or self._remaining or self._again:
            if claimed and not self._sated:
                await self._rest(_BUSY)  # nothing else is due: what was claimed goes first
            return False
        if await self._errands_are_left(until_empty=until_empty):
            await asyncio.sleep(_BUSY)
            return False
        if until_empty and not self._held and (self.only is not None or not await self.database(queue.anything_left)):
            return True
        await self._wait(until_empty=until_empty)
        return False

    async def _make_up(self) -> None:
        """What could not be given back while the database was away."""
        if owed := list(self._owed):
            await self.database(queue.take_back, owed, self.name)
            del self._owed[: len(owed)]
        if closed := list(self.closed_sessions):
            await self.database(sharing.close_sessions, closed)
            self.closed_sessions.difference_update(closed)

    async def _errands_are_left(self, *, until_empty: bool, swept: bool = False) -> bool:
        """See that what is to be done in mailboxes is done beside the mails; whether the engine must wait for it to be done."""
        wanted = () if self.only is not None else ERRANDS
        return any([await self._is_left(each, until_empty) for each in wanted if each.hurried or swept or until_empty])

    async def _is_left(self, errand: Errand, until_empty: bool) -> bool:
        task = self._errands.get(errand.name)
        if task is None or task.done():
            if not await self.database(errand.due):
                return until_empty and await self.database(errand.left)
            self._errands[errand.name] = asyncio.create_task(self._do(errand))
        return until_empty

    async def _do(self, errand: Errand) -> None:
        try:
            await errand.work(self.database, lambda: self.ending)
        except Exception:
            log.exception("something was not done in a mailbox; the engine looks again", errand=errand.name, engine=self.name)

    def _sent_back(self) -> tuple[int, ...]:
        """The direct jobs to try once more, while there is time (S2)."""
        back, self._again = tuple(self._again), []
        late = self.direct_deadline is not None and asyncio.get_running_loop().time() > self.direct_deadline
        return () if late else back

    async def _wait(self, *, until_empty: bool) -> None:
        """Until the bell rings, the next mail comes due or it is time to sweep."""
        seconds = 0.2 if until_empty and self._held else settings.SWEEP_SECONDS
        if self.only is not None:
            seconds = _BUSY
        elif len(self._held) < BACKLOG // 2 and (moment := await self.database(queue.next_due)) is not None:
            seconds = min(seconds, max(_BUSY, _seconds_until(moment)))
        await self._rest(seconds)

    async def _rest(self, seconds: float) -> None:
        """So long, or until the bell rings."""
        if self._bell is None:
            raise RuntimeError("the engine does not run")
        try:
            await asyncio.wait_for(self._bell.wait(), seconds)
        except TimeoutError:
            return
        finally:
            self._bell.clear()

    async def _refill(self, only: tuple[int, ...] | None) -> int:
        """Claim what there is room for and deal it out; returns how many jobs were claimed."""
        room = BACKLOG - len(self._held)
        if only == () or (only is None and room < BACKLOG // 2):  # a claim for a few mails costs as much as one for many
            return 0
        self._turn += 1
        self._sated = False
        if only is None:
            prepared = await self.database(self._take, room)
        else:
            prepared = await self.database(preparation.take_these, self.settings, self.name, only)
        for item in prepared:
            connection = item.connection if isinstance(item, Ready) else 0
            self._held[item.job.pk] = connection
            self._per_connection[connection] += 1
        self._sated = only is None and len(prepared) == room
        await self.dispatch(prepared)
        return len(prepared)

    def _take(self, room: int) -> list[Prepared]:
        return preparation.take(self.settings, self.name, room, turn=self._turn, held=dict(self._per_connection))

    def _load(self, items: list[Ready]) -> Sequence[Prepared]:
        return preparation.load(items, self.settings)

    def _all_are_there(self, items: Iterable[queue.Mark | Finished]) -> bool:
        """Whether every session waits for its mark; with each comes the result of the mail before."""
        return sum(isinstance(item, queue.Mark) for item in items) >= self.under_way

    def _line(self, ready: Ready) -> Line:
        line = self._lines.get(ready.route.fingerprint)
        if line is None:
            line = self._lines[ready.route.fingerprint] = Line(self, ready)
        return line

    async def _keep_alive(self) -> None:
        beat = min(HEARTBEAT_SECONDS, settings.LEASE_SECONDS / 4)
        while True:
            try:
                surplus = await self.database(queue.heartbeat, self.name, list(self._held), list(self.sessions))
                for line in self._lines.values():
                    line.leave_to_others(surplus.get(line.connection, 0))
            except Exception:
                log.exception("a heartbeat failed", engine=self.name)
            await asyncio.sleep(beat)

    async def _close_lines(self) -> None:
        """Let every session finish its mail; what was only claimed goes back."""
        self._ending = True
        await asyncio.gather(*(line.close() for line in (*self._lines.values(), *self._leaving)), return_exceptions=True)


def _sweep() -> None:
    if copied_from() is None:
        lost.bury()
        lost.reap()
        errands.reap()
        sharing.sweep()
        preparation.look_again()
        keeping.give_up()
        incidents.close_healed()


def _seconds_until(moment: datetime) -> float:
    return (moment - timezone.now()).total_seconds()

"""The delivery engine: claimed mails → transports, many at once; the one bridge between sync and async.

One engine is one asyncio loop and one database thread. Jobs are claimed in batches and spread over sessions, several for each
login; what the sessions have to write (marks, results) is collected and committed together.
"""

import asyncio
import os
import random
import resource
import socket
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from mailjobs import holds, queue
from mailjobs.collecting import Collector, Database
from mailjobs.core.envelope import HandOver, Phase, TransportError, Trouble
from mailjobs.core.lifecycle import Outcome, RecipientState, State, settle
from mailjobs.core.reply import ReplyClass
from mailjobs.core.retry import given_up, next_try
from mailjobs.models import MailJob
from mailjobs.preparation import Barred, Broken, Held, Loaded, Prepared, Ready, Waiting, load, prepare
from mailjobs.transports.registry import Session, open_session
from mailjobs.wording import say_refusal
from mailsettings.installation import copied_from

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 8.0  # at the usual lease of 30 s; a shorter lease beats in proportion
IDLE_SECONDS = 2.0  # how long a session waits for another mail before it is closed
DIRECT_SECONDS = 20.0  # how long a direct mail may take before the body (S2)
BACKLOG = 64  # jobs claimed ahead
FINISH_TRIES = 60  # a second apart


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


@dataclass(slots=True)
class _Login:
    """The sessions of one login with one set of settings, and the mails that wait for them."""

    limit: int
    waiting: deque[Ready] = field(default_factory=deque)
    sessions: set[asyncio.Task[None]] = field(default_factory=set)
    proven: bool = False  # a session has logged in with these settings
    refused: bool = False
    gate: asyncio.Lock = field(default_factory=asyncio.Lock)  # until then only one connection tries (J8)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


class Engine:
    """See the module's docstring. `only`: exactly these direct jobs, each once."""

    def __init__(self, *, concurrency: int, stop: threading.Event, name: str = "", only: tuple[int, ...] | None = None) -> None:
        unique = uuid.uuid4().hex[:6]
        self.name = f"{name or socket.gethostname()}:{os.getpid()}:{unique}"[:64]
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

    async def _main(self, *, until_empty: bool) -> None:
        self._loop, self._bell = asyncio.get_running_loop(), asyncio.Event()
        self._database = Database()
        self._mark = Collector(self._database, queue.mark_on_wire)
        self._finish = Collector(self._database, _finish_all)
        self._load = Collector(self._database, load)
        self._logins: dict[str, _Login] = {}
        self._sessions: set[asyncio.Task[None]] = set()
        self._held: dict[int, int] = {}  # leased here: job → epoch
        self._again: list[int] = []  # direct jobs that a change of policies sent back: to be judged anew in the same call
        self._ending = False  # no more mail is claimed: sessions end when their mails are done
        self._direct_deadline = self._loop.time() + DIRECT_SECONDS if self.only is not None else None
        keeper = asyncio.create_task(self._keep_alive())
        try:
            await self._loop_until_done(until_empty=until_empty)
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            await self._close_sessions()
            await self._database(queue.sign_off, self.name)
            await asyncio.to_thread(self._database.close)
            self._loop = self._bell = None

    async def _loop_until_done(self, *, until_empty: bool) -> None:
        last_sweep = 0.0
        remaining = self.only
        while not self.stop.is_set():
            if remaining is None and time.monotonic() - last_sweep >= settings.SWEEP_SECONDS:
                await self._database(_sweep)
                last_sweep = time.monotonic()
            claimed = await self._refill(remaining)
            if remaining is not None:
                remaining = self._sent_back()
            if claimed or remaining or self._again:
                continue
            if until_empty and not self._held and (self.only is not None or not await self._database(queue.anything_left)):
                return
            await self._wait(settings.SWEEP_SECONDS if not self._held and not until_empty else 0.2)

    def _sent_back(self) -> tuple[int, ...]:
        """The direct jobs to try once more, while there is time (S2)."""
        back, self._again = tuple(self._again), []
        late = self._direct_deadline is not None and asyncio.get_running_loop().time() > self._direct_deadline
        return () if late else back

    async def _wait(self, seconds: float) -> None:
        if self._bell is None:
            raise RuntimeError("the engine does not run")
        try:
            await asyncio.wait_for(self._bell.wait(), seconds)
        except TimeoutError:
            return
        finally:
            self._bell.clear()

    async def _refill(self, only: tuple[int, ...] | None) -> int:
        """Claim what there is room for and hand it to the logins; returns how many jobs were claimed."""
        backlog = max(BACKLOG, 4 * self.concurrency)
        room = backlog - len(self._held)
        if only == () or (only is None and room < backlog // 2):  # a claim for a few mails costs as much as one for many
            return 0
        jobs = await self._database(queue.claim, self.name, uuid.uuid4().hex[:8], room if only is None else len(only), only)
        for job in jobs:
            self._held[job.pk] = job.epoch
        prepared = await self._database(prepare, jobs) if jobs else []
        await self._hold([item for item in prepared if isinstance(item, Held)])
        for item in prepared:
            await self._dispatch(item)
        return len(jobs)

    async def _hold(self, items: Sequence[Held]) -> None:
        if items:
            self.summary.counts["held"] += await self._database(holds.hold, [(item.job, item.hold) for item in items])

    async def _dispatch(self, item: Prepared) -> None:
        match item:
            case Ready():
                self._enqueue(item)
            case Barred():
                refused = say_refusal(item.refusal, item.details)
                await self._end(item.job, Outcome(State.FAILED, {}, refused, reason=ReplyClass.CONFIGURATION))
            case Broken():
                await self._end(item.job, _internal_error(item.job, item.error))
            case Waiting():
                await self._database(queue.give_back, [item.job.pk], self.name, item.login)
                self._drop(item.job)
            case Held():  # `_hold` has written it down
                self._drop(item.job)

    def _enqueue(self, ready: Ready) -> None:
        login = self._logins.get(ready.fingerprint)
        if login is None:
            login = self._logins[ready.fingerprint] = _Login(ready.sessions or self.concurrency)
        login.waiting.append(ready)
        login.arrived.set()
        if len(login.sessions) < min(login.limit, len(login.waiting)):
            task = asyncio.create_task(self._session(ready.fingerprint, login))
            for tasks in (login.sessions, self._sessions):
                tasks.add(task)
                task.add_done_callback(tasks.discard)

    async def _session(self, fingerprint: str, login: _Login) -> None:
        """One connection: takes one mail after the other until none is left for a while."""
        session: Session | None = None
        try:
            while (ready := await self._next(login)) is not None:
                if session is not None and not session.usable:
                    await session.close()
                    session = None
                session = await self._carry(login, ready, session)
        finally:
            if session is not None:
                await session.close()
            if not login.waiting and len(login.sessions) <= 1 and self._logins.get(fingerprint) is login:
                del self._logins[fingerprint]

    async def _next(self, login: _Login) -> Ready | None:
        while not login.waiting:
            if self._ending or login.refused or self.stop.is_set():
                return None
            login.arrived.clear()
            try:
                await asyncio.wait_for(login.arrived.wait(), IDLE_SECONDS)
            except TimeoutError:
                return None
        if self.stop.is_set():
            return None
        return login.waiting.popleft()

    async def _carry(self, login: _Login, ready: Ready, session: Session | None) -> Session | None:
        """Hand one mail over on the session, opening one where there is none; whatever happens, the job is settled."""
        started = timezone.now()
        try:
            if session is None:
                session = await self._open(login, ready)
                if session is None:
                    return None
            else:
                session.begin_transcript()
            loaded = await self._load(ready)
            if not isinstance(loaded.item, Ready) or loaded.item.fingerprint != ready.fingerprint:
                await self._turn_aside(loaded.item)
                return session
            ready = loaded.item
            handover = await self._hand_over(ready, loaded, session)
        except TransportError as error:
            await self._settled(login, ready, self._settle(ready, HandOver(error=error)), started, tuple(error.transcript))
        except DatabaseError:
            log.exception("the database failed during a hand-over; the job's lease runs out", job=ready.job.pk)
            self._drop(ready.job)
        except Exception as error:
            await self._settled(login, ready, _internal_error(ready.job, error), started, ())
        else:
            await self._settled(login, ready, self._settle(ready, handover), started, tuple(session.transcript))
            if not login.refused:
                return session
        if session is not None:
            await session.close()
        return None

    async def _turn_aside(self, item: Prepared) -> None:
        """A mail that goes otherwise than it was prepared; at the end it is given back like all that did not go."""
        if self.stop.is_set():
            return
        if isinstance(item, Held):
            await self._hold([item])
        await self._dispatch(item)

    async def _open(self, login: _Login, ready: Ready) -> Session | None:
        """A logged-in session; until one has succeeded only one connection tries. None: the mail went back meanwhile."""
        if login.proven:
            return await self._connect(ready)
        async with login.gate:
            if login.refused:
                await self._send_back([ready], ready.login)
                return None
            session = await self._connect(ready)
            if not login.proven:
                login.proven = True
                await self._database(queue.resume_login, ready.login)
            return session

    async def _connect(self, ready: Ready) -> Session:
        try:
            async with asyncio.timeout_at(self._direct_deadline):
                return await open_session(ready.endpoint)
        except TimeoutError as late:
            raise TransportError(phase=Phase.CONNECT, trouble=Trouble.TIMEOUT) from late

    async def _hand_over(self, ready: Ready, loaded: Loaded, session: Session) -> HandOver:
        """Raises TransportError where a direct mail has not come to its body in time (S2); after that there is no hurry."""
        headers, body = loaded.headers, loaded.body
        mark = queue.Mark(ready.job.pk, ready.job.epoch, ready.tenant_ids, ready.policy_stamp, ready.login)
        size = len(headers) + 2 + len(body)
        try:
            async with asyncio.timeout_at(self._direct_deadline) as limit:

                async def before_body() -> bool:
                    limit.reschedule(None)
                    return await self._mark(mark)

                return await session.submit(ready.envelope, (headers, b"\r\n", body), size=size, before_body=before_body)
        except TimeoutError as late:
            raise TransportError(phase=Phase.MAIL, trouble=Trouble.TIMEOUT) from late

    def _settle(self, ready: Ready, handover: HandOver) -> Outcome:
        job = ready.job
        return settle(
            handover,
            ready.envelope.recipients,
            sender=job.sender_address,
            direct=job.direct and self.only is not None,
            given_up=given_up(job.first_due_at, timezone.now(), ready.give_up_hours),
            attempts=job.attempts + 1,
            already_accepted=ready.accepted_before,
            already_refused=ready.refused_before,
        )

    async def _pause(self, login: _Login, ready: Ready, reply: str) -> None:
        """The login was refused, at AUTH or later: nothing else tries it, its other mails go back (J8)."""
        login.refused = True
        login.arrived.set()
        self._logins.pop(ready.fingerprint, None)  # who comes later starts anew
        await self._database(queue.pause_login, ready.login, ready.fingerprint, reply)
        waiting, login.waiting = list(login.waiting), deque()
        await self._send_back(waiting, ready.login)

    async def _send_back(self, waiting: Sequence[Ready], key: str) -> None:
        """The login was refused: its other mails go back and say what they wait for (J8)."""
        await self._database(queue.give_back, [ready.job.pk for ready in waiting], self.name, key)
        for ready in waiting:
            self._drop(ready.job)

    async def _end(self, job: MailJob, outcome: Outcome) -> None:
        """Record what came of a job that was not tried."""
        now = timezone.now()
        await self._finish(queue.Finished(job, job.epoch, outcome, now, now, worker=self.name))
        self.summary.counts[outcome.state] += 1
        self._drop(job)

    async def _settled(self, login: _Login, ready: Ready, outcome: Outcome, started: datetime, dialogue: tuple[str, ...]) -> None:
        if outcome.login_refused:
            await self._pause(login, ready, outcome.error)
        job = ready.job
        finished = queue.Finished(
            job=job,
            epoch=job.epoch,
            outcome=_for_the_job(ready, outcome),
            started_at=started,
            ended_at=timezone.now(),
            server=f"{ready.endpoint.host}:{ready.endpoint.port}",
            send_system=ready.endpoint.send_system,
            redirected_to=ready.redirected_to,
            dialogue=dialogue,
            worker=self.name,
            keep=ready.keep,
            due_in=_due_in(job, outcome),
            login=ready.login,
        )
        try:
            await self._write_down(finished)
        finally:
            if self.only is not None and finished.outcome.state is State.NEW:
                self._again.append(job.pk)
            self._drop(job)
        self.summary.counts[finished.outcome.state.value] += 1

    async def _write_down(self, finished: queue.Finished) -> None:
        """What has happened must be recorded: where the database is away for a while, again and again."""
        for _attempt in range(FINISH_TRIES):
            try:
                await self._finish(finished)
            except DatabaseError:
                log.exception("a result could not be recorded yet", job=finished.job.pk)
                await asyncio.sleep(1)
            else:
                return

    def _drop(self, job: MailJob) -> None:
        self._held.pop(job.pk, None)
        if self._bell is not None and len(self._held) < BACKLOG // 2:
            self._bell.set()

    async def _keep_alive(self) -> None:
        beat = min(HEARTBEAT_SECONDS, settings.LEASE_SECONDS / 4)
        while True:
            try:
                await self._database(queue.heartbeat, self.name, list(self._held))
            except Exception:
                log.exception("a heartbeat failed", engine=self.name)
            await asyncio.sleep(beat)

    async def _close_sessions(self) -> None:
        """Let every session finish its mail; what was only claimed goes back."""
        self._ending = True
        for login in self._logins.values():
            login.arrived.set()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        if self._held:
            await self._database(queue.give_back, list(self._held), self.name)


def _internal_error(job: MailJob, error: Exception) -> Outcome:
    """Not foreseen: logged with a reference, the job set aside (architecture, Errors)."""
    reference = uuid.uuid4().hex[:12]
    log.error("a mail could not be handed over", reference=reference, job=job.pk, exc_info=error)
    return Outcome(State.FAILED, {}, f"Internal error, reference {reference}")


def _finish_all(results: list[queue.Finished]) -> list[None]:
    queue.finish(results)
    return [None] * len(results)


def _sweep() -> None:
    if copied_from() is None:
        queue.reap()
        queue.wake_waiting()


def _due_in(job: MailJob, outcome: Outcome) -> timedelta | None:
    if outcome.retry is None:
        return None
    return next_try(job.attempts + 1, 0.5 + random.random(), settings.RETRY_TIME_FACTOR, kind=outcome.retry)  # noqa: S311 (jitter)


def _for_the_job(ready: Ready, outcome: Outcome) -> Outcome:
    """With redirect the redirect addresses stand for all the job's recipients: what one of them got, all of them got."""
    if ready.redirected_to is None or outcome.state is State.NEW:
        return outcome
    results = list(outcome.recipients.values())
    best = next((result for result in results if result[0] is RecipientState.ACCEPTED), results[0] if results else None)
    if best is None:
        return outcome
    state = outcome.state
    if best[0] is RecipientState.ACCEPTED and state is State.DEFERRED:
        state = State.PARTLY_SENT
    return replace(
        outcome,
        state=state,
        recipients=dict.fromkeys(ready.open_recipients, best),
        retry=None if state is State.PARTLY_SENT else outcome.retry,
    )

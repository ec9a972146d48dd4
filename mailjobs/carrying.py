"""The line of one login with one set of settings: sessions, mails that wait for them, and each mail's way over the wire."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import structlog
from django.db import DatabaseError
from django.utils import timezone

from mailjobs import lost, queue, sharing
from mailjobs.collecting import Collector, Database
from mailjobs.core.envelope import HandOver, Phase, TransportError, Trouble
from mailjobs.core.fairness import FairQueue, Lane
from mailjobs.core.lifecycle import Outcome, State, settle
from mailjobs.core.retry import given_up
from mailjobs.models import MailJob
from mailjobs.preparation import Prepared, Ready
from mailjobs.reading import Reading
from mailjobs.results import Finished, busy, due_in, for_the_job, internal_error
from mailjobs.seats import Seat, Way
from mailjobs.tokens import open_session
from mailjobs.transports.registry import Session

log = structlog.get_logger(__name__)

IDLE_SECONDS = 2.0  # how long a session waits for another mail before it is closed
ASK_AGAIN_SECONDS = 1.0  # after another worker was found to have all sessions
KEPT_SECONDS = 0.02  # how long a result may wait to be written down with the next mark
TRIAL_PATIENCE = 15.0  # for the reply to a test mail: a person waits for it
SHORT_WAIT = 3.0  # for a limit per minute: longer ones are not waited for with a leased mail


class Host(Protocol):
    """What a line asks of its engine."""

    name: str
    under_way: int  # mails that sessions are carrying
    sessions: set[int]  # leases of the sessions that are open
    closed_sessions: set[int]  # of those that have ended and could not be given back
    concurrency: int | None
    only: tuple[int, ...] | None
    stop: threading.Event
    database: Database
    write: Collector[queue.Mark | Finished, bool]
    load: Collector[Ready, Prepared]
    use: Collector[sharing.UseAsk, int | None]
    direct_deadline: float | None  # on the loop's clock; None: no direct mail

    @property
    def ending(self) -> bool: ...

    async def end(self, job: MailJob, outcome: Outcome) -> None: ...

    async def write_down(self, finished: Finished) -> None: ...

    async def give_back(self, items: Sequence[Ready]) -> None: ...

    def owe(self, job: MailJob, use: int | None = None) -> None: ...

    async def dispatch(self, items: Sequence[Prepared]) -> None: ...

    def let_go(self, job: MailJob) -> None: ...

    def forget(self, line: "Line") -> None: ...

    def gone(self, line: "Line") -> None: ...


class Line:
    """Sessions come and go with the mails; all that concerns other workers is asked of `sharing`."""

    def __init__(self, engine: Host, first: Ready) -> None:
        route = first.route
        self.fingerprint, self.connection = route.fingerprint, first.connection
        self._engine, self._endpoint, self._limits = engine, route.endpoint, route.limits
        self._limit = route.limits.sessions if route.limits.sessions_set else engine.concurrency or route.limits.sessions
        self._waiting: FairQueue[Ready] = FairQueue()
        self._reading = Reading(engine.load, self._waiting)
        self._sessions: set[asyncio.Task[None]] = set()
        self._seats: list[Seat] = []
        self._arrived = asyncio.Event()
        self._proven = self._stopped = self._throttled = False
        self._paced = self._limits.per_minute is not None or self._limits.per_day is not None
        self._ask_again_at = 0.0
        self._too_many = 0

    def push(self, ready: Ready) -> None:
        """Another mail for this line."""
        self._waiting.push(ready, ready.job.tenant_id, Lane(ready.job.lane))
        self._arrived.set()
        self._grow()

    def leave_to_others(self, sessions: int) -> None:
        """So many sessions end as soon as they are done with their mail: other workers want theirs."""
        self._too_many = sessions

    def _grow(self) -> None:
        """Open another session where more mails wait than sessions are there; a second one only after a first has logged in."""
        limit = self._limit if self._proven else 1
        if len(self._sessions) < min(limit, len(self._waiting)) and not self._stopped:
            if self._sessions and asyncio.get_running_loop().time() < self._ask_again_at:
                return
            task = asyncio.create_task(self._session())
            self._sessions.add(task)
            task.add_done_callback(self._sessions.discard)

    async def close(self) -> None:
        """Return when every session has finished its mail; the engine takes no more."""
        self._arrived.set()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    def _drain(self) -> list[Ready]:
        """All that waits; it is read anew when its turn comes again."""
        self._reading.forget()
        return self._waiting.drain()

    # A session

    async def _session(self) -> None:
        """One connection: takes one mail after the other until none is left for a while."""
        seat: Seat | None = None
        session: Session | None = None
        try:
            seat = await self._lease()
            if seat is None:
                return
            self._seats.append(seat)
            while (ready := await self._next()) is not None:
                if session is not None and not session.usable:
                    await session.close()
                    session = None
                self._engine.under_way += 1
                try:
                    session = await self._carry(ready, session, seat)
                finally:
                    self._engine.under_way -= 1
        except DatabaseError:
            log.exception("the database failed; what waits goes back", connection=self.connection)
        finally:
            if session is not None:
                await session.close()
            if seat is not None:
                await seat.recorded()
                self._seats.remove(seat)
                await self._close_lease(seat.lease)
            if len(self._sessions) <= 1:
                await self._leave()
                self._engine.gone(self)

    async def _lease(self) -> Seat | None:
        """One of the connection's sessions; None where this worker gets none now: its other sessions carry on alone."""
        engine = self._engine
        limits = replace(self._limits, sessions=self._limit)
        ask = sharing.SessionAsk(self.connection, engine.name, self.fingerprint, limits)
        while True:
            grant = await engine.database(sharing.open_session, ask)
            if grant.lease is not None:
                engine.sessions.add(grant.lease)
                self._throttled = self._throttled or grant.throttled
                return Seat(grant.lease, engine.write_down, shaken=grant.shaken, paced=grant.paced or self._paced)
            loop = asyncio.get_running_loop()
            if engine.direct_deadline is None or loop.time() > engine.direct_deadline:
                self._ask_again_at = loop.time() + ASK_AGAIN_SECONDS
                return None
            await asyncio.sleep(0.1)

    async def _close_lease(self, lease: int) -> None:
        self._engine.sessions.discard(lease)
        try:
            await self._engine.database(sharing.close_sessions, [lease])
        except DatabaseError:
            log.exception("a session's lease could not be ended yet", connection=self.connection)
            self._engine.closed_sessions.add(lease)

    async def _leave(self) -> None:
        """The last session ends: what still waits goes back, where it is not for this line to end it."""
        left = self._drain()
        self._engine.forget(self)
        if self._engine.direct_deadline is not None:
            for ready in left:
                await self._engine.end(ready.job, busy(ready))
        else:
            await self._send_back(left)

    async def _send_back(self, items: Sequence[Ready]) -> None:
        try:
            await self._engine.give_back(items)
        except DatabaseError:
            log.exception("mails could not be given back yet", connection=self.connection)
            for ready in items:
                self._engine.owe(ready.job)

    async def _next(self) -> Ready | None:
        while not self._waiting:
            if self._engine.ending or self._stopped:
                return None
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), IDLE_SECONDS)
            except TimeoutError:
                return None
        if self._engine.stop.is_set() or self._stopped:
            return None
        if self._too_many and len(self._sessions) > 1:
            self._too_many -= 1
            self._ask_again_at = asyncio.get_running_loop().time() + ASK_AGAIN_SECONDS
            return None
        ready = self._waiting.pop()
        self._grow()
        return ready

    # A mail

    async def _carry(self, ready: Ready, session: Session | None, seat: Seat) -> Session | None:
        """Hand one mail over on the session, opening one where there is none; whatever happens, the job is settled."""
        way = Way(ready, timezone.now())
        try:
            session = await self._begin(ready, session, seat)
            outcome = await self._over_the_wire(way, session, seat)
            if outcome is None:
                return session
        except TransportError as error:
            way.phase, way.dialogue = error.phase, tuple(error.transcript)
            await self._settled(way, self._settle(ready, HandOver(error=error)))
        except DatabaseError:
            log.exception("the database failed before anything of a mail was sent", job=ready.job.pk)
            self._engine.owe(ready.job, way.use)
        except Exception as error:
            await self._settled(way, internal_error(ready.job, error))
        else:
            way.dialogue = tuple(session.transcript)
            if outcome.state is State.SENT:
                self._keep(seat, self._finished(way, outcome))
                await self._praise()
            else:
                await self._settled(way, outcome)
            if not self._stopped:
                return session
        if session is not None:
            await session.close()
        return None

    async def _over_the_wire(self, way: Way, session: Session, seat: Seat) -> Outcome | None:
        """None where the mail went back instead."""
        if not way.ready.parts:
            loaded = await self._reading.take(way.ready)
            if not isinstance(loaded, Ready) or loaded.route.fingerprint != self.fingerprint:
                await self._turn_aside(loaded)
                return None
            way.ready = loaded
        if seat.paced and not await self._count(way):
            await self._stop_all()
            await self._send_back([way.ready])
            return None
        handover = await self._hand_over(way.ready, session, seat)
        if handover.error is not None:
            way.phase = handover.error.phase
        elif handover.final is None:
            way.phase = Phase.RCPT
        return self._settle(way.ready, handover)

    async def _turn_aside(self, item: Prepared) -> None:
        """A mail that goes otherwise than it was prepared; at the end it is given back like all that did not go."""
        if not self._engine.stop.is_set():
            await self._engine.dispatch([item])

    async def _begin(self, ready: Ready, session: Session | None, seat: Seat) -> Session:
        if ready.job.lost_leases:
            await self._engine.database(lost.begin, ready.job)
        if session is None:
            session = await self._connect(seat)
        session.begin_transcript()
        return session

    async def _connect(self, seat: Seat) -> Session:
        try:
            async with asyncio.timeout_at(self._engine.direct_deadline):
                session = await open_session(self._endpoint, self._engine.database)
        except TimeoutError as late:
            raise TransportError(phase=Phase.CONNECT, trouble=Trouble.TIMEOUT) from late
        if seat.shaken and not self._proven:
            await self._engine.database(sharing.opened, self.connection, self.fingerprint)
        self._proven = True
        self._grow()
        return session

    async def _count(self, way: Way) -> bool:
        """Count the mail against the connection's limits; False where it must wait longer than a moment."""
        ask = sharing.UseAsk(self.connection, self._engine.name, len(way.ready.envelope.recipients), self._limits)
        loop = asyncio.get_running_loop()
        until = self._engine.direct_deadline or loop.time() + SHORT_WAIT
        while (use := await self._engine.use(ask)) is None:
            if loop.time() > until or self._engine.ending or self._stopped:
                return False
            await asyncio.sleep(0.25)
        way.use = use
        return True

    async def _hand_over(self, ready: Ready, session: Session, seat: Seat) -> HandOver:
        """Raises TransportError where a direct mail has not come to its body in time (S2), or a test mail got no reply to it soon
        after; for all others there is no hurry then.
        """
        job, route = ready.job, ready.route
        patience = TRIAL_PATIENCE if job.lane == Lane.DIAGNOSIS else None
        marked = False
        mark = queue.Mark(job.pk, job.epoch, route.tenant_ids, route.policy_stamp, self.connection, route.unknown_policy)
        write = self._engine.write
        try:
            async with asyncio.timeout_at(self._engine.direct_deadline) as limit:

                async def before_body() -> bool:
                    nonlocal marked
                    limit.reschedule(None)
                    seat.record()
                    marked = await write(mark)
                    if patience is not None:
                        limit.reschedule(asyncio.get_running_loop().time() + patience)
                    await seat.recorded()  # at most one mail of a session is on the wire and not recorded
                    return marked

                return await session.submit(ready.envelope, ready.parts, size=job.size, before_body=before_body)
        except TimeoutError as late:
            raise TransportError(phase=Phase.BODY if marked else Phase.MAIL, trouble=Trouble.TIMEOUT) from late

    def _settle(self, ready: Ready, handover: HandOver) -> Outcome:
        job = ready.job
        return settle(
            handover,
            ready.envelope.recipients,
            sender=job.sender_address,
            direct=job.direct and self._engine.only is not None,
            given_up=given_up(job.first_due_at, timezone.now(), ready.route.give_up_hours),
            attempts=job.attempts + 1,
            already_accepted=ready.accepted_before,
            already_refused=ready.refused_before,
        )

    async def _settled(self, way: Way, outcome: Outcome) -> None:
        try:
            await self._tell_others(outcome, way.phase)
        except DatabaseError:
            log.exception("what happened to a connection could not be told", connection=self.connection)
        await self._engine.write_down(self._finished(way, outcome))

    def _finished(self, way: Way, outcome: Outcome) -> Finished:
        ready, job, route = way.ready, way.ready.job, way.ready.route
        return Finished(
            job=job,
            epoch=job.epoch,
            outcome=for_the_job(ready, outcome),
            started_at=way.started,
            ended_at=timezone.now(),
            server=route.server,
            send_system=self._endpoint.send_system,
            redirected_to=route.redirected_to,
            dialogue=way.dialogue,
            worker=self._engine.name,
            keep=route.keep,
            copy=route.sent_copy,
            due_in=due_in(job, outcome),
            use=way.use,
            recipients=ready.recipients,
        )

    async def _tell_others(self, outcome: Outcome, phase: Phase) -> None:
        """What concerns the connection and not the mail alone stops all that goes by it, on every worker."""
        database = self._engine.database
        if outcome.login_refused:
            await database(sharing.pause, self.connection, self.fingerprint, outcome.error)
            await self._stop_all()
        elif outcome.reason in sharing.TROUBLES:
            await asyncio.gather(*(seat.recorded() for seat in self._seats))  # what the server took counts for what it takes
            await database(sharing.report, sharing.Trouble(self.connection, outcome.reason, outcome.error, phase, outcome.wait))
        if await database(sharing.is_closed, self.connection):
            await self._stop_all()
        elif outcome.state is State.NEW:  # a policy has changed: what was read before is judged anew, not broken off mail by mail
            for ready in self._drain():
                self._waiting.push(replace(ready, parts=()), ready.job.tenant_id, Lane(ready.job.lane))

    def _keep(self, seat: Seat, finished: Finished) -> None:
        """A result is written down with the mark of the session's next mail, whose envelope is said meanwhile; else very soon."""
        seat.finished = finished
        if self._waiting:
            seat.timer = asyncio.get_running_loop().call_later(KEPT_SECONDS, seat.record)
        else:
            seat.record()

    async def _praise(self) -> None:
        """A mail was taken after a throttle: said once."""
        if self._throttled:
            self._throttled = False
            await self._engine.database(sharing.went_well, self.connection)

    async def _stop_all(self) -> None:
        """Nothing else goes by this connection now: the other mails go back, who comes later starts anew."""
        self._stopped = True
        self._arrived.set()
        self._engine.forget(self)
        await self._send_back(self._drain())

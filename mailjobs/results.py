"""How an attempt has ended, also where no server says so: no time left, an error of our own, redirect; and the next try."""

import random
import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from django.conf import settings

from mailjobs.core.envelope import HandOver, Phase, TransportError, Trouble
from mailjobs.core.lifecycle import Outcome, RecipientState, State, settle
from mailjobs.core.retry import next_try
from mailjobs.models import MailJob
from mailjobs.preparation import Ready

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Finished:
    """One attempt that has ended."""

    job: MailJob
    epoch: int
    outcome: Outcome
    started_at: datetime
    ended_at: datetime
    server: str = ""
    send_system: int | None = None
    redirected_to: tuple[str, ...] | None = None
    dialogue: tuple[str, ...] = ()
    worker: str = ""
    keep: bool = True  # whether body and dialogue are kept (J4)
    copy: bool = False  # whether a copy is wanted in the Sent folder (X3)
    due_in: timedelta | None = None  # when a deferred job is due again
    use: int | None = None  # of a connection with a limit
    recipients: tuple[str, ...] = field(default=(), repr=False)  # all of the job's, where they are known


def busy(ready: Ready) -> Outcome:
    """A direct mail for which no session became free in time (S2)."""
    error = TransportError(phase=Phase.CONNECT, trouble=Trouble.BUSY)
    return settle(HandOver(error=error), ready.envelope.recipients, sender=ready.job.sender_address, direct=True)


def internal_error(job: MailJob, error: Exception) -> Outcome:
    """Not foreseen: logged with a reference, the job set aside (architecture, Errors)."""
    reference = uuid.uuid4().hex[:12]
    log.error("a mail could not be handed over", reference=reference, job=job.pk, exc_info=error)
    return Outcome(State.FAILED, {}, f"Internal error, reference {reference}")


def due_in(job: MailJob, outcome: Outcome) -> timedelta | None:
    if outcome.retry is None:
        return None
    return next_try(job.attempts + 1, 0.5 + random.random(), settings.RETRY_TIME_FACTOR, kind=outcome.retry)  # noqa: S311 (jitter)


def for_the_job(ready: Ready, outcome: Outcome) -> Outcome:
    """With redirect the redirect addresses stand for all the job's recipients: what one of them got, all of them got."""
    if ready.route.redirected_to is None or outcome.state is State.NEW:
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

"""What became of attempts: state, recipients, attempt and log of many mails in one transaction, with the notices (delivery contract 2)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from mailjobs import queue, sharing
from mailjobs.core.envelope import Reply
from mailjobs.core.lifecycle import Outcome, RecipientState
from mailjobs.models import FINAL_STATES, Attempt, FrozenMail, JobRecipient, MailJob, StateChoices
from mailjobs.notices import Settled, record
from mailjobs.queue import Mark, leave_unknown
from mailjobs.rows import change, insert_new, update_returning
from mailsettings import policy_lock

_ATTEMPT = (
    "job_id",
    "epoch",
    "started_at",
    "ended_at",
    "outcome",
    "reply",
    "server",
    "send_system",
    "redirected_to",
    "dialogue",
    "worker",
)
_HEALED = {StateChoices.SENT, StateChoices.PARTLY_SENT}


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
    due_in: timedelta | None = None  # when a deferred job is due again
    use: int | None = None  # of a connection with a limit
    recipients: tuple[str, ...] = field(default=(), repr=False)  # all of the job's, where they are known


def write(items: Sequence[Mark | Finished]) -> list[bool]:
    """What the sessions of a worker have to write at this moment, in one commit; True for each mark that holds.

    A change of policies that takes long is not waited for: the leases of what is on the wire must be prolonged meanwhile.
    """
    results = [item for item in items if isinstance(item, Finished)]
    marks = [item for item in items if isinstance(item, Mark)]
    try:
        with policy_lock.transaction_that_waits(settings.LEASE_SECONDS / 4):
            held = iter(queue.mark_on_wire(marks) if marks else ())
            finish(results)
    except policy_lock.Busy:
        held = iter([False] * len(marks))
        with transaction.atomic():
            finish(results)
    return [next(held) if isinstance(item, Mark) else True for item in items]


def finish(results: Sequence[Finished]) -> None:
    """Record how attempts ended. Needs a transaction."""
    if not results:
        return
    groups: dict[tuple[Any, ...], list[Finished]] = defaultdict(list)
    for result in results:
        outcome = result.outcome
        key = (outcome.state, result.epoch, result.send_system, outcome.error, result.due_in)
        groups[key].append(result)
    settled: list[Settled] = []
    changed: list[Finished] = []
    for group in groups.values():
        if group[0].outcome.state == StateChoices.UNKNOWN:
            kept = [result for result in group if _unknown(result, settled)]
        else:
            kept = _change(group)
            settled += [_settled(result) for result in kept]
        changed += kept
    _set_recipients(changed)
    insert_new(Attempt, _ATTEMPT, [_attempt(result) for result in results])
    record(settled)
    sharing.end_uses([result.use for result in results if result.use is not None])
    forgotten = [result.job.pk for result in changed if not result.keep and result.outcome.state == StateChoices.SENT]
    if forgotten:
        FrozenMail.objects.filter(job__in=forgotten).delete()


def _change(group: Sequence[Finished]) -> list[Finished]:
    """Those of a group whose job took the new state: leased under their epoch, or uncertain and healed by a late 2xx."""
    first = group[0]
    state = StateChoices(first.outcome.state.value)
    rows = MailJob.objects.filter(pk__in=[result.job.pk for result in group], epoch=first.epoch)
    changes = _changes(first, state)
    took = set(update_returning(rows.filter(state=StateChoices.SENDING), **changes))
    if len(took) < len(group) and state in _HEALED:
        took.update(update_returning(rows.filter(_uncertain()), **changes))
    return [result for result in group if result.job.pk in took]


def _uncertain() -> Q:
    """Uncertain, or waiting to be sent once more because of it: a late 2xx settles both (delivery contract 2, 4)."""
    return Q(state=StateChoices.UNKNOWN) | Q(state=StateChoices.NEW, possible_duplicate=True)


def _changes(result: Finished, state: StateChoices) -> dict[str, Any]:
    changes: dict[str, Any] = {
        "state": state,
        "lease_until": None,
        "leased_by": "",
        "on_wire_at": None,
        "attempts": F("attempts") + (0 if state == StateChoices.NEW else 1),
        "lost_leases": 0,
        "last_error": result.outcome.error,
        "send_system": result.send_system,
    }
    if state == StateChoices.DEFERRED:
        changes["due_at"] = Now() + (timedelta(minutes=1) if result.due_in is None else result.due_in)
    if state in FINAL_STATES:
        changes["finished_at"] = Now()
    return changes


def _unknown(result: Finished, settled: list[Settled]) -> bool:
    """The policy of the account decides; where it was settled meanwhile, nothing changes."""
    held: QuerySet[MailJob] = MailJob.objects.filter(pk=result.job.pk, epoch=result.epoch, state=StateChoices.SENDING)
    job = held.only("pk", "unknown_policy", "possible_duplicate").first()
    if job is None:
        return False
    result.job.unknown_policy, result.job.possible_duplicate = job.unknown_policy, job.possible_duplicate
    held.update(attempts=F("attempts") + 1, lost_leases=0, send_system=result.send_system)
    if (entry := leave_unknown(held, result.job, result.outcome.error)) is not None:
        settled.append(entry)
    return entry is not None and entry.state == StateChoices.UNKNOWN


def _settled(result: Finished) -> Settled:
    outcome = result.outcome
    refused = [address for address, (became, _reply) in outcome.recipients.items() if became is RecipientState.REFUSED]
    result.job.send_system = result.send_system
    return Settled(
        result.job,
        StateChoices(outcome.state.value),
        outcome.error,
        result.server,
        result.redirected_to,
        refused,
        reason=outcome.reason.value if outcome.reason else "",
        recipients=result.recipients,
    )


def _set_recipients(results: Sequence[Finished]) -> None:
    rows = [
        (result.job.pk, address, state.value, _text(reply))
        for result in results
        for address, (state, reply) in result.outcome.recipients.items()
    ]
    change(JobRecipient, ("job_id", "address"), ("state", "reply"), rows)


def _text(reply: Reply | None) -> str:
    return "" if reply is None else str(reply)


def _attempt(result: Finished) -> tuple[Any, ...]:
    return (
        result.job.pk,
        result.epoch,
        result.started_at,
        result.ended_at,
        result.outcome.state.value,
        result.outcome.error,
        result.server,
        result.send_system,
        list(result.redirected_to) if result.redirected_to is not None else None,
        list(result.dialogue) if result.keep else [],
        result.worker,
    )

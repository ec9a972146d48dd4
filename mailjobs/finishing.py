"""What became of attempts: state, recipients, attempt, log and notices of many mails in one transaction (delivery contract 2)."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet

from mailjobs import handed_over, queue, sent_queue, sharing
from mailjobs.core.envelope import Reply
from mailjobs.core.lifecycle import RecipientState, State
from mailjobs.lost import leave_unknown
from mailjobs.models import FINAL_STATES, Attempt, FrozenMail, JobRecipient, MailJob, StateChoices
from mailjobs.notices import Settled, record
from mailjobs.queue import Mark
from mailjobs.results import Finished
from mailjobs.rows import among, at_once, change, changed, insert_new, now_sql
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
_PLAIN = frozenset({State.SENT, State.NEW, State.DEFERRED})
_HANDED_OVER = frozenset({State.SENT, State.PARTLY_SENT})
_HEALED = {StateChoices.SENT, StateChoices.PARTLY_SENT}


def write(items: Sequence[Mark | Finished]) -> list[bool]:
    """What the sessions of a worker have to write at this moment, in one commit; True for each mark that holds.

    A change of policies that takes long is not waited for: the leases of what is on the wire must be prolonged meanwhile.
    """
    results = [item for item in items if isinstance(item, Finished)]
    marks = [item for item in items if isinstance(item, Mark)]
    try:
        with policy_lock.in_time(), at_once() if _is_plain(results) else nullcontext(), transaction.atomic():
            policy_lock.wait_at_most(settings.LEASE_SECONDS / 4)
            held = iter(queue.mark_on_wire(marks) if marks else ())
            finish(results)
    except policy_lock.Busy:
        held = iter([False] * len(marks))
        with transaction.atomic():
            finish(results)
    return [next(held) if isinstance(item, Mark) else True for item in items]


def _is_plain(results: Sequence[Finished]) -> bool:
    """Nobody need be told of any of these: then no statement depends on how many rows another one changed."""
    return all(result.outcome.state in _PLAIN for result in results)


def finish(results: Sequence[Finished]) -> None:
    """Record how attempts ended. Needs a transaction."""
    usual, others = list[Finished](), list[Finished]()
    for result in results:
        (usual if connection.vendor == "postgresql" and handed_over.is_usual(result) else others).append(result)
    if usual:
        handed_over.record(usual)
    _finish(others)
    if copied := [(result.job.pk, not result.keep) for result in results if result.copy and result.outcome.state in _HANDED_OVER]:
        sent_queue.want_copies(copied)
    if uses := [result.use for result in results if result.use is not None]:
        sharing.end_uses(uses)


def _finish(results: Sequence[Finished]) -> None:
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
        if group[0].outcome.state is State.UNKNOWN:
            kept = [result for result in group if _unknown(result, settled)]
        else:
            kept = _change(group)
            settled += [_settled(result) for result in kept]
        changed += kept
    _set_recipients(changed)
    insert_new(Attempt, _ATTEMPT, [_attempt(result) for result in results])
    record(settled)
    forgotten = [result.job.pk for result in changed if not (result.keep or result.copy) and result.outcome.state is State.SENT]
    if forgotten:
        FrozenMail.objects.filter(job__in=forgotten).delete()


def _change(group: Sequence[Finished]) -> list[Finished]:
    """Those of a group whose job took the new state: leased under their epoch, or uncertain and healed by a late 2xx."""
    first = group[0]
    state = StateChoices(first.outcome.state.value)
    sets, values = _changes(first, state)
    these, ids = among("id", [result.job.pk for result in group])
    sql = f"UPDATE mailjobs_mailjob SET {sets} WHERE {these} AND epoch = %s AND"
    took = set(changed(f"{sql} state = 'sending'", [*values, *ids, first.epoch]))
    if len(took) < len(group) and state in _HEALED:
        took.update(changed(f"{sql} {_UNCERTAIN}", [*values, *ids, first.epoch]))
    return [result for result in group if result.job.pk in took]


# Uncertain, or waiting to be sent once more because of it: a late 2xx settles both (delivery contract 2, 4).
_UNCERTAIN = "(state = 'unknown' OR (state = 'new' AND possible_duplicate))"
_SETS = "state = %s, lease_until = NULL, leased_by = '', on_wire_at = NULL, attempts = attempts + %s, lost_leases = 0"


def _changes(result: Finished, state: StateChoices) -> tuple[str, list[Any]]:
    sets = f"{_SETS}, last_error = %s, send_system = %s"
    values: list[Any] = [state.value, 0 if state == StateChoices.NEW else 1, result.outcome.error, result.send_system]
    if state == StateChoices.DEFERRED:
        wait = timedelta(minutes=1) if result.due_in is None else result.due_in
        return f"{sets}, due_at = {now_sql('%s')}", [*values, wait.total_seconds()]
    if state in FINAL_STATES:
        return f"{sets}, finished_at = {now_sql()}", values
    return sets, values


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
        (result.job.pk, address, state.value, _text(reply), result.epoch if state is RecipientState.ACCEPTED else None)
        for result in results
        for address, (state, reply) in result.outcome.recipients.items()
    ]
    change(JobRecipient, ("job_id", "address"), ("state", "reply", "accepted_epoch"), rows)


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

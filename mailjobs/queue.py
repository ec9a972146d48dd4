"""The transitions of the delivery contract, each guarded in one statement: claim, heartbeat, mark, finish, reap, reset, withdraw.

Time is the database's (`Now()`); no worker's clock is ever compared. A lease belongs to (job, epoch): whoever finishes under an
old epoch changes nothing, save that a late 2xx heals `unknown`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Min, Q, QuerySet
from django.db.models.functions import Now

from mailjobs.core.envelope import Reply
from mailjobs.core.lifecycle import Outcome, RecipientState, State
from mailjobs.models import (
    FINAL_STATES,
    REQUEUEABLE_STATES,
    WAITING_STATES,
    Attempt,
    FrozenMail,
    JobRecipient,
    LoginPause,
    MailJob,
    RecipientStateChoices,
    StateChoices,
    WorkerSign,
)
from mailjobs.notices import Settled, record
from mailsettings import policy_lock
from mailsettings.installation import copied_from
from mailsettings.models import Tenant

POISON_AFTER = 3  # lost leases before any reply
_OPEN = (RecipientStateChoices.PENDING, RecipientStateChoices.DEFERRED, RecipientStateChoices.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Mark:
    """A job about to put its first body byte on the wire, and the policies it was judged under (`World.policy_stamp`)."""

    job_id: int
    epoch: int
    tenant_ids: tuple[int, ...]  # the tenant and its firm, the firm last
    policy_stamp: int
    login: str


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
    login: str = ""  # key of the login that was tried


@dataclass(frozen=True, slots=True)
class Requeued:
    """What a reset did: the jobs that are new again, and how many were left out and why."""

    ids: tuple[int, ...]
    skipped_unknown: int = 0
    skipped_other: int = 0


def due() -> QuerySet[MailJob]:
    """The jobs a worker may take now."""
    return MailJob.objects.filter(state__in=WAITING_STATES, due_at__lte=Now(), waiting_login="")


def claim(worker: str, token: str, limit: int, only: Sequence[int] | None = None) -> list[MailJob]:
    """Lease up to `limit` due jobs to `worker`, in turn of their due time; `only` leases exactly those, due or not.

    None in a database copied from another installation: it is paused (U5).
    """
    if copied_from() is not None:
        return []
    rows = due() if only is None else MailJob.objects.filter(pk__in=only, state__in=WAITING_STATES)
    chosen = rows.order_by("due_at", "id").select_for_update(skip_locked=True)[:limit]
    lease = f"{worker}/{token}"
    with transaction.atomic():  # one statement; Django wants a transaction around a locking query
        taken = MailJob.objects.filter(pk__in=chosen.values("pk"), state__in=WAITING_STATES).update(
            state=StateChoices.SENDING, epoch=F("epoch") + 1, leased_by=lease, lease_until=_lease_end(), on_wire_at=None
        )
    if not taken:
        return []
    return list(with_people(MailJob.objects.filter(leased_by=lease, state=StateChoices.SENDING)).order_by("due_at", "id"))


def with_people(rows: QuerySet[MailJob]) -> QuerySet[MailJob]:
    """The jobs with everybody that a decision about them asks for."""
    return rows.select_related("tenant__firm", "user__tenant__firm", "user__deputy", "print_model")


def heartbeat(worker: str, job_ids: Sequence[int]) -> None:
    """Prolong the leases of the jobs a worker holds, and give its sign of life."""
    if job_ids:
        MailJob.objects.filter(pk__in=job_ids, state=StateChoices.SENDING, leased_by__startswith=f"{worker}/").update(
            lease_until=_lease_end()
        )
    WorkerSign.objects.update_or_create(name=worker, defaults={"seen_at": Now()})


def sign_off(worker: str) -> None:
    """Take the sign of life away when a worker ends."""
    WorkerSign.objects.filter(name=worker).delete()


def mark_on_wire(marks: Sequence[Mark]) -> list[bool]:
    """`sending` → on the wire, where epoch and lease hold, no policy has changed and the login is not paused (U2, U5, J8).

    A change of policies that takes long is not waited for: the leases of what is on the wire must be prolonged meanwhile.
    """
    try:
        with policy_lock.transaction_that_waits(settings.LEASE_SECONDS / 4):
            return _mark_all(marks)
    except policy_lock.Busy:
        return [False] * len(marks)


def _mark_all(marks: Sequence[Mark]) -> list[bool]:
    epochs = policy_epochs(mark.tenant_ids for mark in marks)
    if copied_from() is not None:
        return [False] * len(marks)
    paused = set(LoginPause.objects.filter(login__in={mark.login for mark in marks}).values_list("login", flat=True))
    return [_mark(mark, epochs, paused) for mark in marks]


def policy_epochs(chains: Iterable[tuple[int, ...]]) -> dict[int, int]:
    """Tenant → policy epoch, of tenants and their firms (last of each chain). Needs a transaction: a change of policies under way
    is waited for, and one that follows waits until the transaction ends.
    """
    known = set(chains)
    policy_lock.share(chain[-1] for chain in known)
    rows = Tenant.objects.filter(pk__in={tenant for chain in known for tenant in chain}).order_by("pk")
    if connection.vendor == "postgresql":
        sql, parameters = rows.values_list("pk", "policy_epoch").query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(f"{sql} FOR SHARE", parameters)
            return dict(cursor.fetchall())
    return dict(rows.values_list("pk", "policy_epoch"))


def _mark(mark: Mark, epochs: Mapping[int, int], paused: set[str]) -> bool:
    if sum(epochs[tenant] for tenant in mark.tenant_ids) != mark.policy_stamp or mark.login in paused:
        return False
    held = MailJob.objects.filter(pk=mark.job_id, epoch=mark.epoch, state=StateChoices.SENDING, lease_until__gt=Now())
    return held.update(on_wire_at=Now()) == 1


def finish(results: Sequence[Finished]) -> None:
    """Record how attempts ended: state, recipients, attempt, log and notices in one transaction."""
    with transaction.atomic():
        settled = [entry for result in results if (entry := _finish(result)) is not None]
        Attempt.objects.bulk_create([_attempt(result) for result in results], ignore_conflicts=True)
        record(settled)
        _forget_unlogged([result.job.pk for result in results if not result.keep and result.outcome.state is State.SENT])


def _finish(result: Finished) -> Settled | None:
    outcome, state = result.outcome, StateChoices(result.outcome.state.value)
    changes: dict[str, object] = {
        "state": state,
        "lease_until": None,
        "leased_by": "",
        "on_wire_at": None,
        "attempts": F("attempts") + (0 if state == StateChoices.NEW else 1),
        "lost_leases": 0,
        "last_error": outcome.error,
        "send_system": result.send_system,
        "waiting_login": result.login if outcome.login_refused else "",
    }
    if state == StateChoices.DEFERRED:
        changes["due_at"] = Now() + (timedelta(minutes=1) if result.due_in is None else result.due_in)
    if state in FINAL_STATES:
        changes["finished_at"] = Now()
    held = MailJob.objects.filter(pk=result.job.pk, epoch=result.epoch)
    if not held.filter(state=StateChoices.SENDING).update(**changes) and not _heal(held, state, changes):
        return None
    _set_recipients(result.job.pk, outcome.recipients)
    refused = [address for address, (became, _reply) in outcome.recipients.items() if became is RecipientState.REFUSED]
    result.job.send_system = result.send_system
    return Settled(result.job, state, outcome.error, result.server, result.redirected_to, refused)


def _heal(held: QuerySet[MailJob], state: StateChoices, changes: Mapping[str, object]) -> bool:
    """A late 2xx settles what a lost lease made uncertain (delivery contract 2, 4)."""
    return (
        state in {StateChoices.SENT, StateChoices.PARTLY_SENT} and held.filter(state=StateChoices.UNKNOWN).update(**changes) == 1
    )


def _set_recipients(job_id: int, recipients: Mapping[str, tuple[RecipientState, Reply | None]]) -> None:
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for address, (state, reply) in recipients.items():
        groups[state.value, str(reply or "")].append(address)
    for (became, text), addresses in groups.items():
        JobRecipient.objects.filter(job=job_id, address__in=addresses).update(state=became, reply=text)


def _attempt(result: Finished) -> Attempt:
    return Attempt(
        job=result.job,
        epoch=result.epoch,
        started_at=result.started_at,
        ended_at=result.ended_at,
        outcome=result.outcome.state.value,
        reply=result.outcome.error,
        server=result.server,
        send_system=result.send_system,
        redirected_to=list(result.redirected_to) if result.redirected_to is not None else None,
        dialogue=list(result.dialogue) if result.keep else [],
        worker=result.worker,
    )


def _forget_unlogged(job_ids: Sequence[int]) -> None:
    FrozenMail.objects.filter(job__in=job_ids).delete()


def give_back(job_ids: Sequence[int], worker: str, waiting_login: str = "") -> None:
    """Leased jobs that were not tried → `new`, at once or waiting for a paused login."""
    MailJob.objects.filter(
        pk__in=job_ids, state=StateChoices.SENDING, leased_by__startswith=f"{worker}/", on_wire_at__isnull=True
    ).update(state=StateChoices.NEW, lease_until=None, leased_by="", waiting_login=waiting_login)


def reap() -> int:
    """End leases that ran out: `unknown` where the body was on the wire, else `new`, after three `failed` (poison)."""
    with transaction.atomic():
        leases = MailJob.objects.select_for_update(skip_locked=True, of=("self",))
        expired = leases.filter(state=StateChoices.SENDING, lease_until__lt=Now())
        jobs = list(expired.select_related("user__tenant__firm", "user__deputy")[:500])
        settled = [entry for job in jobs if (entry := _reap(job)) is not None]
        record(settled)
    return len(jobs)


def _reap(job: MailJob) -> Settled | None:
    lost = MailJob.objects.filter(pk=job.pk, epoch=job.epoch, state=StateChoices.SENDING, lease_until__lt=Now())
    if job.on_wire_at is not None:
        error = "The worker was lost while the mail was on the wire"
        return _settle_lost(lost, job, StateChoices.UNKNOWN, error)
    if job.lost_leases + 1 >= POISON_AFTER:
        return _settle_lost(lost, job, StateChoices.FAILED, "The worker was lost three times with this mail; it was set aside")
    lost.update(state=StateChoices.NEW, lease_until=None, leased_by="", lost_leases=F("lost_leases") + 1)
    return None


def _settle_lost(lost: QuerySet[MailJob], job: MailJob, state: StateChoices, error: str) -> Settled | None:
    changed = lost.update(state=state, lease_until=None, leased_by="", on_wire_at=None, last_error=error, finished_at=Now())
    if not changed:
        return None
    became = RecipientStateChoices.UNKNOWN if state == StateChoices.UNKNOWN else RecipientStateChoices.REFUSED
    JobRecipient.objects.filter(job=job, state__in=_OPEN).update(state=became, reply=error)
    return Settled(job, state, error)


def requeue(rows: QuerySet[MailJob], *, confirm_unknown: bool) -> Requeued:
    """*Sendestatus zurückstellen*: → `new`, accepted recipients aside; the logins they failed at are tried again."""
    states = REQUEUEABLE_STATES if confirm_unknown else tuple(set(REQUEUEABLE_STATES) - {StateChoices.UNKNOWN})
    found = dict(rows.values_list("pk", "state"))
    ids = [pk for pk, state in found.items() if state in states]
    refused_at = MailJob.objects.filter(pk__in=ids).exclude(waiting_login="").values("waiting_login")
    LoginPause.objects.filter(login__in=refused_at).delete()
    MailJob.objects.filter(pk__in=ids, state=StateChoices.UNKNOWN).update(possible_duplicate=True)
    MailJob.objects.filter(pk__in=ids, state__in=states).update(
        state=StateChoices.NEW,
        due_at=Now(),
        first_due_at=Now(),
        finished_at=None,
        waiting_login="",
        delay_notified=False,
        lost_leases=0,
        direct=False,
    )
    JobRecipient.objects.filter(job__in=ids).exclude(state=RecipientStateChoices.ACCEPTED).update(
        state=RecipientStateChoices.PENDING, reply=""
    )
    unknown = sum(state == StateChoices.UNKNOWN for state in found.values()) if not confirm_unknown else 0
    return Requeued(tuple(ids), unknown, len(found) - len(ids) - unknown)


def cancel(rows: QuerySet[MailJob]) -> list[MailJob]:
    """`new`, `held`, `deferred` → `cancelled`; returns the jobs that were."""
    waiting = (*WAITING_STATES, StateChoices.HELD)
    jobs = list(rows.filter(state__in=waiting).select_related("user"))
    done = [
        job
        for job in jobs
        if MailJob.objects.filter(pk=job.pk, state__in=waiting).update(
            state=StateChoices.CANCELLED, finished_at=Now(), waiting_login="", held_reason="", held_for=""
        )
    ]
    return done


def pause_login(login: str, fingerprint: str, reply: str) -> None:
    """A login was refused: nothing else tries it until it changes or is released (J8)."""
    LoginPause.objects.update_or_create(login=login, defaults={"fingerprint": fingerprint, "reply": reply, "since": Now()})


def resume_login(login: str) -> None:
    """The login works: what waited for it goes on."""
    LoginPause.objects.filter(login=login).delete()
    MailJob.objects.filter(waiting_login=login, state__in=WAITING_STATES).update(waiting_login="")


def paused_logins(logins: Iterable[str]) -> dict[str, str]:
    """login → fingerprint of the refused settings."""
    return dict(LoginPause.objects.filter(login__in=set(logins)).values_list("login", "fingerprint"))


def wake_waiting() -> None:
    """Let one mail of each login that mails wait for look whether its settings have changed; where not, it waits again."""
    waiting = MailJob.objects.filter(state__in=WAITING_STATES).exclude(waiting_login="")
    firsts = waiting.values("waiting_login").annotate(first=Min("pk")).values_list("first", flat=True)
    MailJob.objects.filter(pk__in=list(firsts), state__in=WAITING_STATES).update(waiting_login="")


def anything_left() -> bool:
    """Whether something is due now or leased by anybody; in a copied database nothing is (U5)."""
    return copied_from() is None and (due().exists() or MailJob.objects.filter(state=StateChoices.SENDING).exists())


def on_wire(tenant_ids: Iterable[int]) -> set[tuple[int, int]]:
    """(job, epoch) of the mails of these tenants, and of their Com customers, that are on the wire (U2)."""
    rows = MailJob.objects.filter(Q(tenant__in=tenant_ids) | Q(tenant__firm__in=tenant_ids))
    return set(rows.filter(state=StateChoices.SENDING, on_wire_at__isnull=False).values_list("pk", "epoch"))


def _lease_end() -> object:
    return Now() + timedelta(seconds=settings.LEASE_SECONDS)

"""Mails whose worker or server is lost: leases that ran out, poison, uncertainty and its policies (delivery contract 2, 3, 9)."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Greatest, Now

from mailjobs import incidents, queue, sent_queue, workers
from mailjobs.models import (
    WAITING_STATES,
    InternalMessage,
    JobRecipient,
    MailJob,
    RecipientStateChoices,
    StateChoices,
    WorkerSign,
)
from mailjobs.notices import Settled, mark_read, record
from mailjobs.rows import update_returning

POISON_AFTER = 3  # workers lost before any reply
FOUND = "found in Sent Items"
OPEN_RECIPIENTS = (RecipientStateChoices.PENDING, RecipientStateChoices.DEFERRED, RecipientStateChoices.UNKNOWN)


def begin(job: MailJob) -> None:
    """A mail with which a worker was lost before is about to be tried: the worker counts as lost again until it comes back."""
    MailJob.objects.filter(pk=job.pk, epoch=job.epoch, state=StateChoices.SENDING).update(lost_leases=F("lost_leases") + 1)


def bury() -> None:
    """Workers that have died on this machine: what they leased need not be waited for."""
    for name in workers.dead(WorkerSign.objects.values_list("name", flat=True)):
        queue.change_unlocked(MailJob.objects.filter(state=StateChoices.SENDING, leased_by=name), lease_until=Now())
        queue.sign_off(name)


def reap() -> int:
    """End leases that ran out: `unknown` where the body was on the wire, else `new`; `failed` where it cost three workers.

    The first loss counts whatever the worker was doing, further ones where the mail was being tried (`begin`): what was only
    leased ahead is innocent.
    """
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
        return leave_unknown(lost, job, error)
    if job.lost_leases >= POISON_AFTER:
        return _settle_lost(lost, job, StateChoices.FAILED, "The worker was lost three times with this mail; it was set aside")
    lost.update(state=StateChoices.NEW, lease_until=None, leased_by="", lost_leases=Greatest(F("lost_leases"), 1))
    return None


def give_up(jobs: Iterable[MailJob]) -> int:
    """Mails that waited too long for their blocked connection → `failed`, with what the server said last; returns how many."""
    with transaction.atomic():
        entries = [_give_up(job) for job in jobs]
        settled = [entry for entry in entries if entry is not None]
        record(settled)
    return len(settled)


def _give_up(job: MailJob) -> Settled | None:
    waiting = MailJob.objects.filter(state__in=WAITING_STATES, pk=job.pk, epoch=job.epoch)
    error = job.last_error or (job.connection.block_reply if job.connection else "") or "The server could not be reached"
    return _settle_lost(waiting, job, StateChoices.FAILED, error)


def leave_unknown(held: QuerySet[MailJob], job: MailJob, error: str) -> Settled | None:
    """Nobody knows whether the server has the mail: what the account's policy says becomes of it (delivery contract 2, 9).

    *Resend* does so once; when that is uncertain too, a person is asked. Where the mailbox keeps copies it is looked for there.
    """
    if job.unknown_policy != "assume_sent":
        sent_queue.want_look(job)
    match job.unknown_policy:
        case "resend" if not job.possible_duplicate:
            again = {"state": StateChoices.NEW, "due_at": Now() + timedelta(seconds=60 * settings.RETRY_TIME_FACTOR)}
            held.update(**again, **_RELEASED, last_error=error, possible_duplicate=True)
            return None
        case "assume_sent":
            return _settle_lost(held, job, StateChoices.SENT, f"{error}; taken as sent, as the account says")
        case _:
            return _settle_lost(held, job, StateChoices.UNKNOWN, error)


def found(job: MailJob, server: str) -> bool:
    """An uncertain mail lies in Sent Items of the mailbox that sends it: it was handed over; whether it still was uncertain."""
    with transaction.atomic():
        refused = JobRecipient.objects.filter(job=job, state=RecipientStateChoices.REFUSED).exists()
        state = StateChoices.PARTLY_SENT if refused else StateChoices.SENT
        uncertain = MailJob.objects.filter(_UNCERTAIN, pk=job.pk, epoch=job.epoch)
        if not update_returning(uncertain, state=state, last_error="", finished_at=Now(), on_wire_at=None):
            return False
        JobRecipient.objects.filter(job=job, state__in=OPEN_RECIPIENTS).update(state=_BECAME[StateChoices.SENT], reply=FOUND)
        mark_read(InternalMessage.objects.filter(job=job, kind=InternalMessage.Kind.UNKNOWN))
        incidents.close_where_settled([job.pk])
        record([Settled(job, state, server=server)])
    return True


_UNCERTAIN = Q(state=StateChoices.UNKNOWN) | Q(state=StateChoices.NEW, possible_duplicate=True)
_RELEASED: Mapping[str, Any] = {"lease_until": None, "leased_by": "", "on_wire_at": None}
_BECAME = {
    StateChoices.SENT: RecipientStateChoices.ACCEPTED,
    StateChoices.UNKNOWN: RecipientStateChoices.UNKNOWN,
    StateChoices.FAILED: RecipientStateChoices.REFUSED,
}


def _settle_lost(lost: QuerySet[MailJob], job: MailJob, state: StateChoices, error: str) -> Settled | None:
    on_wire_since = F("on_wire_at") if state == StateChoices.UNKNOWN else None  # evidence for the person who is asked
    released = {**_RELEASED, "on_wire_at": on_wire_since}
    if not update_returning(lost, state=state, **released, last_error=error, finished_at=Now()):  # `update` counts not `at_once`
        return None
    JobRecipient.objects.filter(job=job, state__in=OPEN_RECIPIENTS).update(state=_BECAME[state], reply=error)
    return Settled(job, state, error)

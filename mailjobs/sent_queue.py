"""Copies that are wanted in Sent folders, and uncertain mails to be looked for there: each transition guarded in one statement.

Time is the database's. A lease belongs to (errand, epoch): what came of an older one changes nothing.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from mailjobs.models import FrozenMail, MailJob, SentErrand
from mailjobs.rows import insert_new
from mailsettings.core.send_systems import SEND_SYSTEMS, Over
from mailsettings.installation import copied_from

LEASE = timedelta(minutes=4)  # longer than any try takes
Kind, State = SentErrand.Kind, SentErrand.State
_KEEPS_COPIES = tuple(number for number, system in SEND_SYSTEMS.items() if system.over is not Over.SMTP)


def want_copies(mails: Iterable[tuple[int, bool]]) -> None:
    """(job, whether its bytes are to be forgotten then) of mails that were handed over: one copy of each, whatever follows."""
    insert_new(SentErrand, ("job_id", "kind", "forget"), [(job, Kind.COPY.value, forget) for job, forget in mails])


def want_look(job: MailJob) -> None:
    """The mail has become uncertain: where the mailbox that sent it keeps copies by itself, it is looked for there."""
    if job.send_system in _KEEPS_COPIES:
        SentErrand.objects.update_or_create(
            job=job,
            kind=Kind.LOOK,
            defaults={"state": State.WANTED, "tries": 0, "due_at": Now(), "wanted_at": Now(), "lease_until": None, "error": ""},
        )


def anything_due() -> bool:
    """Whether a worker would find something to do now."""
    return copied_from() is None and _due().exists()


def anything_left() -> bool:
    """Whether something is to be done now, or somebody is about it."""
    return anything_due() or _leased().exists()


def claim() -> SentErrand | None:
    """Lease what is due first; of a user for whom somebody is about it, nothing: one log-in at a time (J8)."""
    if copied_from() is not None:
        return None
    for key in list(_due().order_by("due_at", "pk").values_list("pk", flat=True)[:10]):
        if _due().filter(pk=key).update(**_taken()):
            return SentErrand.objects.select_related("job__user__tenant__firm", "job__tenant__firm").get(pk=key)
    return None


def done(errand: SentErrand, *, mailbox: str, folder: str) -> None:
    """The copy lies there, or the mail was found."""
    _settle(errand, state=State.DONE, mailbox=mailbox[:320], folder=folder[:300], error="")


def failed(errand: SentErrand, error: str) -> None:
    """It is not tried any more."""
    _settle(errand, state=State.FAILED, error=error)


def again(errand: SentErrand, error: str, wait: timedelta) -> None:
    """It is tried once more later, and so is all that waits for the same user's mailbox where that did not answer (`error`)."""
    later = Now() + wait
    if _settle(errand, state=State.WANTED, error=error, due_at=later) and error:
        rest = SentErrand.objects.filter(state=State.WANTED, kind=errand.kind, job__user=errand.job.user_id)
        rest.filter(due_at__lt=later).update(due_at=later)


def reap() -> None:
    """Leases that ran out: somebody else tries."""
    SentErrand.objects.filter(state=State.UNDER_WAY, lease_until__lt=Now()).update(state=State.WANTED, lease_until=None)


def _taken() -> dict[str, Any]:
    return {"state": State.UNDER_WAY, "epoch": F("epoch") + 1, "tries": F("tries") + 1, "lease_until": Now() + LEASE}


def _leased() -> QuerySet[SentErrand]:
    return SentErrand.objects.filter(state=State.UNDER_WAY, lease_until__gt=Now())


def _due() -> QuerySet[SentErrand]:
    due = SentErrand.objects.filter(state=State.WANTED, due_at__lte=Now())
    return due.exclude(job__user__in=_leased().values("job__user"))


def _settle(errand: SentErrand, **changes: Any) -> bool:
    mine = SentErrand.objects.filter(pk=errand.pk, epoch=errand.epoch, state=State.UNDER_WAY)
    settled = mine.update(**changes, lease_until=None, changed_at=Now()) == 1
    if settled and errand.forget and changes["state"] != State.WANTED:
        FrozenMail.objects.filter(job=errand.job_id).delete()
    return settled

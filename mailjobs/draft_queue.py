"""The drafts that are to be put into mailboxes: each transition of one, guarded in one statement (X1, M2, U2).

Time is the database's. A lease belongs to (draft, epoch): what came of an older one changes nothing.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from mailjobs.core.plan import Hold
from mailjobs.models import MailDraft, StateChoices
from mailsettings.installation import copied_from

LEASE = timedelta(minutes=4)  # longer than any try takes
_State = MailDraft.State


def want(job_ids: Iterable[int]) -> None:
    """Mails that are held for the mail client are to be put as drafts by a worker, now."""
    MailDraft.objects.bulk_create(
        [MailDraft(job_id=key) for key in job_ids],
        update_conflicts=True,
        unique_fields=["job"],
        update_fields=["state", "tries", "due_at", "wanted_at", "lease_until", "on_wire", "error", "changed_at"],
    )


def anything_due() -> bool:
    """Whether a worker would find something to put now."""
    return copied_from() is None and _due().exists()


def anything_left() -> bool:
    """Whether a draft is to be put now, or somebody is about it."""
    return anything_due() or _leased().exists()


def claim() -> MailDraft | None:
    """Lease the draft that is due first; of a user whose drafts somebody is about, none: one log-in at a time (J8)."""
    if copied_from() is not None:
        return None
    for key in list(_due().order_by("due_at", "pk").values_list("pk", flat=True)[:10]):
        if _lease(_due().filter(pk=key)):
            return _read(key)
    return None


def claim_this(job_id: int) -> MailDraft | None:
    """Lease the draft of this mail, whatever became of it before; None where somebody is about it or it is not by client."""
    if copied_from() is not None:
        return None
    MailDraft.objects.bulk_create([MailDraft(job_id=job_id)], ignore_conflicts=True)
    mine = _by_client().filter(pk=job_id).exclude(state=_State.PLACING, lease_until__gt=Now())
    return _read(job_id) if _lease(mine) else None


def put_on_wire(draft: MailDraft, redirected_to: Iterable[str] | None) -> bool:
    """The octets are about to go, if the lease holds."""
    shown = None if redirected_to is None else list(redirected_to)
    return _mine(draft).filter(lease_until__gt=Now()).update(on_wire=True, redirected_to=shown) == 1


def is_on_wire(draft: MailDraft) -> bool:
    """Whether its octets may have gone."""
    return _mine(draft).filter(on_wire=True).exists()


def placed(draft: MailDraft, *, mailbox: str, folder: str) -> bool:
    """It lies there."""
    return _settle(draft, state=_State.PLACED, mailbox=mailbox[:320], folder=folder[:300], error="", uncertain=False)


def failed(draft: MailDraft, error: str, *, uncertain: bool) -> bool:
    """It is not tried any more by itself."""
    return _settle(draft, state=_State.FAILED, error=error, uncertain=uncertain)


def again(draft: MailDraft, error: str, wait: timedelta, *, uncertain: bool) -> None:
    """It is tried once more later, and so are all that wait for the same user's mailbox."""
    later = Now() + wait
    if _settle(draft, state=_State.WANTED, error=error, uncertain=uncertain, due_at=later):
        MailDraft.objects.filter(state=_State.WANTED, due_at__lt=later, job__user=draft.job.user_id).update(due_at=later)


def hurry(user_id: int) -> None:
    """The user's mailbox has just taken a draft: those that wait for it need wait no longer."""
    MailDraft.objects.filter(state=_State.WANTED, job__user=user_id, due_at__gt=Now()).update(due_at=Now())


def reap() -> None:
    """Leases that ran out: somebody else tries; where the octets were on their way, it is looked up first."""
    lost = MailDraft.objects.filter(state=_State.PLACING, lease_until__lt=Now())
    lost.update(state=_State.WANTED, lease_until=None, uncertain=F("on_wire"), on_wire=False)


def on_wire(tenant_ids: Iterable[int]) -> set[tuple[int, int]]:
    """(minus job, epoch) of the drafts of these tenants, and of their Com customers, that are on their way (U2)."""
    these = Q(job__tenant__in=list(tenant_ids)) | Q(job__tenant__firm__in=list(tenant_ids))
    return {(-key, epoch) for key, epoch in _leased().filter(these, on_wire=True).values_list("pk", "epoch")}


def _by_client() -> QuerySet[MailDraft]:
    return MailDraft.objects.filter(job__state=StateChoices.HELD, job__held_reason=Hold.BY_CLIENT)


def _leased() -> QuerySet[MailDraft]:
    return MailDraft.objects.filter(state=_State.PLACING, lease_until__gt=Now())


def _due() -> QuerySet[MailDraft]:
    due = _by_client().filter(state=_State.WANTED, due_at__lte=Now())
    return due.exclude(job__user__in=_leased().values("job__user"))


def _lease(rows: QuerySet[MailDraft]) -> bool:
    keys = list(rows.values_list("pk", flat=True))
    free = MailDraft.objects.filter(pk__in=keys).exclude(state=_State.PLACING, lease_until__gt=Now())
    return free.update(
        state=_State.PLACING, epoch=F("epoch") + 1, tries=F("tries") + 1, lease_until=Now() + LEASE, on_wire=False
    ) == len(keys) == 1  # fmt: skip


def _read(key: int) -> MailDraft:
    return MailDraft.objects.select_related("job__user__tenant__firm", "job__tenant__firm", "job__print_model").get(pk=key)


def _mine(draft: MailDraft) -> QuerySet[MailDraft]:
    return MailDraft.objects.filter(pk=draft.pk, epoch=draft.epoch, state=_State.PLACING)


def _settle(draft: MailDraft, **changes: Any) -> bool:
    return _mine(draft).update(**changes, lease_until=None, on_wire=False, changed_at=Now()) == 1

"""Which mailboxes are read for bounces and when: each by one worker at a time, up to where it was read before (J6).

Time is the database's. A lease belongs to (box, epoch): what an older one has read changes nothing.
"""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from mailjobs.models import BounceBox
from mailjobs.transports.imap_reading import Position
from mailsettings.installation import copied_from
from mailsettings.models import EmailAccount, ParameterSet

EVERY = timedelta(minutes=5)
LEASE = timedelta(minutes=6)  # longer than any visit takes


def anything_due() -> bool:
    """Whether a worker would find a mailbox to read now."""
    if copied_from() is not None:
        return False
    _begin()
    return _due().exists()


def anything_left() -> bool:
    """Whether one is to be read now, or somebody is about it."""
    return anything_due() or BounceBox.objects.filter(lease_until__gt=Now()).exists()


def claim() -> BounceBox | None:
    """Lease the mailbox that has waited longest."""
    if copied_from() is not None:
        return None
    for key in list(_due().order_by("due_at", "pk").values_list("pk", flat=True)[:10]):
        if _due().filter(pk=key).update(epoch=F("epoch") + 1, lease_until=Now() + LEASE):
            return BounceBox.objects.select_related("tenant__firm").get(pk=key)
    return None


def hold(box: BounceBox) -> bool:
    """Within a transaction: whether the lease is still this worker's; then nobody else gets it before the end of it."""
    return _mine(box).select_for_update().exists()


def read(box: BounceBox, place: str, position: Position, *, more: bool) -> None:
    """It was read up to there."""
    again = Now() if more else Now() + EVERY
    changes = {"uid_validity": position.uid_validity, "last_uid": position.last_uid, "place": place}
    _mine(box).update(**changes, due_at=again, lease_until=None, read_at=Now(), tries=0, error="")


def failed(box: BounceBox, error: str, wait: timedelta) -> bool:
    """It could not be read; whether that is news: it could be read before."""
    with transaction.atomic():
        settled = _mine(box).update(error=error, tries=F("tries") + 1, due_at=Now() + wait, lease_until=None)
    return settled == 1 and not box.error


def drop(box: BounceBox) -> None:
    """It is not to be read any more."""
    _mine(box).delete()


def reap() -> None:
    """Leases that ran out: somebody else reads."""
    BounceBox.objects.filter(lease_until__lt=Now()).update(lease_until=None)


def _begin() -> None:
    """A row for each place that names a mailbox and has none yet."""
    wanted: dict[str, Any] = {"values__read_bounces": True}
    tenants = ParameterSet.objects.filter(**wanted, tenant__isnull=False).exclude(
        tenant__in=BounceBox.objects.filter(account=None).values("tenant")
    )
    accounts = EmailAccount.objects.filter(**wanted, is_active=True).exclude(
        pk__in=BounceBox.objects.exclude(account=None).values("account")
    )
    boxes = [BounceBox(tenant_id=tenant) for tenant in tenants.values_list("tenant", flat=True)]
    boxes += [BounceBox(tenant_id=tenant, account_id=account) for account, tenant in accounts.values_list("pk", "tenant")]
    if boxes:
        BounceBox.objects.bulk_create(boxes, ignore_conflicts=True)


def _due() -> QuerySet[BounceBox]:
    return BounceBox.objects.filter(due_at__lte=Now(), lease_until=None)


def _mine(box: BounceBox) -> QuerySet[BounceBox]:
    return BounceBox.objects.filter(pk=box.pk, epoch=box.epoch)

"""Keeping and forgetting (delivery contract 5), and the notice of delay."""

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from mailjobs import contents, lost
from mailjobs.core.retry import NOTICE_AFTER
from mailjobs.models import FINAL_STATES, WAITING_STATES, Attempt, MailJob
from mailjobs.notices import tell_delayed as tell
from mailjobs.selectors import closed
from mailsettings.core.parameters import resolve
from mailsettings.models import Tenant
from mailsettings.selectors import general_layers

ERASED_AT_ONCE = 5_000  # mails in one transaction


def purge() -> int:
    """Erase bodies, attachments and dialogues whose retention time is over; returns of how many mails."""
    count = 0
    for tenant in Tenant.objects.select_related("firm"):
        days = resolve(general_layers(tenant), "retention_days").value
        old = MailJob.objects.filter(
            tenant=tenant, state__in=FINAL_STATES, finished_at__lt=Now() - timedelta(days=int(str(days)))
        )
        with transaction.atomic():
            count += contents.erase(old.filter(frozen__isnull=False).values_list("pk", flat=True)[:ERASED_AT_ONCE])
            Attempt.objects.filter(job__in=old).exclude(dialogue=[]).update(dialogue=[])
    return count


def tell_delayed() -> int:
    """Tell users once of each mail that is delayed for 15 minutes or more, whatever it waits for; returns of how many."""
    with transaction.atomic():
        late = MailJob.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            state__in=WAITING_STATES, delay_notified=False, first_due_at__lt=Now() - NOTICE_AFTER
        )
        jobs = list(late.select_related("user__tenant__firm", "user__deputy")[:500])
        tell(jobs)
        MailJob.objects.filter(pk__in=[job.pk for job in jobs]).update(delay_notified=True)
    return len(jobs)


def give_up() -> int:
    """Mails that waited too long without being tried, behind a connection that is blocked, have failed; returns how many."""
    count = 0
    blocked = closed().filter(paused_at=None)
    waiting = MailJob.objects.filter(state__in=WAITING_STATES, connection__in=blocked.values("pk"))
    for tenant in Tenant.objects.select_related("firm").filter(pk__in=waiting.values("tenant")) if blocked.exists() else ():
        hours = int(str(resolve(general_layers(tenant), "give_up_hours").value))
        old = waiting.filter(tenant=tenant, first_due_at__lt=Now() - timedelta(hours=hours))
        count += lost.give_up(old.select_related("connection", "user__tenant__firm", "user__deputy")[:500])
    return count

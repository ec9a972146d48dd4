"""Keeping and forgetting (delivery contract 5), and the notice of delay."""

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from mailjobs.core.retry import NOTICE_AFTER
from mailjobs.models import FINAL_STATES, Attempt, FrozenMail, MailJob, StateChoices
from mailjobs.notices import tell_delayed as tell
from mailsettings.core.parameters import resolve
from mailsettings.models import Tenant
from mailsettings.selectors import general_layers


def purge() -> int:
    """Erase bodies, attachments and dialogues whose retention time is over; returns of how many mails."""
    count = 0
    for tenant in Tenant.objects.select_related("firm"):
        days = resolve(general_layers(tenant), "retention_days").value
        old = MailJob.objects.filter(
            tenant=tenant, state__in=FINAL_STATES, finished_at__lt=Now() - timedelta(days=int(str(days)))
        )
        with transaction.atomic():
            erased, _rows = FrozenMail.objects.filter(job__in=old).delete()
            Attempt.objects.filter(job__in=old).exclude(dialogue=[]).update(dialogue=[])
        count += erased
    return count


def tell_delayed() -> int:
    """Tell users once of each mail that is delayed for 15 minutes or more; returns of how many."""
    with transaction.atomic():
        late = MailJob.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            state=StateChoices.DEFERRED, delay_notified=False, first_due_at__lt=Now() - NOTICE_AFTER
        )
        jobs = list(late.select_related("user__tenant__firm", "user__deputy")[:500])
        tell(jobs)
        MailJob.objects.filter(pk__in=[job.pk for job in jobs]).update(delay_notified=True)
    return len(jobs)

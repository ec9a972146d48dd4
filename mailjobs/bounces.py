"""What came back becomes a fact of the recipient, and the user is told of a bounce as of a failure (J2, J6).

A report counts only where it names the Message-ID of a mail of this tenant that was handed over and one of its recipients: one
that is forged changes nothing.
"""

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from mailjobs import notices
from mailjobs.core.bounces import Fate, Recipient, Report, tie
from mailjobs.models import (
    JobRecipient,
    MailJob,
    RecipientReport,
    RecipientStateChoices,
    SearchProgress,
    SearchTerm,
    StateChoices,
)
from mailsettings.core.addresses import key_of
from mailsettings.models import Tenant

LOOKED_FOR_BY = 20  # recipients of a report by which its mail is looked for
_SENT = (StateChoices.SENT, StateChoices.PARTLY_SENT, StateChoices.UNKNOWN)
_GONE = (RecipientStateChoices.ACCEPTED, RecipientStateChoices.UNKNOWN)
_LONGEST_TERM = 120


@transaction.atomic
def take(tenant: Tenant, reports: Iterable[Report]) -> None:
    """Write down what reports say of a tenant's mails, in the order in which they came."""
    for report in reports:
        job = _job_of(tenant, report)
        if job is None:
            continue
        recipients = {each.address: each for each in job.recipients.filter(state__in=_GONE)}
        for said in tie(report, job.message_id, recipients):
            if _write(tenant, recipients[said.address], said):
                notices.tell_bounced(job, said.address, said.reason or said.status)


def _job_of(tenant: Tenant, report: Report) -> MailJob | None:
    """The mail, found by its recipients' words or, where those are not written yet, among the latest."""
    terms = [each.address.lower()[:_LONGEST_TERM] for each in report.recipients[:LOOKED_FOR_BY]]
    rows = MailJob.objects.filter(tenant=tenant, message_id=report.message_id, state__in=_SENT).select_related("user__tenant")
    known = rows.filter(pk__in=SearchTerm.objects.filter(term__in=terms).values("job"))
    last = SearchProgress.objects.filter(pk=1).values_list("last_job", flat=True).first() or 0
    return known.first() or rows.filter(pk__gt=last).first()


def _write(tenant: Tenant, recipient: JobRecipient, said: Recipient) -> bool:
    """Whether that it came back is news. That it is delayed says nothing new of what has arrived or come back."""
    before = RecipientReport.objects.select_for_update().filter(pk=recipient.pk).first()
    if before is not None and said.fate is Fate.DELAYED and before.fate != RecipientReport.Fate.DELAYED:
        return False
    RecipientReport.objects.update_or_create(
        recipient=recipient,
        defaults={
            "tenant": tenant,
            "key": key_of(recipient.address) or recipient.address.lower(),
            "fate": said.fate.value,
            "status": said.status[:11],
            "reason": said.reason,
            "at": timezone.now(),
        },
    )
    return said.fate is Fate.FAILED and (before is None or before.fate != RecipientReport.Fate.FAILED)


def dead_addresses(tenant: Tenant, addresses: Iterable[str]) -> dict[str, RecipientReport]:
    """Those of some addresses at which mail of this tenant came back for good the last time: address → what was said."""
    keys = {address: key_of(address) or address.lower() for address in addresses}
    rows = RecipientReport.objects.filter(tenant=tenant, key__in=set(keys.values())).exclude(fate=RecipientReport.Fate.DELAYED)
    latest = {row.key: row for row in rows.order_by("at")}
    dead = {
        key: row for key, row in latest.items() if row.fate == RecipientReport.Fate.FAILED and not row.status.startswith("4.")
    }
    return {address: dead[key] for address, key in keys.items() if key in dead}

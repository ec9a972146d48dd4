"""What came back to a mailbox becomes a fact of the recipient, and the user is told of a bounce as of a failure (J2, J6).

Read beside the mails. A report counts only where it names the Message-ID of a mail of this tenant that was handed over, and one of
its recipients; all others, and letters that are no report, are left alone.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from mailjobs import bounce_queue, mailboxes, notices, tokens
from mailjobs.collecting import Database
from mailjobs.core.bounces import Fate, Recipient, Report, read_report, tie
from mailjobs.core.envelope import TransportError
from mailjobs.core.retry import next_try
from mailjobs.mailboxes import Missing, NoMailbox
from mailjobs.models import (
    BounceBox,
    JobRecipient,
    MailJob,
    RecipientReport,
    RecipientStateChoices,
    SearchProgress,
    SearchTerm,
    StateChoices,
)
from mailjobs.transports.imap_reading import Position, read_new
from mailjobs.sent_items import INTERNAL, LOGIN_PAUSED, NEEDS_PASSWORD, NO_MAILBOX
from mailsettings.core.addresses import key_of
from mailsettings.models import Tenant

log = structlog.get_logger(__name__)

LATEST_BY_ADDRESS = 20  # recipients of a report by which its mail is looked for
_SENT = (StateChoices.SENT, StateChoices.PARTLY_SENT, StateChoices.UNKNOWN)
_GONE = (RecipientStateChoices.ACCEPTED, RecipientStateChoices.UNKNOWN)
_LONGEST_TERM = 120


async def read_due(database: Database, ended: Callable[[], bool]) -> None:
    """Read all mailboxes that are due, one after the other; until there is none or the worker ends."""
    while not ended() and (box := await database(bounce_queue.claim)) is not None:
        await _read(box, database)


async def _read(box: BounceBox, database: Database) -> None:
    """Whatever happens, what became of it is written down."""
    try:
        error = await _try(box, database)
    except TransportError as failure:
        error = str(failure)
    except Exception:
        log.exception("a mailbox for bounces could not be read", box=box.pk, tenant=box.tenant_id)
        error = INTERNAL
    if error:
        await database(_failed, box, error)


async def _try(box: BounceBox, database: Database) -> str:
    """Why not; empty where it was read, or is not to be any more."""
    try:
        found = await database(mailboxes.bounces_of, box.tenant, box.account_id)
    except NoMailbox as none:
        return NO_MAILBOX if none.missing is Missing.NO_MAILBOX else NEEDS_PASSWORD
    if found is None:
        await database(bounce_queue.drop, box)
        return ""
    target, folder = found
    if await database(mailboxes.is_refused, target):
        return LOGIN_PAUSED
    place = f"{target.login}|{folder}"
    after = Position(box.uid_validity, box.last_uid) if box.place == place else Position()
    try:
        visit = await tokens.logged_in(target.endpoint, database, lambda endpoint: read_new(endpoint, folder, after))
    except TransportError as error:
        if mailboxes.refuses_login(error):
            await database(mailboxes.pause, target, str(error))
        raise
    await database(mailboxes.went_well, target)
    reports = [report for letter in visit.letters if (report := read_report(letter)) is not None]
    await database(_settle, box, reports, place, visit.position, visit.more)
    return ""


def _settle(box: BounceBox, reports: Sequence[Report], place: str, position: Position, more: bool) -> None:
    with transaction.atomic():
        if bounce_queue.hold(box):
            take(box.tenant, reports)
            bounce_queue.read(box, place, position, more=more)


def _failed(box: BounceBox, error: str) -> None:
    wait = next_try(box.tries + 1, random.uniform(0.5, 1.5), settings.RETRY_TIME_FACTOR)  # noqa: S311 (no secret)
    if bounce_queue.failed(box, error, max(wait, timedelta(minutes=1))):
        notices.tell_of_bounce_box(box.tenant, error)


def take(tenant: Tenant, reports: Iterable[Report]) -> None:
    """Write down what reports say of a tenant's mails, in the order in which they came; runs in a transaction."""
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
    terms = [each.address.lower()[:_LONGEST_TERM] for each in report.recipients[:LATEST_BY_ADDRESS]]
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
    dead = {key: row for key, row in latest.items() if row.fate == RecipientReport.Fate.FAILED and not row.status.startswith("4.")}
    return {address: dead[key] for address, key in keys.items() if key in dead}

"""Telling people: log lines, internal messages, who is told, and what a leaver's mails become (J2, J4, J7, T6)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from mailjobs import incidents
from mailjobs.core.message import Message
from mailjobs.core.plan import Hold, Plan
from mailjobs.explanation import document_of
from mailjobs.incidents import Failure
from mailjobs.models import (
    InternalMessage,
    JobRecipient,
    LaneChoices,
    LogOutcome,
    MailJob,
    MailLogEntry,
    SharedConnection,
    StateChoices,
)
from mailjobs.remedies import cause_of
from mailjobs.rows import insert_new
from mailjobs.selectors import open_jobs
from mailjobs.waiting import reply_of, wait_of
from mailsettings.core.header_text import visible
from mailsettings.deputies import administrators_of, deputy_of, is_absent, successors_of
from mailsettings.models import Tenant, User

REJECTED = "rejected_by_firm"  # the code of a mail that the firm did not release
CHECKED = "connection_check"  # the code of a connection that no longer works, though no mail has failed yet
BOUNCE_BOX = "bounce_box"  # the code of a mailbox for bounces that cannot be read
UNDRAFTED = "undrafted"  # the code of a mail that could not be put into the mailbox as a draft
_LOGGED = {
    StateChoices.SENT: LogOutcome.HANDED_OVER,
    StateChoices.PARTLY_SENT: LogOutcome.PARTLY,
    StateChoices.FAILED: LogOutcome.FAILED,
    StateChoices.UNKNOWN: LogOutcome.UNKNOWN,
    StateChoices.CANCELLED: LogOutcome.CANCELLED,
}
_TOLD = {
    StateChoices.PARTLY_SENT: InternalMessage.Kind.PARTLY,
    StateChoices.FAILED: InternalMessage.Kind.FAILED,
    StateChoices.UNKNOWN: InternalMessage.Kind.UNKNOWN,
}
_TOLD_OF = frozenset({Hold.HELD_BY_FIRM, Hold.CONFIRM_SENDS_AS_FIRM, Hold.STAGE_HELD})  # who made the others knows of them


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that was refused before it became a job."""

    message: Message
    code: str
    text: str
    plan: Plan | None


@dataclass(frozen=True, slots=True)
class Settled:
    """A job that has just reached a state worth a line in the log."""

    job: MailJob
    state: StateChoices
    error: str = ""
    server: str = ""
    redirected_to: Sequence[str] | None = None
    refused: Sequence[str] = ()
    code: str = ""
    reason: str = ""  # a `ReplyClass`
    recipients: Sequence[str] = ()  # all of the job's, where they are known


def record(settled: Iterable[Settled]) -> None:
    """Write the log lines and internal messages of settled jobs; runs in the transaction that settles them."""
    rows = [item for item in settled if item.state in _LOGGED]
    if not rows:
        return
    recipients = {item.job.pk: list(item.recipients) for item in rows if item.recipients}
    recipients |= _recipients([item.job.pk for item in rows if not item.recipients])
    insert_new(MailLogEntry, _LOG, [_log_entry(item, recipients[item.job.pk]) for item in rows])
    told = [item for item in rows if item.state in _TOLD and item.job.lane != LaneChoices.DIAGNOSIS]  # who diagnoses, sees it
    if not told:
        return
    found = incidents.count([Failure(item.job, item.state, item.reason, item.error) for item in told])
    people = _People()
    letters = [
        (
            person.pk,
            item.job.pk,
            _TOLD[item.state].value,
            item.job.subject,
            list(item.refused) or recipients[item.job.pk],
            item.error,
            "",
            incident,
            1,
        )
        for item, incident in zip(told, found, strict=True)
        for person in people.of(item.job.user)
    ]
    insert_new(InternalMessage, _LETTER, letters)


def log_refused(user: User, refusals: Sequence[Refusal], *, unattended: bool) -> None:
    """Log what was refused; where nobody sat in front of it, tell the responsible people too (J2, R5)."""
    if user.tenant is None:
        raise ValueError("an operator sends no mail")
    MailLogEntry.objects.bulk_create(
        MailLogEntry(
            tenant=user.tenant,
            user=user,
            outcome=LogOutcome.REFUSED,
            subject=visible(refusal.message.subject or ""),
            sender_address=_sender_of(refusal.plan),
            recipients=[mailbox.address for _kind, mailbox in refusal.message.envelope()],
            error=refusal.text,
            error_code=refusal.code,
            plan=document_of(refusal.plan) if refusal.plan else {},
        )
        for refusal in refusals
    )
    if unattended and refusals:
        people = responsible_for(user, unattended=True)
        InternalMessage.objects.bulk_create(
            InternalMessage(
                user=person,
                kind=InternalMessage.Kind.REFUSED,
                subject=visible(refusal.message.subject or ""),
                recipients=[mailbox.address for _kind, mailbox in refusal.message.envelope()],
                error=refusal.text,
                error_code=refusal.code,
            )
            for refusal in refusals
            for person in people
        )


def tell_of_connection(tenant: Tenant, incident: int, error: str) -> None:
    """Tell the administrators that the nightly check found a connection that no longer works."""
    InternalMessage.objects.bulk_create(
        InternalMessage(
            user=person,
            kind=InternalMessage.Kind.FAILED,
            error=error,
            error_code=CHECKED,
            incident_id=incident,
            mails=0,
        )
        for person in administrators_of(tenant)
    )


def tell_of_bounce_box(tenant: Tenant, error: str) -> None:
    """Tell the administrators that a mailbox for bounces cannot be read (J6)."""
    InternalMessage.objects.bulk_create(
        InternalMessage(user=person, kind=InternalMessage.Kind.FAILED, error=error, error_code=BOUNCE_BOX, mails=0)
        for person in administrators_of(tenant)
    )


def tell_bounced(job: MailJob, address: str, error: str) -> None:
    """Tell who is told of the mail's failures that it came back from one recipient (J2, J6)."""
    if job.lane == LaneChoices.DIAGNOSIS:
        return  # who diagnoses, sees it
    InternalMessage.objects.bulk_create(
        InternalMessage(
            user=person,
            job=job,
            kind=InternalMessage.Kind.BOUNCED,
            subject=job.subject,
            recipients=[address],
            error=error,
        )
        for person in responsible_for(job.user)
    )


def log_cancelled(jobs: Sequence[MailJob]) -> None:
    """Log what was withdrawn."""
    record(Settled(job, StateChoices.CANCELLED) for job in jobs)


def log_rejected(jobs: Sequence[MailJob], reason: str) -> None:
    """Log what the firm did not release, and tell the users why (P8)."""
    record(Settled(job, StateChoices.CANCELLED, reason, code=REJECTED) for job in jobs)
    _tell((job, InternalMessage.Kind.REJECTED, reason, REJECTED) for job in jobs)


def tell_delayed(jobs: Sequence[MailJob]) -> None:
    """Tell the users of mails that have been waiting for a while (delivery contract 3).

    Of mails that wait behind one connection each user is told once; a message that is still unread counts on. It stands in the
    incident of that connection, where one is open (J8).
    """
    connections = SharedConnection.objects.in_bulk({job.connection_id for job in jobs if job.connection_id})
    alone: list[MailJob] = []
    groups: dict[tuple[int, int, str], list[MailJob]] = defaultdict(list)
    for job in jobs:
        shared = connections.get(job.connection_id or 0)
        if wait := wait_of(job, shared):
            groups[job.user_id, job.connection_id or 0, wait].append(job)
        else:
            alone.append(job)
    _tell((job, InternalMessage.Kind.DELAYED, job.last_error, "") for job in alone)
    if groups:
        _tell_waiting(groups, connections)


def _tell_waiting(groups: Mapping[tuple[int, int, str], list[MailJob]], connections: Mapping[int, SharedConnection]) -> None:
    recipients = _recipients([jobs[0].pk for jobs in groups.values()])
    opened = incidents.open_at({jobs[0].tenant_id for jobs in groups.values()}, connections)
    people = _People()
    for (user_id, connection, wait), jobs in groups.items():
        first = jobs[0]
        told = InternalMessage.objects.filter(kind=InternalMessage.Kind.DELAYED, error_code=wait, read_at=None)
        told = told.filter(job__user=user_id, job__connection=connection).order_by("-pk")
        for person in people.of(first.user):
            if (letter := told.filter(user=person).first()) is not None:
                InternalMessage.objects.filter(pk=letter.pk).update(mails=F("mails") + len(jobs), at=Now())
                continue
            InternalMessage.objects.create(
                user=person,
                job=first,
                kind=InternalMessage.Kind.DELAYED,
                subject=first.subject,
                recipients=recipients[first.pk],
                error=reply_of(connections[connection]),
                error_code=wait,
                incident_id=opened.get((first.tenant_id, connection)),
                mails=len(jobs),
            )


def tell_held(held: Iterable[tuple[MailJob, Hold]]) -> None:
    """Tell whom the holds name: once for all mails of a user, run and hold; a message that is still unread counts on."""
    groups: dict[tuple[int, str, Hold], list[MailJob]] = defaultdict(list)
    for job, hold in held:
        if hold in _TOLD_OF:
            groups[job.user_id, job.run, hold].append(job)
    recipients = _recipients([jobs[0].pk for jobs in groups.values()])
    for (user_id, run, hold), jobs in groups.items():
        first = jobs[0]
        told = InternalMessage.objects.filter(kind=InternalMessage.Kind.HELD, error_code=hold, read_at=None)
        told = told.filter(job__user=user_id, job__run=run).order_by("-pk")
        for person in _waited_for(first, hold):
            if (letter := told.filter(user=person).first()) is not None:
                InternalMessage.objects.filter(pk=letter.pk).update(mails=F("mails") + len(jobs), at=Now())
                continue
            InternalMessage.objects.create(
                user=person,
                job=first,
                kind=InternalMessage.Kind.HELD,
                subject=first.subject,
                recipients=recipients[first.pk],
                error_code=hold,
                mails=len(jobs),
            )


def count_lines(letters: Iterable[InternalMessage]) -> int:
    """How many lines the inbox makes of messages: one for each incident, one for each kind and cause of all others (J8)."""
    return len({letter.incident_id or (letter.kind, cause_of_letter(letter)) for letter in letters})


def cause_of_letter(letter: InternalMessage) -> str:
    """What two messages of one kind that are in no incident have in common."""
    match letter.kind:
        case InternalMessage.Kind.PASSED_ON:
            return letter.subject  # the leaver's user-ID
        case InternalMessage.Kind.HELD:
            return letter.error_code  # the hold
        case InternalMessage.Kind.DELAYED if letter.error_code:
            return letter.error_code  # what the mails wait for
        case _:
            return cause_of(letter.error) if letter.error else ""


def mark_read(messages: QuerySet[InternalMessage]) -> int:
    """Take internal messages as read; returns how many were unread."""
    return messages.filter(read_at__isnull=True).update(read_at=timezone.now())


def responsible_for(user: User, *, unattended: bool = False) -> list[User]:
    """Who is told: the user; for batch users and leavers the deputy, else the tenant's administrators (J2, T6)."""
    if is_absent(user):
        return successors_of(user)
    if not unattended:
        return [user]
    if (deputy := deputy_of(user)) is not None:
        return [deputy]
    return (administrators_of(user.tenant) if user.tenant else []) or [user]


def tell_undrafted(job: MailJob, error: str) -> None:
    """A mail could not be put as a draft: once for all mails of a user and run; a message that is still unread counts on (J2)."""
    told = InternalMessage.objects.filter(kind=InternalMessage.Kind.HELD, error_code=UNDRAFTED, read_at=None)
    told = told.filter(job__user=job.user_id, job__run=job.run).order_by("-pk")
    for person in responsible_for(job.user):
        if (letter := told.filter(user=person).first()) is not None:
            InternalMessage.objects.filter(pk=letter.pk).update(mails=F("mails") + 1, at=Now())
            continue
        InternalMessage.objects.create(
            user=person,
            job=job,
            kind=InternalMessage.Kind.HELD,
            subject=job.subject,
            recipients=_recipients([job.pk])[job.pk],
            error=error,
            error_code=UNDRAFTED,
        )


def pass_on(user: User) -> None:
    """Tell who has a leaver's open mails now, how many and whose; who came back has theirs again (T6)."""
    told = InternalMessage.objects.filter(kind=InternalMessage.Kind.PASSED_ON, subject=user.login)
    told.filter(read_at__isnull=True).update(read_at=timezone.now())
    count = 0 if user.is_active else open_jobs().filter(user=user).count()
    InternalMessage.objects.bulk_create(
        InternalMessage(user=person, kind=InternalMessage.Kind.PASSED_ON, subject=user.login, mails=count)
        for person in (successors_of(user) if count else ())
    )


def _waited_for(job: MailJob, hold: Hold) -> list[User]:
    """Who may end a hold (delivery contract 1): the firm, the sender, the tenant's administrators."""
    match hold.held_for:
        case "firm":
            return administrators_of(job.tenant.firm or job.tenant)
        case "approver":
            return administrators_of(job.tenant)
        case _:
            return responsible_for(job.user)


class _People:
    """Who is told of whose mail, asked once for each user."""

    def __init__(self) -> None:
        self._known: dict[int, list[User]] = {}

    def of(self, user: User) -> list[User]:
        """As `responsible_for`."""
        if user.pk not in self._known:
            self._known[user.pk] = responsible_for(user)
        return self._known[user.pk]


def _tell(told: Iterable[tuple[MailJob, InternalMessage.Kind, str, str]]) -> None:
    """(job, kind, error, its code) → one internal message to each person responsible."""
    rows, people = list(told), _People()
    recipients = _recipients([job.pk for job, *_what in rows])
    InternalMessage.objects.bulk_create(
        InternalMessage(
            user=person,
            job=job,
            kind=kind,
            subject=job.subject,
            recipients=recipients[job.pk],
            error=error,
            error_code=code,
        )
        for job, kind, error, code in rows
        for person in people.of(job.user)
    )


def _recipients(job_ids: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {job_id: [] for job_id in job_ids}
    if not found:
        return found
    for job_id, address in JobRecipient.objects.filter(job__in=job_ids).values_list("job_id", "address"):
        found[job_id].append(address)
    return found


_LETTER = ("user_id", "job_id", "kind", "subject", "recipients", "error", "error_code", "incident_id", "mails")
_LOG = (
    "tenant_id",
    "user_id",
    "job_id",
    "outcome",
    "subject",
    "sender_address",
    "recipients",
    "error",
    "error_code",
    "server",
    "send_system",
    "redirected_to",
    "message_id",
    "sha256",
    "plan",
)


def _outcome(item: Settled) -> LogOutcome:
    """A mail is sent with an error where nobody knows it: a person or the account's policy took it as sent."""
    return LogOutcome.TAKEN_AS_SENT if item.state == StateChoices.SENT and item.error else _LOGGED[item.state]


def _log_entry(item: Settled, recipients: list[str]) -> tuple[Any, ...]:
    job = item.job
    return (
        job.tenant_id,
        job.user_id,
        job.pk,
        _outcome(item).value,
        job.subject,
        job.sender_address,
        recipients,
        item.error,
        item.code,
        item.server,
        job.send_system,
        list(item.redirected_to) if item.redirected_to is not None else None,
        job.message_id,
        job.sha256,
        {},
    )


def _sender_of(plan: Plan | None) -> str:
    if plan is None or plan.sender.offer is None:
        return ""
    return plan.sender.mailbox.address if plan.sender.mailbox else visible(plan.sender.offer.address)[:400]

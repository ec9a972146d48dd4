"""Telling people: log lines, internal messages, who is told (J2, J4, J7)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils import timezone

from mailjobs.core.message import Message
from mailjobs.core.plan import Plan
from mailjobs.explanation import document_of
from mailjobs.models import InternalMessage, JobRecipient, LogOutcome, MailJob, MailLogEntry, StateChoices
from mailsettings.core.send_systems import Role
from mailsettings.models import Tenant, User

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


def record(settled: Iterable[Settled]) -> None:
    """Write the log lines and internal messages of settled jobs; runs in the transaction that settles them."""
    rows = [item for item in settled if item.state in _LOGGED]
    recipients = _recipients([item.job.pk for item in rows])
    MailLogEntry.objects.bulk_create(_log_entry(item, recipients[item.job.pk]) for item in rows)
    told = [item for item in rows if item.state in _TOLD]
    InternalMessage.objects.bulk_create(
        InternalMessage(
            user=person,
            job=item.job,
            kind=_TOLD[item.state],
            subject=item.job.subject,
            recipients=list(item.refused) or recipients[item.job.pk],
            error=item.error,
        )
        for item in told
        for person in responsible_for(item.job.user)
    )


def log_refused(user: User, refusals: Sequence[Refusal], *, unattended: bool) -> None:
    """Log what was refused; where nobody sat in front of it, tell the responsible people too (J2, R5)."""
    if user.tenant is None:
        raise ValueError("an operator sends no mail")
    MailLogEntry.objects.bulk_create(
        MailLogEntry(
            tenant=user.tenant,
            user=user,
            outcome=LogOutcome.REFUSED,
            subject=refusal.message.subject or "",
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
                subject=refusal.message.subject or "",
                recipients=[mailbox.address for _kind, mailbox in refusal.message.envelope()],
                error=refusal.text,
                error_code=refusal.code,
            )
            for refusal in refusals
            for person in people
        )


def log_cancelled(jobs: Sequence[MailJob]) -> None:
    """Log what was withdrawn."""
    record(Settled(job, StateChoices.CANCELLED) for job in jobs)


def tell_delayed(jobs: Sequence[MailJob]) -> None:
    """Tell the users of mails that have been waiting for a while (delivery contract 3)."""
    recipients = _recipients([job.pk for job in jobs])
    InternalMessage.objects.bulk_create(
        InternalMessage(
            user=person,
            job=job,
            kind=InternalMessage.Kind.DELAYED,
            subject=job.subject,
            recipients=recipients[job.pk],
            error=job.last_error,
        )
        for job in jobs
        for person in responsible_for(job.user)
    )


def mark_read(messages: Iterable[InternalMessage]) -> None:
    """Take internal messages as read."""
    ids = [message.pk for message in messages]
    InternalMessage.objects.filter(pk__in=ids, read_at__isnull=True).update(read_at=timezone.now())


def responsible_for(user: User, *, unattended: bool = False) -> list[User]:
    """Who is told: the user; for batch users and leavers the deputy, else the tenant's administrators (J2, T6)."""
    nobody_there = user.role_enum is Role.SERVICE_USER or not user.is_active
    if not nobody_there and not unattended:
        return [user]
    if user.deputy and user.deputy.is_active:
        return [user.deputy]
    if user.tenant is None:
        return []
    return _administrators(user.tenant) or ([] if nobody_there else [user])


def _administrators(tenant: Tenant) -> list[User]:
    """The active administrators of a tenant; of a Com customer without any, those of its firm."""
    found = list(tenant.users.filter(is_active=True, role__in=(Role.FIRM_ADMIN, Role.COM_ADMIN)))
    if found or tenant.firm is None:
        return found
    return _administrators(tenant.firm)


def _recipients(job_ids: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {job_id: [] for job_id in job_ids}
    for job_id, address in JobRecipient.objects.filter(job__in=job_ids).values_list("job_id", "address"):
        found[job_id].append(address)
    return found


def _log_entry(item: Settled, recipients: list[str]) -> MailLogEntry:
    job = item.job
    return MailLogEntry(
        tenant_id=job.tenant_id,
        user_id=job.user_id,
        job=job,
        outcome=_LOGGED[item.state],
        subject=job.subject,
        sender_address=job.sender_address,
        recipients=recipients,
        error=item.error,
        server=item.server,
        send_system=job.send_system,
        redirected_to=list(item.redirected_to) if item.redirected_to is not None else None,
        message_id=job.message_id,
        sha256=job.sha256,
    )


def _sender_of(plan: Plan | None) -> str:
    if plan is None or plan.sender.offer is None:
        return ""
    return plan.sender.mailbox.address if plan.sender.mailbox else plan.sender.offer.address[:400]

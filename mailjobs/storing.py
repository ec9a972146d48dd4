"""Decided and frozen mails → rows: what all mails of a kind share is made once, the rest stored a few statements for all."""

import copy
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mailjobs import contents, sharing
from mailjobs.core.message import Message
from mailjobs.core.mime import Frozen
from mailjobs.core.plan import Hold, Plan
from mailjobs.models import Decision, JobRecipient, LaneChoices, MailJob, RecipientStateChoices, StateChoices
from mailjobs.rows import insert, reserve_ids
from mailsettings.core.sender import origin_of
from mailsettings.models import PrintModel, Tenant, User

DIRECT_HEAD_START = timedelta(seconds=60)  # a worker takes a direct mail over only if its caller has died
_COLUMNS = tuple((field.attname, str(field.column)) for field in MailJob._meta.concrete_fields)


@dataclass(slots=True)
class Case:
    """Mails of one acting user that ask for the same: their plan, and the job that all of theirs are like."""

    plan: Plan
    document: dict[str, Any]
    user: User
    tenant: Tenant
    print_model: PrintModel | None
    run: str
    _pattern: MailJob | None = None

    def new_job(
        self, message: Message, frozen: Frozen, *, message_id: str, subject: str, lane: LaneChoices, now: datetime
    ) -> MailJob:
        """A job, not yet stored. Needs a transaction."""
        if self._pattern is None:
            self._pattern = self._first()
        job = copy.copy(self._pattern)  # a fifth of what making one costs
        job.lane = LaneChoices.INTERACTIVE if job.direct else lane
        job.idempotency_key = message.idempotency_key
        job.request_digest = message.digest
        job.document_key = message.document_key or ""
        job.due_at = job.first_due_at = message.not_before or (now + DIRECT_HEAD_START if job.direct else now)
        job.created_at = now
        job.message_id = message_id
        job.subject = subject
        job.size = frozen.size
        job.sha256 = frozen.sha256
        return job

    def _first(self) -> MailJob:
        plan = self.plan
        held = plan.held or (Hold.BY_CLIENT if plan.channel.by_client else None)
        offer = plan.sender.offer
        return MailJob(
            tenant=self.tenant,
            user=self.user,
            print_model=self.print_model,
            connection_id=self._connection(),
            decision_id=self._decision(),
            account_id=int(offer.account.holder.owner.partition(":")[2]) if offer and offer.account else None,
            run=self.run,
            state=StateChoices.HELD if held else StateChoices.NEW,
            held_reason=held.value if held else "",
            held_for=held.held_for if held else "",
            direct=held is None and not plan.asynchronous,
            unattended=plan.facts.unattended,
            channel=plan.channel.value,
            send_system=plan.connection.send_system if plan.connection else None,
            sender_address=plan.sender.mailbox.address if plan.sender.mailbox else "",
            sender_level=plan.sender.level or "",
            sender_origin=origin_of(plan.facts, plan.sender) or "",
            redirected_then=list(plan.redirect.addresses) if plan.redirect.active else None,
            captured_then=plan.redirect.active and plan.redirect.capture_only,
        )

    def _decision(self) -> int:
        digest = hashlib.sha256(json.dumps(self.document, sort_keys=True).encode()).hexdigest()
        return Decision.objects.get_or_create(digest=digest, defaults={"document": self.document})[0].pk

    def _connection(self) -> int | None:
        connection = self.plan.connection
        return sharing.ids_of([connection.key])[connection.key] if connection else None


def store(mails: Iterable[tuple[MailJob, Frozen, Message]]) -> None:
    """Store new jobs with their bytes and recipients, and give them their ids. Needs a transaction."""
    mails = list(mails)
    for (job, _frozen, _message), key in zip(mails, reserve_ids(MailJob, len(mails)), strict=True):
        job.pk = key
    insert(
        MailJob,
        [column for _name, column in _COLUMNS],
        [[getattr(job, name) for name, _column in _COLUMNS] for job, _frozen, _message in mails],
    )
    contents.store((job.pk, frozen) for job, frozen, _message in mails)
    recipients = [
        (job.pk, kind, mailbox.address, RecipientStateChoices.PENDING.value, "")
        for job, _frozen, message in mails
        for kind, mailbox in message.envelope()
    ]
    insert(JobRecipient, ("job_id", "kind", "address", "state", "reply"), recipients)

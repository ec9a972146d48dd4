"""Test mails of the diagnosis (D2): jobs like all others, carried by the engine that carries them, in a lane of their own."""

import uuid

from django.db import transaction
from django.utils import timezone

from mailjobs.bell import ring_on_commit
from mailjobs.core.message import Message
from mailjobs.core.mime import Content, Frozen, freeze, message_id
from mailjobs.core.plan import Hold
from mailjobs.models import LaneChoices, MailJob, StateChoices
from mailjobs.rows import database_now
from mailjobs.storing import DIRECT_HEAD_START, store
from mailsettings.core.addresses import Mailbox

# Whom a real mail would wait for need not approve of a test mail, except the firm (P8); and what only captures, captures it (U6).
APPROVED = tuple(hold.value for hold in Hold if hold not in {Hold.HELD_BY_FIRM, Hold.CAPTURED})
_KEPT = (
    *("tenant", "user", "print_model", "account_id", "connection_id", "decision_id", "direct", "unattended", "channel"),
    *("send_system", "sender_address", "sender_level", "sender_origin", "redirected_then", "captured_then"),
)


def begin(like: MailJob, message: Message, sender: Mailbox | None) -> MailJob:
    """Store a test mail that leaves exactly as the job `like` would, stored or not; an asynchronous one is delivered by a worker.

    Nobody is told what becomes of it but who asked, and it goes before all other mail of its connection.
    """
    now, unique = database_now(), uuid.uuid4().hex
    own_id = message_id(unique, sender.domain if sender else "postausgang.invalid")
    frozen = _frozen(message, sender, own_id, unique)
    job = MailJob(
        **{name: getattr(like, name) for name in _KEPT},
        lane=LaneChoices.DIAGNOSIS,
        state=StateChoices.NEW,
        approved=list(APPROVED),
        due_at=now + DIRECT_HEAD_START if like.direct else now,
        first_due_at=now,
        created_at=now,
        message_id=own_id,
        subject=message.subject or "",
        size=frozen.size,
        sha256=frozen.sha256,
    )
    with transaction.atomic():
        store([(job, frozen, message)])
        if not like.direct:
            ring_on_commit()
    return job


def forget(job_id: int) -> None:
    """A test mail that was not handed over leaves only its line in the log; one that was, or is under way yet, stays."""
    kept = (StateChoices.SENT, StateChoices.PARTLY_SENT, StateChoices.SENDING)
    MailJob.objects.filter(pk=job_id, lane=LaneChoices.DIAGNOSIS).exclude(state__in=kept).delete()


def _frozen(message: Message, sender: Mailbox | None, own_id: str, unique: str) -> Frozen:
    return freeze(
        Content(
            message_id=own_id,
            date=timezone.localtime(),
            sender=sender,
            to=message.to,
            cc=(),
            bcc=(),
            reply_to=(),
            subject=message.subject or "",
            text=message.text or "",
            html="",
            attachments=(),
            boundary_seed=unique,
        )
    )

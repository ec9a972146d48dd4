"""Mails that wait for the mail client put as drafts into the user's mailbox, by a worker or while somebody waits (X1, M2, U2)."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from mailjobs import draft_queue, mailboxes, notices, tokens
from mailjobs.collecting import Database
from mailjobs.core.envelope import Endpoint, TransportError, Trouble
from mailjobs.core.plan import Hold
from mailjobs.core.reply import ReplyClass, classify
from mailjobs.core.retry import given_up, next_try
from mailjobs.drafts import Withheld, eml_of, redirected_now
from mailjobs.mailboxes import Missing, NoMailbox, Target, target_of
from mailjobs.models import FrozenMail, MailDraft, MailJob, StateChoices
from mailjobs.transports import web_session
from mailjobs.transports.imap_folders import DRAFTS, Placed, put_mail
from mailjobs.transports.web_session import MailboxSession
from mailsettings import policy_lock
from mailsettings.changes import audit
from mailsettings.models import User

log = structlog.get_logger(__name__)

AT_ONCE = 4  # mailboxes that one worker puts drafts into at the same time
SECONDS = 200.0  # for one draft: less than its lease
SHORT_SECONDS = 30.0  # where somebody waits for it
GIVE_UP_HOURS = 24
NO_MAILBOX = "no_mailbox"
NEEDS_PASSWORD = "mailbox_password_needed"  # noqa: S105 (a code, no secret)
LOGIN_PAUSED = "mailbox_login_paused"
NOT_WAITING = "not_waiting"  # it was withdrawn, or waits for somebody else
INTERNAL = "internal_error"
_TRIED_AGAIN = frozenset(
    {
        ReplyClass.RETRY,
        ReplyClass.HOST_UNKNOWN,
        ReplyClass.TLS_RETRY,
        ReplyClass.THROTTLED,
        ReplyClass.QUOTA,
        ReplyClass.TEMPORARY,
        ReplyClass.LOST_BEFORE_BODY,
    }
)


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a draft is not there: a code of this module or an error as it is stored; whether later may be better."""

    error: str
    temporary: bool = False
    uncertain: bool = False
    silent: bool = False  # nothing that anybody needs to be told: it never was set up


async def put_due(database: Database, ended: Callable[[], bool]) -> None:
    """Put all drafts that are due, a few mailboxes at once; until there are none or the worker ends."""
    async with asyncio.TaskGroup() as group:
        for _number in range(AT_ONCE):
            group.create_task(_put_one_after_the_other(database, ended))


def put_now(reader: User, job: MailJob) -> MailDraft | None:
    """Put this mail's draft now, once, and give what became of it; None where a worker is about it, or it is not to be put.

    Audited; `reader` is who asks.
    """
    draft = draft_queue.claim_this(job.pk)
    if draft is None:
        return None
    audit(reader.login, job.tenant, "draft", str(job.pk), {"jobs": [job.pk]})
    asyncio.run(_alone(draft))
    return MailDraft.objects.get(pk=draft.pk)


async def _alone(draft: MailDraft) -> None:
    database = Database()
    try:
        await _put(draft, database, by_itself=False)
    finally:
        await asyncio.to_thread(database.close)


async def _put_one_after_the_other(database: Database, ended: Callable[[], bool]) -> None:
    while not ended():
        draft = await database(draft_queue.claim)
        if draft is None:
            return
        await _put(draft, database, by_itself=True)


async def _put(draft: MailDraft, database: Database, *, by_itself: bool) -> None:
    """Whatever happens, what became of it is written down."""
    try:
        async with asyncio.timeout(SECONDS if by_itself else SHORT_SECONDS):
            failure = await _try(draft, database, by_itself=by_itself)
    except TransportError as error:
        failure = _failure_of(error)
    except TimeoutError:
        failure = _Failure(Trouble.TIMEOUT, temporary=True, uncertain=True)
    except Exception:
        log.exception("a draft could not be put", job=draft.pk)
        failure = _Failure(INTERNAL)
    if failure is not None:
        await database(_settle, draft, failure, by_itself)


async def _try(draft: MailDraft, database: Database, *, by_itself: bool) -> _Failure | None:
    try:
        target: Target = await database(target_of, draft.job)
    except NoMailbox as none:
        missing = none.missing is Missing.NO_MAILBOX
        return _Failure(NO_MAILBOX if missing else NEEDS_PASSWORD, silent=missing)
    if by_itself and await database(mailboxes.is_refused, target):
        return _Failure(LOGIN_PAUSED, temporary=True)
    ready = _Ready(draft, database)
    try:
        placed = await (_over_imap if target.over is None else _over_web)(draft, target, ready, database)
    except TransportError as error:
        if mailboxes.refuses_login(error):
            await database(mailboxes.pause, target, str(error))
        raise
    if placed is None:
        return _Failure(ready.withheld, silent=ready.withheld == NOT_WAITING)
    await database(_placed, draft, target, placed)
    return None


class _Ready:
    """The octets of the mail as the policies of the last moment have it (U2, C3); `withheld`: why it must not go."""

    def __init__(self, draft: MailDraft, database: Database) -> None:
        self._draft, self._database = draft, database
        self.withheld = ""

    async def __call__(self) -> bytes | None:
        octets, self.withheld = await self._database(_ready, self._draft)
        return octets


async def _over_imap(draft: MailDraft, target: Target, ready: _Ready, database: Database) -> Placed | None:
    async def put(endpoint: Endpoint) -> Placed | None:
        return await put_mail(endpoint, DRAFTS, ready, message_id=draft.job.message_id, look_first=draft.uncertain)

    return await tokens.logged_in(target.endpoint, database, put)


async def _over_web(draft: MailDraft, target: Target, ready: _Ready, database: Database) -> Placed | None:
    message_id, sender = draft.job.message_id, draft.job.sender_address
    session = await tokens.open_session(target.endpoint, database)
    try:
        if not isinstance(session, MailboxSession):
            raise TypeError(session)
        if draft.uncertain and await session.find(message_id, sender, web_session.DRAFTS):
            return Placed("", found=True)
        octets = await ready()
        if octets is None:
            return None
        await session.put_draft(sender, octets)
        return Placed("")
    finally:
        await session.close()


def _ready(draft: MailDraft) -> tuple[bytes | None, str]:
    """Judged and marked in one transaction: a change of policies comes before it, or waits until the draft is there (U2)."""
    with transaction.atomic():
        tenant = draft.job.tenant
        policy_lock.share({tenant.firm_id or tenant.pk})
        frozen = FrozenMail.objects.filter(job=draft.job).first()
        draft.job.refresh_from_db(fields=["state", "held_reason", "approved"])
        if frozen is None or (draft.job.state, draft.job.held_reason) != (StateChoices.HELD, Hold.BY_CLIENT):
            return None, NOT_WAITING
        try:
            octets = eml_of(draft.job, frozen)
        except Withheld as why:
            return None, str(why)
        if not draft_queue.put_on_wire(draft, redirected_now(draft.job)):
            return None, NOT_WAITING
        return octets, ""


def _placed(draft: MailDraft, target: Target, placed: Placed) -> None:
    if draft_queue.placed(draft, mailbox=target.name, folder=placed.folder):
        mailboxes.went_well(target)
        draft_queue.hurry(draft.job.user_id)


def _settle(draft: MailDraft, failure: _Failure, by_itself: bool) -> None:
    """Tried again later by a worker where that may help, what is in doubt is looked up first; what somebody waits for is tried
    once (S2).
    """
    uncertain = failure.uncertain and draft_queue.is_on_wire(draft)
    late = given_up(draft.wanted_at, timezone.now(), GIVE_UP_HOURS)
    if by_itself and (failure.temporary or uncertain) and not late:
        wait = next_try(draft.tries, random.uniform(0.5, 1.5), settings.RETRY_TIME_FACTOR)  # noqa: S311 (no secret)
        draft_queue.again(draft, failure.error, wait, uncertain=uncertain or draft.uncertain)
        return
    with transaction.atomic():
        if draft_queue.failed(draft, failure.error, uncertain=uncertain) and by_itself and not failure.silent:
            notices.tell_undrafted(draft.job, failure.error)


def _failure_of(error: TransportError) -> _Failure:
    means = classify(error.phase, error.reply, error.trouble)
    if means is ReplyClass.LOST_IN_BODY:
        return _Failure(str(error), uncertain=True)
    return _Failure(str(error), temporary=means in _TRIED_AGAIN)

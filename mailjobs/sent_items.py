"""The Sent folder of the mailbox that sent a mail: a copy put there (X3), an uncertain mail looked for (delivery contract 2, 9).

It happens beside the mails and after them: nothing that comes of it delays or fails one.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.utils import timezone

from mailjobs import lost, mailboxes, sent_queue, tokens
from mailjobs.collecting import Database
from mailjobs.contents import whole
from mailjobs.core.envelope import Endpoint, TransportError, Trouble
from mailjobs.core.redirect import rewrite
from mailjobs.core.reply import ReplyClass, classify
from mailjobs.core.retry import given_up, next_try
from mailjobs.drafts import blind_copies
from mailjobs.judging import originals_of
from mailjobs.mailboxes import Missing, NoMailbox, Target
from mailjobs.models import FrozenMail, MailJob, RecipientStateChoices, SentErrand, StateChoices
from mailjobs.transports.imap_folders import SENT, Placed, put_mail
from mailjobs.transports.web_session import MailboxSession

log = structlog.get_logger(__name__)

AT_ONCE = 2  # mailboxes that one worker is about at the same time
SECONDS = 200.0  # for one errand: less than its lease
GIVE_UP_HOURS = 24
NO_MAILBOX = "no_mailbox"
NEEDS_PASSWORD = "mailbox_password_needed"  # noqa: S105 (a code, no secret)
LOGIN_PAUSED = "mailbox_login_paused"
ERASED = "erased"
NOT_FOUND = "not_found"
INTERNAL = "internal_error"
_FOR_GOOD = frozenset({ReplyClass.LOGIN_REFUSED, ReplyClass.CONFIGURATION, ReplyClass.PERMANENT, ReplyClass.CONTENT_REFUSED})


@dataclass(frozen=True, slots=True)
class _Undone:
    """Why it was not done, as it is stored; empty: not yet. Whether later may be better."""

    error: str = ""
    temporary: bool = True


async def do_due(database: Database, ended: Callable[[], bool]) -> None:
    """Do all that is due, a few mailboxes at once; until there is nothing or the worker ends."""
    async with asyncio.TaskGroup() as group:
        for _number in range(AT_ONCE):
            group.create_task(_one_after_the_other(database, ended))


async def _one_after_the_other(database: Database, ended: Callable[[], bool]) -> None:
    while not ended() and (errand := await database(sent_queue.claim)) is not None:
        await _do(errand, database)


async def _do(errand: SentErrand, database: Database) -> None:
    """Whatever happens, what became of it is written down."""
    try:
        async with asyncio.timeout(SECONDS):
            undone = await _try(errand, database)
    except TransportError as error:
        means = classify(error.phase, error.reply, error.trouble)
        undone = _Undone(str(error), temporary=means not in _FOR_GOOD)
    except TimeoutError:
        undone = _Undone(Trouble.TIMEOUT)
    except Exception:
        log.exception("an errand in a mailbox failed", job=errand.job_id, kind=errand.kind)
        undone = _Undone(INTERNAL, temporary=False)
    if undone is not None:
        await database(_settle, errand, undone)


async def _try(errand: SentErrand, database: Database) -> _Undone | None:
    is_copy = errand.kind == SentErrand.Kind.COPY
    if not is_copy and not await database(_may_be_settled, errand.job):
        return _Undone(NOT_FOUND, temporary=False)
    try:
        target: Target = await database(mailboxes.own_mailbox_of if is_copy else mailboxes.sending_mailbox_of, errand.job)
    except NoMailbox as none:
        return _Undone(NO_MAILBOX if none.missing is Missing.NO_MAILBOX else NEEDS_PASSWORD, temporary=False)
    if await database(mailboxes.is_refused, target):
        return _Undone(LOGIN_PAUSED)
    try:
        return await (_put_copy if is_copy else _look)(errand, target, database)
    except TransportError as error:
        if mailboxes.refuses_login(error):
            await database(mailboxes.pause, target, str(error))
        raise


async def _put_copy(errand: SentErrand, target: Target, database: Database) -> _Undone | None:
    """Once: a copy that is there already, by an earlier try or because the provider keeps them by itself, is left alone."""
    octets: bytes | None = await database(_copy_of, errand.job)
    if octets is None:
        return _Undone(ERASED, temporary=False)

    async def ready() -> bytes:
        return octets

    async def put(endpoint: Endpoint) -> Placed | None:
        return await put_mail(endpoint, SENT, ready, message_id=errand.job.message_id, look_first=True)

    placed = await tokens.logged_in(target.endpoint, database, put)
    await database(mailboxes.went_well, target)
    await database(_done, errand, target, placed.folder if placed else "")
    return None


async def _look(errand: SentErrand, target: Target, database: Database) -> _Undone | None:
    """Found proves that it was handed over; not found proves nothing."""
    job = errand.job
    session = await tokens.open_session(target.endpoint, database)
    try:
        if not isinstance(session, MailboxSession):
            raise TypeError(session)
        if not await session.find(job.message_id, job.sender_address):
            return _Undone()
    finally:
        await session.close()
    await database(lost.found, job, f"{target.endpoint.host}:{target.endpoint.port}")
    await database(_done, errand, target, "")
    return None


def _may_be_settled(job: MailJob) -> bool:
    """Whether a mail with its Message-ID in Sent Items says that all were sent it: nobody had got it before, and no try named
    others in their place (U4).
    """
    uncertain = job.state == StateChoices.UNKNOWN or (job.state == StateChoices.NEW and job.possible_duplicate)
    some_have_it = job.recipients.filter(state=RecipientStateChoices.ACCEPTED).exists()
    return uncertain and not some_have_it and not job.tries.exclude(redirected_to=None).exists()


def _copy_of(job: MailJob) -> bytes | None:
    """The mail as it was handed over, with the blind copies that no recipient sees; None where its bytes are erased."""
    frozen = FrozenMail.objects.filter(job=job).first()
    if frozen is None:
        return None
    originals = originals_of(job)
    went = job.tries.filter(outcome__in=(StateChoices.SENT, StateChoices.PARTLY_SENT)).last()
    if went is not None and went.redirected_to is not None:
        return whole(frozen, rewrite(bytes(frozen.headers), tuple(went.redirected_to), originals))
    return blind_copies(originals) + whole(frozen)


def _done(errand: SentErrand, target: Target, folder: str) -> None:
    sent_queue.done(errand, mailbox=target.name, folder=folder)


def _settle(errand: SentErrand, undone: _Undone) -> None:
    if not undone.temporary or given_up(errand.wanted_at, timezone.now(), GIVE_UP_HOURS):
        sent_queue.failed(errand, undone.error or NOT_FOUND)
        return
    wait = next_try(errand.tries, random.uniform(0.5, 1.5), settings.RETRY_TIME_FACTOR)  # noqa: S311 (no secret)
    sent_queue.again(errand, undone.error, wait)

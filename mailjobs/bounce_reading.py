"""The mailboxes in which bounces arrive are read, beside the mails and by one worker at a time (J6)."""

import random
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import transaction

from mailjobs import bounce_queue, bounces, mailboxes, notices, tokens
from mailjobs.collecting import Database
from mailjobs.core.bounces import Report, read_report
from mailjobs.core.envelope import TransportError
from mailjobs.core.retry import next_try
from mailjobs.mailboxes import Missing, NoMailbox
from mailjobs.models import BounceBox
from mailjobs.sent_items import INTERNAL, LOGIN_PAUSED, NEEDS_PASSWORD, NO_MAILBOX
from mailjobs.transports.imap_reading import Position, read_new

log = structlog.get_logger(__name__)


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
            bounces.take(box.tenant, reports)
            bounce_queue.read(box, place, position, more=more)


def _failed(box: BounceBox, error: str) -> None:
    wait = next_try(box.tries + 1, random.uniform(0.5, 1.5), settings.RETRY_TIME_FACTOR)  # noqa: S311 (no secret)
    if bounce_queue.failed(box, error, max(wait, timedelta(minutes=1))):
        notices.tell_of_bounce_box(box.tenant, error)

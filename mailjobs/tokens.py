"""Access tokens for the connections that log in with one: shared by all workers, fetched before they end, by one at a time.

A token lies sealed in the database, never in a plan, a task or a log. Whose turn it is to fetch one is a guarded statement on its
row, so that a refresh token that changes with each use is used once.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from mailjobs.core.envelope import Endpoint, Phase, TokenSource, TransportError, Trouble
from mailjobs.core.reply import ReplyClass, classify
from mailjobs.models import AccessToken
from mailjobs.transports import registry
from mailjobs.transports.oauth import Token, token_of_mailbox, token_of_program
from mailjobs.transports.registry import Session
from mailsettings.changes.secrets import renew_consent
from mailsettings.core.relay import OAUTH_CONSENT, OAUTH_SECRET
from mailsettings.selectors import find_secret
from mailsettings.vault import SecretUnreadable, is_newest, seal, unseal

FETCH_BEFORE = timedelta(minutes=5)  # the end of the one before
AT_LEAST = timedelta(seconds=60)  # that a token must still hold to be used
TURN = timedelta(seconds=60)  # how long a worker may take to fetch one before another does
_ASK_AGAIN = 0.2  # seconds
_KEY = "access_token"

Result = TypeVar("Result")


class Ask(Protocol):
    """Runs a function where the database may be used."""

    def __call__(self, call: Callable[..., Any], *arguments: object) -> Awaitable[Any]: ...


@dataclass(frozen=True, slots=True)
class Held:
    """What is known of a token: the one that can be used, for how long, and whether it is for this worker to fetch the next."""

    access: str = field(default="", repr=False)
    seconds: float = 0.0
    mine_to_fetch: bool = False
    refresh: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)


async def open_session(endpoint: Endpoint, database: Ask) -> Session:
    """A session for the endpoint's send system, with an access token where that is how it logs in. Raises TransportError."""
    return await logged_in(endpoint, database, registry.open_session)


async def logged_in(endpoint: Endpoint, database: Ask, call: Callable[[Endpoint], Awaitable[Result]]) -> Result:
    """What the call, which logs in first of all, gives with the endpoint and, where that is how it logs in, an access token.

    A stored token that the server refuses is replaced once: it may have been withdrawn since. Raises TransportError.
    """
    if endpoint.token is None:
        return await call(endpoint)
    endpoint, stored = await with_token(endpoint, database)
    try:
        return await call(endpoint)
    except TransportError as error:
        if not _refused(error):
            raise
        await database(forget, endpoint.token)
        if not stored:
            raise
    endpoint, _stored = await with_token(endpoint, database)
    return await call(endpoint)


async def with_token(endpoint: Endpoint, database: Ask) -> tuple[Endpoint, bool]:
    """The endpoint with a token that holds for a while in place of its secret, and whether it was there before.

    Raises TransportError in Phase.AUTH with the authority's refusal, or what came between on the way to it.
    """
    source = endpoint.token
    if source is None:
        return endpoint, True
    deadline = time.monotonic() + TURN.total_seconds()
    while True:
        held: Held = await database(look, source)
        if held.mine_to_fetch:
            return await _fetch(endpoint, source, held, database)
        if held.access:
            return _holding(endpoint, held.access, held.seconds), True
        if time.monotonic() > deadline:
            raise TransportError(phase=Phase.AUTH, trouble=Trouble.TIMEOUT)
        await asyncio.sleep(_ASK_AGAIN)


def look(source: TokenSource) -> Held:
    """What is known of the token now; takes the turn to fetch the next where that is due and nobody has it.

    The secrets are read with the turn, so that a refresh token which another worker has replaced is not used again.
    """
    rows = AccessToken.objects.filter(place=_place(source))
    if not rows.exists():
        AccessToken.objects.bulk_create([AccessToken(place=_place(source), owner=source.owner)], ignore_conflicts=True)
    due = Q(expires_at=None) | Q(expires_at__lt=Now() + FETCH_BEFORE)
    nobody = Q(fetching_until=None) | Q(fetching_until__lt=Now())
    mine = rows.filter(due & nobody).update(fetching_until=Now() + TURN) == 1
    row = rows.annotate(now=Now()).get()
    held = Held()
    if row.sealed is not None and row.expires_at is not None and row.expires_at > row.now + AT_LEAST:
        access = _unsealed(bytes(row.sealed), source)
        if not access:  # under a key that is gone: whoever asks next fetches another
            rows.filter(sealed=row.sealed).update(sealed=None, expires_at=None)
        held = Held(access, (row.expires_at - row.now).total_seconds())
    if not mine:
        return held
    refresh = _stored(source, OAUTH_CONSENT) if source.consent else ""
    return replace(held, mine_to_fetch=True, refresh=refresh, secret=_stored(source, OAUTH_SECRET))


def keep(source: TokenSource, token: Token) -> None:
    """The authority has given a token: it is everybody's from now on."""
    sealed = seal(token.access, owner=_place(source), key=_KEY, binding=source.binding)
    until = Now() + timedelta(seconds=token.seconds)
    with transaction.atomic():
        AccessToken.objects.filter(place=_place(source)).update(
            sealed=sealed, expires_at=until, fetching_until=None, refusal="", refused_at=None
        )
        if source.consent:
            renew_consent(source.owner, source.binding, source.consent, refresh_token=token.refresh)


def give_up(source: TokenSource, refusal: str) -> None:
    """The authority gave none; `refusal` is what it said, empty where it could not be asked."""
    with transaction.atomic():
        rows = AccessToken.objects.filter(place=_place(source))
        rows.update(fetching_until=None)
        if refusal:
            rows.update(refusal=refusal, refused_at=Now())
            if source.consent:
                renew_consent(source.owner, source.binding, source.consent, refusal=refusal)


def forget(source: TokenSource) -> None:
    """A server has refused the token: the next session gets another."""
    AccessToken.objects.filter(place=_place(source)).update(sealed=None, expires_at=None)


def forget_old() -> None:
    """What no setting has used for a day is erased."""
    AccessToken.objects.filter(expires_at__lt=timezone.now() - timedelta(days=1), fetching_until=None).delete()


def forget_under_old_keys() -> int:
    """What is sealed under another than the newest field key is fetched anew; returns how many."""
    rows = AccessToken.objects.filter(sealed__isnull=False).values_list("pk", "sealed")
    old = [(pk, sealed) for pk, sealed in rows if sealed and not is_newest(bytes(sealed))]
    return sum(AccessToken.objects.filter(pk=pk, sealed=sealed).update(sealed=None, expires_at=None) for pk, sealed in old)


async def _fetch(endpoint: Endpoint, source: TokenSource, held: Held, database: Ask) -> tuple[Endpoint, bool]:
    """Where the authority cannot be reached, the token before is used while it holds."""
    try:
        async with asyncio.timeout(TURN.total_seconds() / 2):
            token = await _ask(endpoint, source, held)
    except TransportError as error:
        refused = _refused(error)
        await database(give_up, source, str(error) if refused else "")
        if held.access and not refused:
            return _holding(endpoint, held.access, held.seconds), True
        raise
    except TimeoutError as late:
        await database(give_up, source, "")
        raise TransportError(phase=Phase.AUTH, trouble=Trouble.TIMEOUT) from late
    except BaseException:
        await database(give_up, source, "")
        raise
    await database(keep, source, token)
    return _holding(endpoint, token.access, token.seconds), False


async def _ask(endpoint: Endpoint, source: TokenSource, held: Held) -> Token:
    if source.consent:
        return await token_of_mailbox(endpoint, source, refresh=held.refresh, secret=held.secret)
    return await token_of_program(endpoint, source, secret=held.secret)


def _holding(endpoint: Endpoint, access: str, seconds: float) -> Endpoint:
    return replace(endpoint, secret=access, secret_until=time.monotonic() + seconds)


def _refused(error: TransportError) -> bool:
    """Whether a login was refused, rather than not come about."""
    said = error.reply is not None or error.trouble is Trouble.TOKEN_REFUSED
    return (
        error.phase is Phase.AUTH
        and said
        and classify(error.phase, error.reply, error.trouble) in {ReplyClass.LOGIN_REFUSED, ReplyClass.CONFIGURATION}
    )


def _place(source: TokenSource) -> str:
    parts = (source.owner, source.binding, source.token_url, source.client_id, source.scope, source.consent)
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


def _unsealed(sealed: bytes, source: TokenSource) -> str:
    try:
        return unseal(sealed, owner=_place(source), key=_KEY, binding=source.binding)
    except SecretUnreadable:
        return ""


def _stored(source: TokenSource, key: str) -> str:
    """A secret that may still be offered; empty where there is none."""
    row = find_secret(source.owner, key)
    if row is None or row.binding != source.binding:
        return ""
    try:
        return unseal(bytes(row.sealed), owner=source.owner, key=key, binding=source.binding)
    except SecretUnreadable:
        return ""

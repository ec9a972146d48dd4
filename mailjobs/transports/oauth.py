"""Access tokens from an authority: as the program itself, by a consent, or for the code of a new one (RFC 6749, 7636)."""

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import Any

from oauthlib.oauth2 import BackendApplicationClient, Client, OAuth2Error, WebApplicationClient

from mailjobs.core.envelope import Endpoint, Phase, Reply, TokenSource, TransportError, Trouble
from mailjobs.transports.https import Answer, Https, endpoint_of
from mailjobs.transports.transcript import hide
from mailjobs.transports.web_reply import reply_of

USUAL_SECONDS = 300  # of a token that does not say how long it holds
_LONGEST_TOKEN = 16_384
_VERIFIER_LENGTH = 64
_VISIBLE = re.compile(rf"[\x21-\x7e]{{1,{_LONGEST_TOKEN}}}")
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class Token:
    """What an authority gave: an access token for so many seconds, perhaps a new refresh token, perhaps whose mailbox it is."""

    access: str = field(repr=False)
    seconds: int
    refresh: str = field(default="", repr=False)
    mailbox: str = ""
    identity: str = field(default="", repr=False)  # the ID token as it came (OpenID Connect), where there is one


@dataclass(frozen=True, slots=True)
class Asked:
    """A consent that was asked for: the address to send the browser to, and what proves later that it was asked for here."""

    url: str
    verifier: str = field(repr=False)


def consent_address(
    authorize_url: str, client_id: str, scope: str, *, redirect_uri: str, state: str, **more: str
) -> Asked | None:
    """Where somebody consents, with PKCE (RFC 6749 4.1.1, RFC 7636); None where `authorize_url` is no https address."""
    client = WebApplicationClient(client_id)
    verifier = client.create_code_verifier(_VERIFIER_LENGTH)
    proof = {"code_challenge": client.create_code_challenge(verifier, "S256"), "code_challenge_method": "S256"}
    try:
        url = client.prepare_request_uri(authorize_url, redirect_uri, scope=scope, state=state, **proof, **more)
    except (OAuth2Error, ValueError):
        return None
    return Asked(str(url), verifier)


async def token_of_program(endpoint: Endpoint, source: TokenSource, *, secret: str) -> Token:
    """Client credentials (RFC 6749 4.4). `endpoint` lends its trust and its networks.

    All three raise TransportError: in Phase.AUTH with the authority's refusal, before that where it cannot be reached.
    """
    client = BackendApplicationClient(source.client_id)
    form = client.prepare_request_body(scope=source.scope, include_client_id=True, client_secret=secret)
    return await _ask(endpoint, source, client, form, [secret])


async def token_of_mailbox(endpoint: Endpoint, source: TokenSource, *, refresh: str, secret: str) -> Token:
    """By the refresh token of a consent (RFC 6749 6); a public client has no secret."""
    client = WebApplicationClient(source.client_id)
    kept = {"client_secret": secret} if secret else {}
    form = client.prepare_refresh_body(refresh_token=refresh, scope=source.scope, client_id=source.client_id, **kept)
    return await _ask(endpoint, source, client, form, [refresh, secret])


async def token_for_code(
    endpoint: Endpoint, source: TokenSource, *, code: str, verifier: str, redirect_uri: str, secret: str
) -> Token:
    """For the code that a consent has just brought, with the proof that it was asked for here (RFC 6749 4.1.3, RFC 7636)."""
    client = WebApplicationClient(source.client_id)
    kept: dict[str, Any] = {"client_secret": secret} if secret else {}
    form = client.prepare_request_body(code=code, redirect_uri=redirect_uri, code_verifier=verifier, **kept)
    return await _ask(endpoint, source, client, form, [code, verifier, secret])


async def _ask(endpoint: Endpoint, source: TokenSource, client: Client, form: str, secrets: list[str]) -> Token:
    authority = endpoint_of(source.token_url, endpoint)
    async with Https(authority) as https:
        answer = await https.request("POST", source.token_url, headers=_FORM, body=form.encode(), phase=Phase.AUTH)
    if answer.status >= 500 or answer.status == 429 or not 200 <= answer.status < 500:
        raise TransportError(phase=Phase.AUTH, reply=reply_of(answer, secrets))
    try:
        client.parse_request_body_response(answer.body.decode("utf-8", "replace"))
    except OAuth2Error as error:
        raise _refused(answer, error, secrets) from None  # its words are in the reply, without secrets
    except (ValueError, TypeError, AttributeError) as error:
        raise TransportError(phase=Phase.AUTH, trouble=Trouble.BAD_REPLY) from error
    return _token(client.token)


def _refused(answer: Answer, error: OAuth2Error, secrets: list[str]) -> TransportError:
    words = ": ".join(part for part in (str(error.error or ""), str(error.description or "")) if part)
    text = hide(f"HTTP {words}", secrets)
    return TransportError(phase=Phase.AUTH, reply=Reply(answer.status if answer.status >= 400 else 400, "", text[:500]))


def _token(given: dict[str, object]) -> Token:
    access, refresh = str(given.get("access_token") or ""), str(given.get("refresh_token") or "")
    if not _VISIBLE.fullmatch(access) or (refresh and not _VISIBLE.fullmatch(refresh)):
        raise TransportError(phase=Phase.AUTH, trouble=Trouble.BAD_REPLY)
    identity = str(given.get("id_token") or "")[:_LONGEST_TOKEN]
    return Token(access, _seconds(given.get("expires_in")), refresh, _mailbox(identity), identity)


def _seconds(stated: object) -> int:
    try:
        return min(max(int(str(stated)), 0), 86_400)
    except ValueError:
        return USUAL_SECONDS


def _mailbox(id_token: object) -> str:
    """Whose consent it was. It came from the authority itself over TLS, so that nobody else can have signed it (OpenID Connect
    Core 3.1.3.7); it is shown and compared, and opens nothing.
    """
    try:
        payload = str(id_token).split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        found = claims.get("email") or claims.get("preferred_username") or claims.get("upn") or ""
    except (IndexError, ValueError, AttributeError, binascii.Error):
        return ""
    return found[:320] if isinstance(found, str) and found.isprintable() else ""

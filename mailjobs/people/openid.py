"""Log-in with OpenID Connect: code flow, PKCE; the ID token's signature, issuer, audience and nonce count (Core 3.1.3.7)."""

import asyncio
import json
import re
import secrets
import time
from typing import Any

import jwt
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from mailjobs.core.envelope import Endpoint, Phase, TokenSource, TransportError
from mailjobs.people.models import Identity
from mailjobs.transports.https import Https, endpoint_of
from mailjobs.transports.oauth import consent_address, token_for_code
from mailsettings.changes import audit
from mailsettings.models import USER_ID, User

ASKED = "openid"  # in the session: what was asked for last
ASKED_FOR = 15 * 60.0  # seconds
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
LEEWAY = 60  # seconds that clocks may differ
_KEPT_FOR = 3600.0
_known: dict[str, tuple[float, dict[str, Any]]] = {}  # what the issuer says of itself, until when it counts


class NoIdentity(Exception):
    """The provider could not be asked, or what it said proves nothing; the text is for the log."""


def is_on() -> bool:
    """Whether the operator has set a provider."""
    return bool(settings.OIDC_ISSUER and settings.OIDC_CLIENT_ID)


def ask(request: HttpRequest, *, next_page: str, connect: User | None = None) -> str:
    """The address at which somebody logs in; `connect`: to connect that identity to this user. Raises NoIdentity."""
    about = _about()
    state, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    back = request.build_absolute_uri(reverse("openid_back"))
    asked = consent_address(
        str(about["authorization_endpoint"]),
        settings.OIDC_CLIENT_ID,
        settings.OIDC_SCOPE,
        redirect_uri=back,
        state=state,
        nonce=nonce,
        **({"prompt": "select_account"} if connect else {}),
    )
    if asked is None:
        raise NoIdentity("the authorization endpoint is no https address")
    request.session[ASKED] = {
        "state": state,
        "nonce": nonce,
        "verifier": asked.verifier,
        "back": back,
        "next": next_page,
        "connect": connect.pk if connect else 0,
        "at": time.time(),
    }
    return asked.url


def receive(request: HttpRequest) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was asked, and the claims of whoever came back. Raises NoIdentity."""
    asked = request.session.pop(ASKED, None)
    if not isinstance(asked, dict) or not 0 <= time.time() - float(asked.get("at", 0)) <= ASKED_FOR:
        raise NoIdentity("nothing was asked, or too long ago")
    if not constant_time_compare(str(asked.get("state")), request.GET.get("state", "")):
        raise NoIdentity("another state")
    code = request.GET.get("code", "")[:4_000]
    if not code:
        raise NoIdentity(request.GET.get("error", "no code")[:200])
    about = _about()
    source = TokenSource(str(about["token_endpoint"]), settings.OIDC_CLIENT_ID, settings.OIDC_SCOPE, owner="", binding="")
    redeem = token_for_code(
        _operators(),
        source,
        code=code,
        verifier=asked["verifier"],
        redirect_uri=asked["back"],
        secret=settings.OIDC_CLIENT_SECRET,
    )
    try:
        token = asyncio.run(redeem)
    except TransportError as error:
        raise NoIdentity(str(error)) from error
    return asked, claims_of(token.identity, nonce=asked["nonce"], keys=_get(str(about["jwks_uri"])))


def claims_of(token: str, *, nonce: str, keys: dict[str, Any]) -> dict[str, Any]:
    """The claims of an ID token that this issuer signed for us, just now and for this question. Raises NoIdentity."""
    try:
        named = jwt.get_unverified_header(token).get("kid")
        fit = [key for key in jwt.PyJWKSet.from_dict(keys).keys if named in (None, key.key_id)]
        if not fit:
            raise NoIdentity("an unknown key")
        claims: dict[str, Any] = jwt.decode(
            token,
            fit[0].key,
            algorithms=[fit[0].algorithm_name] if fit[0].algorithm_name in ALGORITHMS else ALGORITHMS,
            audience=settings.OIDC_CLIENT_ID,
            issuer=settings.OIDC_ISSUER,
            leeway=LEEWAY,
            options={"require": ["exp", "iat", "sub", "iss", "aud"]},
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise NoIdentity(str(error)) from error
    if not constant_time_compare(str(claims.get("nonce", "")), nonce):
        raise NoIdentity("another nonce")
    if not str(claims["sub"]).isprintable():
        raise NoIdentity("a subject that is no text")
    if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != settings.OIDC_CLIENT_ID:
        raise NoIdentity("for another party")
    return claims


def user_of(claims: dict[str, Any]) -> User | None:
    """Who this is: connected before, or named by the claim that the operator trusts (OIDC_USER_CLAIM)."""
    row = Identity.objects.select_related("user").filter(issuer=settings.OIDC_ISSUER, subject=str(claims["sub"])[:255]).first()
    if row is not None:
        return row.user if row.user.is_active else None
    named = str(claims.get(settings.OIDC_USER_CLAIM, "")).lower() if settings.OIDC_USER_CLAIM else ""
    known = User.objects.filter(login=named, is_active=True).exclude(role="service_user")
    user = known.first() if re.fullmatch(USER_ID, named) else None
    if user is not None and not Identity.objects.filter(user=user, issuer=settings.OIDC_ISSUER).exists():
        connect(user, claims)
        return user
    return None


def connect(user: User, claims: dict[str, Any]) -> bool:
    """Connect an identity to a user; False where it is another's already."""
    label = str(claims.get("email") or claims.get("preferred_username") or claims.get("name") or "")[:320]
    label = "".join(filter(str.isprintable, label))
    row, made = Identity.objects.get_or_create(
        issuer=settings.OIDC_ISSUER, subject=str(claims["sub"])[:255], defaults={"user": user, "label": label}
    )
    if made:
        audit(user.login, user.tenant, "identity", user.login, {"connected": label or row.subject, "issuer": row.issuer})
    return row.user_id == user.pk


def _about() -> dict[str, Any]:
    """The provider's own description (OpenID Connect Discovery 4), kept for an hour. Raises NoIdentity."""
    issuer = str(settings.OIDC_ISSUER)
    until, found = _known.get(issuer, (0.0, {}))
    if time.monotonic() > until:
        found = _get(issuer.rstrip("/") + "/.well-known/openid-configuration")
        missing = [name for name in ("authorization_endpoint", "token_endpoint", "jwks_uri") if not found.get(name)]
        if found.get("issuer") != issuer or missing:
            raise NoIdentity("the provider describes another issuer, or too little")
        _known[issuer] = time.monotonic() + _KEPT_FOR, found
    return found


def _get(url: str) -> dict[str, Any]:
    async def ask_for() -> bytes:
        async with Https(endpoint_of(url, _operators())) as https:
            answer = await https.request("GET", url, headers={"Accept": "application/json"}, phase=Phase.AUTH)
        if answer.status != 200:
            raise NoIdentity(f"{url}: HTTP {answer.status}")
        return answer.body

    try:
        found = json.loads(asyncio.run(ask_for()))
    except (TransportError, ValueError) as error:
        raise NoIdentity(f"{url}: {error}") from error
    if not isinstance(found, dict):
        raise NoIdentity(f"{url}: no object")
    return found


def _operators() -> Endpoint:
    """The operator chose the provider, no tenant: it may be in a private network."""
    return Endpoint(
        host="",
        port=443,
        tls="implicit",
        send_system=0,
        allowed_networks=("0.0.0.0/0", "::/0"),
        ca_file=settings.OUTBOUND_CA_FILE,
    )

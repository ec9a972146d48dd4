"""A mailbox consents, in the browser, that the portal sends in its name (authorization code with PKCE: RFC 6749 4.1, 7636)."""

import asyncio
from dataclasses import dataclass

from django.conf import settings as installation
from django.db import transaction

from mailjobs.core.authorities import Authority, authority_of, consent_scope, mailbox_scope
from mailjobs.core.envelope import Endpoint, TokenSource, TransportError
from mailjobs.models import AccessToken
from mailjobs.routing import networks_for
from mailjobs.transports.oauth import Asked, Token, consent_address, token_for_code
from mailsettings.changes import Book, Owner, forget_secret, secrets_of
from mailsettings.changes.secrets import level_of, save_consent
from mailsettings.core.mailboxes import server_of
from mailsettings.core.parameters import Layer, resolve
from mailsettings.core.relay import GRAPH, OAUTH_CONSENT, OAUTH_SECRET, oauth_binding
from mailsettings.core.send_systems import SEND_SYSTEMS, Credentials, Over, SendSystem
from mailsettings.models import Consent, EmailAccount, Tenant, User
from mailsettings.selectors import general_layers, layers_of
from mailsettings.vault import SecretUnreadable, unseal


class NoConsent(Exception):
    """The authority gave no lasting access: `said` is what it said, empty where it gave no refresh token."""

    def __init__(self, said: str = "") -> None:
        self.said = said
        super().__init__(said)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a consent is stored and what it is for, as the settings of its owner are now."""

    owner: Owner
    name: str  # `account:7`
    system: SendSystem
    authority: Authority
    client_id: str
    mailbox: str  # that the settings name, empty where they leave it to the consent
    scope: str  # what is asked for
    source: TokenSource
    endpoint: Endpoint  # lends its trust and its networks

    @property
    def ready(self) -> bool:
        """Whether there is something to consent to."""
        return bool(self.client_id) and self.system.credentials is Credentials.OAUTH


def place_of(owner: Owner, as_if: int | None = None) -> Place:
    """What a consent of this owner would be for; with `as_if` as if that send system were in force."""
    level = level_of(owner)
    holder = level.holder
    layers = _layers_of(owner)
    number = holder.number("send_system") if as_if is None else as_if
    number = number if number is not None else int(str(resolve(layers, "send_system").value or 0))
    system = SEND_SYSTEMS[number]
    authority, tenant, client = (holder.text(key) for key in ("oauth_authority", "oauth_tenant", "oauth_client_id"))
    graph_url = (holder.text("graph_url") or GRAPH) if system.over is Over.GRAPH else ""
    where, imap = authority_of(authority, tenant), server_of(level) is not None
    scope = mailbox_scope(authority, graph_url, imap=imap)
    return Place(
        owner=owner,
        name=holder.owner,
        system=system,
        authority=where,
        client_id=client,
        mailbox=holder.text("smtp_user"),
        scope=consent_scope(authority, graph_url, imap=imap),
        source=TokenSource(where.token_url, client, scope, holder.owner, oauth_binding(level)),
        endpoint=Endpoint(
            host="",
            port=443,
            tls="implicit",
            send_system=number,
            ca_certificate=holder.text("ca_certificate"),
            ca_file=installation.OUTBOUND_CA_FILE,
            allowed_networks=networks_for(layers, holder, com_customer=_is_at_com_customer(owner)),
        ),
    )


def ask(place: Place, *, state: str, redirect_uri: str) -> Asked | None:
    """The address at which somebody consents; None where the authority's is no https address."""
    lasting = {"access_type": "offline", "prompt": "consent"} if place.authority.google else {"prompt": "select_account"}
    known = {"login_hint": place.mailbox} if place.mailbox else {}
    return consent_address(
        place.authority.authorize_url,
        place.client_id,
        place.scope,
        redirect_uri=redirect_uri,
        state=state,
        **lasting,
        **known,
    )


def receive(book: Book, place: Place, *, code: str, verifier: str, redirect_uri: str) -> str:
    """Redeem the code and store the consent, audited; returns whose mailbox it is, as the authority names it.

    Raises NoConsent, TransportError where the authority cannot be reached.
    """
    token = _redeemed(place, code=code, verifier=verifier, redirect_uri=redirect_uri)
    if not token.refresh:
        raise NoConsent
    with transaction.atomic():
        save_consent(book, place.owner, token.refresh, mailbox=token.mailbox)
        AccessToken.objects.filter(owner=place.name).delete()
    return token.mailbox


def withdraw(book: Book, place: Place) -> None:
    """Forget the consent and the tokens that came by it."""
    with transaction.atomic():
        forget_secret(book, place.owner, OAUTH_CONSENT)
        AccessToken.objects.filter(owner=place.name).delete()


def consent_at(place: Place) -> tuple[Consent | None, bool]:
    """The consent that is stored, and whether it still fits what the settings lead to (P5)."""
    consent = (
        Consent.objects.filter(secret__in=secrets_of(place.owner), secret__key=OAUTH_CONSENT).select_related("secret").first()
    )
    return consent, consent is not None and consent.secret.binding == place.source.binding


def logs_in_as_program(place: Place) -> bool:
    """Whether mail goes without a consent: the authority knows programs, and the client secret that fits is stored."""
    return place.authority.programs and bool(_client_secret(place))


def token_at(place: Place) -> AccessToken | None:
    """The access token that workers use now, for its end and the last refusal."""
    return AccessToken.objects.filter(owner=place.name).order_by("-expires_at").first()


def _redeemed(place: Place, *, code: str, verifier: str, redirect_uri: str) -> Token:
    secret = _client_secret(place)
    redeem = token_for_code(place.endpoint, place.source, code=code, verifier=verifier, redirect_uri=redirect_uri, secret=secret)
    try:
        return asyncio.run(redeem)
    except TransportError as error:
        if error.reply is None:
            raise
        raise NoConsent(str(error)) from error


def _client_secret(place: Place) -> str:
    """Empty for a public client, which proves itself by PKCE alone, and where the stored one no longer fits (P5)."""
    row = secrets_of(place.owner).filter(key=OAUTH_SECRET, binding=place.source.binding).first()
    try:
        return unseal(bytes(row.sealed), owner=place.name, key=OAUTH_SECRET, binding=row.binding) if row else ""
    except SecretUnreadable:
        return ""


def _is_at_com_customer(owner: Owner) -> bool:
    tenant = owner if isinstance(owner, Tenant) else owner.tenant
    return tenant is not None and tenant.is_com_customer


def _layers_of(owner: Owner) -> tuple[Layer, ...]:
    match owner:
        case EmailAccount():
            return general_layers(owner.tenant)
        case Tenant():
            return general_layers(owner)
        case User():
            return layers_of(owner)

"""Over what does a stored mail leave now: relay, login, limits and redirect read anew, once for all mails of a kind.

What is sent is frozen, how is not: correcting a password is enough (delivery contract 2, 1).
"""

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Sequence, Set
from dataclasses import astuple, dataclass, field, replace
from typing import TypeVar
from urllib.parse import urlsplit

from django.conf import settings as installation
from django.db import Error as DatabaseError
from django.db.models import Model, QuerySet

from mailjobs import sharing
from mailjobs.core.authorities import authority_of, mailbox_scope, program_scope
from mailjobs.core.envelope import Endpoint, Exchange, TokenSource
from mailjobs.core.limits import Limits, limits_of
from mailjobs.core.plan import Refusal, redirect_now
from mailjobs.core.providers import preset_of
from mailjobs.judging import Barred, Held, judge, redirected, request_of
from mailjobs.models import MailJob
from mailjobs.refusals import details_of
from mailjobs.rows import among, read
from mailsettings.core.facts import AccountFacts, Facts
from mailsettings.core.mailboxes import IMAP_TOKENS
from mailsettings.core.parameters import Holder, Layer, ParameterLevel, resolve, switched_on
from mailsettings.core.relay import OAUTH_CONSENT, OAUTH_SECRET, Connection, SecretRef, decide_relay, refuse_relay
from mailsettings.core.send_systems import Over
from mailsettings.installation import copied_from
from mailsettings.models import Consent, PrintModel, Tenant, User
from mailsettings.selectors import AddressesInUse, World, addresses_in_use, find_secret, world_of
from mailsettings.vault import SecretUnreadable, unseal

# The newest alone would not do: of two changes the one that began first may be committed last.
_LATEST_CHANGES = "SELECT id, at FROM mailsettings_auditevent ORDER BY id DESC LIMIT 100"
Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Route:
    """How mails of one kind leave now: over what, to whom instead of their recipients, under which policies that was decided."""

    endpoint: Endpoint
    login: str  # `relay.Connection.key`
    fingerprint: str  # of the settings, the secret among them: sessions are shared by it
    limits: Limits
    tenant_ids: tuple[int, ...]  # the tenant and its firm, the firm last
    policy_stamp: int
    redirected_to: tuple[str, ...] | None
    give_up_hours: int
    unknown_policy: str
    keep: bool
    sent_copy: bool  # a copy in the mailbox's Sent folder is wanted, which the server itself does not keep (X3)

    @property
    def server(self) -> str:
        return f"{self.endpoint.host}:{self.endpoint.port}"


@dataclass(frozen=True, slots=True)
class Broken:
    """A mail about which nothing could be decided; it is set aside, and the others of its batch go."""

    job: MailJob
    error: Exception


@dataclass(slots=True)
class Settings:
    """What decisions about many mails share, for as long as nobody changes a setting; one for each engine."""

    version: object = None
    worlds: dict[int, World] = field(default_factory=dict)  # by tenant
    secrets: dict[tuple[str, str, str], str | None] = field(default_factory=dict)
    routes: dict[Hashable, "Route | Barred | Held"] = field(default_factory=dict)
    in_use: AddressesInUse | None = None
    epochs: dict[int, int] = field(default_factory=dict)  # of tenants
    tenants: dict[int, Tenant] = field(default_factory=dict)
    users: dict[int, User] = field(default_factory=dict)
    print_models: dict[int, PrintModel] = field(default_factory=dict)
    connections: dict[str, int] = field(default_factory=dict)  # login → id; never another

    def refresh(self, jobs: Sequence[MailJob]) -> None:
        """Forget everything where anything has changed; read what these jobs need. Every change of a setting is audited."""
        these, ids = among("id", {job.tenant_id for job in jobs})
        firms = f"SELECT firm_id FROM mailsettings_tenant WHERE {these}"
        epochs = dict(read(f"SELECT id, policy_epoch FROM mailsettings_tenant WHERE {these} OR id IN ({firms})", [*ids, *ids]))
        version = (read(_LATEST_CHANGES, []), copied_from())
        if version != self.version or any(self.epochs.get(tenant, epoch) != epoch for tenant, epoch in epochs.items()):
            for known in (self.worlds, self.secrets, self.routes, self.epochs, self.tenants, self.users, self.print_models):
                known.clear()
            self.in_use = None
            self.version = version
        self.epochs.update(epochs)
        self._give_people(jobs)
        users: dict[int, dict[str, User]] = defaultdict(dict)
        for job in jobs:
            users[job.user.tenant_id or 0][job.user.login] = job.user
        for tenant_id, people in users.items():
            self._read(tenant_id, people)

    def connections_of(self, logins: Set[str]) -> dict[str, int]:
        """Login → id of its shared connection."""
        if missing := logins - self.connections.keys():
            self.connections.update(sharing.ids_of(missing))
        return self.connections

    def _give_people(self, jobs: Sequence[MailJob]) -> None:
        """Tenant, user and print model for each job, one object for all that share it."""
        _complete(self.tenants, {job.tenant_id for job in jobs}, Tenant.objects.select_related("firm"))
        _complete(self.users, {job.user_id for job in jobs}, User.objects.select_related("deputy", "tenant__firm"))
        wanted = {job.print_model_id for job in jobs if job.print_model_id}
        _complete(self.print_models, wanted, PrintModel.objects.defer("subject", "text", "html"))
        for job in jobs:
            job.tenant, job.user = self.tenants[job.tenant_id], self.users[job.user_id]
            job.print_model = self.print_models.get(job.print_model_id) if job.print_model_id else None

    def _read(self, tenant_id: int, people: dict[str, User]) -> None:
        world = self.worlds.get(tenant_id)
        if world is not None and people.keys() <= world.users.keys():
            return
        tenant = next(iter(people.values())).tenant
        if tenant is None:
            return  # a mail of an operator: `_prepare` says so
        if self.in_use is None and tenant.is_com_customer:
            self.in_use = addresses_in_use()
        self.worlds[tenant_id] = world_of(tenant, [*self._known(world), *people.values()], in_use=self.in_use)

    @staticmethod
    def _known(world: World | None) -> list[User]:
        return list(User.objects.filter(login__in=world.users)) if world else []


def _complete(known: dict[int, Row], wanted: Set[int], rows: QuerySet[Row]) -> None:
    if missing := wanted - known.keys():
        known.update(rows.in_bulk(list(missing)))


def route_of(settings: Settings, job: MailJob) -> Route | Barred | Held | Broken:
    """What was decided for the first of its kind holds for all of them."""
    try:
        kind = _kind(job)
        found = settings.routes.get(kind)
        if found is None:
            found = settings.routes[kind] = _route(settings, job)
    except DatabaseError:
        raise
    except Exception as error:
        return Broken(job, error)
    return found if isinstance(found, Route) else replace(found, job=job)


def _kind(job: MailJob) -> Hashable:
    """All of a job that `_route` looks at: who keeps it up to date reads that function."""
    return (
        job.tenant_id,
        job.user_id,
        job.print_model_id,
        job.account_id,
        job.sender_address,
        job.sender_level,
        job.sender_origin,
        job.unattended,
        job.direct,
        job.channel,
        job.held_reason,
        job.restored,
        job.captured_then,
        tuple(job.approved),
        repr(job.redirected_then),
    )


def _route(settings: Settings, job: MailJob) -> Route | Barred | Held:
    world = settings.worlds.get(job.user.tenant_id or 0)
    if world is None:
        raise ValueError("a mail of an operator")
    facts = world.facts_for(job.user.login, request_of(job))
    if stopped := judge(facts, job):
        return stopped
    account = world.accounts.get(job.account_id or 0)
    account = account if account and account.active else None
    decided = decide_relay(facts, account, job.sender_level).connection
    if decided is None:
        return Barred(job, Refusal.NO_CONNECTION, details_of(facts, address=job.sender_address, level=job.sender_level))
    refused = refuse_relay(facts, decided, account)
    secret = None if refused else secret_of(settings, decided.secret)
    client_key = None if refused else secret_of(settings, decided.client_key)
    if secret is None or client_key is None:
        details = details_of(facts, address=job.sender_address, level=job.sender_level, connection=decided)
        return Barred(job, Refusal(refused.value) if refused else Refusal.SECRET_NEEDED, details)
    endpoint = endpoint_of(facts, decided, secret, client_key)
    hours = resolve(facts.layers, "give_up_hours").value
    tenant = job.tenant
    return Route(
        endpoint=endpoint,
        login=decided.key,
        fingerprint=fingerprint_of(endpoint),
        limits=_limits(facts, decided, endpoint),
        tenant_ids=(tenant.pk,) if tenant.firm_id is None else (tenant.pk, tenant.firm_id),
        policy_stamp=world.policy_stamp,
        redirected_to=redirected(job, redirect_now(facts)),
        give_up_hours=hours if isinstance(hours, int) else 24,
        unknown_policy=_unknown_policy(facts, decided),
        keep=job.direct or switched_on(facts.layers, "log_background_sends"),
        sent_copy=decided.system.over is Over.SMTP and _wants_copy(facts, account),
    )


def _limits(facts: Facts, connection: Connection, endpoint: Endpoint) -> Limits:
    """What the account or, without one of its own, the parameters set wins over what is known of the provider."""
    wanted = {key: _number(facts, connection, key) for key in ("max_connections", "per_minute", "per_day")}
    return limits_of(preset=preset_of(endpoint.host, endpoint.send_system), **wanted)


def _number(facts: Facts, connection: Connection, key: str) -> int | None:
    own = connection.server.number(key)
    value = resolve(facts.layers, key).value if own is None else own
    return value if isinstance(value, int) else None


def _wants_copy(facts: Facts, account: AccountFacts | None) -> bool:
    own = account.holder.switch("sent_copy") if account else None
    return switched_on(facts.layers, "sent_copy") if own is None else own


def _unknown_policy(facts: Facts, connection: Connection) -> str:
    policy = connection.server.text("unknown_policy") or str(resolve(facts.layers, "unknown_policy").value)
    return "" if policy == "ask" else policy


def secret_of(settings: Settings, ref: SecretRef | None) -> str | None:
    """The unsealed secret, empty where none is needed, None where it cannot be read."""
    if ref is None:
        return ""
    place = (ref.owner, ref.key, ref.binding)
    if place not in settings.secrets:
        row = find_secret(ref.owner, ref.key)
        try:
            settings.secrets[place] = (
                unseal(bytes(row.sealed), owner=ref.owner, key=ref.key, binding=ref.binding) if row else None
            )
        except SecretUnreadable:
            settings.secrets[place] = None
    return settings.secrets[place]


def networks_of(layers: Sequence[Layer]) -> tuple[str, ...]:
    """The private networks in which servers may be where these layers hold: the operator's and the firm's (Z6)."""
    firm = next((layer for layer in layers if layer.level is ParameterLevel.FIRM), None)
    return (*installation.OUTBOUND_ALLOWED_NETWORKS, *(firm.holder.items("allowed_networks") if firm else ()))


def networks_for(layers: Sequence[Layer], server: Holder, *, com_customer: bool) -> tuple[str, ...]:
    """What the firm allows of its own network is for servers that it names itself, not for its Com customers' (Z6)."""
    firms = {layer.holder.owner for layer in layers if layer.level is ParameterLevel.FIRM}
    if com_customer and server.owner not in firms:
        return tuple(installation.OUTBOUND_ALLOWED_NETWORKS)
    return networks_of(layers)


def endpoint_of(facts: Facts, connection: Connection, secret: str, client_key: str) -> Endpoint:
    """All that a transport needs for this connection."""
    server: Holder = connection.server
    url = connection.web_address
    consent = consent_of(connection.secret)
    by_web = connection.system.over is not Over.SMTP
    return Endpoint(
        host=_host_of(url) if by_web else connection.host,
        port=_port_of(url) if by_web else connection.port,
        tls="implicit" if by_web else connection.tls,
        send_system=connection.send_system,
        username=connection.username or (consent.mailbox if consent and not url else ""),
        secret="" if consent else secret,
        domain=connection.domain,
        tls_min=server.text("smtp_tls_min") or "1.2",
        ca_certificate=server.text("ca_certificate"),
        client_certificate=server.text("client_certificate") if client_key and not by_web else "",
        client_key="" if by_web else client_key,
        allow_plain_auth=server.switch("allow_plain_auth") is True,
        ehlo_name=installation.EHLO_NAME,
        allowed_networks=networks_for(facts.layers, server, com_customer=facts.tenant.is_com_customer),
        ca_file=installation.OUTBOUND_CA_FILE,
        url=url,
        exchange=_exchange(connection),
        token=token_source(connection.login, connection.secret, consent, url),
    )


def _exchange(connection: Connection) -> Exchange | None:
    server = connection.server
    if connection.system.over is not Over.EWS:
        return None
    return Exchange(connection.ews_auth, server.text("ews_version"), sent_copy=server.switch("sent_copy") is True)


def _host_of(url: str) -> str:
    """For showing; what cannot be read is refused where it would be used."""
    try:
        return urlsplit(url).hostname or url or "autodiscover"
    except ValueError:
        return url


def _port_of(url: str) -> int:
    try:
        return urlsplit(url).port or 443
    except ValueError:
        return 443


def consent_of(ref: SecretRef | None) -> Consent | None:
    """The consent by which a mailbox's tokens are got; workers keep its refresh token to `tokens`."""
    row = find_secret(ref.owner, ref.key) if ref and ref.key == OAUTH_CONSENT else None
    return Consent.objects.filter(secret=row).first() if row else None


def token_source(login: Holder, ref: SecretRef | None, consent: Consent | None, url: str) -> TokenSource | None:
    """Where the access tokens of a login come from; None where it logs in otherwise. `url` of the web service they are for.

    A mailbox that has consented to IMAP has one token for it and for SMTP: its refresh token serves once.
    """
    if ref is None or ref.key not in {OAUTH_SECRET, OAUTH_CONSENT}:
        return None
    authority = login.text("oauth_authority")
    imap = IMAP_TOKENS[OAUTH_CONSENT] in login.secrets
    return TokenSource(
        token_url=authority_of(authority, login.text("oauth_tenant")).token_url,
        client_id=login.text("oauth_client_id"),
        scope=mailbox_scope(authority, url, imap=imap) if consent else program_scope(authority, url),
        owner=ref.owner,
        binding=ref.binding,
        consent=consent.given_at.isoformat() if consent else "",
    )


def fingerprint_of(endpoint: Endpoint) -> str:
    """What sessions and refusals are shared by: the settings, the secret among them."""
    parts = (
        endpoint.host,
        str(endpoint.port),
        endpoint.tls,
        endpoint.tls_min,
        str(endpoint.send_system),
        endpoint.username,
        endpoint.domain,
        endpoint.secret,
        endpoint.ca_certificate,
        endpoint.client_certificate,
        str(endpoint.allow_plain_auth),
        endpoint.url,
        *(map(str, astuple(endpoint.exchange)) if endpoint.exchange else ()),
        *(astuple(endpoint.token) if endpoint.token else ()),
    )
    return hashlib.sha256("\x00".join((installation.SECRET_KEY, *parts)).encode()).hexdigest()

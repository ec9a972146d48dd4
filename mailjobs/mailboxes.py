"""In which mailbox, and over what, a mail is put: EWS or Graph where that is the connection in force, else IMAP (X1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings as installation

from mailjobs import sharing
from mailjobs.core.envelope import Endpoint, TransportError
from mailjobs.core.reply import ReplyClass, classify
from mailjobs.judging import request_of
from mailjobs.models import MailJob
from mailjobs.routing import Settings, consent_of, endpoint_of, fingerprint_of, networks_for, secret_of, token_source
from mailsettings.core.facts import AccountFacts, Facts
from mailsettings.core.mailboxes import GENERAL, Mailbox, bounce_mailbox, decide_mailbox
from mailsettings.core.parameters import Layer, ParameterLevel, in_force
from mailsettings.core.relay import Connection, Level, decide_relay, refuse_relay
from mailsettings.core.send_systems import Credentials, Over
from mailsettings.models import Tenant
from mailsettings.selectors import world_of

_NO_SYSTEM = -1  # of an endpoint that no mail is sent by


class Missing(StrEnum):
    """Why there is no mailbox to put a draft into."""

    NO_MAILBOX = "no_mailbox"
    SECRET = "secret_needed"  # noqa: S105 (a code, no secret)


class NoMailbox(Exception):
    """There is none; `missing` says why."""

    def __init__(self, missing: Missing) -> None:
        self.missing = missing
        super().__init__(missing)


@dataclass(frozen=True, slots=True)
class Target:
    """A mailbox that may be written to; `login` is what refusals are remembered by (J8), `name` what people call it."""

    over: Over | None  # None: IMAP
    endpoint: Endpoint
    login: str
    fingerprint: str
    name: str


def target_of(job: MailJob) -> Target:
    """The mailbox for a mail's draft as the settings are now. Raises NoMailbox."""
    decided = _decided(job)
    web = _over_web(decided, job) if _is_readable(decided, job) else None
    return web or _over_imap(decided, job)


def own_mailbox_of(job: MailJob) -> Target:
    """The mailbox that can be reached by IMAP of who sent a mail. Raises NoMailbox."""
    return _over_imap(_decided(job), job)


def sending_mailbox_of(job: MailJob) -> Target:
    """The mailbox that sent a mail and keeps copies itself, whoever may read it. Raises NoMailbox."""
    web = _over_web(_decided(job), job)
    if web is None:
        raise NoMailbox(Missing.NO_MAILBOX)
    return web


def is_refused(target: Target) -> bool:
    """Whether just these settings were refused before: nothing tries them again by itself (J8)."""
    connection = _connection(target)
    return sharing.refused_settings([connection]).get(connection) == target.fingerprint


def refuses_login(error: TransportError) -> bool:
    return classify(error.phase, error.reply, error.trouble) is ReplyClass.LOGIN_REFUSED


def pause(target: Target, error: str) -> None:
    """The mailbox has refused these settings."""
    sharing.pause(_connection(target), target.fingerprint, error)


def went_well(target: Target) -> None:
    """The mailbox has taken them."""
    sharing.opened(_connection(target), target.fingerprint)


def is_reachable(job: MailJob) -> bool:
    """Whether the settings name a mailbox for this mail's draft."""
    try:
        target_of(job)
    except NoMailbox as none:
        return none.missing is Missing.SECRET  # named, and the attempt will say what is missing
    return True


@dataclass(frozen=True, slots=True)
class _Decided:
    facts: Facts
    account: AccountFacts | None
    connection: Connection | None


def _decided(job: MailJob) -> _Decided:
    if job.user.tenant is None:
        raise NoMailbox(Missing.NO_MAILBOX)
    world = world_of(job.user.tenant, [job.user])
    facts = world.facts_for(job.user.login, request_of(job))
    account = world.accounts.get(job.account_id or 0)
    account = account if account and account.active else None
    return _Decided(facts, account, decide_relay(facts, account, job.sender_level).connection)


def _is_readable(decided: _Decided, job: MailJob) -> bool:
    """Whether the connection's mailbox is the user's to read: the firm's is not its Com customers' (T7), and one that general
    settings log in to is somebody's only where it is the sender's.
    """
    connection = decided.connection
    if connection is None or connection.level not in GENERAL:
        return True
    consent = consent_of(connection.secret)
    name = connection.username or (consent.mailbox if consent else "") or job.sender_address
    foreign = decided.facts.tenant.is_com_customer and connection.level == ParameterLevel.FIRM
    return not foreign and name.lower() == job.sender_address.lower()


def _over_web(decided: _Decided, job: MailJob) -> Target | None:
    """None where the connection is none over the web."""
    facts, connection = decided.facts, decided.connection
    if connection is None or connection.system.over is Over.SMTP:
        return None
    secret = None if refuse_relay(facts, connection, decided.account) else secret_of(Settings(), connection.secret)
    if secret is None:
        raise NoMailbox(Missing.SECRET)
    endpoint = endpoint_of(facts, connection, secret, "")
    name = endpoint.username or job.sender_address
    return Target(connection.system.over, endpoint, connection.key, fingerprint_of(endpoint), name)


def _over_imap(decided: _Decided, job: MailJob) -> Target:
    facts, connection, sender = decided.facts, decided.connection, job.sender_address
    by_token = (
        connection is not None and connection.system.credentials is Credentials.OAUTH and connection.system.over is Over.SMTP
    )
    mailbox = decide_mailbox(facts, decided.account, job.sender_level, sender, by_token=by_token)
    if mailbox is None:
        raise NoMailbox(Missing.NO_MAILBOX)
    return _reach(mailbox, facts.layers, sender, com_customer=facts.tenant.is_com_customer)


def bounces_of(tenant: Tenant, account_id: int | None) -> tuple[Target, str] | None:
    """The mailbox in which a tenant's or an account's bounces arrive, and the folder; None where none is to be read (J6).

    Raises NoMailbox.
    """
    world = world_of(tenant, [])
    layers = in_force(world.generals)
    own, generals = layers[0], tuple(layer.holder for layer in layers)
    level = Level(own.level, own.source, own.holder, generals[1:])
    address = ""
    if account_id is not None:
        account = world.accounts.get(account_id)
        if account is None or not account.active:
            return None
        address = account.address
        level = Level("account", account.id, account.holder, generals)
    if level.holder.switch("read_bounces") is not True:
        return None
    mailbox = bounce_mailbox(level)
    if mailbox is None:
        raise NoMailbox(Missing.NO_MAILBOX)
    target = _reach(mailbox, layers, address, com_customer=world.tenant.is_com_customer)
    return target, level.holder.text("bounce_folder") or "INBOX"


def _reach(mailbox: Mailbox, layers: Sequence[Layer], sender: str, *, com_customer: bool) -> Target:
    """How a mailbox is reached by IMAP; `sender` is whose it is where nothing else says so. Raises NoMailbox."""
    secret = secret_of(Settings(), mailbox.secret) if mailbox.secret_usable else None
    if secret is None:
        raise NoMailbox(Missing.SECRET)
    server, consent = mailbox.server, consent_of(mailbox.secret)
    username = mailbox.username or (consent.mailbox if consent else "") or sender
    if not username or (mailbox.level in GENERAL and not mailbox.username and sender and username.lower() != sender.lower()):
        raise NoMailbox(Missing.NO_MAILBOX)
    endpoint = Endpoint(
        host=mailbox.host,
        port=mailbox.port,
        tls=mailbox.tls,
        send_system=_NO_SYSTEM,
        username=username,
        secret="" if consent else secret,
        tls_min=server.text("smtp_tls_min") or "1.2",
        ca_certificate=server.text("ca_certificate"),
        allow_plain_auth=server.switch("allow_plain_auth") is True,
        allowed_networks=networks_for(layers, server, com_customer=com_customer),
        ca_file=installation.OUTBOUND_CA_FILE,
        token=token_source(mailbox.login, mailbox.secret, consent, ""),
    )
    login = f"imap:{mailbox.host.lower()}:{mailbox.port}|{username.lower()}"
    return Target(None, endpoint, login, fingerprint_of(endpoint), username)


def _connection(target: Target) -> int:
    return sharing.ids_of([target.login])[target.login]

"""In which mailbox, and over what, a mail is put: EWS or Graph where that is the connection in force, else IMAP (X1)."""

from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings as installation

from mailjobs.core.envelope import Endpoint
from mailjobs.judging import request_of
from mailjobs.models import MailJob
from mailjobs.routing import Settings, consent_of, endpoint_of, fingerprint_of, networks_of, secret_of, token_source
from mailsettings.core.facts import AccountFacts, Facts
from mailsettings.core.mailboxes import GENERAL, Mailbox, decide_mailbox
from mailsettings.core.parameters import ParameterLevel
from mailsettings.core.relay import Connection, decide_relay, refuse_relay
from mailsettings.core.send_systems import Credentials, Over
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
    if job.user.tenant is None:
        raise NoMailbox(Missing.NO_MAILBOX)
    world = world_of(job.user.tenant, [job.user])
    facts = world.facts_for(job.user.login, request_of(job))
    account = world.accounts.get(job.account_id or 0)
    account = account if account and account.active else None
    connection = decide_relay(facts, account, job.sender_level).connection
    if connection is not None and connection.system.over is not Over.SMTP:
        web = _over_web(facts, connection, account, job)
        if web is not None:
            return web
    by_token = connection is not None and connection.system.credentials is Credentials.OAUTH
    mailbox = decide_mailbox(facts, account, job.sender_level, job.sender_address, by_token=by_token)
    if mailbox is None:
        raise NoMailbox(Missing.NO_MAILBOX)
    return _over_imap(facts, mailbox, job.sender_address)


def is_reachable(job: MailJob) -> bool:
    """Whether the settings name a mailbox for this mail's draft."""
    try:
        target_of(job)
    except NoMailbox as none:
        return none.missing is Missing.SECRET  # named, and the attempt will say what is missing
    return True


def _over_web(facts: Facts, connection: Connection, account: AccountFacts | None, job: MailJob) -> Target | None:
    """The mailbox of the connection, None where it is not the user's to read: the firm's is not its Com customers' (T7), and one
    that general settings log in to is somebody's only where it is the sender's.
    """
    if facts.tenant.is_com_customer and connection.level == ParameterLevel.FIRM:
        return None
    secret = None if refuse_relay(facts, connection, account) else secret_of(Settings(), connection.secret)
    if secret is None:
        raise NoMailbox(Missing.SECRET)
    endpoint = endpoint_of(facts, connection, secret, "")
    name = endpoint.username or job.sender_address
    if connection.level in GENERAL and name.lower() != job.sender_address.lower():
        return None
    return Target(connection.system.over, endpoint, connection.key, fingerprint_of(endpoint), name)


def _over_imap(facts: Facts, mailbox: Mailbox, sender: str) -> Target:
    secret = secret_of(Settings(), mailbox.secret) if mailbox.secret_usable else None
    if secret is None:
        raise NoMailbox(Missing.SECRET)
    server, consent = mailbox.server, consent_of(mailbox.secret)
    username = mailbox.username or (consent.mailbox if consent else "") or sender
    if mailbox.level in GENERAL and not mailbox.username and username.lower() != sender.lower():
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
        allowed_networks=networks_of(facts.layers),
        ca_file=installation.OUTBOUND_CA_FILE,
        token=token_source(mailbox.login, mailbox.secret, consent, ""),
    )
    login = f"imap:{mailbox.host.lower()}:{mailbox.port}|{username.lower()}"
    return Target(None, endpoint, login, fingerprint_of(endpoint), username)

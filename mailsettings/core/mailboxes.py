"""In which mailbox may a user's drafts be put over IMAP: server and login, looked for as R3 looks for those of SMTP (X1, P5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from mailsettings.core.facts import AccountFacts, Facts
from mailsettings.core.parameters import PARAMETERS, Holder, ParameterLevel
from mailsettings.core.relay import OAUTH_CONSENT, OAUTH_SECRET, Level, SecretRef, levels_for, oauth_binding

IMAP_PASSWORD = "imap_password"  # noqa: S105 (a key, no secret)
_PORTS = {"implicit": 993}
_USUAL_PORT = 143
# That the tokens of a secret may be offered to the IMAP server too: sealed to it beside the secret itself, so that another IMAP
# server stops drafts and no mail. It holds no secret.
IMAP_TOKENS = MappingProxyType({OAUTH_SECRET: "imap_by_client_secret", OAUTH_CONSENT: "imap_by_consent"})
GENERAL = frozenset({ParameterLevel.COM, ParameterLevel.FIRM})


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox that can be reached by IMAP, with where its sealed secret lies; it holds no secret.

    `username` is empty where a token says whose it is: the sender's, or that of who consented.
    """

    level: str
    source: str
    username: str
    login: Holder
    server: Holder
    secret: SecretRef
    secret_usable: bool

    @property
    def host(self) -> str:
        return self.server.text("imap_server")

    @property
    def tls(self) -> str:
        return imap_tls_of(self.server)

    @property
    def port(self) -> int:
        return imap_port_of(self.server)


def decide_mailbox(
    facts: Facts, account: AccountFacts | None, level: str, sender: str, *, by_token: bool = False
) -> Mailbox | None:
    """The first level of R3 that names a mailbox for this user, None where none does.

    The user for SMTP is a mailbox where it is somebody's own; in general settings only where it is the sender's address, since
    drafts in a mailbox that the user may not read would be lost. A firm's mailbox is never its Com customers' (T7). `by_token`:
    the connection in force logs in with tokens, and so does its mailbox where no password for IMAP is stored.
    """
    for each in levels_for(facts.layers, account, level):
        if facts.tenant.is_com_customer and each.name == ParameterLevel.FIRM:
            continue
        username, server = username_of(each.holder), server_of(each)
        token = _token_ref(each) if by_token else None
        is_own = each.holder.text("imap_user") or each.name not in GENERAL or username.lower() in {sender.lower(), ""}
        if not (username or token) or server is None or not is_own:
            continue
        return _mailbox(each, server, token)
    return None


def bounce_mailbox(level: Level) -> Mailbox | None:
    """The mailbox that one level's own settings let be read for bounces (J6); None where they do not, or name none."""
    username, server, token = username_of(level.holder), server_of(level), _token_ref(level)
    if level.holder.switch("read_bounces") is not True or server is None or not (username or token):
        return None
    return _mailbox(level, server, token)


def imap_binding(login: Level) -> str:
    """What a password for IMAP, and the leave to offer it tokens, is sealed to: server, port, TLS and user (P5, Z7)."""
    server = server_of(login)
    endpoint = f"{server.text('imap_server').lower()}:{imap_port_of(server)}:{imap_tls_of(server)}" if server else ""
    return f"imap|{endpoint}|{username_of(login.holder)}"


def shares_password(login: Level) -> bool:
    """Whether the password for SMTP entered here is the mailbox's too: no user of its own, and one place names both servers.

    Another place's IMAP server need not be the same provider's: it must not be offered the password (Z7).
    """
    server, own_user = server_of(login), login.holder.text("imap_user")
    shares_server = server is not None and server is _first_with(login, "smtp_server")
    return shares_server and bool(login.holder.text("smtp_user")) and not own_user


def username_of(holder: Holder) -> str:
    return holder.text("imap_user") or holder.text("smtp_user")


def server_of(login: Level) -> Holder | None:
    """The level's own IMAP server, else that of the nearest general settings."""
    return _first_with(login, "imap_server")


def imap_tls_of(server: Holder) -> str:
    return server.text("imap_tls") or str(PARAMETERS["imap_tls"].default)


def imap_port_of(server: Holder) -> int:
    return server.number("imap_port") or _PORTS.get(imap_tls_of(server), _USUAL_PORT)


def _mailbox(level: Level, server: Holder, token: SecretRef | None) -> Mailbox:
    """`token`: what it logs in with, where that is no password."""
    ref = token or SecretRef(level.holder.owner, IMAP_PASSWORD, imap_binding(level))
    allowed = token is None or level.holder.secrets.get(IMAP_TOKENS[token.key]) == imap_binding(level)
    usable = allowed and _fits(level, ref)
    return Mailbox(level.name, level.source, username_of(level.holder), level.holder, server, ref, usable)


def _token_ref(level: Level) -> SecretRef | None:
    """The secret by which the level's tokens are got, where it has one and no password for IMAP."""
    holder = level.holder
    if IMAP_PASSWORD in holder.secrets or not holder.text("oauth_client_id"):
        return None
    key = next((key for key in (OAUTH_CONSENT, OAUTH_SECRET) if key in holder.secrets), None)
    return SecretRef(holder.owner, key, oauth_binding(level)) if key else None


def _fits(level: Level, ref: SecretRef) -> bool:
    return level.holder.secrets.get(ref.key) == ref.binding


def _first_with(login: Level, key: str) -> Holder | None:
    holders: Sequence[Holder] = (login.holder, *login.generals)
    return next((holder for holder in holders if holder.text(key)), None)

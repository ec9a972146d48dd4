"""The second ladder: which server and credentials a mail goes through, as one unit (R3, P4, P5, S2)."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mailsettings.core.facts import AccountFacts, Facts
from mailsettings.core.parameters import DEFAULT_PORTS, PARAMETERS, Holder, Layer, ParameterLevel, on_anywhere, resolve
from mailsettings.core.send_systems import SEND_SYSTEMS, Credentials, Over, SendSystem
from mailsettings.core.sender import SenderDecision

SMTP_PASSWORD = "smtp_password"  # noqa: S105 (a key, no secret)
CLIENT_KEY = "client_key"
OAUTH_SECRET = "oauth_client_secret"  # noqa: S105 (a key, no secret)
GRAPH = "https://graph.microsoft.com/v1.0"  # where no level names another, as national clouds have it
OAUTH_CONSENT = "oauth_refresh_token"  # a mailbox's consent: no parameter, nobody types it


class RelayRefusal(StrEnum):
    """Why the connection in force cannot be used; codes of the contract."""

    SECRET_NEEDED = "secret_needed"  # noqa: S105 (a code, no secret)
    SHARED_IDENTITY = "shared_identity"


@dataclass(frozen=True, slots=True)
class Level:
    """One place where connection settings may stand, with what it may borrow a server from (nearest general first)."""

    name: str
    source: str
    holder: Holder
    generals: tuple[Holder, ...] = ()


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where the sealed secret of a connection lies and what it must be bound to; it holds no secret."""

    owner: str
    key: str
    binding: str


@dataclass(frozen=True, slots=True)
class Connection:
    """Host, port, login and send system, used whole; `level` and `source` are those of the login, without one of the server.

    `client_key` belongs to the server's client certificate, None where it has none.
    """

    level: str
    source: str
    send_system: int
    login: Holder
    server: Holder
    secret: SecretRef | None
    secret_usable: bool
    client_key: SecretRef | None = None
    client_key_usable: bool = True

    @property
    def system(self) -> SendSystem:
        return SEND_SYSTEMS[self.send_system]

    @property
    def host(self) -> str:
        return self.server.text("smtp_server")

    @property
    def tls(self) -> str:
        return tls_of(self.server)

    @property
    def port(self) -> int:
        return port_of(self.server)

    @property
    def username(self) -> str:
        return "" if self.system.credentials is Credentials.PROCESS else self.login.text("smtp_user")

    @property
    def domain(self) -> str:
        """The Windows domain of the user, for NTLM: the login's, else that of the server which it borrows."""
        by_ntlm = self.username and self.system.credentials in {Credentials.NTLM, Credentials.EXCHANGE}
        return self.login.text("ntlm_domain") or self.server.text("ntlm_domain") if by_ntlm else ""

    @property
    def ews_auth(self) -> str:
        """How to log in to EWS: the login's way, else that of the server which it borrows; empty where nobody says."""
        if self.secret is not None and self.secret.key != SMTP_PASSWORD:
            return "oauth2"
        stated = self.login.text("ews_auth") or self.server.text("ews_auth")
        return "" if stated == "oauth2" else stated  # a borrowed server may take tokens, but what is there is a password

    @property
    def key(self) -> str:
        """What throttles, pauses and sessions are shared by (delivery contract 4)."""
        login = f"{self.domain}\\{self.username}" if self.domain else self.username
        if self.system.credentials is Credentials.OAUTH and not login:  # a program that may send from several mailboxes
            login = self.login.text("oauth_client_id")
        return f"{self._place}|{login.lower()}|{self.send_system - self.send_system % 2}"

    @property
    def web_address(self) -> str:
        """The address of the web service; empty over SMTP, and where autodiscover is to find it."""
        match self.system.over:
            case Over.GRAPH:
                return self.server.text("graph_url") or GRAPH
            case Over.EWS:
                return self.server.text("ews_url")
            case Over.SMTP:
                return ""

    @property
    def _place(self) -> str:
        if self.system.over is Over.SMTP:
            return f"{self.host.lower()}:{self.port}"
        # What autodiscover finds is nobody else's: two firms may call their users alike.
        return self.web_address or f"autodiscover {self.login.owner}"

    @property
    def shared_identity(self) -> bool:
        """Whether the process's own identity logs in (S3)."""
        kind = self.system.credentials
        return kind is Credentials.PROCESS or (kind is Credentials.NTLM and not self.username)


@dataclass(frozen=True, slots=True)
class RelayDecision:
    """The connection in force, None where no level names one."""

    connection: Connection | None
    wanted_system: int


def decide_relay(facts: Facts, account: AccountFacts | None, level: str = "") -> RelayDecision:
    """Walk R3; `account` is the one that gave the address (at the sender level `level`), None where none did."""
    return _first(levels_for(facts.layers, account, level), _send_system(facts.layers, account))


def decide_relay_for(facts: Facts, sender: SenderDecision) -> RelayDecision:
    """Walk R3 for a decided sender."""
    return decide_relay(facts, sender.offer.account if sender.offer else None, sender.level or "")


def refuse_relay(facts: Facts, connection: Connection, account: AccountFacts | None) -> RelayRefusal | None:
    """Why this connection may not be used now (S3, Z21, P5)."""
    if connection.shared_identity and not _identity_confirmed(facts, account):
        return RelayRefusal.SHARED_IDENTITY
    if not (connection.secret_usable and connection.client_key_usable):
        return RelayRefusal.SECRET_NEEDED
    return None


def levels_for(layers: Sequence[Layer], account: AccountFacts | None, name: str) -> tuple[Level, ...]:
    """The levels of R3 in order."""
    generals = tuple(layer.holder for layer in layers if layer.level is not ParameterLevel.USER)
    levels = [] if account is None else [Level(name, account.id, account.holder, generals)]
    return (*levels, *parameter_levels(layers))


def parameter_levels(layers: Sequence[Layer]) -> Iterator[Level]:
    """The parameter levels of R3 in order, each with the general ones above it."""
    for index, layer in enumerate(layers):
        above = tuple(other.holder for other in layers[index + 1 :] if other.level is not ParameterLevel.USER)
        yield Level(layer.level, layer.source, layer.holder, above)


def binding(login: Level) -> str:
    """What a password of this level is sealed to: every endpoint it could be offered to, and the user (P5, Z7)."""
    smtp = _with_server(login)
    ews = _first_with([login.holder, *login.generals], "ews_url")
    endpoint = f"{smtp.text('smtp_server').lower()}:{port_of(smtp)}:{tls_of(smtp)}" if smtp else ""
    return "|".join((endpoint, ews.text("ews_url").lower() if ews else "", login.holder.text("smtp_user")))


def client_key_binding(server: Holder) -> str:
    """What the key of a client certificate is sealed to: the server that asks for it, the certificate whatever its line ends."""
    fingerprint = hashlib.sha256(" ".join(server.text("client_certificate").split()).encode()).hexdigest()
    return f"{server.text('smtp_server').lower()}:{port_of(server)}:{tls_of(server)}|{fingerprint}"


def oauth_binding(login: Level) -> str:
    """What an OAuth secret is sealed to: authority, tenant and client, and all that a token could be offered to (P5, Z7)."""
    own = [login.holder.text(key) for key in ("oauth_authority", "oauth_tenant", "oauth_client_id")]
    return "|".join((*own, login.holder.text("graph_url").lower(), binding(login)))


def tls_of(server: Holder) -> str:
    return server.text("smtp_tls") or str(PARAMETERS["smtp_tls"].default)


def port_of(server: Holder) -> int:
    return server.number("smtp_port") or DEFAULT_PORTS[tls_of(server)]


def _send_system(layers: Sequence[Layer], account: AccountFacts | None) -> int:
    own = account.holder.number("send_system") if account else None
    if own is not None:
        return own
    resolved = resolve(layers, "send_system").value
    return resolved if isinstance(resolved, int) else 0


def _first(levels: Sequence[Level], wanted: int) -> RelayDecision:
    for level in levels:
        connection = _whole(level, SEND_SYSTEMS[wanted]) or _borrowing(level, SEND_SYSTEMS[wanted])
        if connection is not None:
            return RelayDecision(connection, wanted)
    return RelayDecision(None, wanted)


def _whole(level: Level, system: SendSystem) -> Connection | None:
    """The level's own settings where it names a server, or the EWS or OAuth settings of its send system."""
    holder = level.holder
    names_own_kind = _names_settings_of(holder, system)
    if system.over is not Over.SMTP and names_own_kind:
        return _connection(level, system.number, holder)
    if not holder.text("smtp_server"):
        if system.over is Over.SMTP and system.credentials is Credentials.OAUTH and names_own_kind:
            server = _with_server(level)
            return _connection(level, system.number, server) if server else None
        return None
    usable = system.over is Over.SMTP and (system.credentials is not Credentials.OAUTH or names_own_kind)
    return _connection(level, system.number if usable else system.plain_twin, holder)


def _names_settings_of(holder: Holder, system: SendSystem) -> bool:
    if system.over is Over.EWS:
        return bool(holder.text("ews_url") or holder.text("ews_auth"))
    if system.credentials is Credentials.OAUTH:
        return bool(holder.text("oauth_client_id"))
    return False


def _borrowing(level: Level, system: SendSystem) -> Connection | None:
    """A personal login on the firm's server: user and password here, the rest from the nearest general level that has it.

    OAuth cannot use a password: such a login goes over 0 or 1; a user without a password is only the name of a mailbox there.
    """
    holder, by_oauth = level.holder, system.credentials is Credentials.OAUTH
    if not holder.text("smtp_user") or system.credentials is Credentials.PROCESS:
        return None
    if by_oauth and SMTP_PASSWORD not in holder.secrets:
        return None
    for general in level.generals:
        if system.over is Over.EWS and _names_settings_of(general, system):
            return _connection(level, system.number, general)
        if general.text("smtp_server"):
            own_kind = system.over is Over.SMTP and not by_oauth
            return _connection(level, system.number if own_kind else system.plain_twin, general)
    return None


def _connection(level: Level, number: int, server: Holder) -> Connection:
    system = SEND_SYSTEMS[number]
    ref = _secret_ref(level, system)
    usable = ref is None or level.holder.secrets.get(ref.key) == ref.binding
    key = _client_key_ref(server) if system.over is Over.SMTP else None
    key_usable = key is None or server.secrets.get(key.key) == key.binding
    return Connection(level.name, level.source, number, level.holder, server, ref, usable, key, key_usable)


def _client_key_ref(server: Holder) -> SecretRef | None:
    """The key of the server's client certificate; without TLS nobody asks for one."""
    if not server.text("client_certificate") or tls_of(server) == "off":
        return None
    return SecretRef(server.owner, CLIENT_KEY, client_key_binding(server))


def _secret_ref(level: Level, system: SendSystem) -> SecretRef | None:
    """The secret this connection logs in with; None: no AUTH, or the process's own identity."""
    match system.credentials:
        case Credentials.PROCESS:
            return None
        case Credentials.OAUTH:
            key = OAUTH_CONSENT if OAUTH_CONSENT in level.holder.secrets else OAUTH_SECRET
            return SecretRef(level.holder.owner, key, oauth_binding(level))
        case Credentials.EXCHANGE if level.holder.text("ews_auth") == "oauth2":
            return SecretRef(level.holder.owner, OAUTH_SECRET, oauth_binding(level))
        case Credentials.EXCHANGE:
            return SecretRef(level.holder.owner, SMTP_PASSWORD, binding(level))
        case _:
            return SecretRef(level.holder.owner, SMTP_PASSWORD, binding(level)) if level.holder.text("smtp_user") else None


def _with_server(level: Level) -> Holder | None:
    return _first_with([level.holder, *level.generals], "smtp_server")


def _first_with(holders: Sequence[Holder], key: str) -> Holder | None:
    return next((holder for holder in holders if holder.text(key)), None)


def _identity_confirmed(facts: Facts, account: AccountFacts | None) -> bool:
    if facts.tenant.is_com_customer:
        return False
    if on_anywhere(facts.layers, "check_sender"):
        return True
    own = account.holder.switch("confirm_shared_identity") if account else None
    return own if own is not None else resolve(facts.layers, "confirm_shared_identity").value is True

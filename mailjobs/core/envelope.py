"""What passes between a mail job and the wire: envelope, replies, phases, outcome."""

import math
from dataclasses import dataclass, field
from enum import StrEnum


class Phase(StrEnum):
    """How far a hand-over had come (RFC 5321 section 3)."""

    RESOLVE = "resolve"  # the server's name
    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"  # the DATA command, before its 354
    BODY = "body"  # from the first body byte to the reply after the final dot


@dataclass(frozen=True, slots=True)
class Reply:
    """One server reply: basic code (0: none came), enhanced status code (RFC 3463, may be empty) and text.

    The text has neither of the codes, no control characters, and at most 500 characters. Of a web service the code is that of
    HTTP and the text begins with "HTTP". `wait`: how many seconds the server asks to be left alone.
    """

    code: int
    enhanced: str = ""
    text: str = ""
    wait: float = field(default=0.0, compare=False)

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 300

    @property
    def temporary(self) -> bool:
        return 400 <= self.code < 500

    def __str__(self) -> str:
        parts = [str(self.code) if self.code else "", self.enhanced, self.text]
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Envelope:
    """MAIL FROM and RCPT TO (RFC 5321), as they go over the wire."""

    sender: str
    recipients: tuple[str, ...]


class Trouble(StrEnum):
    """What went wrong where no reply says it."""

    HOST_UNKNOWN = "host_unknown"  # NXDOMAIN
    DNS_FAILURE = "dns_failure"
    HOST_NOT_ALLOWED = "host_not_allowed"  # Z6
    REFUSED = "refused"  # the connection was refused
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    NOT_SMTP = "not_smtp"  # what came is no SMTP reply
    BAD_REPLY = "bad_reply"  # what came is no answer of a web service
    STARTTLS_MISSING = "starttls_missing"
    TLS_VERSION = "tls_version"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NAME = "certificate_name"
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    AUTH_NEEDS_TLS = "auth_needs_tls"  # S7
    MECHANISM_MISSING = "mechanism_missing"
    MAILBOX_MISSING = "mailbox_missing"  # a token needs to be told whose mailbox is meant
    LIBRARIES_MISSING = "libraries_missing"
    NO_TICKET = "no_ticket"  # the process has no Kerberos credentials
    TICKET_EXPIRED = "ticket_expired"
    TICKET_REFUSED = "ticket_refused"  # the KDC gives this account none
    CLOCK_SKEW = "clock_skew"
    KDC_UNREACHABLE = "kdc_unreachable"
    SERVICE_UNKNOWN = "service_unknown"  # the realm knows no such mail server
    NO_IDENTITY = "no_identity"  # NTLM without a user, and the process has none of its own
    NOT_IMAP = "not_imap"  # what came is no answer of an IMAP server
    PASSWORD_REFUSED = "password_refused"  # noqa: S105 (a code); the IMAP server does not accept the log-in
    TOKEN_REFUSED = "token_refused"  # noqa: S105 (a code); nor does it accept the access token
    NO_DRAFTS_FOLDER = "no_drafts_folder"
    NO_SENT_FOLDER = "no_sent_folder"
    NO_BOUNCE_FOLDER = "no_bounce_folder"
    DRAFT_REFUSED = "draft_refused"  # the mailbox does not take it
    MAILBOX_BUSY = "mailbox_busy"  # not now (RFC 5530: UNAVAILABLE, INUSE, SERVERBUG, LIMIT)
    CLOSED_BY_SERVER = "closed_by_server"
    SMTPUTF8_MISSING = "smtputf8_missing"  # an address with a non-ASCII local part (RFC 6531)
    SIZE = "too_large"  # more than the SIZE the server announced (RFC 1870)
    UNSUPPORTED = "unsupported"  # no transport for this send system
    BUSY = "busy"  # all sessions that the connection may have are in use
    OTHER = "other"


class TransportError(Exception):
    """The server or the network said no; str() begins with the reply code where there is one.

    `transcript` holds the lines said so far where no session is left to ask for them (a refused login, say).
    """

    def __init__(
        self,
        *,
        phase: Phase,
        reply: Reply | None = None,
        trouble: Trouble | None = None,
        detail: str = "",
        transcript: tuple[str, ...] = (),
    ) -> None:
        self.phase, self.reply, self.trouble, self.detail, self.transcript = phase, reply, trouble, detail, transcript
        super().__init__(phase, reply, trouble, detail)

    def __str__(self) -> str:
        if self.reply:
            return str(self.reply)
        return ": ".join(part for part in (str(self.trouble or Trouble.OTHER), self.detail) if part)


@dataclass(frozen=True, slots=True)
class HandOver:
    """What became of one mail on the wire.

    `recipients` holds a reply for each recipient that got one, `final` the reply after the final dot. `withdrawn` says that the
    caller refused to go on after 354, so that no byte of the body was sent. `error` is what broke the exchange off.
    """

    recipients: dict[str, Reply] = field(default_factory=dict)
    final: Reply | None = None
    withdrawn: bool = False
    error: TransportError | None = None


@dataclass(frozen=True, slots=True)
class TokenSource:
    """Where the access token of a connection comes from (OAuth 2.0, RFC 6749); it holds no secret itself.

    `owner` and `binding` say where the secrets lie and what they are sealed to. `consent`: which consent of a mailbox is used;
    empty: the program logs in as itself (client credentials).
    """

    token_url: str
    client_id: str
    scope: str
    owner: str
    binding: str
    consent: str = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What Exchange Web Services need beside address and login.

    `auth`: "basic", "ntlm", "oauth2"; empty takes what the server offers, NTLM first. `version`: of the requests, empty for one
    that every server takes. `sent_copy`: each mail is put into the mailbox's Sent Items.
    """

    auth: str = ""
    version: str = ""
    sent_copy: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Everything a transport needs to reach one mail server; the secret never shows in repr.

    Where `token` is given, `secret` is the client's secret until `tokens` puts an access token in its place, which holds until
    `secret_until` on the clock of `time.monotonic`.
    """

    host: str
    port: int
    tls: str  # "off", "starttls", "implicit"
    send_system: int
    username: str = ""
    secret: str = field(default="", repr=False)
    domain: str = ""  # of the user, for NTLM
    tls_min: str = "1.2"  # "1.2", "1.3"
    ca_certificate: str = ""  # PEM, trusted beside the system's
    client_certificate: str = ""  # PEM, with its chain
    client_key: str = field(default="", repr=False)  # PEM, without a passphrase
    allow_plain_auth: bool = False
    ehlo_name: str = ""  # empty: the address literal of the local end (RFC 5321 4.1.3)
    allowed_networks: tuple[str, ...] = ()  # private networks this host may be in
    ca_file: str = ""  # a further file of trusted CAs, from the operator
    url: str = ""  # of a web service, whole; host, port and tls are those of this address; empty: autodiscover finds it (EWS)
    exchange: Exchange | None = None
    token: TokenSource | None = None
    secret_until: float = math.inf

"""What does a server's reply, or its silence, mean for the mail (delivery contract 3)."""

import re
from dataclasses import dataclass
from enum import StrEnum

from mailjobs.core.envelope import Phase, Reply, Trouble


class ReplyClass(StrEnum):
    """The classes of the delivery contract."""

    ACCEPTED = "accepted"
    RETRY = "retry"  # not reached: name service, connection, greeting
    HOST_UNKNOWN = "host_unknown"  # NXDOMAIN
    TLS_RETRY = "tls_retry"
    LOGIN_REFUSED = "login_refused"
    SENDER_REFUSED = "sender_refused"  # no recipient is bad
    RECIPIENT_REFUSED = "recipient_refused"
    TOO_MANY_RECIPIENTS = "too_many_recipients"  # the rest in a mail of its own
    CONTENT_REFUSED = "content_refused"  # size too
    GREYLISTED = "greylisted"
    THROTTLED = "throttled"  # the connection waits
    QUOTA = "quota"  # the same, of a day's or hour's allowance
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    LOST_BEFORE_BODY = "lost_before_body"  # nothing was handed over
    LOST_IN_BODY = "lost_in_body"  # nobody knows
    CONFIGURATION = "configuration"  # trying again is useless until somebody changes a setting


_BEFORE_MAIL = frozenset({Phase.RESOLVE, Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.TLS, Phase.AUTH})
_CONTENT = frozenset({Phase.DATA, Phase.BODY})
_NO_CONTENT = frozenset({Phase.MAIL, Phase.RCPT})
_RECIPIENT = frozenset({Phase.RCPT, Phase.BODY})  # Exchange judges recipients after the dot, too
_SPEAKS_OF_A_RECIPIENT = re.compile(r"recipient address rejected|user unknown|no such (user|recipient)|mailbox unavailable", re.I)


@dataclass(frozen=True, slots=True)
class Saying:
    """One thing servers say, and what it means. All conditions that are given must hold.

    `severity`: "4" or "5" as the enhanced code has it, else the basic one. `enhanced`: codes, or beginnings that end with a dot.
    `names_sender`: the text holds the sender's address and does not speak of a recipient.
    """

    means: ReplyClass
    severity: str = ""
    codes: frozenset[int] = frozenset()
    enhanced: tuple[str, ...] = ()
    text: re.Pattern[str] | None = None
    phases: frozenset[Phase] = frozenset()
    names_sender: bool = False

    def fits(self, phase: Phase, reply: Reply, sender: str) -> bool:
        return (
            (not self.severity or self.severity == _severity(reply))
            and (not self.codes or reply.code in self.codes)
            and (not self.enhanced or _matches(reply.enhanced, self.enhanced))
            and (not self.phases or phase in self.phases)
            and (self.text is None or self.text.search(reply.text) is not None)
            and (not self.names_sender or _names(reply.text, sender))
        )


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_RATE = _words(
    r"\brate\b|rate.?limit|throttl|slow down|server (is )?(too )?busy|quota exceed|(send|mail|message|policy).{0,30}quota"
    r"|\btoo (much|fast|often|frequent)|\btoo many (?!recipients(?! from))"
    r"|limit (was |is |has been )?(exceed|reach)|exceed\w* .{0,60}\blimit"
)
_ALLOWANCE = _words(
    r"(send|sent|daily|hourly|submission|messages?|outgoing|outbound|mail|rate|relay|recipient|user).{0,30}"
    r"(limit|quota|allowance)\w*.{0,30}(exceed|reach)"
    r"|(exceed|reach)\w*.{0,50}(daily|hourly|sending|submission|message|mail|rate|per (day|hour|minute))"
    r".{0,30}(limit|quota|allowance)"
)
_MAILBOX_FULL = _words(r"(mailbox|inbox|recipient).{0,40}(full|quota|storage)|over ?quota|exceeded.{0,20}storage")
_TOO_LARGE = _words(r"\bsize\b|too (big|large|long)")
_SENDER_IS_WRONG = _words(
    r"sender( address)? (is |was )?(rejected|refused|denied|not allowed|not permitted|unknown|invalid)"
    r"|not owned by|does not own|send ?as ?denied|not allowed to send as|permissions? to send (as|on behalf)"
    r"|sender verif\w+ failed|sender verify failed|bad (outbound )?sender"
    r"|(invalid|illegal|unauthori[sz]ed) (envelope )?(sender|from)|sender.{0,60}not (allowed|authori[sz]ed|permitted)"
    r"|not (allowed|authori[sz]ed|permitted) to (use|send).{0,40}(sender|from|address|envelope)"
)
_CONTENT_IS_WRONG = _words(
    r"\bspam\b|unsolicited|virus|malware|phish|prohibited|\bbanned\b|security (issue|reason)"
    r"|message (content )?(was )?(rejected|refused|blocked)|content.{0,20}(rejected|refused|filter)"
    r"|(illegal|forbidden|dangerous|banned|blocked|disallowed) (attachment|file|content)"
)
_WE_ARE_BLOCKED = _words(
    r"client host|block(ed|ing)? (using|by|list)|black ?list|(sender|your) ip|spamhaus|dnsbl|\brbl\b"
    r"|ip address.{0,40}(list|block)"
)
_MUST_LOG_IN = _words(
    r"auth\w*( is)? (required|needed)|must (log ?in|authenticate|be authenticated)|not authenticated|not logged in|log ?in first"
    r"|invalid_grant|invalid_client|InvalidAuthenticationToken|basic authentication is (not supported|disabled)"
)
_TLS_FIRST = _words(r"STARTTLS|encryption (is )?(required|needed)|secure connection (is )?required")

# First match wins. Real sayings, each with a row in tests/mailjobs/core/test_reply.py.
SAYINGS: tuple[Saying, ...] = (
    # Exchange Web Services and Graph speak in words.
    Saying(ReplyClass.THROTTLED, text=_words(r"ErrorServerBusy|ApplicationThrottled|TooManyRequests")),
    Saying(ReplyClass.THROTTLED, codes=frozenset({429})),
    Saying(ReplyClass.QUOTA, text=_words(r"SubmissionQuotaExceeded|ErrorExceededMessageLimit")),
    Saying(ReplyClass.SENDER_REFUSED, text=_words(r"ErrorSendAsDenied")),
    Saying(ReplyClass.CONTENT_REFUSED, text=_words(r"ErrorMessageSizeExceeded")),
    Saying(ReplyClass.CONTENT_REFUSED, codes=frozenset({413})),
    Saying(ReplyClass.RECIPIENT_REFUSED, text=_words(r"ErrorInvalidRecipients")),
    Saying(ReplyClass.LOGIN_REFUSED, codes=frozenset({401})),
    Saying(ReplyClass.PERMANENT, codes=frozenset({400, 403, 404})),
    # TLS is wanted first, or a newer one.
    Saying(ReplyClass.TLS_RETRY, text=_words(r"TLS ?1\.[01]\b.*not supported")),
    Saying(ReplyClass.CONFIGURATION, severity="5", text=_TLS_FIRST),
    Saying(ReplyClass.CONFIGURATION, enhanced=("5.7.11",)),
    Saying(ReplyClass.CONFIGURATION, codes=frozenset({538})),
    # Quotas that come as 5xx. Exchange names them by code, Google and the hosters by words.
    Saying(ReplyClass.QUOTA, enhanced=("5.1.90", "5.7.232", "5.7.233", "5.7.236")),
    Saying(ReplyClass.QUOTA, severity="5", enhanced=("5.4.5",)),
    Saying(ReplyClass.RECIPIENT_REFUSED, enhanced=("5.2.1", "5.2.2"), phases=_RECIPIENT),
    Saying(ReplyClass.RECIPIENT_REFUSED, severity="5", text=_MAILBOX_FULL, phases=_RECIPIENT),
    Saying(ReplyClass.CONTENT_REFUSED, enhanced=("5.3.4",)),
    Saying(ReplyClass.CONTENT_REFUSED, enhanced=("5.2.3",), phases=_CONTENT | {Phase.MAIL}),
    Saying(ReplyClass.CONTENT_REFUSED, codes=frozenset({552, 554}), text=_TOO_LARGE, phases=_CONTENT | {Phase.MAIL}),
    Saying(ReplyClass.TOO_MANY_RECIPIENTS, enhanced=("5.5.3", "4.5.3"), phases=frozenset({Phase.RCPT})),
    # The login. A group that takes mail of its own people only speaks of authentication, and means the recipient.
    Saying(ReplyClass.RECIPIENT_REFUSED, severity="5", text=_words(r"RESOLVER\.RST"), phases=_RECIPIENT),
    Saying(ReplyClass.LOGIN_REFUSED, enhanced=("5.7.30", "5.7.57", "5.7.139")),
    Saying(ReplyClass.LOGIN_REFUSED, codes=frozenset({530, 534, 535})),
    Saying(ReplyClass.CONFIGURATION, codes=frozenset({500, 502, 503, 504}), phases=frozenset({Phase.AUTH})),
    Saying(ReplyClass.LOGIN_REFUSED, enhanced=("4.7.12", "5.7.12"), phases=frozenset({Phase.AUTH})),
    # The sender.
    Saying(ReplyClass.SENDER_REFUSED, enhanced=("5.7.60", "5.2.252", "5.1.7", "5.1.8", "5.7.501", "5.7.502", "5.7.503")),
    Saying(ReplyClass.SENDER_REFUSED, enhanced=("5.7.23", "5.7.25", "5.7.26", "5.7.27"), phases=_NO_CONTENT),
    Saying(ReplyClass.RECIPIENT_REFUSED, text=_SPEAKS_OF_A_RECIPIENT, enhanced=("5.1.", "5.2."), phases=_RECIPIENT),
    Saying(ReplyClass.LOGIN_REFUSED, severity="5", text=_words(r"sender address rejected: not logged in")),
    Saying(ReplyClass.SENDER_REFUSED, severity="5", text=_SENDER_IS_WRONG),
    Saying(ReplyClass.QUOTA, severity="5", text=_ALLOWANCE),
    Saying(ReplyClass.LOGIN_REFUSED, severity="5", text=_MUST_LOG_IN),
    Saying(ReplyClass.PERMANENT, severity="5", text=_WE_ARE_BLOCKED),
    Saying(ReplyClass.CONTENT_REFUSED, severity="5", text=_CONTENT_IS_WRONG, phases=_CONTENT),
    Saying(ReplyClass.SENDER_REFUSED, codes=frozenset({550}), enhanced=("5.7.1",), names_sender=True),
    Saying(ReplyClass.SENDER_REFUSED, codes=frozenset({553}), names_sender=True),
    # The content.
    Saying(ReplyClass.CONTENT_REFUSED, enhanced=("5.6.",)),
    Saying(ReplyClass.TOO_MANY_RECIPIENTS, text=_words(r"too many recipients(?! from)"), phases=frozenset({Phase.RCPT})),
    Saying(ReplyClass.CONTENT_REFUSED, severity="5", codes=frozenset({552}), phases=_CONTENT | {Phase.MAIL}),
    # A full or busy mailbox is that recipient's own matter, whatever it says of rates and quotas.
    Saying(ReplyClass.GREYLISTED, severity="4", text=_words(r"gr[ea]y-?list")),
    Saying(ReplyClass.TEMPORARY, severity="4", enhanced=("4.2.",), phases=_RECIPIENT),
    Saying(ReplyClass.TEMPORARY, severity="4", text=_MAILBOX_FULL, phases=_RECIPIENT),
    # Throttles.
    Saying(ReplyClass.THROTTLED, codes=frozenset({421})),
    Saying(ReplyClass.THROTTLED, codes=frozenset({432})),
    Saying(ReplyClass.THROTTLED, enhanced=("4.3.1", "4.3.2")),
    Saying(ReplyClass.THROTTLED, severity="4", text=_words(r"insufficient system (storage|resources)")),
    Saying(ReplyClass.THROTTLED, severity="4", text=_RATE),
    Saying(ReplyClass.GREYLISTED, codes=frozenset({450, 451}), enhanced=("4.7.",), phases=frozenset({Phase.RCPT})),
)


def classify(phase: Phase, reply: Reply | None, trouble: Trouble | None, sender: str = "") -> ReplyClass:
    """What a reply means, the enhanced code before the basic one; only without a reply, what the trouble means.

    `sender` is the envelope sender's address, which some refusals name. A reply that is no answer (1xx, 3xx, a code no server may
    use) counts as none.
    """
    if reply is None or not (reply.positive or _severity(reply) or _go_ahead(phase, reply)):
        return _without_reply(phase, trouble)
    if reply.positive or _go_ahead(phase, reply):
        return ReplyClass.ACCEPTED
    for saying in SAYINGS:
        if saying.fits(phase, reply, sender):
            return saying.means
    return _temporary(phase) if _severity(reply) == "4" else _permanent(phase, reply)


def _severity(reply: Reply) -> str:
    """4 or 5 as text, empty for anything else; the enhanced code decides where the two differ."""
    if reply.code // 100 not in {4, 5}:
        return ""
    return reply.enhanced[0] if reply.enhanced[:2] in {"4.", "5."} else str(reply.code // 100)


def _go_ahead(phase: Phase, reply: Reply) -> bool:
    return phase is Phase.DATA and reply.code == 354


def _matches(enhanced: str, wanted: tuple[str, ...]) -> bool:
    return any(enhanced.startswith(code) if code.endswith(".") else enhanced == code for code in wanted)


def _names(text: str, sender: str) -> bool:
    return bool(sender) and sender.lower() in text.lower() and not _SPEAKS_OF_A_RECIPIENT.search(text)


def _temporary(phase: Phase) -> ReplyClass:
    if phase is Phase.TLS:
        return ReplyClass.TLS_RETRY
    return ReplyClass.RETRY if phase in _BEFORE_MAIL else ReplyClass.TEMPORARY


def _permanent(phase: Phase, reply: Reply) -> ReplyClass:
    match phase:
        case Phase.TLS:
            return ReplyClass.TLS_RETRY
        case Phase.AUTH:
            return ReplyClass.LOGIN_REFUSED
        case Phase.RCPT:
            return ReplyClass.RECIPIENT_REFUSED
        case Phase.MAIL if reply.code in {550, 551, 553} or reply.enhanced.startswith("5.1."):
            return ReplyClass.SENDER_REFUSED
        case _:
            return ReplyClass.PERMANENT


_TROUBLES: dict[Trouble, ReplyClass] = {
    Trouble.HOST_UNKNOWN: ReplyClass.HOST_UNKNOWN,
    Trouble.HOST_NOT_ALLOWED: ReplyClass.CONFIGURATION,
    Trouble.AUTH_NEEDS_TLS: ReplyClass.CONFIGURATION,
    Trouble.MECHANISM_MISSING: ReplyClass.CONFIGURATION,
    Trouble.UNSUPPORTED: ReplyClass.CONFIGURATION,
    Trouble.STARTTLS_MISSING: ReplyClass.TLS_RETRY,
    Trouble.TLS_VERSION: ReplyClass.TLS_RETRY,
    Trouble.CERTIFICATE_EXPIRED: ReplyClass.TLS_RETRY,
    Trouble.CERTIFICATE_NAME: ReplyClass.TLS_RETRY,
    Trouble.CERTIFICATE_UNTRUSTED: ReplyClass.TLS_RETRY,
    Trouble.SMTPUTF8_MISSING: ReplyClass.PERMANENT,
    Trouble.SIZE: ReplyClass.CONTENT_REFUSED,
    Trouble.BUSY: ReplyClass.THROTTLED,
}


def _without_reply(phase: Phase, trouble: Trouble | None) -> ReplyClass:
    """What has a class of its own keeps it but in the body: there nobody knows what the server has made of it."""
    if phase is Phase.BODY:
        return ReplyClass.LOST_IN_BODY
    if trouble in _TROUBLES:
        return _TROUBLES[trouble]
    if phase is Phase.TLS and trouble in {Trouble.CLOSED_BY_SERVER, Trouble.OTHER}:
        return ReplyClass.TLS_RETRY
    return ReplyClass.RETRY if phase in _BEFORE_MAIL else ReplyClass.LOST_BEFORE_BODY

"""What mail servers say beyond the registered codes: providers' own codes and words, with who says them (delivery contract 3)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mailjobs.core.envelope import Phase
from mailjobs.core.reply_class import ReplyClass


@dataclass(frozen=True, slots=True)
class Saying:
    """One thing servers say, and what it means. All conditions that are given must hold.

    `severity`: "4" or "5" as the enhanced code has it, else the basic one. `enhanced`: codes; one may end with a range
    (5.7.606-649) or, for all that begin so, with a dot. `names_sender`: the text holds the sender's address and speaks of no
    recipient.
    `by`: whose saying it is, a key of SOURCES; empty where many say it.
    """

    means: ReplyClass
    by: str = ""
    severity: str = ""
    codes: frozenset[int] = frozenset()
    enhanced: tuple[str, ...] = ()
    text: re.Pattern[str] | None = None
    phases: frozenset[Phase] = frozenset()
    names_sender: bool = False


SOURCES: Final[Mapping[str, str]] = {
    "exchange": "https://learn.microsoft.com/en-us/troubleshoot/exchange/email-delivery/ndr/non-delivery-reports-in-exchange-online",
    "ews": "https://learn.microsoft.com/en-us/exchange/client-developer/web-service-reference/responsecode",
    "graph": "https://learn.microsoft.com/en-us/graph/errors",
    "oauth": "https://www.rfc-editor.org/rfc/rfc6749#section-5.2",
    "google": "https://support.google.com/a/answer/3726730",
    "ses": "https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html",
    "sendgrid": "https://sendgrid.com/docs/for-developers/sending-email/smtp-errors-and-troubleshooting/",
    "cpanel": "https://forums.cpanel.net/threads/email-quota.697029/",
    "postfix": "https://www.postfix.org/postconf.5.html",
    "rfc5321": "https://www.rfc-editor.org/rfc/rfc5321#section-4.2.3",
    "rfc4954": "https://www.rfc-editor.org/rfc/rfc4954#section-6",
    "rfc5248": "https://www.rfc-editor.org/rfc/rfc5248",
    "rfc7504": "https://www.rfc-editor.org/rfc/rfc7504",
}

_CONTENT: Final = frozenset({Phase.DATA, Phase.BODY})
_AUTH: Final = frozenset({Phase.AUTH})
_RCPT: Final = frozenset({Phase.RCPT})
_RECIPIENT: Final = frozenset({Phase.RCPT, Phase.BODY})  # Exchange judges recipients after the dot, too
_LATER_THAN_AUTH: Final = frozenset({Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.BODY})


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


SPEAKS_OF_A_RECIPIENT: Final = _words(r"recipient address rejected|user unknown|no such (user|recipient)|mailbox unavailable")
_RATE: Final = _words(
    r"\brate\b|rate.?limit|throttl|slow down|server (is )?(too )?busy|quota exceed|(send|mail|message|policy).{0,30}quota"
    r"|\btoo (much|fast|often|frequent|quick)|\btoo many (?!recipients(?! from)|hops|received)"
    r"|limit (was |is |has been )?(exceed|reach)|exceed\w* .{0,60}\blimit"
    r"|per (second|minute|hour|day) exceeded|zu (viele|schnell)|limit\w* (wurde |ist )?(überschritten|ueberschritten|erreicht)"
)
_ALLOWANCE: Final = _words(
    r"(send|sent|daily|hourly|submission|messages?|outgoing|outbound|mail|rate|relay|recipient|user).{0,30}"
    r"(limit|quota|allowance)\w*.{0,30}(exceed|reach)"
    r"|(exceed|reach)\w*.{0,50}(daily|hourly|sending|submission|message|mail|rate|per (day|hour|minute))"
    r".{0,30}(limit|quota|allowance)"
    r"|limit (on|of|for) .{0,40}(messages|mails|recipients).{0,20}(exceed|reach)"
    r"|(messages|mails|recipients) per (minute|hour|day)( was| were| has been| have been)? (exceed|reach)"
    r"|(sende|versand|tages|stunden|mail)\w*limit\w* .{0,30}(überschritten|ueberschritten|erreicht)"
)
_MAILBOX_FULL: Final = _words(
    r"(mailbox|inbox|recipient).{0,40}(full|quota|storage)|over ?quota|over storage quota|exceeded.{0,20}storage"
    r"|exhausted allowed storage|speichervolumen|postfach.{0,20}voll"
)
_TOO_LARGE: Final = _words(r"\bsize\b|too (big|large|long)")
_SENDER_IS_WRONG: Final = _words(
    r"sender( address)? (is |was )?(rejected|refused|denied|not allowed|not permitted|unknown|invalid)"
    r"|not owned by|does not own|send ?as ?denied|not allowed to send as|permissions? to send (as|on behalf)"
    r"|sender verif\w+ failed|sender verify failed|bad (outbound )?sender"
    r"|(invalid|illegal|unauthori[sz]ed) (envelope )?(sender|from)|sender.{0,60}not (allowed|authori[sz]ed|permitted)"
    r"|not (allowed|authori[sz]ed|permitted) to (use|send).{0,40}(sender|from|address|envelope)"
    r"|sender address .{0,40}(not been validated|not verified)|does not match a verified sender"
    r"|(originating ip|message) .{0,60}not permitted by the domain owner|reject due to (spf|dmarc) policy|domain's dmarc policy"
    r"|absender(adresse)? .{0,30}nicht (erlaubt|berechtigt|zugelassen|gestattet)"
)
_CONTENT_IS_WRONG: Final = _words(
    r"\bspam\b|unsolicited|virus|malware|phish|prohibited|\bbanned\b|security (issue|reason)"
    r"|message (content )?(was )?(rejected|refused|blocked)|content.{0,20}(rejected|refused|filter)"
    r"|(illegal|forbidden|dangerous|banned|blocked|disallowed) (attachment|file|content)"
)
_WE_ARE_BLOCKED: Final = _words(
    r"client host|block(ed|ing)? (using|by|list)|black ?list|(sender|your|sending|this) ip\b|spamhaus|dnsbl|\brbl\b"
    r"|ip address.{0,40}(list|block)|\bIP=\S+ - A problem occurred"
)
_MUST_LOG_IN: Final = _words(
    r"auth\w*( is)? (required|needed)|must (log ?in|authenticate|be authenticated)|not authenticated|not logged in|log ?in first"
    r"|invalid_grant|invalid_client|InvalidAuthenticationToken|basic authentication is (not supported|disabled)"
)
_TLS_FIRST: Final = _words(r"STARTTLS|(encryption|\bTLS|secure connection) (is )?(required|needed)|\b(requires|must use) TLS")

# What EWS says by its own codes, behind which HTTP says 500 (or success, which is read as 500).
EWS: Final[tuple[Saying, ...]] = tuple(
    Saying(means, "ews", codes=frozenset({500}), text=re.compile(rf"^HTTP EWS ({codes})\b"), phases=phases)
    for means, codes, phases in (
        (
            ReplyClass.THROTTLED,
            "ErrorServerBusy|ErrorExceededConnectionCount|ErrorTooManyObjectsOpened|ErrorInsufficientResources",
            frozenset[Phase](),
        ),
        (  # the last two: the sender's own mailbox is full, so that its sent items find no room
            ReplyClass.QUOTA,
            "ErrorExceededMessageLimit|ErrorSubmissionQuotaExceeded|ErrorQuotaExceeded|ErrorMessagePerFolderCountReceiveQuotaExceeded",
            frozenset[Phase](),
        ),
        (ReplyClass.SENDER_REFUSED, "ErrorSendAsDenied", _LATER_THAN_AUTH),
        (ReplyClass.RECIPIENT_REFUSED, "ErrorInvalidRecipients|ErrorMailRecipientNotFound", _LATER_THAN_AUTH),
        (
            ReplyClass.CONTENT_REFUSED,
            r"ErrorMessageSizeExceeded|ErrorAttachmentSizeLimitExceeded|ErrorMimeContent\w+|ErrorContentConversionFailed",
            _LATER_THAN_AUTH,
        ),
        (
            ReplyClass.LOGIN_REFUSED,
            r"ErrorAccessDenied|ErrorImpersonat\w+|ErrorPassword\w+|ErrorAccountDisabled",
            frozenset[Phase](),
        ),
        (
            ReplyClass.CONFIGURATION,
            r"ErrorNonExistentMailbox|ErrorNonPrimarySmtpAddress|ErrorInvalidExchangeImpersonation\w+|ErrorInvalidServerVersion"
            r"|ErrorI\w+SchemaVersion\w*|ErrorSchemaValidation|ErrorInvalidRequest",
            frozenset[Phase](),
        ),
        (
            ReplyClass.TEMPORARY,
            r"ErrorMailbox(MoveInProgress|StoreUnavailable|Failover)|ErrorInternalServer\w+|ErrorAD\w+|ErrorConnectionFailed\w*"
            r"|ErrorNotEnoughMemory|ErrorTimeoutExpired",
            _LATER_THAN_AUTH,
        ),
        (ReplyClass.PERMANENT, r"Error\w+", _LATER_THAN_AUTH),
    )
)

# Before the registered codes: whoever says this means just this, though the registry would have it otherwise.
PECULIARITIES: Final[tuple[Saying, ...]] = (
    *EWS,
    # An authority that issues no token (RFC 6749 5.2), and a service that does not take the one it gave.
    Saying(ReplyClass.THROTTLED, "graph", codes=frozenset({429})),
    Saying(ReplyClass.CONFIGURATION, "oauth", text=_words(r"^HTTP (invalid_(scope|request|resource|target)|unsupported_\w+)\b")),
    Saying(ReplyClass.LOGIN_REFUSED, "oauth", text=_words(r"^HTTP (invalid|unauthorized|access|consent|interaction|login)_\w+")),
    Saying(ReplyClass.LOGIN_REFUSED, "graph", codes=frozenset({400, 401, 403}), text=_words(r"^HTTP"), phases=_AUTH),
    Saying(ReplyClass.CONFIGURATION, "graph", codes=frozenset({404}), text=_words(r"^HTTP"), phases=_AUTH),
    Saying(ReplyClass.CONFIGURATION, "graph", codes=frozenset({404}), text=_words(r"InvalidUser|ResourceNotFound|MailboxNot")),
    Saying(
        ReplyClass.TEMPORARY, "graph", codes=frozenset({408, 500, 502, 503, 504}), text=_words(r"^HTTP"), phases=_LATER_THAN_AUTH
    ),
    Saying(ReplyClass.RETRY, "graph", codes=frozenset({408, 500, 502, 503, 504}), text=_words(r"^HTTP")),
    # Exchange Web Services and Graph speak in words, and in the codes of HTTP.
    Saying(ReplyClass.THROTTLED, "ews", text=_words(r"ErrorServerBusy")),
    Saying(ReplyClass.THROTTLED, "graph", text=_words(r"ApplicationThrottled|TooManyRequests")),
    Saying(ReplyClass.QUOTA, "ews", text=_words(r"ErrorExceededMessageLimit")),
    Saying(ReplyClass.SENDER_REFUSED, "ews", text=_words(r"ErrorSendAsDenied")),
    Saying(ReplyClass.CONTENT_REFUSED, "ews", text=_words(r"ErrorMessageSizeExceeded")),
    Saying(ReplyClass.CONTENT_REFUSED, "graph", codes=frozenset({413})),
    Saying(ReplyClass.RECIPIENT_REFUSED, "ews", text=_words(r"ErrorInvalidRecipients")),
    Saying(ReplyClass.LOGIN_REFUSED, "graph", codes=frozenset({401})),
    Saying(ReplyClass.PERMANENT, "graph", codes=frozenset({400, 403, 404})),
    # TLS is wanted first, or a newer one.
    Saying(ReplyClass.TLS_RETRY, "exchange", text=_words(r"TLS ?1\.[01]\b.*not supported")),
    Saying(ReplyClass.CONFIGURATION, severity="5", text=_TLS_FIRST),
    Saying(ReplyClass.PERMANENT, enhanced=("5.7.30",), text=_words(r"REQUIRETLS")),
    Saying(ReplyClass.SENDER_REFUSED, "google", enhanced=("5.7.30",), text=_words(r"DKIM")),
    # A 421 goes before every enhanced code: the server closes the connection.
    Saying(ReplyClass.THROTTLED, "rfc5321", codes=frozenset({421})),
    # Allowances that come as 5xx, by code.
    Saying(ReplyClass.QUOTA, "exchange", text=_words(r"Submission ?Quota ?Exceeded")),
    # The sender's own mailbox is full, so that its sent items find no room: no recipient's is.
    Saying(ReplyClass.QUOTA, "exchange", text=_words(r"STOREDRV\.Submi.{0,80}Quota ?Exceeded")),
    Saying(ReplyClass.QUOTA, "exchange", enhanced=("5.1.90", "5.7.232", "5.7.233", "5.7.236", "5.7.508")),
    Saying(ReplyClass.QUOTA, "google", severity="5", enhanced=("5.4.5",)),
    Saying(ReplyClass.THROTTLED, "google", severity="4", text=_words(r"peak smtp relay limit exceeded")),
    Saying(ReplyClass.QUOTA, "ses", text=_words(r"throttling failure: daily message quota exceeded")),
    Saying(ReplyClass.QUOTA, "sendgrid", text=_words(r"maximum credits exceeded")),
    Saying(ReplyClass.QUOTA, "cpanel", text=_words(r"exceeded the max (emails|defers and failures) per hour")),
    # What the recipient's side allows per hour or at once is that recipient's own matter.
    Saying(ReplyClass.TEMPORARY, "exchange", enhanced=("5.2.121", "5.2.122"), phases=_RECIPIENT),
    Saying(ReplyClass.TEMPORARY, "exchange", severity="4", text=_words(r"recipient thread limit"), phases=_RECIPIENT),
    # One transaction takes recipients of one domain only: the others in a mail of their own.
    Saying(ReplyClass.TOO_MANY_RECIPIENTS, "google", text=_words(r"multiple destination domains per transaction"), phases=_RCPT),
    # The login. A group that takes mail of its own people only speaks of authentication, and means the recipient.
    Saying(ReplyClass.RECIPIENT_REFUSED, "exchange", severity="5", text=_words(r"RESOLVER\.RST"), phases=_RECIPIENT),
    Saying(
        ReplyClass.RECIPIENT_REFUSED,
        "exchange",
        enhanced=("5.7.12", "5.7.13", "5.7.124", "5.7.129", "5.7.133-136", "5.7.504", "5.7.505", "5.7.510", "5.7.703"),
        phases=_RECIPIENT,
    ),
    Saying(ReplyClass.LOGIN_REFUSED, "exchange", enhanced=("5.7.30", "5.7.57", "5.7.139")),
    Saying(ReplyClass.LOGIN_REFUSED, "google", severity="5", text=_words(r"invalid credentials for relay")),
    Saying(ReplyClass.LOGIN_REFUSED, "sendgrid", severity="5", text=_words(r"unauthenticated senders? not allowed")),
    Saying(ReplyClass.CONFIGURATION, "exchange", enhanced=("5.7.64",)),
    Saying(ReplyClass.CONFIGURATION, "ses", severity="5", text=_words(r"not authori[sz]ed to perform .?ses:")),
    # The sender.
    Saying(ReplyClass.SENDER_REFUSED, "exchange", enhanced=("5.7.60", "5.2.252", "5.7.501-503", "5.7.509", "5.7.750")),
    Saying(ReplyClass.SENDER_REFUSED, "ses", severity="5", text=_words(r"email address is not verified")),
    # The content.
    Saying(ReplyClass.CONTENT_REFUSED, "exchange", enhanced=("5.7.512",)),
    # Whoever we send through is shut out until a person settles it.
    Saying(ReplyClass.PERMANENT, "exchange", enhanced=("5.7.506", "5.7.511", "5.7.513", "5.7.606-649", "5.7.705", "5.7.708")),
    Saying(ReplyClass.THROTTLED, "exchange", enhanced=("4.7.500-699", "4.7.850-899")),
    # Greylisting that says so, under whatever code.
    Saying(ReplyClass.GREYLISTED, severity="4", text=_words(r"gr[ea]y-?list"), phases=_LATER_THAN_AUTH),
    Saying(ReplyClass.RECIPIENT_REFUSED, text=SPEAKS_OF_A_RECIPIENT, enhanced=("5.1.", "5.2."), phases=_RECIPIENT),
)

# After the registered codes: basic codes and words, where no enhanced code said more.
SAYINGS: Final[tuple[Saying, ...]] = (
    # The login.
    Saying(ReplyClass.CONFIGURATION, "rfc5248", codes=frozenset({523, 524})),
    Saying(ReplyClass.CONFIGURATION, "rfc4954", codes=frozenset({538})),
    Saying(ReplyClass.LOGIN_REFUSED, "rfc4954", codes=frozenset({530, 534, 535})),
    Saying(ReplyClass.LOGIN_REFUSED, "rfc5248", codes=frozenset({525})),
    Saying(ReplyClass.LOGIN_REFUSED, "rfc4954", codes=frozenset({432}), text=_words(r"password transition"), phases=_AUTH),
    Saying(ReplyClass.CONFIGURATION, "rfc5321", codes=frozenset({500, 502, 503, 504}), phases=_AUTH),
    # The sender, allowances, and what only the words tell of a refusal.
    Saying(ReplyClass.RECIPIENT_REFUSED, severity="5", text=_MAILBOX_FULL, phases=_RECIPIENT),
    Saying(ReplyClass.RECIPIENT_REFUSED, "rfc7504", codes=frozenset({556}), phases=_RECIPIENT),
    Saying(
        ReplyClass.CONTENT_REFUSED, severity="5", codes=frozenset({552, 554}), text=_TOO_LARGE, phases=_CONTENT | {Phase.MAIL}
    ),
    Saying(ReplyClass.LOGIN_REFUSED, "postfix", severity="5", text=_words(r"sender address rejected: not logged in")),
    Saying(ReplyClass.SENDER_REFUSED, severity="5", text=_SENDER_IS_WRONG),
    Saying(ReplyClass.QUOTA, severity="5", text=_ALLOWANCE),
    Saying(ReplyClass.LOGIN_REFUSED, severity="5", text=_MUST_LOG_IN),
    Saying(ReplyClass.PERMANENT, severity="5", text=_WE_ARE_BLOCKED),
    Saying(ReplyClass.CONTENT_REFUSED, severity="5", text=_CONTENT_IS_WRONG, phases=_CONTENT),
    Saying(ReplyClass.SENDER_REFUSED, codes=frozenset({550}), enhanced=("5.7.1",), names_sender=True),
    Saying(ReplyClass.SENDER_REFUSED, codes=frozenset({553}), names_sender=True),
    # The content.
    Saying(ReplyClass.CONTENT_REFUSED, enhanced=("5.6.",), phases=_LATER_THAN_AUTH),
    Saying(ReplyClass.TOO_MANY_RECIPIENTS, text=_words(r"too many recipients(?! from)"), phases=_RCPT),
    Saying(ReplyClass.CONTENT_REFUSED, "rfc5321", severity="5", codes=frozenset({552}), phases=_CONTENT | {Phase.MAIL}),
    # A full or busy mailbox is that recipient's own matter, whatever it says of rates and quotas.
    Saying(ReplyClass.TEMPORARY, severity="4", enhanced=("4.2.",), phases=_RECIPIENT),
    Saying(ReplyClass.TEMPORARY, severity="4", text=_MAILBOX_FULL, phases=_RECIPIENT),
    # Throttles.
    Saying(ReplyClass.THROTTLED, "exchange", codes=frozenset({432})),
    Saying(ReplyClass.THROTTLED, "rfc5321", severity="4", text=_words(r"insufficient system (storage|resources)")),
    Saying(ReplyClass.THROTTLED, severity="4", text=_RATE),
    Saying(ReplyClass.GREYLISTED, codes=frozenset({450, 451}), enhanced=("4.7.",), phases=_RCPT),
)

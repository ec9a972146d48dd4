"""What does a server's reply, or its silence, mean for the mail (delivery contract 3)."""

from collections.abc import Iterable

from mailjobs.core.envelope import Phase, Reply, Trouble
from mailjobs.core.reply_class import ReplyClass
from mailjobs.core.sayings import PECULIARITIES, SAYINGS, SPEAKS_OF_A_RECIPIENT, Saying
from mailjobs.core.status_codes import STATUS_CODES

__all__ = ["ReplyClass", "classify"]

_BEFORE_MAIL = frozenset({Phase.RESOLVE, Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.TLS, Phase.AUTH})
_REGISTERED = {f"4.{row.code}": row.soft for row in STATUS_CODES} | {f"5.{row.code}": row.hard for row in STATUS_CODES}


def classify(phase: Phase, reply: Reply | None, trouble: Trouble | None, sender: str = "") -> ReplyClass:
    """What a reply means, the enhanced code before the basic one; only without a reply, what the trouble means.

    `sender` is the envelope sender's address, which some refusals name. A reply that is no answer (1xx, 3xx, a code no server may
    use) counts as none.
    """
    if reply is None or not (reply.positive or _severity(reply) or _go_ahead(phase, reply)):
        return _without_reply(phase, trouble)
    if reply.positive or _go_ahead(phase, reply):
        return ReplyClass.ACCEPTED
    return (
        _said(PECULIARITIES, phase, reply, sender)
        or _REGISTERED.get(reply.enhanced, {}).get(phase)
        or _said(SAYINGS, phase, reply, sender)
        or (_temporary(phase) if _severity(reply) == "4" else _permanent(phase, reply))
    )


def _said(sayings: Iterable[Saying], phase: Phase, reply: Reply, sender: str) -> ReplyClass | None:
    """The first saying that fits decides."""
    return next((saying.means for saying in sayings if _fits(saying, phase, reply, sender)), None)


def _fits(saying: Saying, phase: Phase, reply: Reply, sender: str) -> bool:
    return (
        (not saying.severity or saying.severity == _severity(reply))
        and (not saying.codes or reply.code in saying.codes)
        and (not saying.enhanced or any(matches_code(reply.enhanced, wanted) for wanted in saying.enhanced))
        and (not saying.phases or phase in saying.phases)
        and (saying.text is None or saying.text.search(reply.text) is not None)
        and (not saying.names_sender or _names(reply.text, sender))
    )


def _severity(reply: Reply) -> str:
    """4 or 5 as text, empty for anything else; the enhanced code decides where the two differ."""
    if reply.code // 100 not in {4, 5}:
        return ""
    return reply.enhanced[0] if reply.enhanced[:2] in {"4.", "5."} else str(reply.code // 100)


def _go_ahead(phase: Phase, reply: Reply) -> bool:
    return phase is Phase.DATA and reply.code == 354


def matches_code(enhanced: str, wanted: str) -> bool:
    """Whether a code is the wanted one, begins like one that ends with a dot, or lies in a range (5.7.606-649)."""
    if wanted.endswith("."):
        return enhanced.startswith(wanted)
    first, _dash, last = wanted.partition("-")
    if not last:
        return enhanced == first
    (subject, _dot, low), (of, _dot_too, detail) = first.rpartition("."), enhanced.rpartition(".")
    return of == subject and detail.isdecimal() and int(low) <= int(detail) <= int(last)


def _names(text: str, sender: str) -> bool:
    return bool(sender) and sender.lower() in text.lower() and not SPEAKS_OF_A_RECIPIENT.search(text)


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
    Trouble.MAILBOX_MISSING: ReplyClass.CONFIGURATION,
    Trouble.UNSUPPORTED: ReplyClass.CONFIGURATION,
    Trouble.LIBRARIES_MISSING: ReplyClass.CONFIGURATION,
    Trouble.SERVICE_UNKNOWN: ReplyClass.CONFIGURATION,
    Trouble.NO_IDENTITY: ReplyClass.CONFIGURATION,
    Trouble.NO_TICKET: ReplyClass.IDENTITY_MISSING,
    Trouble.TICKET_EXPIRED: ReplyClass.IDENTITY_MISSING,
    Trouble.CLOCK_SKEW: ReplyClass.IDENTITY_MISSING,
    Trouble.KDC_UNREACHABLE: ReplyClass.IDENTITY_MISSING,
    Trouble.TICKET_REFUSED: ReplyClass.LOGIN_REFUSED,
    Trouble.STARTTLS_MISSING: ReplyClass.TLS_RETRY,
    Trouble.TLS_VERSION: ReplyClass.TLS_RETRY,
    Trouble.CERTIFICATE_EXPIRED: ReplyClass.TLS_RETRY,
    Trouble.CERTIFICATE_NAME: ReplyClass.TLS_RETRY,
    Trouble.CERTIFICATE_UNTRUSTED: ReplyClass.TLS_RETRY,
    Trouble.PASSWORD_REFUSED: ReplyClass.LOGIN_REFUSED,
    Trouble.TOKEN_REFUSED: ReplyClass.LOGIN_REFUSED,
    Trouble.NO_DRAFTS_FOLDER: ReplyClass.CONFIGURATION,
    Trouble.NO_SENT_FOLDER: ReplyClass.CONFIGURATION,
    Trouble.NO_BOUNCE_FOLDER: ReplyClass.CONFIGURATION,
    Trouble.NOT_IMAP: ReplyClass.CONFIGURATION,
    Trouble.DRAFT_REFUSED: ReplyClass.PERMANENT,
    Trouble.MAILBOX_BUSY: ReplyClass.TEMPORARY,
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

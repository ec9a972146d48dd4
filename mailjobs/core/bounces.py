"""What came back to a mailbox: delivery status notifications (RFC 3464) and what servers write instead of them (J6).

Pure: from the octets of one letter to a report. Whether its mail is ours, `tie` says: a report that does not name the Message-ID
of a mail and one of its recipients says nothing, so that a forged one changes nothing.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage, Message
from email.parser import BytesParser
from enum import StrEnum

from mailsettings.core.addresses import key_of

MOST_RECIPIENTS = 1_000
MOST_TEXT = 500  # characters of a reason
_READ = 200_000  # characters of a text that is looked through


class Fate(StrEnum):
    """What a server says became of a mail for one recipient (RFC 3464 2.3.3)."""

    DELIVERED = "delivered"
    RELAYED = "relayed"  # to a server that sends no notifications; also `expanded`
    DELAYED = "delayed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient as the report names it; `status` is an enhanced status code or empty, `reason` for people."""

    address: str
    fate: Fate
    status: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a letter reports of one mail; `message_id` with angle brackets and `envelope_id` may be empty."""

    recipients: tuple[Recipient, ...]
    message_id: str = ""
    envelope_id: str = ""
    standard: bool = True


_ACTIONS = {
    "failed": Fate.FAILED,
    "delayed": Fate.DELAYED,
    "delivered": Fate.DELIVERED,
    "relayed": Fate.RELAYED,
    "expanded": Fate.RELAYED,
}
_STATUS = re.compile(r"(?<![\w.])([245]\.\d{1,3}\.\d{1,3})(?![\w]|\.\d)")
_CODE = re.compile(r"(?<![\d.])([45]\d\d)(?![\d.])[ -]")
_MESSAGE_ID = re.compile(
    r"^[ \t>*]*(?:Message-ID|Nachrichten-ID|Message-Id)\s*:\s*(<[^<>\s]{3,300}>)", re.IGNORECASE | re.MULTILINE
)
_ADDRESS = re.compile(r"(?<![\w.+-])[A-Za-z0-9!#$%&*+/=?^_`{|}~.-]{1,64}@[\w.-]{1,250}\w")
_SYSTEM = re.compile(
    r"mailer-daemon|postmaster|mail ?delivery|mailadmin|mail administrator|<>|no-?reply@.*(mail|smtp)", re.IGNORECASE
)
_SUBJECT = re.compile(
    r"undeliver|delivery (status|failure|failed|problem|delayed|report|has failed|incomplete)"
    r"|returned (mail|to sender)|mail delivery"
    r"|failure notice|non.?delivery|delivery notification|could not be delivered|not delivered|warning: .*delay|delayed|rejected"
    r"|could not send|unzustellbar|nicht zugestellt|zustellung|unbekannter empf|fehler bei der|retour"
    r"|mail system error|user unknown|bounce",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"has been delayed|is delayed|delay(ed)? \(|still (being )?(trying|retried)|will (continue|be retried|keep trying|retry)"
    r"|not yet been delivered|temporar\w+ (failure|problem)|noch nicht zugestellt|verzögert|weiter versucht"
    r"|do not need to resend|no action is required",
    re.IGNORECASE,
)
_GIVEN_UP = re.compile(
    r"giv(en|ing) up|gave up|permanent(ly)?|endgültig|retry timeout exceeded|will not be retried", re.IGNORECASE
)
_WHY = (  # what texts without a status code say; first match
    (
        "5.2.2",
        r"(mailbox|inbox|quota|postfach|storage|account).{0,40}(full|exceed|voll|überschritten|over)|over ?quota|out of storage",
    ),
    (
        "5.1.2",
        r"host (or domain name )?(unknown|not found)|domain .{0,40}(not (found|exist)|unknown|does not exist)|no such domain"
        r"|unrouteable (mail )?domain|domain existiert nicht",
    ),
    (
        "5.1.1",
        r"(user|mailbox|recipient|address|account|benutzer|empfänger|postfach|adresse|no such).{0,40}"
        r"(unknown|not (found|exist|listed|known|available)|does ?n.t (exist|have)|no longer|unbekannt|existiert nicht"
        r"|nicht (gefunden|bekannt|vorhanden)|invalid|disabled|deaktiviert|inactive)"
        r"|no such (user|person|mailbox|recipient|address)|no mailbox here|unknown (user|recipient|local|address)"
        r"|unrouteable address|not listed in|unbekannte[rs]? (benutzer|empf|adress)|couldn.t be found|wasn.t found",
    ),
    ("5.3.4", r"(message|nachricht|mail).{0,30}(too (large|big)|size|zu groß)|size limit|exceeds .{0,20}size"),
    ("5.4.1", r"no (answer|route)|connection (refused|failed)|could not connect|not reachable|nicht erreichbar"),
    (
        "5.7.1",
        r"spam|black ?list|block(ed|list)|polic(y|ies)|not (authori[sz]ed|permitted|allowed)|access denied"
        r"|relay(ing)? (access )?denied|rejected|refused|abgelehnt|verweigert|virus",
    ),
    ("5.4.6", r"(routing|mail) loop|too many hops"),
    ("5.4.7", r"time.?out|timed out|retry time|giv(en|ing) up|too long|queue for too long"),
)
_WHY_RE = tuple((status, re.compile(pattern, re.IGNORECASE)) for status, pattern in _WHY)
_ANSWERS = frozenset({"auto-replied", "auto-notified"})


def read_report(content: bytes) -> Report | None:
    """The report that a letter is; None for every other: answers, automatic ones too, receipts for reading, ordinary mail."""
    try:
        letter = BytesParser(EmailMessage, policy=policy.compat32).parsebytes(content)
        if _text_of(letter.get("Auto-Submitted")).partition(";")[0].strip().lower() in _ANSWERS and not _is_dsn(letter):
            return None
        standard = _standard(letter)
        if standard is not None:
            return standard
        return _free(letter) if letter.get_param("report-type") != "disposition-notification" else None
    except Exception:  # the standard library's parser meets what it does not expect in many ways: then it is no report
        return None


def tie(report: Report, message_id: str, recipients: Iterable[str]) -> tuple[Recipient, ...]:
    """What a report says of one mail: nothing unless it names its Message-ID, and of its recipients only."""
    if not report.message_id or report.message_id != message_id:
        return ()
    ours = {key_of(address): address for address in recipients}
    found = []
    for each in report.recipients:
        if (key := key_of(each.address)) is not None and key in ours:
            found.append(Recipient(ours[key], each.fate, each.status, each.reason))
    return tuple(found)


def _is_dsn(letter: Message) -> bool:
    return any(part.get_content_type() in {"message/delivery-status", "message/global-delivery-status"} for part in letter.walk())


def _standard(letter: Message) -> Report | None:
    for part in letter.walk():
        if part.get_content_type() not in {"message/delivery-status", "message/global-delivery-status"}:
            continue
        blocks = [block for block in (part.get_payload() or []) if isinstance(block, Message) and len(block)]
        recipients = tuple(_recipients_of(blocks))
        if recipients:
            envelope = next(
                (_text_of(block.get("Original-Envelope-Id")) for block in blocks if block.get("Original-Envelope-Id")), ""
            )
            return Report(recipients, _original_id(letter), envelope.strip())
    return None


def _recipients_of(blocks: list[Message]) -> Iterator[Recipient]:
    for block in blocks[:MOST_RECIPIENTS]:
        fate = _ACTIONS.get(_text_of(block.get("Action")).strip().lower())
        named = _typed(block.get("Original-Recipient")) or _typed(block.get("Final-Recipient"))
        if fate is None or not named:
            continue
        said = _typed(block.get("Diagnostic-Code")) or _text_of(block.get("Status"))
        status = _STATUS.search(_text_of(block.get("Status")))
        inner = _STATUS.search(said)
        exact = inner[1] if inner and (status is None or status[1].endswith(".0.0")) else status[1] if status else ""
        yield Recipient(_plain(named), fate, exact, _short(said))


def _free(letter: Message) -> Report | None:
    """A letter in words: one of a mail system, about a mail whose Message-ID it names."""
    sender, subject = _text_of(letter.get("From")), _decoded(letter.get("Subject"))
    empty_path = _text_of(letter.get("Return-Path")).strip() == "<>"
    failed_for = _text_of(letter.get("X-Failed-Recipients"))
    if not (failed_for or (_SUBJECT.search(subject) and (empty_path or _SYSTEM.search(sender)))):
        return None
    text, original = _words_and_original(letter)
    message_id = _original_id(letter) or next(iter(_MESSAGE_ID.findall(original or text)), "")
    if not message_id:
        return None
    own = {found.lower() for found in _ADDRESS.findall(f"{sender} {_text_of(letter.get('To'))}")}
    addresses = _ADDRESS.findall(failed_for) or [found for found in _ADDRESS.findall(text) if found.lower() not in own]
    if not addresses:
        addresses = _ADDRESS.findall(_header_of(original, "To"))
    delayed = bool(_DELAYED.search(f"{subject}\n{text}")) and not _GIVEN_UP.search(text)
    found = [_judged(address, text, delayed=delayed) for address in dict.fromkeys(addresses)][:MOST_RECIPIENTS]
    return Report(tuple(found), message_id, standard=False) if found else None


def _judged(address: str, text: str, *, delayed: bool) -> Recipient:
    """What the lines around an address say of it, else the whole text."""
    at = text.find(address)
    near = text[max(at - 200, 0) : at + len(address) + 600] if at >= 0 else text
    status = _status_of(near) or _status_of(text)
    if delayed and status.startswith("5."):
        status = f"4{status[1:]}"
    reason = next((line.strip() for line in near.splitlines() if _CODE.search(line) or _STATUS.search(line)), "")
    return Recipient(address, Fate.DELAYED if delayed else Fate.FAILED, status, _short(reason or _first_reason(near)))


def _status_of(text: str) -> str:
    if found := next((each for each in _STATUS.findall(text) if each[0] in "45"), ""):
        return found
    return next((status for status, pattern in _WHY_RE if pattern.search(text)), "")


def _first_reason(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if any(pattern.search(line) for _status, pattern in _WHY_RE)), "")


def _words_and_original(letter: Message) -> tuple[str, str]:
    """The text of the mail system, and what it quotes of the mail, as far as a line tells where that begins."""
    texts = [
        _body(part)
        for part in letter.walk()
        if part.get_content_maintype() == "text" and part.get_content_type() != "text/rfc822-headers"
    ]
    whole = "\n".join(texts)[:_READ]
    quoted = re.search(
        r"^[ >-]*-{2,}.*?(copy of|original|returned|unsent|below this line|header|kopie|ursprüng).*$"
        r"|^[ >]*(Return-Path|Received): .*$",
        whole,
        re.IGNORECASE | re.MULTILINE,
    )
    return (whole[: quoted.start()], whole[quoted.start() :]) if quoted else (whole, whole)


def _original_id(letter: Message) -> str:
    """The Message-ID of the mail that a letter carries, whole or its headers only."""
    for part in letter.walk():
        kind = part.get_content_type()
        if kind in {"message/rfc822", "message/global", "message/global-headers"}:
            inner = part.get_payload()
            held = inner[0] if isinstance(inner, list) and inner else None
            if isinstance(held, Message) and (found := re.search(r"<[^<>\s]+>", _text_of(held.get("Message-ID")))):
                return found[0]
        if kind in {"text/rfc822-headers", "message/global-headers"} and (ids := _MESSAGE_ID.findall(_body(part))):
            return str(ids[0])
    return ""


def _header_of(text: str, name: str) -> str:
    found = re.search(rf"^[ \t>]*{name}\s*:(.*)$", text, re.IGNORECASE | re.MULTILINE)
    return found[1] if found else ""


def _body(part: Message) -> str:
    octets = part.get_payload(decode=True)
    if not isinstance(octets, bytes):
        return ""
    try:
        text = octets[:_READ].decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        text = octets[:_READ].decode("latin-1")
    return re.sub(r"<(?![^\s<>]+@)[^<>]{1,200}>", " ", text) if part.get_content_type() == "text/html" else text


def _typed(value: object) -> str:
    """`rfc822; address` or `smtp; 550 ...` without its type."""
    kind, semicolon, rest = _text_of(value).partition(";")
    return (rest if semicolon else kind).strip()


def _plain(address: str) -> str:
    found = _ADDRESS.search(address)
    return found[0] if found else address.strip("<> ")


def _decoded(value: object) -> str:
    return str(policy.SMTP.header_factory("Subject", " ".join(_text_of(value).split())))


def _text_of(value: object) -> str:
    return "" if value is None else str(value)


def _short(text: str) -> str:
    return " ".join(text.split())[:MOST_TEXT]

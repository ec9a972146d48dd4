"""The registered enhanced status codes, and what each means for a mail that is handed over.

Source: IANA, "Simple Mail Transfer Protocol (SMTP) Enhanced Status Codes Registry", Enumerated Status Codes
(https://www.iana.org/assignments/smtp-enhanced-status-codes), X.0.0 to X.7.30, as of 2024.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mailjobs.core.envelope import Phase
from mailjobs.core.reply_class import ReplyClass

Meaning = Mapping[Phase, ReplyClass]  # a phase that is missing: the code says no more than severity and phase do


@dataclass(frozen=True, slots=True)
class StatusCode:
    """A registered code without its class digit, as the registry words it; `soft` is what 4.`code` means, `hard` 5.`code`."""

    code: str
    says: str
    rfc: int
    soft: Meaning
    hard: Meaning


def _in(phases: tuple[Phase, ...], means: ReplyClass) -> Meaning:
    return dict.fromkeys(phases, means)


_CONTENT_PHASES = (Phase.DATA, Phase.BODY)
_TRANSACTION = (Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.BODY)
_NOTHING: Final[Meaning] = {}
_WAIT: Final = _in(tuple(Phase), ReplyClass.THROTTLED)
_LATER: Final = _in((Phase.RCPT, Phase.BODY), ReplyClass.TEMPORARY)  # one mailbox's own trouble, whatever the text says of limits
_LOGIN: Final = _in((Phase.AUTH, *_TRANSACTION), ReplyClass.LOGIN_REFUSED)
_LOGIN_ONLY: Final = _in((Phase.AUTH,), ReplyClass.LOGIN_REFUSED)  # later, some servers use the code of other things
_ACCOUNT: Final = _in((Phase.AUTH, Phase.MAIL), ReplyClass.LOGIN_REFUSED)  # the same
_SETTINGS: Final = _in((Phase.AUTH, *_TRANSACTION), ReplyClass.CONFIGURATION)
_MECHANISM: Final = _in((Phase.AUTH,), ReplyClass.CONFIGURATION)
_SENDER: Final = _in(_TRANSACTION, ReplyClass.SENDER_REFUSED)
_MAILBOX: Final = _in((Phase.RCPT, Phase.DATA, Phase.BODY), ReplyClass.RECIPIENT_REFUSED)
_ADDRESS: Final = {**_MAILBOX, Phase.MAIL: ReplyClass.SENDER_REFUSED}  # the one address given so far is the sender's
_SPLIT: Final = _in((Phase.RCPT,), ReplyClass.TOO_MANY_RECIPIENTS)
_CONTENT: Final = _in(_TRANSACTION, ReplyClass.CONTENT_REFUSED)
_CONTENT_SEEN: Final = _in(_CONTENT_PHASES, ReplyClass.CONTENT_REFUSED)
_LENGTH: Final = {**_CONTENT, Phase.RCPT: ReplyClass.RECIPIENT_REFUSED}  # a limit of that mailbox
_CHARACTERS: Final = {**_ADDRESS, **_CONTENT_SEEN}
_FOR_GOOD: Final = _in(_TRANSACTION, ReplyClass.PERMANENT)

STATUS_CODES: Final[tuple[StatusCode, ...]] = (
    StatusCode("0.0", "Other undefined Status", 3463, _NOTHING, _NOTHING),
    # Addressing
    StatusCode("1.0", "Other address status", 3463, _NOTHING, _NOTHING),
    StatusCode("1.1", "Bad destination mailbox address", 3463, _NOTHING, _ADDRESS),
    StatusCode("1.2", "Bad destination system address", 3463, _NOTHING, _ADDRESS),
    StatusCode("1.3", "Bad destination mailbox address syntax", 3463, _NOTHING, _ADDRESS),
    StatusCode("1.4", "Destination mailbox address ambiguous", 3463, _NOTHING, _ADDRESS),
    StatusCode("1.5", "Destination address valid", 3463, _NOTHING, _NOTHING),  # of successes
    StatusCode("1.6", "Destination mailbox has moved, No forwarding address", 3463, _NOTHING, _ADDRESS),
    StatusCode("1.7", "Bad sender's mailbox address syntax", 3463, _NOTHING, _SENDER),
    StatusCode("1.8", "Bad sender's system address", 3463, _NOTHING, _SENDER),
    StatusCode("1.9", "Message relayed to non-compliant mailer", 3886, _NOTHING, _NOTHING),  # of successes
    StatusCode("1.10", "Recipient address has null MX", 7505, _NOTHING, _ADDRESS),
    # Mailbox
    StatusCode("2.0", "Other or undefined mailbox status", 3463, _NOTHING, _NOTHING),
    StatusCode("2.1", "Mailbox disabled, not accepting messages", 3463, _LATER, _MAILBOX),
    StatusCode("2.2", "Mailbox full", 3463, _LATER, _MAILBOX),
    StatusCode("2.3", "Message length exceeds administrative limit", 3463, _LATER, _LENGTH),
    StatusCode("2.4", "Mailing list expansion problem", 3463, _LATER, _MAILBOX),
    # Mail system
    StatusCode("3.0", "Other or undefined mail system status", 3463, _NOTHING, _NOTHING),
    StatusCode("3.1", "Mail system full", 3463, _WAIT, _NOTHING),
    StatusCode("3.2", "System not accepting network messages", 3463, _WAIT, _NOTHING),
    StatusCode("3.3", "System not capable of selected features", 3463, _NOTHING, _NOTHING),
    StatusCode("3.4", "Message too big for system", 3463, _NOTHING, _CONTENT),
    StatusCode("3.5", "System incorrectly configured", 3463, _NOTHING, _NOTHING),
    StatusCode("3.6", "Requested priority was changed", 6710, _NOTHING, _NOTHING),  # of successes
    # Network and routing
    StatusCode("4.0", "Other or undefined network or routing status", 3463, _NOTHING, _NOTHING),
    StatusCode("4.1", "No answer from host", 3463, _NOTHING, _NOTHING),
    StatusCode("4.2", "Bad connection", 3463, _NOTHING, _NOTHING),
    StatusCode("4.3", "Directory server failure", 3463, _NOTHING, _NOTHING),
    StatusCode("4.4", "Unable to route", 3463, _NOTHING, _NOTHING),
    StatusCode("4.5", "Mail system congestion", 3463, _WAIT, _NOTHING),
    StatusCode("4.6", "Routing loop detected", 3463, _NOTHING, _NOTHING),
    StatusCode("4.7", "Delivery time expired", 3463, _NOTHING, _NOTHING),
    # Mail delivery protocol
    StatusCode("5.0", "Other or undefined protocol status", 3463, _NOTHING, _NOTHING),
    StatusCode("5.1", "Invalid command", 3463, _NOTHING, _NOTHING),
    StatusCode("5.2", "Syntax error", 3463, _NOTHING, _NOTHING),
    StatusCode("5.3", "Too many recipients", 3463, _SPLIT, _SPLIT),
    StatusCode("5.4", "Invalid command arguments", 3463, _NOTHING, _NOTHING),
    StatusCode("5.5", "Wrong protocol version", 3463, _NOTHING, _NOTHING),
    StatusCode("5.6", "Authentication Exchange line is too long", 4954, _NOTHING, _MECHANISM),
    # Content
    StatusCode("6.0", "Other or undefined media error", 3463, _NOTHING, _CONTENT),
    StatusCode("6.1", "Media not supported", 3463, _NOTHING, _CONTENT),
    StatusCode("6.2", "Conversion required and prohibited", 3463, _NOTHING, _CONTENT),
    StatusCode("6.3", "Conversion required but not supported", 3463, _NOTHING, _CONTENT),
    StatusCode("6.4", "Conversion with loss performed", 3463, _NOTHING, _CONTENT),
    StatusCode("6.5", "Conversion Failed", 3463, _NOTHING, _CONTENT),
    StatusCode("6.6", "Message content not available", 4468, _NOTHING, _CONTENT),
    StatusCode("6.7", "Non-ASCII addresses not permitted for that sender/recipient", 6531, _NOTHING, _CHARACTERS),
    StatusCode("6.8", "UTF-8 string reply is required, but not permitted by the SMTP client", 6531, _NOTHING, _CHARACTERS),
    StatusCode("6.9", "UTF-8 header message cannot be transferred to one or more recipients", 6531, _NOTHING, _CONTENT),
    StatusCode("6.10", "Duplicate of X.6.8, deprecated", 6531, _NOTHING, _CHARACTERS),
    # Security and policy
    StatusCode("7.0", "Other or undefined security status", 3463, _NOTHING, _NOTHING),
    StatusCode("7.1", "Delivery not authorized, message refused", 3463, _NOTHING, _NOTHING),
    StatusCode("7.2", "Mailing list expansion prohibited", 3463, _NOTHING, _MAILBOX),
    StatusCode("7.3", "Security conversion required but not possible", 3463, _NOTHING, _NOTHING),
    StatusCode("7.4", "Security features not supported", 3463, _NOTHING, _MECHANISM),
    StatusCode("7.5", "Cryptographic failure", 3463, _NOTHING, _CONTENT_SEEN),
    StatusCode("7.6", "Cryptographic algorithm not supported", 3463, _NOTHING, _CONTENT_SEEN),
    StatusCode("7.7", "Message integrity failure", 3463, _NOTHING, _CONTENT_SEEN),
    StatusCode("7.8", "Authentication credentials invalid", 4954, _NOTHING, _LOGIN),
    StatusCode("7.9", "Authentication mechanism is too weak", 4954, _NOTHING, _LOGIN_ONLY),
    StatusCode("7.10", "Encryption Needed", 5248, _NOTHING, _SETTINGS),
    StatusCode("7.11", "Encryption required for requested authentication mechanism", 4954, _NOTHING, _SETTINGS),
    StatusCode("7.12", "A password transition is needed", 4954, _LOGIN_ONLY, _LOGIN_ONLY),
    StatusCode("7.13", "User Account Disabled", 5248, _NOTHING, _ACCOUNT),
    StatusCode("7.14", "Trust relationship required", 5248, _NOTHING, _NOTHING),
    StatusCode("7.15", "Priority Level is too low", 6710, _NOTHING, _FOR_GOOD),
    StatusCode("7.16", "Message is too big for the specified priority", 6710, _NOTHING, _CONTENT),
    StatusCode("7.17", "Mailbox owner has changed", 7293, _NOTHING, _MAILBOX),
    StatusCode("7.18", "Domain owner has changed", 7293, _NOTHING, _MAILBOX),
    StatusCode("7.19", "RRVS test cannot be completed", 7293, _NOTHING, _NOTHING),
    StatusCode("7.20", "No passing DKIM signature found", 7372, _NOTHING, _SENDER),
    StatusCode("7.21", "No acceptable DKIM signature found", 7372, _NOTHING, _SENDER),
    StatusCode("7.22", "No valid author-matched DKIM signature found", 7372, _NOTHING, _SENDER),
    StatusCode("7.23", "SPF validation failed", 7372, _NOTHING, _SENDER),
    StatusCode("7.24", "SPF validation error", 7372, _NOTHING, _SENDER),
    StatusCode("7.25", "Reverse DNS validation failed", 7372, _NOTHING, _FOR_GOOD),
    StatusCode("7.26", "Multiple authentication checks failed", 7372, _NOTHING, _SENDER),
    StatusCode("7.27", "Sender address has null MX", 7505, _NOTHING, _SENDER),
    StatusCode("7.28", "Mail flood detected", 0, _WAIT, _FOR_GOOD),  # draft-levine-mailbomb-header
    StatusCode("7.29", "ARC validation failure", 8617, _NOTHING, _FOR_GOOD),
    StatusCode("7.30", "REQUIRETLS support required", 8689, _NOTHING, _FOR_GOOD),
)

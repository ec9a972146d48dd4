"""Which step failed and why, of what a server or the network said (contract, causes by step)."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from diagnostics.core.findings import Cause, Step
from mailjobs.core.envelope import Phase, Reply, TransportError, Trouble
from mailjobs.core.reply import ReplyClass, classify
from mailsettings.core.send_systems import SEND_SYSTEMS, Credentials, Over

STEP_OF: Mapping[Phase, Step] = MappingProxyType(
    {
        Phase.RESOLVE: Step.NAME_RESOLUTION,
        Phase.CONNECT: Step.CONNECTION,
        Phase.GREETING: Step.GREETING,
        Phase.EHLO: Step.EHLO,
        Phase.TLS: Step.TLS,
        Phase.AUTH: Step.AUTHENTICATION,
        Phase.MAIL: Step.SENDER_ACCEPTED,
        Phase.RCPT: Step.RECIPIENT_ACCEPTED,
        Phase.DATA: Step.TEST_MAIL,
        Phase.BODY: Step.TEST_MAIL,
    }
)
_TROUBLES: Mapping[Trouble, Cause] = MappingProxyType(
    {
        Trouble.HOST_UNKNOWN: Cause.HOST_UNKNOWN,
        Trouble.DNS_FAILURE: Cause.DNS_FAILURE,
        Trouble.HOST_NOT_ALLOWED: Cause.HOST_NOT_ALLOWED,
        Trouble.REFUSED: Cause.REFUSED,
        Trouble.UNREACHABLE: Cause.UNREACHABLE,
        Trouble.TIMEOUT: Cause.TIMEOUT,
        Trouble.NOT_SMTP: Cause.BAD_REPLY,
        Trouble.BAD_REPLY: Cause.BAD_REPLY,
        Trouble.STARTTLS_MISSING: Cause.STARTTLS_MISSING,
        Trouble.TLS_VERSION: Cause.TLS_VERSION,
        Trouble.CERTIFICATE_EXPIRED: Cause.CERTIFICATE_EXPIRED,
        Trouble.CERTIFICATE_NAME: Cause.CERTIFICATE_NAME,
        Trouble.CERTIFICATE_UNTRUSTED: Cause.CERTIFICATE_UNTRUSTED,
        Trouble.AUTH_NEEDS_TLS: Cause.AUTH_NEEDS_TLS,
        Trouble.MECHANISM_MISSING: Cause.MECHANISM_MISSING,
        Trouble.MAILBOX_MISSING: Cause.SECRET_NEEDED,
        Trouble.LIBRARIES_MISSING: Cause.LIBRARIES_MISSING,
        Trouble.UNSUPPORTED: Cause.LIBRARIES_MISSING,
        Trouble.NO_TICKET: Cause.NO_TICKET,
        Trouble.TICKET_EXPIRED: Cause.NO_TICKET,
        Trouble.TICKET_REFUSED: Cause.NO_TICKET,
        Trouble.KDC_UNREACHABLE: Cause.NO_TICKET,
        Trouble.SERVICE_UNKNOWN: Cause.NO_TICKET,
        Trouble.NO_IDENTITY: Cause.NO_TICKET,
        Trouble.CLOCK_SKEW: Cause.CLOCK_SKEW,
        Trouble.CLOSED_BY_SERVER: Cause.CLOSED_BY_SERVER,
        Trouble.SIZE: Cause.TOO_LARGE,
        Trouble.BUSY: Cause.RATE_LIMITED,
    }
)
_SETTINGS = {Cause.HOST_NOT_ALLOWED, Cause.LIBRARIES_MISSING, Cause.SECRET_NEEDED}  # no server was asked
_EXPIRED = re.compile(r"\bexpired?\b|invalid_grant|InvalidAuthenticationToken.*lifetime|interaction_required", re.IGNORECASE)
_BASIC_OFF = re.compile(r"basic auth\w* is disabled|SmtpClientAuthentication is disabled", re.IGNORECASE)
_LOCKED = re.compile(
    r"\block(?:ed)?\b|too many (?:login|log-in|auth|failed|bad)|temporarily (?:disabled|blocked)|gesperrt"
    r"|(?:account|user|mailbox)[\w' ]{0,40}(?:disabled|suspended|blocked|inactive)",
    re.IGNORECASE,
)
_RELAY = re.compile(r"\brelay(?:ing)?\b|client host rejected: access denied", re.IGNORECASE)
_FULL = re.compile(r"mailbox.{0,30}full|over quota|overquota|quota exceeded|insufficient storage|exceeded storage", re.IGNORECASE)
_TLS_FIRST = re.compile(r"starttls|\btls\b|encrypt", re.IGNORECASE)
_NOT_TLS = re.compile(r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|UNEXPECTED_MESSAGE")  # what answers in clear
_EWS_OFF = re.compile(r"EWS is switched off")


def locate(error: TransportError, *, system: int, sender: str = "") -> tuple[Step, Cause]:
    """The failing step and its cause, of what broke an exchange off; `sender` as some refusals name it."""
    if error.reply is not None and (error.reply.code >= 400 or error.trouble is None):
        return locate_reply(error.phase, error.reply, system=system, sender=sender)
    cause = _TROUBLES.get(error.trouble or Trouble.OTHER, Cause.OTHER)
    if cause in _SETTINGS:
        return Step.CONFIGURATION, cause
    if cause is Cause.TOO_LARGE:
        return Step.SIZE, cause
    return _step(error.phase, system), _by_phase(error, cause)


def _by_phase(error: TransportError, cause: Cause) -> Cause:
    """The same trouble has another cause where it comes at another moment."""
    match error.phase:
        case Phase.RESOLVE if cause is Cause.TIMEOUT:
            return Cause.DNS_FAILURE
        case Phase.GREETING if error.trouble is Trouble.NOT_SMTP:
            return Cause.NOT_SMTP
        case Phase.TLS if _NOT_TLS.search(error.detail):
            return Cause.TLS_VERSION
        case Phase.BODY if cause in {Cause.TIMEOUT, Cause.BAD_REPLY}:
            return Cause.NO_REPLY
        case _:
            return cause


def locate_reply(phase: Phase, reply: Reply, *, system: int, sender: str = "") -> tuple[Step, Cause]:
    """The same of a refusal."""
    means = classify(phase, reply, None, sender)
    if phase is Phase.AUTH:
        return Step.AUTHENTICATION, _of_login(reply, means, system)
    step = _step(phase, system)
    return _of_connection(step, reply, means, system) or _of_step(step, reply, means)


def _of_connection(step: Step, reply: Reply, means: ReplyClass, system: int) -> tuple[Step, Cause] | None:
    """What is not about this step alone: limits, a login that is missing, a sender that may not send."""
    match means:
        case ReplyClass.THROTTLED:
            return step, Cause.RATE_LIMITED
        case ReplyClass.QUOTA:
            return step, Cause.QUOTA if step is Step.TEST_MAIL else Cause.RATE_LIMITED
        case ReplyClass.LOGIN_REFUSED | ReplyClass.IDENTITY_MISSING if step in _AFTER_LOGIN:
            return Step.AUTHENTICATION, _of_missing_login(reply, system)
        case ReplyClass.CONFIGURATION if step in _AFTER_LOGIN and reply.code == 530:
            return Step.AUTHENTICATION, _of_missing_login(reply, system)
        case ReplyClass.SENDER_REFUSED:
            return (Step.SENDER_ACCEPTED if step is not Step.TEST_MAIL else step), Cause.SENDER_REFUSED
        case _:
            return None


def _of_step(step: Step, reply: Reply, means: ReplyClass) -> tuple[Step, Cause]:
    match step:
        case Step.GREETING:
            return step, Cause.GREETING_REFUSED
        case Step.EHLO:
            return step, Cause.BAD_REPLY
        case Step.SENDER_ACCEPTED if means is ReplyClass.CONTENT_REFUSED:
            return Step.SIZE, Cause.TOO_LARGE
        case Step.SENDER_ACCEPTED if not reply.temporary:
            return step, Cause.SENDER_REFUSED
        case Step.RECIPIENT_ACCEPTED:
            return _of_recipient(reply, means)
        case Step.TEST_MAIL:
            return step, _of_mail(reply, means)
        case _:
            return step, Cause.OTHER


_AFTER_LOGIN = frozenset({Step.SENDER_ACCEPTED, Step.RECIPIENT_ACCEPTED, Step.TEST_MAIL})


def _step(phase: Phase, system: int) -> Step:
    """A web service has no greeting and no envelope: what it says of a mail, it says of the whole mail."""
    step = STEP_OF[phase]
    if SEND_SYSTEMS[system].over is Over.SMTP:
        return step
    if step in {Step.GREETING, Step.EHLO}:
        return Step.CONNECTION
    return Step.TEST_MAIL if step in _AFTER_LOGIN else step


def _of_login(reply: Reply, means: ReplyClass, system: int) -> Cause:
    text = str(reply)
    by_token = SEND_SYSTEMS[system].credentials is Credentials.OAUTH
    if _BASIC_OFF.search(text) or reply.enhanced == "5.7.30":
        return Cause.BASIC_AUTH_DISABLED
    if _EWS_OFF.search(text):
        return Cause.EWS_DISABLED
    if means is ReplyClass.THROTTLED:
        return Cause.RATE_LIMITED
    if _LOCKED.search(text):
        return Cause.ACCOUNT_LOCKED
    if reply.temporary and reply.code < 500 and not text.partition(" ")[2].startswith("HTTP"):
        return Cause.OTHER
    if by_token:
        return Cause.TOKEN_EXPIRED if _EXPIRED.search(text) else Cause.TOKEN_REFUSED
    return Cause.WRONG_CREDENTIALS


def _of_missing_login(reply: Reply, system: int) -> Cause:
    """A server that says only at MAIL or RCPT what it wants of the login."""
    if reply.code == 530 or reply.enhanced.startswith(("5.7.0", "5.5.1")):
        return Cause.AUTH_NEEDS_TLS if _TLS_FIRST.search(reply.text) else Cause.AUTH_NEEDED
    return _of_login(reply, ReplyClass.LOGIN_REFUSED, system)


def _of_recipient(reply: Reply, means: ReplyClass) -> tuple[Step, Cause]:
    step, text = Step.RECIPIENT_ACCEPTED, str(reply)
    if means is ReplyClass.CONTENT_REFUSED and reply.enhanced[2:] in {"3.4", "2.3"}:
        return Step.SIZE, Cause.TOO_LARGE
    if means is ReplyClass.TOO_MANY_RECIPIENTS:
        return step, Cause.TOO_MANY_RECIPIENTS
    if reply.enhanced[2:] == "2.2" or _FULL.search(text):
        return step, Cause.MAILBOX_FULL
    if _RELAY.search(text):
        return step, Cause.RELAY_DENIED
    if means is ReplyClass.GREYLISTED or (reply.temporary and re.search(r"gr[ea]y-?list", text, re.IGNORECASE)):
        return step, Cause.GREYLISTED
    return step, Cause.OTHER if reply.temporary else Cause.RECIPIENT_REFUSED


def _of_mail(reply: Reply, means: ReplyClass) -> Cause:
    if reply.enhanced[2:] in {"3.4", "2.3"} or (reply.code == 552 and not reply.enhanced):
        return Cause.TOO_LARGE
    found = {
        ReplyClass.RECIPIENT_REFUSED: Cause.RECIPIENT_REFUSED,
        ReplyClass.CONTENT_REFUSED: Cause.CONTENT_REFUSED,
        ReplyClass.GREYLISTED: Cause.GREYLISTED,
    }
    return found.get(means, Cause.OTHER)

"""What a diagnosis finds, step by step (contract, `diagnose --json`)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Step(StrEnum):
    """The steps in their order."""

    CONFIGURATION = "configuration"
    SENDER = "sender"
    REDIRECT = "redirect"
    NAME_RESOLUTION = "name_resolution"
    CONNECTION = "connection"
    GREETING = "greeting"
    EHLO = "ehlo"
    TLS = "tls"
    AUTHENTICATION = "authentication"
    SENDER_ACCEPTED = "sender_accepted"
    RECIPIENT_ACCEPTED = "recipient_accepted"
    SIZE = "size"
    QUEUE = "queue"
    TEST_MAIL = "test_mail"
    DOMAIN = "domain"


_ONLY_SMTP = {Step.GREETING, Step.EHLO, Step.SENDER_ACCEPTED, Step.RECIPIENT_ACCEPTED, Step.SIZE}


def steps_of(*, smtp: bool) -> tuple[Step, ...]:
    """The steps that a send system has."""
    return tuple(step for step in Step if smtp or step not in _ONLY_SMTP)


class Verdict(StrEnum):
    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    NOT_REACHED = "not_reached"


class Who(StrEnum):
    """Who must act."""

    YOU = "you"
    ADMINISTRATOR = "administrator"
    PROVIDER = "provider"
    RECIPIENT = "recipient"
    OPERATOR = "operator"


class Cause(StrEnum):
    """Why a step failed or warned."""

    NO_SERVER = "no_server"
    SECRET_NEEDED = "secret_needed"  # noqa: S105 (a code, no secret)
    HOST_NOT_ALLOWED = "host_not_allowed"
    LIBRARIES_MISSING = "libraries_missing"
    SHARED_IDENTITY = "shared_identity"
    USER_INACTIVE = "user_inactive"
    PRINT_MODEL_UNKNOWN = "print_model_unknown"
    BY_CLIENT = "by_client"
    NO_SENDER = "no_sender"
    CHECK_SENDER = "check_sender"
    ADDRESS_INVALID = "address_invalid"
    FOREIGN_ADDRESS = "foreign_address"
    HELD = "held"
    REDIRECTED = "redirected"
    CAPTURED = "captured"
    REDIRECT_UNREADABLE = "redirect_unreadable"
    HOST_UNKNOWN = "host_unknown"
    DNS_FAILURE = "dns_failure"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    NOT_SMTP = "not_smtp"
    GREETING_REFUSED = "greeting_refused"
    BAD_REPLY = "bad_reply"
    STARTTLS_MISSING = "starttls_missing"
    NO_TLS = "no_tls"
    TLS_VERSION = "tls_version"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_ENDS = "certificate_ends"
    CERTIFICATE_NAME = "certificate_name"
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    AUTH_NEEDS_TLS = "auth_needs_tls"
    AUTH_NEEDED = "auth_needed"
    MECHANISM_MISSING = "mechanism_missing"
    WRONG_CREDENTIALS = "wrong_credentials"
    ACCOUNT_LOCKED = "account_locked"
    BASIC_AUTH_DISABLED = "basic_auth_disabled"
    EWS_DISABLED = "ews_disabled"
    NO_TICKET = "no_ticket"
    CLOCK_SKEW = "clock_skew"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 (a code, no secret)
    TOKEN_REFUSED = "token_refused"  # noqa: S105 (a code, no secret)
    SENDER_REFUSED = "sender_refused"
    RECIPIENT_REFUSED = "recipient_refused"
    GREYLISTED = "greylisted"
    RELAY_DENIED = "relay_denied"
    MAILBOX_FULL = "mailbox_full"
    TOO_MANY_RECIPIENTS = "too_many_recipients"
    TOO_LARGE = "too_large"
    NO_WORKER = "no_worker"
    LOGIN_PAUSED = "login_paused"
    CONTENT_REFUSED = "content_refused"
    QUOTA = "quota"
    RATE_LIMITED = "rate_limited"
    NO_REPLY = "no_reply"
    CLOSED_BY_SERVER = "closed_by_server"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Finding:
    """One step. `reply`: what server or network said, as it came; `facts`: what was found, for comparing, all of it JSON."""

    step: Step
    verdict: Verdict
    cause: str = ""
    milliseconds: int = 0
    reply: str = ""
    dialogue: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    who: str = ""


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """Of the whole: the worst that was reached."""
    found = {finding.verdict for finding in findings}
    for verdict in (Verdict.FAILED, Verdict.WARNED, Verdict.PASSED):
        if verdict in found:
            return verdict
    return Verdict.NOT_REACHED


def complete(findings: Sequence[Finding], steps: Sequence[Step]) -> list[Finding]:
    """One finding for each of the steps, in their order; what is missing was not reached."""
    found = {finding.step: finding for finding in findings}
    return [found.get(step, Finding(step, Verdict.NOT_REACHED)) for step in steps]

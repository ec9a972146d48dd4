"""Faulty set-ups of a firm, each with the step and the cause that a diagnosis must name."""

from dataclasses import dataclass, field
from typing import Any

ANNA = "anna@test.local"
CLIENT = "kunde@kunde.example"


@dataclass(frozen=True)
class SetUp:
    """Parameters of the firm beside server and CA; `at` is the peer and the port's name of it, `to` whom Anna writes to."""

    name: str
    at: str
    step: str
    cause: str
    parameters: dict[str, Any] = field(default_factory=dict)
    to: str = CLIENT
    who: str = ""
    mode: str = "direct"
    next_state: str = "failed"  # of a real mail like it, sent directly
    waits: bool = False  # after such a failure the connection waits, and that is what a diagnosis then says


LOGIN = {"smtp_user": "anna", "smtp_password": "Anna-pw-1"}
WRONG = {"smtp_user": "anna", "smtp_password": "Falsches-Passwort-9"}
STARTTLS = {"smtp_tls": "starttls", **LOGIN}
IMPLICIT = {"smtp_tls": "implicit", **LOGIN}
OFF = {"smtp_tls": "off"}


def fault(name: str, step: str, cause: str, *, to: str = "", **more: Any) -> SetUp:
    """At the faulty server, whose scenario is the recipient's local part."""
    return SetUp(name, "fault:fault", step, cause, {"smtp_tls": "starttls", **LOGIN}, to or f"{name}@kunde.example", **more)


POSTFIX = [
    SetUp(
        "wrong password",
        "postfix:submission",
        "authentication",
        "wrong_credentials",
        {"smtp_tls": "starttls", **WRONG},
        who="you",
    ),
    SetUp(
        "wrong password, implicit TLS", "postfix:smtps", "authentication", "wrong_credentials", {"smtp_tls": "implicit", **WRONG}
    ),
    SetUp("wrong password, CRAM-MD5", "postfix:cram", "authentication", "wrong_credentials", {**OFF, **WRONG}),
    SetUp("wrong password, LOGIN", "postfix:login", "authentication", "wrong_credentials", {**OFF, **WRONG}),
    SetUp(
        "wrong password, NTLM",
        "postfix:submission",
        "authentication",
        "wrong_credentials",
        {**STARTTLS, **WRONG, "send_system": 4},
    ),
    SetUp("unknown user", "postfix:submission", "authentication", "wrong_credentials", {**STARTTLS, "smtp_user": "niemand"}),
    SetUp("no login where one is needed", "postfix:smtps", "recipient_accepted", "relay_denied", {"smtp_tls": "implicit"}),
    SetUp("mechanism not offered", "postfix:cram", "authentication", "mechanism_missing", {**OFF, **LOGIN, "send_system": 4}),
    SetUp("no AUTH at all", "postfix:mx", "authentication", "mechanism_missing", {**OFF, **LOGIN}),
    SetUp("STARTTLS not offered", "postfix:mx", "tls", "starttls_missing", STARTTLS),
    SetUp("TLS at once on a STARTTLS port", "postfix:submission", "tls", "tls_version", IMPLICIT),
    SetUp("clear text on a TLS port", "postfix:smtps", "greeting", "timeout", {**OFF, **LOGIN}),
    SetUp("login refused without TLS", "postfix:submission", "authentication", "mechanism_missing", {**OFF, **LOGIN}),
    SetUp("certificate expired", "postfix:expired", "tls", "certificate_expired", IMPLICIT, who="provider"),
    SetUp("certificate of another name", "postfix:wrongname", "tls", "certificate_name", IMPLICIT),
    SetUp("certificate self-signed", "postfix:selfsigned", "tls", "certificate_untrusted", IMPLICIT),
    SetUp("TLS 1.1 only", "postfix:oldtls", "tls", "tls_version", IMPLICIT),
    SetUp(
        "sender of somebody else",
        "postfix:submission",
        "sender_accepted",
        "sender_refused",
        {**STARTTLS, "sender_address": "bernd@test.local"},
    ),
    SetUp(
        "recipient unknown",
        "postfix:submission",
        "recipient_accepted",
        "recipient_refused",
        STARTTLS,
        "reject-a@kunde.example",
        who="recipient",
    ),
    SetUp(
        "recipient greylisted",
        "postfix:submission",
        "recipient_accepted",
        "greylisted",
        STARTTLS,
        "grey-a@kunde.example",
    ),
    SetUp("mailbox full", "postfix:submission", "recipient_accepted", "mailbox_full", STARTTLS, "full-a@kunde.example"),
    SetUp(
        "refused by policy", "postfix:submission", "recipient_accepted", "recipient_refused", STARTTLS, "policy-a@kunde.example"
    ),
    SetUp("421 at the recipient", "postfix:submission", "recipient_accepted", "rate_limited", STARTTLS, "bye-a@kunde.example"),
]
FAULTY = [
    SetUp(
        "dropmail", "fault:fault", "sender_accepted", "closed_by_server", {**STARTTLS, "sender_address": "dropmail@test.local"}
    ),
    SetUp(
        "refusemail", "fault:fault", "sender_accepted", "sender_refused", {**STARTTLS, "sender_address": "refusemail@test.local"}
    ),
    fault("droprcpt", "recipient_accepted", "closed_by_server"),
    fault("421rcpt", "recipient_accepted", "rate_limited"),
    fault("lonely354", "recipient_accepted", "recipient_refused"),
    fault("once4xx", "recipient_accepted", "greylisted"),
    fault("garbage", "recipient_accepted", "bad_reply"),
    fault("longline", "recipient_accepted", "bad_reply"),
    fault("421data", "test_mail", "rate_limited", waits=True),
    fault("4xxdata", "test_mail", "other"),
    fault("5xxdata", "test_mail", "content_refused"),
    fault("421afterdata", "test_mail", "rate_limited", waits=True),
    fault("early5xx", "test_mail", "too_large"),
    fault("dropindata", "test_mail", "closed_by_server", next_state="unknown"),
    fault("dropafterdata", "test_mail", "closed_by_server", next_state="unknown"),
    fault("rstafterdata", "test_mail", "closed_by_server", next_state="unknown"),
    SetUp("STARTTLS stripped", "fault:stripped", "tls", "starttls_missing", STARTTLS),
    SetUp("answer injected behind STARTTLS", "fault:inject", "tls", "bad_reply", STARTTLS),
]
BEFORE_ANY_SERVER = [
    SetUp("no server", "", "configuration", "no_server", who="you"),
    SetUp("host unknown", "", "name_resolution", "host_unknown", {"smtp_server": "gibts-nicht.invalid", **STARTTLS}),
    SetUp("host not allowed", "", "configuration", "host_not_allowed", {"smtp_server": "10.1.2.3", **STARTTLS}),
    SetUp("port not allowed", "", "configuration", "host_not_allowed", {"smtp_server": "localhost", "smtp_port": 22, **STARTTLS}),
    SetUp("sender not on the employee", "postfix:submission", "sender", "check_sender", {**STARTTLS, "check_sender": True}),
    SetUp("no sender address", "postfix:submission", "sender", "no_sender", {**STARTTLS, "sender_address": ""}),
]

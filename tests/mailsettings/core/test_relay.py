"""Which server, login and send system a mail goes through (R3, P4, P5, S3, T5, Z21)."""

from typing import Any

import pytest

from mailsettings.core.relay import Connection, decide_relay_for, refuse_relay
from mailsettings.core.sender import decide_sender
from tests.mailsettings.core.facts import SERVER, account, facts

OWN_SERVER = {"smtp_server": "mail.mia.example", "smtp_user": "mia", "smtp_password": "secret"}
COM_SERVER = {"smtp_server": "mail.muster.example", "smtp_tls": "implicit"}
LOGIN = {"smtp_user": "mia", "smtp_password": "secret"}
EWS = {"ews_url": "https://ews.huber.example/EWS/Exchange.asmx"}
OAUTH = {"oauth_client_id": "client"}
GENERALS: tuple[dict[str, Any], ...] = ({}, SERVER)

# What: level, system, server, port, TLS, user
ROUTES: list[tuple[str, dict[str, Any], tuple[object, ...] | None]] = [
    ("R3: nobody names a server", {"com": {}, "user": {"sender_address": "a@b.example"}}, None),
    (
        "P4: without a login of one's own the firm's",
        {"com": {}, "firm": SERVER},
        ("firm_parameters", 0, "mail.huber.example", 587, "starttls", "relay"),
    ),
    (
        "R3: the user's own before the general ones",
        {"user": OWN_SERVER, "com": COM_SERVER, "firm": SERVER},
        ("user_parameters", 0, "mail.mia.example", 587, "starttls", "mia"),
    ),
    (
        "R3: the Com customer's before the firm's, a server without a login sends no AUTH",
        {"com": COM_SERVER, "firm": SERVER},
        ("com_parameters", 0, "mail.muster.example", 465, "implicit", ""),
    ),
    (
        "R3: a personal login on the firm's server",
        {"user": LOGIN, "com": {}, "firm": SERVER},
        ("user_parameters", 0, "mail.huber.example", 587, "starttls", "mia"),
    ),
    (
        "R3: borrowed from the nearest general level",
        {"user": LOGIN, "com": COM_SERVER, "firm": SERVER},
        ("user_parameters", 0, "mail.muster.example", 465, "implicit", "mia"),
    ),
    ("R3: a login with no server to borrow is passed over", {"user": LOGIN, "com": {}}, None),
    (
        "R3: the account that gave the address",
        {"own_account": account("x", COM_SERVER), "user": OWN_SERVER, "firm": SERVER},
        ("user_account", 0, "mail.muster.example", 465, "implicit", ""),
    ),
    (
        "R3: an account without a server uses the user's own",
        {"own_account": account("x"), "user": OWN_SERVER, "firm": SERVER},
        ("user_parameters", 0, "mail.mia.example", 587, "starttls", "mia"),
    ),
    (
        "R3: an account never borrows from a user's own parameters",
        {"own_account": account("x", LOGIN, GENERALS), "user": OWN_SERVER, "com": {}, "firm": SERVER},
        ("user_account", 0, "mail.huber.example", 587, "starttls", "mia"),
    ),
    (
        "R3: the account's send system where it names one",
        {"own_account": account("x", {"send_system": 1}), "firm": SERVER | {"send_system": 0}},
        ("firm_parameters", 1, "mail.huber.example", 587, "starttls", "relay"),
    ),
    (
        "R3: else it resolves as a parameter, also where the connection comes from further up",
        {"user": {"send_system": 1}, "com": {}, "firm": SERVER},
        ("firm_parameters", 1, "mail.huber.example", 587, "starttls", "relay"),
    ),
    (
        "R3: an SMTP server under EWS is taken with 0 or 1 of the same timing",
        {"firm": SERVER | {"send_system": 7}},
        ("firm_parameters", 1, "mail.huber.example", 587, "starttls", "relay"),
    ),
    (
        "R3: the same directly",
        {"firm": SERVER | {"send_system": 6}},
        ("firm_parameters", 0, "mail.huber.example", 587, "starttls", "relay"),
    ),
    (
        "P2: EWS needs no SMTP server",
        {"firm": EWS | LOGIN | {"send_system": 6}},
        ("firm_parameters", 6, "", 587, "starttls", "mia"),
    ),
    (
        "R3: a personal login on the firm's Exchange",
        {"user": LOGIN, "firm": EWS | {"send_system": 7}},
        ("user_parameters", 7, "", 587, "starttls", "mia"),
    ),
    ("P2: Graph needs no SMTP server", {"firm": OAUTH | {"send_system": 11}}, ("firm_parameters", 11, "", 587, "starttls", "")),
    (
        "R3: SMTP under XOAUTH2 without OAuth settings",
        {"firm": SERVER | {"send_system": 9}},
        ("firm_parameters", 1, "mail.huber.example", 587, "starttls", "relay"),
    ),
    (
        "S: 2 and 3 use no login",
        {"firm": SERVER | {"send_system": 2}},
        ("firm_parameters", 2, "mail.huber.example", 587, "starttls", ""),
    ),
    (
        "contract: port 25 without TLS",
        {"firm": SERVER | {"smtp_tls": "off"}},
        ("firm_parameters", 0, "mail.huber.example", 25, "off", "relay"),
    ),
    (
        "T5: a lock of smtp_server locks the whole connection",
        {
            "user": OWN_SERVER | {"send_system": 1},
            "com": COM_SERVER,
            "firm": SERVER,
            "locks": {"firm": frozenset({"smtp_server"})},
        },
        ("firm_parameters", 0, "mail.huber.example", 587, "starttls", "relay"),
    ),
]


def _connection(case: dict[str, Any]) -> Connection | None:
    given = facts(**case)
    return decide_relay_for(given, decide_sender(given, client_possible=True)).connection


@pytest.mark.parametrize(("case", "route"), [row[1:] for row in ROUTES], ids=[row[0] for row in ROUTES])
def test_connection_is_the_first_that_names_a_server(case: dict[str, Any], route: tuple[object, ...] | None) -> None:
    found = _connection(case)
    assert route == (found and (str(found.level), found.send_system, found.host, found.port, found.tls, found.username))


SEALED = "mail.huber.example:587:starttls||relay"
SHARED: dict[str, Any] = {"firm": SERVER | {"send_system": 3}}
CERTIFICATE = {"client_certificate": "PEM"}
REFUSED: list[tuple[str, dict[str, Any], str | None]] = [
    ("P5: sealed to what is in force", {"firm": SERVER | {"sealed_to": SEALED}}, None),
    ("P5: another server", {"firm": SERVER | {"sealed_to": SEALED.replace("mail.", "old.")}}, "secret_needed"),
    ("P5: another port", {"firm": SERVER | {"sealed_to": SEALED, "smtp_port": 2525}}, "secret_needed"),
    ("P5: another TLS mode", {"firm": SERVER | {"sealed_to": SEALED, "smtp_port": 587, "smtp_tls": "off"}}, "secret_needed"),
    ("P5: another user", {"firm": SERVER | {"sealed_to": SEALED, "smtp_user": "office"}}, "secret_needed"),
    (
        "P5: changed at a higher level",
        {"user": LOGIN | {"sealed_to": "old.huber.example:587:starttls||mia"}, "firm": SERVER},
        "secret_needed",
    ),
    ("P5: a user without a password", {"firm": {"smtp_server": "mail.huber.example", "smtp_user": "relay"}}, "secret_needed"),
    ("P5: a client certificate with its key", {"firm": SERVER | CERTIFICATE | {"client_key": "key"}}, None),
    ("P5: and without", {"firm": SERVER | CERTIFICATE}, "secret_needed"),
    ("P5: a key sealed to another certificate", {"firm": SERVER | CERTIFICATE | {"client_key": "old"}}, "secret_needed"),
    ("P5: without TLS nobody asks for it", {"firm": SERVER | CERTIFICATE | {"smtp_tls": "off"}}, None),
    ("P5: not needed at a level that gives no server", {"user": LOGIN | CERTIFICATE, "firm": SERVER}, None),
    ("P5: needed with the server that a login borrows", {"user": LOGIN, "firm": SERVER | CERTIFICATE}, "secret_needed"),
    ("S3: the process's identity, unconfirmed", SHARED, "shared_identity"),
    ("S3: confirmed", {"firm": SHARED["firm"] | {"confirm_shared_identity": True}}, None),
    ("S3: check sender on", {"firm": SHARED["firm"] | {"check_sender": True}}, None),
    ("S3: 4 and 5 with a login of their own", {"firm": SERVER | {"send_system": 5}}, None),
    ("S3: 4 and 5 without", {"firm": {"smtp_server": "mail.huber.example", "send_system": 5}}, "shared_identity"),
    (
        "Z21: never for Com customers",
        {"com": {}, "firm": SHARED["firm"] | {"confirm_shared_identity": True, "check_sender": True}},
        "shared_identity",
    ),
]


@pytest.mark.parametrize(("case", "refused"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_connection_that_may_not_be_used_is_refused(case: dict[str, Any], refused: str | None) -> None:
    found = _connection(case)
    assert found is not None
    assert refuse_relay(facts(**case), found, None) == refused


@pytest.mark.parametrize(
    ("login", "firm", "domain", "key"),
    [
        ({}, {"ntlm_domain": "HUBER"}, "HUBER", "huber\\relay"),
        (LOGIN, {"ntlm_domain": "HUBER"}, "HUBER", "huber\\mia"),
        ({**LOGIN, "ntlm_domain": "MIA"}, {"ntlm_domain": "HUBER"}, "MIA", "mia\\mia"),
        (LOGIN, {}, "", "mia"),
        ({}, {"ntlm_domain": "HUBER", "smtp_user": ""}, "", ""),
    ],
)
def test_ntlm_takes_the_domain_of_the_login_else_of_the_server_it_borrows(
    login: dict[str, Any], firm: dict[str, Any], domain: str, key: str
) -> None:
    """Two logins of the same name in two domains are two logins (J8)."""
    found = _connection({"user": login, "com": {}, "firm": {**SERVER, **firm, "send_system": 5}})
    assert found is not None
    assert (found.domain, found.key) == (domain, f"mail.huber.example:587|{key}|4")


@pytest.mark.parametrize(
    ("login", "firm", "auth", "key"),
    [
        ({}, EWS, "", "https://ews.huber.example/EWS/Exchange.asmx|relay|6"),
        (
            {},
            EWS | {"ews_auth": "ntlm", "ntlm_domain": "HUBER"},
            "ntlm",
            "https://ews.huber.example/EWS/Exchange.asmx|huber\\relay|6",
        ),
        (LOGIN, EWS | {"ews_auth": "ntlm"}, "ntlm", "https://ews.huber.example/EWS/Exchange.asmx|mia|6"),
        (LOGIN | {"ews_auth": "basic"}, EWS | {"ews_auth": "ntlm"}, "basic", "autodiscover mia|mia|6"),
        (LOGIN, EWS | {"ews_auth": "oauth2"}, "", "https://ews.huber.example/EWS/Exchange.asmx|mia|6"),
        ({}, EWS | OAUTH | {"ews_auth": "oauth2"}, "oauth2", "https://ews.huber.example/EWS/Exchange.asmx|relay|6"),
        ({}, {"ews_auth": "basic"}, "basic", "autodiscover huber|relay|6"),
    ],
)
def test_ews_logs_in_as_the_login_says_else_as_the_server_that_it_borrows(
    login: dict[str, Any], firm: dict[str, Any], auth: str, key: str
) -> None:
    """What autodiscover finds is shared with nobody: two firms may call their users alike."""
    found = _connection({"user": login, "com": {}, "firm": {**SERVER, **firm, "send_system": 7}})
    assert found is not None
    assert (found.ews_auth, found.key) == (auth, key)

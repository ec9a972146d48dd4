"""What is known of providers where nobody set a limit (delivery contract 4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailjobs.core.providers import preset_of

SMTP, EWS, OAUTH, GRAPH = 1, 7, 9, 11


@pytest.mark.parametrize(
    ("host", "system", "name", "sessions", "per_minute", "per_day"),
    [
        ("smtp.office365.com", OAUTH, "Exchange Online", 3, 30, 10_000),
        ("SMTP.Office365.com.", SMTP, "Exchange Online", 3, 30, 10_000),
        ("outlook.office365.com", EWS, "Exchange Online", 3, 30, 10_000),
        ("https://outlook.office365.com/EWS/Exchange.asmx", EWS, "Exchange Online", 3, 30, 10_000),
        ("smtp-mail.outlook.com", SMTP, "Exchange Online", 3, 30, 10_000),
        ("huber-at.mail.protection.outlook.com", SMTP, "Exchange Online (connector)", 3, None, None),
        ("graph.microsoft.com", GRAPH, "Microsoft Graph", 4, None, 10_000),
        ("", 10, "Microsoft Graph", 4, None, 10_000),
        ("smtp.gmail.com", OAUTH, "Gmail", 3, None, 2_000),
        ("smtp-relay.gmail.com", SMTP, "Google Workspace (relay)", 3, None, 10_000),
        ("smtp.ionos.de", SMTP, "IONOS", 3, None, None),
        ("smtp.1und1.de", SMTP, "IONOS", 3, None, None),
        ("smtp.ionos.co.uk", SMTP, "IONOS", 3, None, None),
        ("exchange2019.ionos.eu", SMTP, "IONOS Exchange", 3, 10, 16_000),
        ("w0123abc.kasserver.com", SMTP, "ALL-INKL.COM", 3, 100, None),
        ("mail.infomaniak.com", SMTP, "Infomaniak", 3, None, 1_440),
        ("mail.gmx.net", SMTP, "GMX", 3, None, None),
        ("smtp.web.de", SMTP, "WEB.DE", 3, None, None),
        ("securesmtp.t-online.de", SMTP, "Telekom", 3, None, None),
        ("smtp.strato.de", SMTP, "STRATO", 3, None, None),
        ("www123.your-server.de", SMTP, "Hetzner", 3, None, None),
        ("securemail.a1.net", SMTP, "A1", 3, None, None),
        ("smtp.world4you.com", SMTP, "World4You", 3, None, None),
        ("email-smtp.eu-central-1.amazonaws.com", SMTP, "Amazon SES", 3, None, None),
        ("smtp.sendgrid.net", SMTP, "SendGrid", 3, None, None),
        ("in-v3.mailjet.com", SMTP, "Mailjet", 3, None, None),
    ],
)
def test_delivery_4_a_known_provider_has_its_own_limits(
    host: str, system: int, *, name: str, sessions: int, per_minute: int | None, per_day: int | None
) -> None:
    found = preset_of(host, system)
    assert (found.name, found.sessions, found.per_minute, found.recipients_per_day) == (name, sessions, per_minute, per_day)


def test_delivery_4_a_limit_that_a_preset_names_says_where_it_comes_from() -> None:
    for host in ("smtp.office365.com", "smtp.gmail.com", "smtp-relay.gmail.com", "exchange.ionos.eu", "w1.kasserver.com"):
        assert preset_of(host, SMTP).source.startswith("https://")
    assert preset_of("", GRAPH).source.startswith("https://")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.9",
        "::1",
        "[fd00::1]",
        "fe80::1",
        "localhost",
        "mail",
        "mail.huber.local",
        "mx.lan",
        "smtp:25",
    ],
)
def test_delivery_4_a_server_in_the_house_takes_three_sessions(host: str) -> None:
    found = preset_of(host, SMTP)
    assert (found.name, found.sessions, found.per_minute, found.recipients_per_day) == ("", 3, None, None)


@pytest.mark.parametrize(
    "host",
    [
        "mail.kanzlei-huber.example",
        "8.8.8.8",
        "[2001:4860:4860::8888]",
        "notoffice365.com",
        "smtp.gmail.com.evil.example",
        "xgmx.net",
    ],
)
def test_delivery_4_a_hoster_that_nobody_knows_takes_one_session(host: str) -> None:
    assert preset_of(host, SMTP).sessions == 1


@given(st.text(max_size=80), st.integers(0, 11))
def test_delivery_4_whatever_the_name_there_is_a_preset(host: str, system: int) -> None:
    assert preset_of(host, system).sessions >= 1

"""What of a connection ends, and when (S6)."""

from datetime import date

import pytest

from mailjobs.core.retirements import Retiring, deadlines_of

TODAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("send_system", "host", "ews_auth", "ends"),
    [
        (0, "smtp.office365.com", "", [(Retiring.SMTP_BASIC, 37)]),
        (1, "SMTP.Office365.com.", "", [(Retiring.SMTP_BASIC, 37)]),
        (9, "smtp.office365.com", "", []),
        (1, "mail.kanzlei-huber.example", "", []),
        (7, "outlook.office365.com", "oauth2", [(Retiring.EWS_ONLINE, 128)]),
        (7, "exchange.kanzlei-huber.example", "basic", []),
        (6, "exchange.kanzlei-huber.example", "ntlm", [(Retiring.NTLM, None)]),
        (5, "mail.kanzlei-huber.example", "", [(Retiring.NTLM, None)]),
        (11, "graph.microsoft.com", "", []),
    ],
)
def test_s6_what_ends_and_the_days_left(
    send_system: int, host: str, ews_auth: str, ends: list[tuple[Retiring, int | None]]
) -> None:
    found = deadlines_of(send_system, host, ews_auth=ews_auth, today=TODAY)
    assert [(deadline.what, deadline.days_left(TODAY)) for deadline in found] == ends
    assert all(deadline.source.startswith("https://") for deadline in found)


@pytest.mark.parametrize(("ends", "days"), [(date(2026, 12, 24), 30), (date(2026, 11, 20), -4), (date(2026, 12, 25), None)])
def test_s6_a_client_secret_that_ends_within_30_days_is_named(ends: date, days: int | None) -> None:
    found = deadlines_of(11, "graph.microsoft.com", secret_ends=ends, today=TODAY)
    assert [(each.what, each.days_left(TODAY)) for each in found] == ([] if days is None else [(Retiring.CLIENT_SECRET, days)])


@pytest.mark.parametrize(("ends", "days"), [(date(2027, 1, 23), 60), (date(2026, 11, 20), -4), (date(2027, 1, 24), None)])
def test_s6_a_client_certificate_that_ends_soon_is_named(ends: date, days: int | None) -> None:
    found = deadlines_of(1, "mail.kanzlei-huber.example", certificate_ends=ends, today=TODAY)
    assert [deadline.days_left(TODAY) for deadline in found] == ([] if days is None else [days])

"""What of a connection ends, shown where it bites: client secrets of app registrations, the portal's Kerberos ticket (S6, S1)."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mailjobs import sharing
from mailsettings.changes import Book, own_values, save_parameters, save_secret
from mailsettings.core.parameters import ParameterInvalid, parse_value
from mailsettings.models import Tenant
from tests.pages.conftest import LogIn, text_of
from tests.peers.fixtures import Kerberos

pytestmark = pytest.mark.django_db


def huber(**values: Any) -> None:
    firm = Tenant.objects.get(slug="huber")
    save_parameters(Book("test"), firm, {**own_values(firm), **values})


@pytest.fixture
def browser(log_in: LogIn) -> Client:
    huber(send_system=11, oauth_client_id="portal", oauth_tenant="huber.example", smtp_user="office@kanzlei-huber.example")
    save_secret(Book("test"), Tenant.objects.get(slug="huber"), "oauth_client_secret", "geheim-4711")
    sharing.ids_of(["https://graph.microsoft.com/v1.0|office@kanzlei-huber.example|10"])
    return log_in("anna")


def in_days(days: int) -> str:
    return (timezone.localdate() + timedelta(days=days)).isoformat()


@pytest.mark.parametrize("page", ["/", "/connections/"])
def test_s6_a_client_secret_that_ends_soon_is_shown_where_it_bites(browser: Client, page: str) -> None:
    said = "The OAuth client secret for graph.microsoft.com ends on"
    assert said not in text_of(browser, page), "no date, no word"
    huber(oauth_secret_expires=in_days(31))
    assert said not in text_of(browser, page)
    huber(oauth_secret_expires=in_days(12))
    assert f"12 days left:</strong> {said}" in text_of(browser, page)
    huber(oauth_secret_expires=in_days(-1))
    assert f"It has ended.</strong> {said}" in text_of(browser, page)


def test_s6_a_connection_that_uses_no_secret_is_not_named(browser: Client) -> None:
    huber(oauth_secret_expires=in_days(1), send_system=1)
    assert "The OAuth client secret" not in text_of(browser, "/")


def test_the_date_is_entered_in_the_settings(browser: Client) -> None:
    page = browser.get("/settings/").content.decode()
    assert 'name="oauth_secret_expires"' in page
    assert 'type="date"' in page


@pytest.mark.parametrize(
    "raw", ["2027-3-1", "31.03.2027", "2027-02-30", "20270331", "2027-W10-1", "morgen", 2027, True, ["2027-03-31"]]
)
def test_what_is_no_date_is_refused(raw: object) -> None:
    with pytest.raises(ParameterInvalid):
        parse_value("oauth_secret_expires", raw)


def test_a_date_is_taken_as_yaml_reads_it() -> None:
    assert (
        parse_value("oauth_secret_expires", date(2027, 3, 31))
        == parse_value("oauth_secret_expires", "2027-03-31")
        == "2027-03-31"
    )
    assert parse_value("oauth_secret_expires", "") is None


# Kerberos


@pytest.mark.peers
def test_s1_a_ticket_near_its_end_is_shown_with_the_connection_that_needs_it(log_in: LogIn, kerberos: Kerberos) -> None:
    huber(send_system=3, confirm_shared_identity=True, smtp_server="mail.kanzlei-huber.example", smtp_port=587)
    sharing.ids_of(["mail.kanzlei-huber.example:587||2"])
    anna = log_in("anna")
    assert "The portal has no Kerberos ticket: " in text_of(anna, "/connections/")
    kerberos.use_cache(kerberos.ticket("anna", lifetime="90m"))
    assert "The portal's Kerberos ticket for anna@TEST.LOCAL ends at" in text_of(anna, "/connections/")
    kerberos.use_cache(kerberos.ticket("anna", lifetime="5h"))
    assert "Kerberos ticket" not in text_of(anna, "/connections/")
    kerberos.configure(ticket_lifetime="60m")
    kerberos.use_keytab(kerberos.keytab("bernd"))
    assert "Kerberos ticket" not in text_of(anna, "/connections/"), "a keytab renews it by itself"


def test_s1_without_such_a_connection_no_ticket_is_looked_for(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailjobs.retiring.kerberos.identity", None)
    assert browser.get("/connections/").status_code == 200

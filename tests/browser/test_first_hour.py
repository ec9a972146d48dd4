"""From an empty installation to a first test mail in the recipient's mailbox: each step named, ten at most."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mailjobs.models import MailJob
from mailjobs.people.first import first_token
from mailsettings.models import User
from tests.browser.test_story import engine as engine  # noqa: PLC0414 (a fixture)
from tests.people.name_server import NameServer
from tests.services import CountingServer, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OPERATOR, ADMIN = "Rosa-hat-drei-Lampen", "Fritz zählt vier Lampen"
MOST = 10


@pytest.fixture
def names(settings: Any, smtp_server: CountingServer, tmp_path: Any) -> Iterator[NameServer]:
    """The firm's domain names its server, which the operator's list of authorities trusts."""
    ca = tmp_path / "ca.pem"
    ca.write_text(smtp_server.ca_pem)
    settings.OUTBOUND_CA_FILE = str(ca)
    server = NameServer({("_submission._tcp.kanzlei-huber.example", "SRV"): [f"0 1 {smtp_server.port} localhost."]})
    settings.DNS_RESOLVER = server.address
    yield server
    server.close()


def test_ten_steps_from_nothing_to_a_test_mail(
    live_server: Any, page: Page, engine: None, smtp_server: CountingServer, names: NameServer
) -> None:
    assert not User.objects.exists()
    steps = list[str]()

    def submit(step: str) -> None:
        page.locator("main form button.btn-primary, main form button[type=submit]").last.click()
        assert [each.inner_text() for each in page.locator(".error-summary").all()] == [], step
        steps.append(step)

    page.goto(f"{live_server.url}/accounts/first/?token={first_token()}")
    steps.append("open the link of the console")

    page.fill("#id_login", "betrieb")
    page.fill("#id_name", "Rosa Betrieb")
    page.fill("#id_password", OPERATOR)
    page.fill("#id_again", OPERATOR)
    submit("become the operator")

    expect(page).to_have_url(f"{live_server.url}/com-customers/firms/new/")
    page.fill("#id_slug", "huber")
    page.fill("#id_name", "Kanzlei Huber")
    page.fill("#id_login", "anna")
    page.fill("#id_person", "Anna Huber")
    page.fill("#id_email", "anna@kanzlei-huber.example")
    page.fill("#id_password", ADMIN)
    submit("set up the firm and its administrator")
    expect(page).to_have_url(f"{live_server.url}/com-customers/?tenant=huber")

    page.locator("details.me summary").click()
    page.get_by_role("button", name="Abmelden").click()
    steps.append("log out")

    page.fill("#id_login", "anna")
    page.fill("#id_password", ADMIN)
    page.press("#id_password", "Enter")
    expect(page.get_by_role("heading", name="Übersicht")).to_be_visible()
    steps.append("log in as the administrator")

    page.locator(".checklist a[href='/start/mail-server/']").first.click()
    steps.append("open “no mail server is set” on the checklist")

    page.fill("#id_sender_address", "Kanzlei Huber <office@kanzlei-huber.example>")
    submit("enter the general sender address")

    expect(page.locator("#id_smtp_server")).to_have_value("localhost")
    expect(page.locator("#id_smtp_port")).to_have_value(str(smtp_server.port))
    page.fill("#id_smtp_user", smtp_server.login)
    page.fill("#id_smtp_password", smtp_server.password)
    submit("save the guessed server with its password")

    expect(page.locator("#id_to")).to_have_value("anna@kanzlei-huber.example")
    submit("send the test mail")

    [mail] = smtp_server.wait_for(1, seconds=30)
    assert mail.recipients == ("anna@kanzlei-huber.example",)
    assert mail.sender == "office@kanzlei-huber.example"
    wait_until(lambda: MailJob.objects.get().state == "sent", seconds=10, what="the job to be sent")
    assert len(steps) <= MOST, steps

"""A print model is introduced rung by rung: drafts only, redirected, held for approval, live; and taken down again (U4, T4)."""

from typing import Any

import pytest
from django.test import Client

from mailjobs import delivery
from mailjobs.drafts import eml_of
from mailjobs.models import FrozenMail, MailJob
from mailjobs.submission import release, submit
from mailsettings.models import AuditEvent, PrintModel
from tests.cast import OFFICE, invoice, move_in, user
from tests.services import CountingServer

pytestmark = pytest.mark.django_db(transaction=True)
PROBE = "probe@kanzlei-huber.example"
PASSWORDS = {"anna": "anna-log-in-1", "max": "max-log-in-1"}


def log_in(login: str) -> Client:
    client = Client()
    client.force_login(user(login))
    return client


def model(of: str = "huber") -> PrintModel:
    return PrintModel.objects.get(tenant__slug=of, slug="invoices")


def move(to: str, *, of: str = "huber", by: str = "anna", why: str = "") -> Any:
    """Move the print model through its page, and say yes where the page asks, with the log-in password where it wants it."""
    client, url = log_in(by), f"/print-models/{model(of).pk}/stage/"
    answer = client.post(url, {"to": to, "why": why}, follow=True)
    if not answer.redirect_chain and answer.status_code == 200:
        form = answer.context["form"]
        assert model(of).stage != to
        password = {"login_password": PASSWORDS[by]} if "login_password" in form.fields else {}
        answer = client.post(url, {"to": to, "why": why, **password, "foreseen": form.foresight.digest}, follow=True)
    return answer


def begin_at(server: CountingServer, stage: str) -> None:
    """Everybody has moved in; the firm's invoices stand on this rung."""
    move_in(server, parameters={"redirect_addresses": [PROBE]})
    PrintModel.objects.filter(tenant__slug="huber").update(stage=stage)


def deliver() -> dict[str, float]:
    return delivery.run(until_empty=True).document()


def job() -> tuple[str, str, str]:
    row = MailJob.objects.get()
    return row.state, row.held_reason, row.held_for


def test_draft_puts_nothing_on_the_wire_and_waits_as_a_draft_for_the_users_own_client(smtp_server: CountingServer) -> None:
    begin_at(smtp_server, "draft")
    submit(user("bernd"), invoice(1))
    deliver()
    assert smtp_server.received == []
    row = MailJob.objects.get()
    assert (row.channel, *job()) == ("draft", "held", "by_client", "sender")
    draft = eml_of(row, FrozenMail.objects.get(job=row)).decode()
    assert "X-Unsent: 1" in draft
    assert "klient1@kunde.example" in draft
    assert OFFICE in draft
    assert release(user("anna"), [row.pk]) == 0  # nobody sends it but the user's own client


def test_redirected_reaches_the_redirect_address_and_nobody_else(smtp_server: CountingServer) -> None:
    begin_at(smtp_server, "redirected")
    submit(user("bernd"), invoice(1, cc=["cc@kunde.example"], bcc=["bcc@kunde.example"]))
    submit(user("stapel"), invoice(2))
    deliver()
    assert smtp_server.recipients == {PROBE: 2}
    assert {(mail.headers["To"], mail.headers["Cc"]) for mail in smtp_server.received} == {(PROBE, None)}


def test_held_waits_for_an_administrator_and_then_arrives(smtp_server: CountingServer) -> None:
    begin_at(smtp_server, "held")
    result = submit(user("bernd"), invoice(1))
    assert result.id is not None
    deliver()
    assert (smtp_server.received, job()) == ([], ("held", "stage_held", "approver"))
    assert release(user("bernd"), [result.id]) == 0
    assert release(user("anna"), [result.id]) == 1
    deliver()
    assert smtp_server.recipients == {"klient1@kunde.example": 1}


def test_live_arrives(smtp_server: CountingServer) -> None:
    begin_at(smtp_server, "live")
    submit(user("bernd"), invoice(1))
    deliver()
    assert smtp_server.recipients == {"klient1@kunde.example": 1}


@pytest.mark.parametrize("rung", ["held", "draft"])
def test_moved_down_while_mails_wait_they_are_held_and_not_sent(smtp_server: CountingServer, rung: str) -> None:
    begin_at(smtp_server, "live")
    for number in (1, 2):
        submit(user("bernd"), invoice(number))
    move(rung, why="falscher Monat")
    deliver()
    assert smtp_server.received == []
    assert set(MailJob.objects.values_list("state", "held_reason", "held_for")) == {("held", "stage_held", "approver")}
    assert release(user("anna"), [MailJob.objects.earliest("pk").pk]) == 1
    deliver()
    assert smtp_server.recipients == {"klient1@kunde.example": 1}


def test_u4_moved_down_to_redirected_while_mails_wait_they_go_to_the_redirect_address(smtp_server: CountingServer) -> None:
    begin_at(smtp_server, "live")
    submit(user("bernd"), invoice(1))
    move("redirected")
    deliver()
    assert smtp_server.recipients == {PROBE: 1}


def test_u4_what_was_queued_while_redirected_never_reaches_its_real_recipients(smtp_server: CountingServer) -> None:
    begin_at(smtp_server, "redirected")
    submit(user("bernd"), invoice(1))
    move("held")
    result = submit(user("bernd"), invoice(2))
    move("live")
    submit(user("bernd"), invoice(3))
    assert release(user("anna"), [result.id or 0]) == 1
    deliver()
    assert smtp_server.recipients == {PROBE: 1, "klient2@kunde.example": 1, "klient3@kunde.example": 1}


def test_the_whole_way_up_through_the_page_says_who_moved_it(smtp_server: CountingServer) -> None:
    begin_at(smtp_server, "draft")
    for number, (rung, why) in enumerate(
        [("redirected", "Vorlage fertig"), ("held", "Probe gelesen"), ("live", "drei Wochen gut")]
    ):
        submit(user("bernd"), invoice(number))
        move(rung, why=why)
        assert model().stage == rung
    submit(user("bernd"), invoice(9))
    deliver()
    history = log_in("anna").get(f"/print-models/{model().pk}/").context["history"]
    assert [entry["title"] for entry in history] == [
        "Held for approval → Live",
        "Redirected → Held for approval",
        "Drafts only → Redirected",
        "Made at “Live”",
    ]
    assert [entry["text"] for entry in history][:2] == [
        "Anna Huber (anna): drei Wochen gut",
        "Anna Huber (anna): Probe gelesen",
    ]
    # Number 0 is a draft at the user's client, 1 was queued while redirected, 2 waits for the approval, 9 has arrived.
    assert smtp_server.recipients == {PROBE: 1, "klient9@kunde.example": 1}
    assert MailJob.objects.filter(held_reason="by_client").count() == 1
    assert MailJob.objects.filter(held_reason="stage_held").count() == 1


def test_t4_a_com_administrator_moves_their_own_print_models_only(smtp_server: CountingServer) -> None:
    begin_at(smtp_server, "live")
    for of in ("huber", "beispiel"):
        assert move("held", of=of, by="max").status_code == 404
        assert model(of).stage == "live"
    assert move("held", of="muster", by="mia").status_code == 404
    move("held", of="muster", by="max")
    assert model("muster").stage == "held"
    assert AuditEvent.objects.filter(action="stage", before__stage="live").values_list("actor", "subject").get() == (
        "max",
        "muster/invoices",
    )
    mine, others = submit(user("mia"), invoice(1)), submit(user("eva"), invoice(2))
    deliver()
    assert smtp_server.recipients == {"klient2@kunde.example": 1}
    assert release(user("eva"), [mine.id or 0]) == 0
    assert release(user("max"), [mine.id or 0, others.id or 0]) == 1
    deliver()
    assert smtp_server.recipients == {"klient1@kunde.example": 1, "klient2@kunde.example": 1}

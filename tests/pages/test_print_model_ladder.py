"""The ladder on the page of a print model: where it stands, the moves from there, who moved it (P9, U2, T4)."""

import pytest

from mailsettings import changes
from mailsettings.changes import Book
from mailsettings.core.send_systems import Stage
from mailsettings.ladder import ARRIVALS, STAGE_ICONS, STAGE_STAMPS, STAGE_TEXTS
from mailsettings.models import AuditEvent, PrintModel
from tests.pages.conftest import PASSWORD, LogIn
from tests.pages.test_print_models import model, page_of, put, show, tenant, text

pytestmark = pytest.mark.django_db


def test_the_ladder_says_where_it_stands_and_what_each_rung_does(log_in: LogIn) -> None:
    changes.save_parameters(
        Book("t"), tenant(), {**changes.own_values(tenant()), "redirect_addresses": ["probe@kanzlei-huber.example"]}
    )
    answer = log_in("anna").get(page_of(put(model(), Stage.REDIRECTED)))
    assert [(rung.stage, rung.here, rung.climbed, bool(rung.move)) for rung in answer.context["rungs"]] == [
        ("draft", False, True, True),
        ("redirected", True, False, False),
        ("held", False, False, True),
        ("live", False, False, False),
    ]
    page = text(answer)
    for sentence in STAGE_TEXTS.values():
        assert str(sentence) in page
    assert "probe@kanzlei-huber.example" in page
    assert 'aria-current="step"' in answer.content.decode()
    assert "/jobs/?state=held" in answer.content.decode()


@pytest.mark.parametrize(
    ("here", "offered"),
    [
        ("draft", {"redirected"}),
        ("redirected", {"draft", "held"}),
        ("held", {"draft", "redirected", "live"}),
        ("live", {"draft", "redirected", "held"}),
    ],
)
def test_the_ladder_goes_one_rung_up_or_down_to_any(log_in: LogIn, here: str, offered: set[str]) -> None:
    anna, row = log_in("anna"), model()
    for to in Stage:
        url = f"{page_of(put(row, Stage(here)))}stage/"
        answer = anna.post(url, {"to": to}, follow=True)
        climbs = to.rung > Stage(here).rung
        if to not in offered:
            assert "From there it moves one rung up, or down to any." in text(answer)
            assert model().stage == here
        elif climbs:
            assert answer.context["form"].foresight
            assert model().stage == here
        else:
            assert model().stage == to


def test_p9_a_move_up_shows_the_cells_that_change_and_asks(log_in: LogIn) -> None:
    anna, url = log_in("anna"), f"{page_of(put(model(), Stage.HELD))}stage/"
    shown = anna.post(url, {"to": "live", "why": "drei Wochen ohne Fehler"})
    assert {cell.place.user for cell in shown.context["form"].foresight.changed} == {"anna", "bernd"}
    assert str(ARRIVALS[Stage.LIVE]) in text(shown)
    assert shown.context["form"]["why"].value() == "drei Wochen ohne Fehler"
    assert "login_password" not in shown.context["form"].fields
    assert anna.post(url, {"to": "live", "foreseen": "0" * 24}).status_code == 200
    assert model().stage == "held"
    yes = {"to": "live", "why": "drei Wochen ohne Fehler", "foreseen": shown.context["form"].foresight.digest}
    page = text(anna.post(url, yes, follow=True))
    assert model().stage == "live"
    assert "The print model invoices stands at “Live” now." in page
    assert "Anna Huber (anna): drei Wochen ohne Fehler" in page
    assert "Held for approval → Live" in page


@pytest.mark.parametrize("redirect_everywhere", [False, True], ids=["cells change", "no cell changes"])
def test_u2_the_end_of_a_redirection_needs_the_log_in_password(log_in: LogIn, redirect_everywhere: bool) -> None:
    values = {**changes.own_values(tenant()), "redirect_addresses": ["probe@kanzlei-huber.example"]}
    if redirect_everywhere:
        PrintModel.objects.filter(tenant=tenant()).exclude(slug="invoices").delete()
        values["redirect_enabled"] = True
    changes.save_parameters(Book("t"), tenant(), values)
    anna, url = log_in("anna"), f"{page_of(put(model(), Stage.REDIRECTED))}stage/"
    if redirect_everywhere:
        PrintModel.objects.filter(tenant=tenant()).update(is_active=False)
    shown = anna.post(url, {"to": "held"})
    assert "login_password" in shown.context["form"].fields
    assert "error-summary" not in shown.content.decode()
    digest = shown.context["form"].foresight.digest
    for typed_password, words in (("", "Enter your log-in password"), ("falsch", "This is not your log-in password.")):
        answer = anna.post(url, {"to": "held", "why": "bleibt", "login_password": typed_password, "foreseen": digest})
        assert words in text(answer)
        assert answer.context["form"].foresight.digest == digest
        assert answer.context["form"]["why"].value() == "bleibt"
        assert "falsch" not in answer.content.decode()
        assert model().stage == "redirected"
    # Without the yes the password alone is not enough, with both it goes.
    assert anna.post(url, {"to": "held", "login_password": PASSWORD}).context["form"].foresight
    assert model().stage == "redirected"
    anna.post(url, {"to": "held", "login_password": PASSWORD, "foreseen": digest})
    assert model().stage == "held"
    assert PASSWORD not in str(list(AuditEvent.objects.values()))


def test_a_move_down_is_made_at_once_and_without_a_password(log_in: LogIn) -> None:
    anna = log_in("anna")
    page = text(anna.post(f"{page_of(model())}stage/", {"to": "redirected", "why": "falscher Monat"}, follow=True))
    assert model().stage == "redirected"
    assert "Live → Redirected" in page
    assert "Anna Huber (anna): falscher Monat" in page
    event = AuditEvent.objects.filter(action="stage").latest("pk")
    assert (event.actor, event.subject, event.before, event.after) == (
        "anna",
        "huber/invoices",
        {"stage": "live"},
        {"stage": "redirected", "why": "falscher Monat"},
    )


def test_u2_every_move_makes_mail_that_is_about_to_go_look_again(log_in: LogIn) -> None:
    before = tenant().policy_epoch
    log_in("anna").post(f"{page_of(model())}stage/", {"to": "held"})
    assert tenant().policy_epoch == before + 1


def test_a_move_from_a_page_that_is_out_of_date_says_where_it_stands(log_in: LogIn) -> None:
    anna, row = log_in("anna"), put(model(), Stage.HELD)
    shown = anna.post(f"{page_of(row)}stage/", {"to": "live"})
    put(row, Stage.DRAFT)  # somebody has taken it down meanwhile
    yes = {"to": "live", "foreseen": shown.context["form"].foresight.digest}
    assert "The print model stands at “Drafts only” now." in text(anna.post(f"{page_of(row)}stage/", yes, follow=True))
    assert model().stage == "draft"


def test_t4_a_com_administrator_reads_the_firms_name_instead_of_its_people(log_in: LogIn) -> None:
    row = model("muster")
    log_in("anna").post(f"{page_of(row)}stage/", {"to": "held", "why": "Probe"})
    log_in("max").post(f"{page_of(row)}stage/", {"to": "draft"})
    log_in("root").post(f"{page_of(put(row, Stage.LIVE))}stage/", {"to": "held"})
    to_max = show(log_in("max"), page_of(row))
    assert "Kanzlei Huber: Probe" in to_max
    assert "Max Muster (max)" in to_max
    assert "The operator" in to_max
    assert "Anna Huber" not in to_max
    assert "Anna Huber (anna): Probe" in show(log_in("anna"), page_of(row))


def test_an_import_that_moves_a_print_model_up_warns_and_is_in_the_history(log_in: LogIn) -> None:
    row, book = put(model(), Stage.DRAFT), Book("command line")
    changes.save_print_model(book, tenant=tenant(), slug="invoices", account=None, user_accounts={}, stage="live")
    assert book.warnings == ["The print model huber/invoices moves up, from “Drafts only” to “Live”."]
    assert "An import (command line)" in show(log_in("anna"), page_of(row))


def test_every_rung_has_its_words_and_its_looks() -> None:
    for table in (STAGE_TEXTS, ARRIVALS, STAGE_ICONS, STAGE_STAMPS):
        assert set(table) == set(Stage)

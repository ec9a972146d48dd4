"""Print models: the list, the form, the ladder, and who would send by them (M1, M2, A2, P9, T4)."""

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

import pytest
from django.test import Client

from mailsettings import changes
from mailsettings.changes import Book
from mailsettings.core.send_systems import DeliveryMode, Stage
from mailsettings.forms.print_models import DELIVERY_MODE_HELP, MOST_ROWS
from mailsettings.models import AuditEvent, EmailAccount, PrintModel, Tenant
from tests.pages.conftest import LogIn, person, save

LIST, NEW = "/print-models/", "/print-models/new/"
pytestmark = pytest.mark.django_db


def tenant(slug: str = "huber") -> Tenant:
    return Tenant.objects.select_related("firm").get(slug=slug)


def model(slug: str = "huber", name: str = "invoices") -> PrintModel:
    return PrintModel.objects.select_related("tenant__firm").get(tenant__slug=slug, slug=name)


def page_of(row: PrintModel) -> str:
    return f"{LIST}{row.pk}/"


def account(name: str, of: str = "huber", *, login: str | None = None, **more: Any) -> EmailAccount:
    """An e-mail account that sends as `NAME@OF.example`."""
    user = person(login) if login else None
    address = f"{name}@{of}.example"
    return changes.save_account(Book("t"), tenant=tenant(of), slug=name, sender_address=address, values={}, user=user, **more)


def change(row: PrintModel, **changed: Any) -> PrintModel:
    """What stood there before the page was opened."""
    values = {name: getattr(row, name) for name in ("account", "context", "delivery_mode", "subject", "text", "html")}
    own = {each.user: each.account for each in row.user_accounts.select_related("user", "account")}
    given = {"user_accounts": own, **values, **changed}
    return changes.save_print_model(Book("t"), tenant=row.tenant, slug=row.slug, **given)


def put(row: PrintModel, stage: Stage) -> PrintModel:
    PrintModel.objects.filter(pk=row.pk).update(stage=stage)
    return PrintModel.objects.select_related("tenant__firm").get(pk=row.pk)


def typed(client: Client, url: str, **changed: str) -> dict[str, str]:
    """What a browser would post from the page as it stands, with something changed."""
    form = client.get(url).context["form"]
    found = {"rows": str(form.row_count)}
    for field in form:
        value = field.field.prepare_value(field.value()) if hasattr(field.field, "prepare_value") else field.value()
        if not field.field.disabled and value not in (None, False, ""):
            found[field.html_name] = "on" if value is True else str(value)
    return {**found, **changed}


def text(answer: Any) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def show(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, url
    return text(answer)


# ---- Who may open what


@pytest.mark.parametrize(
    ("login", "status"), [("anna", 200), ("bernd", 404), ("max", 200), ("mia", 404), ("eva", 200), ("root", 200)]
)
def test_t_who_manages_settings_has_the_pages_and_nobody_else(log_in: LogIn, login: str, status: int) -> None:
    client, own = log_in(login), person(login).tenant
    row = model(own.slug if own else "huber")
    for url in (LIST, NEW, page_of(row), f"{page_of(row)}preview/"):
        assert client.get(url).status_code == status, url
    before = AuditEvent.objects.count()
    assert client.post(f"{page_of(row)}stage/", {"to": "held"}).status_code == (302 if status == 200 else 404)
    assert AuditEvent.objects.count() - before == (status == 200)


@pytest.mark.parametrize(("login", "foreign"), [("anna", "gruber"), ("max", "huber"), ("max", "beispiel"), ("greta", "muster")])
def test_t4_foreign_print_models_are_not_found_and_stay_as_they_are(log_in: LogIn, login: str, foreign: str) -> None:
    client, row = log_in(login), model(foreign)
    for address in ("", "stage/", "preview/"):
        assert client.get(f"{page_of(row)}{address}").status_code == 404
    assert client.post(page_of(row), {"slug": "x", "delivery_mode": "foreground"}).status_code == 404
    assert client.post(f"{page_of(row)}stage/", {"to": "draft", "foreseen": "x"}).status_code == 404
    assert client.get(LIST, {"tenant": foreign}).status_code == 404
    assert (model(foreign).stage, model(foreign).delivery_mode) == ("live", "background_smtp")


def test_who_is_not_logged_in_is_sent_to_the_log_in(cast: None) -> None:
    for url in (LIST, NEW, page_of(model())):
        assert "/accounts/login/" in Client().get(url).headers["Location"]


# ---- The list


def test_the_list_says_context_account_mode_and_rung_in_words(log_in: LogIn) -> None:
    put(change(model(), context="Rechnungen", account=account("rechnungen")), Stage.HELD)
    page = show(log_in("anna"), LIST)
    for words in ("invoices", "Rechnungen", "rechnungen", "In the background by the send system", "Held for approval", "Yes"):
        assert words in page
    assert "#state-held" in log_in("anna").get(LIST).content.decode()


def test_the_list_is_sorted_by_rung_and_not_by_letter(log_in: LogIn) -> None:
    for number, stage in enumerate((Stage.LIVE, Stage.DRAFT, Stage.HELD, Stage.REDIRECTED)):
        changes.save_print_model(Book("t"), tenant=tenant(), slug=f"m{number}", account=None, user_accounts={}, stage=stage)
    PrintModel.objects.filter(slug="invoices", tenant=tenant()).delete()
    rows = log_in("anna").get(LIST, {"sort": "stage"}).context["table"].rows
    assert [row.record.stage for row in rows] == ["draft", "redirected", "held", "live"]
    for odd in ("-stage", "delivery_mode", "nonsense", "stage,slug"):
        assert log_in("anna").get(LIST, {"sort": odd}).status_code == 200


def test_an_empty_list_offers_the_one_next_step(log_in: LogIn) -> None:
    PrintModel.objects.filter(tenant=tenant("muster")).delete()
    page = log_in("anna").get(LIST, {"tenant": "muster"}).content.decode()
    assert "No print model yet" in page
    assert f'href="{NEW}?tenant=muster"' in page


# ---- The form


def test_m1_a_new_print_model_starts_as_drafts_only_and_says_why(log_in: LogIn) -> None:
    anna = log_in("anna")
    assert "starts at the lowest rung, so that nothing reaches anybody" in show(anna, NEW)
    data = typed(anna, NEW, slug="reminders", context="Mahnungen", subject="Mahnung {{ number }}", text="Guten Tag\r\n{{ name }}")
    answer = save(anna, NEW, data)
    row = model(name="reminders")
    assert answer.redirect_chain[-1][0] == page_of(row)
    assert (row.stage, row.context, row.text) == ("draft", "Mahnungen", "Guten Tag\n{{ name }}")
    assert [entry["title"] for entry in answer.context["history"]] == ["Made at “Drafts only”"]


def test_p9_what_a_change_does_to_the_matrix_is_shown_before_it_is_saved(log_in: LogIn) -> None:
    anna, rechnungen = log_in("anna"), account("rechnungen")
    data = typed(anna, page_of(model()), account=str(rechnungen.pk))
    shown = anna.post(page_of(model()), data)
    assert {cell.place.user for cell in shown.context["form"].foresight.changed} == {"anna", "bernd"}
    assert "rechnungen@huber.example" in text(shown)
    assert model().account is None
    assert anna.post(page_of(model()), {**data, "foreseen": "another"}).context["form"].foresight
    anna.post(page_of(model()), {**data, "foreseen": shown.context["form"].foresight.digest})
    assert model().account == rechnungen


def test_the_form_does_not_move_the_print_model_on_its_ladder(log_in: LogIn) -> None:
    anna, row = log_in("anna"), put(model(), Stage.HELD)
    assert "stage" not in anna.get(page_of(row)).context["form"].fields
    save(anna, page_of(row), typed(anna, page_of(row), stage="live", subject="Neu {{ number }}"))
    assert (model().stage, model().subject) == ("held", "Neu {{ number }}")


@pytest.mark.parametrize("name", ["account", "account-0", "user-0"])
def test_a2_accounts_and_users_of_another_tenant_are_no_choice(log_in: LogIn, name: str) -> None:
    anna, row = log_in("anna"), model()
    own, foreign = account("eigen"), account("fremd", "gruber")
    line = {"user-0": str(person("bernd").pk), "account-0": str(own.pk)}
    data = typed(anna, page_of(row), **line)
    data[name] = str(person("greta").pk) if name == "user-0" else str(foreign.pk)
    answer = anna.post(page_of(row), data)
    assert "Select a valid choice" in text(answer)
    assert model().account is None
    assert not row.user_accounts.exists()


def test_a2_changes_refuses_a_foreign_user_and_account_too(cast: None) -> None:
    for pair in ({person("greta"): account("eigen")}, {person("bernd"): account("fremd", "gruber")}):
        with pytest.raises(changes.Refused, match="belongs to another tenant"):
            change(model(), user_accounts=pair)


def test_m1_accounts_per_user_are_added_and_taken_out_line_by_line(log_in: LogIn) -> None:
    anna, row, mine, other = log_in("anna"), model(), account("bernd-eigen"), account("anna-eigen")
    url, bernd = page_of(row), str(person("bernd").pk)
    line = {"user-0": bernd, "account-0": str(mine.pk)}
    more = anna.post(url, {**typed(anna, url, subject="unsaved", **line), "more_rows": "1"})
    form = more.context["form"]
    assert (form.row_count, form["user-0"].value(), form["subject"].value()) == (2, bernd, "unsaved")
    assert "error-summary" not in more.content.decode()
    assert not row.user_accounts.exists()

    second = {"user-1": str(person("anna").pk), "account-1": str(other.pk), "rows": "2"}
    save(anna, url, {**typed(anna, url, **line), **second})
    assert dict(row.user_accounts.values_list("user__login", "account__slug")) == {"anna": "anna-eigen", "bernd": "bernd-eigen"}

    first = typed(anna, url)
    fewer = anna.post(url, {**first, "drop_row": "0"})
    kept = typed_again(fewer.context["form"])
    assert kept["user-0"] == bernd
    save(anna, url, kept)
    assert dict(row.user_accounts.values_list("user__login", "account__slug")) == {"bernd": "bernd-eigen"}


def typed_again(form: Any) -> dict[str, str]:
    """What a browser would post from a form that was shown again."""
    return {**{name: form.data[name] for name in form.data if name in form.fields}, "rows": str(form.row_count)}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([("bernd", "")], "Choose the account too, or empty the line."),
        ([("", "eigen")], "Choose the user too, or empty the line."),
        ([("bernd", "eigen"), ("bernd", "andere")], "This user already has a line. Keep one of them."),
    ],
)
def test_a_user_has_one_line_with_one_account(log_in: LogIn, lines: list[tuple[str, str]], words: str) -> None:
    anna, row = log_in("anna"), model()
    accounts = {"": "", "eigen": str(account("eigen").pk), "andere": str(account("andere").pk)}
    posted = {"rows": str(len(lines))}
    for number, (login, name) in enumerate(lines):
        posted |= {f"user-{number}": str(person(login).pk) if login else "", f"account-{number}": accounts[name]}
    answer = anna.post(page_of(row), {**typed(anna, page_of(row)), **posted})
    assert words in text(answer)
    assert not row.user_accounts.exists()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("subject", "Rechnung {{ 7*7 }}", "Not: {{ 7*7 }}"),
        ("text", "Guten Tag {{ name }", "Not: {{ name"),
        ("html", "<p>{{ name</p>", "Not: {{ name</p>"),
        ("subject", "Rechnung\u2028Bcc: x@y.example", "The subject contains a line break"),
        ("delivery_mode", "by_pigeon", "Select a valid choice"),
        ("slug", "mit leer zeichen", "An ID has letters, digits, dots"),
        ("slug", "invoices", "There is a print model with this ID already."),
        ("slug", "", "This field is required."),
        ("context", "x" * 65, "at most 64 characters"),
        ("stage", "sky", "Select a valid choice"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field_and_the_input_is_kept(log_in: LogIn, field: str, value: str, words: str) -> None:
    anna, before = log_in("anna"), PrintModel.objects.count()
    data = {"slug": "neu", "delivery_mode": "foreground", "stage": "draft", "text": "mein Text", "rows": "1", field: value}
    answer = save(anna, NEW, data)
    assert not answer.redirect_chain
    assert words in text(answer)
    assert answer.context["form"].errors[field]
    if field != "text":
        assert "mein Text" in text(answer)
    assert PrintModel.objects.count() == before


@pytest.mark.parametrize(
    "posted",
    [
        {},
        {"rows": "-1"},
        {"rows": "x" * 5000},
        {"rows": "9" * 30},
        {"rows": "9999", "more_rows": "1"},
        {"rows": "2", "drop_row": "7"},
        {"drop_row": ""},
        {"slug": "\0", "subject": "\0", "user-0": "\0", "rows": "1"},
        {"slug": "x", "account": "abc", "delivery_mode": "draft"},
        {"slug": "x", "account": "9" * 40, "delivery_mode": "foreground", "rows": "1", "user-0": "9" * 40},
        {"foreseen": "\0", "inherit": "x", "kept-slug": "x", "kept-login_password": "!!"},
    ],
    ids=repr,
)
def test_whatever_is_posted_is_answered(log_in: LogIn, posted: Mapping[str, str]) -> None:
    anna = log_in("anna")
    for url in (NEW, page_of(model())):
        answer = anna.post(url, posted)
        assert answer.status_code == 200
        assert answer.context["form"].row_count <= MOST_ROWS
    assert anna.post(f"{page_of(model())}stage/", posted).status_code == 302
    assert anna.get(f"{LIST}{10**30}/").status_code == 404


def test_what_is_deactivated_is_offered_only_where_it_stands(log_in: LogIn) -> None:
    gone, row = account("alt"), model()
    change(row, account=gone, user_accounts={person("bernd"): gone})
    account("alt", active=False)
    anna = log_in("anna")
    assert "alt: alt@huber.example (deactivated)" in show(anna, page_of(row))
    assert "alt@huber.example" not in show(anna, NEW)
    save(anna, page_of(row), typed(anna, page_of(row), subject="Neu"))
    assert (model().subject, model().account) == ("Neu", gone)
    assert row.user_accounts.get().account == gone


def test_m2_each_delivery_mode_has_its_sentence_and_the_recommendation_of_the_source(log_in: LogIn) -> None:
    page = show(log_in("anna"), NEW)
    assert set(DELIVERY_MODE_HELP) == set(DeliveryMode)
    for sentence in DELIVERY_MODE_HELP.values():
        assert str(sentence) in page
    assert "Small and medium-sized firms start in the foreground, not modal." in page
    assert "start in the background as a draft, and change to sending in the background later" in page


# ---- The preview


def test_the_preview_fills_in_sample_values(log_in: LogIn) -> None:
    row = change(model(), text="Guten Tag {{ name }}, {{ foo }}", html="<p>{{ name }} & <script>x()</script>{{ foo }}</p>")
    anna = log_in("anna")
    page = show(anna, page_of(row))
    assert "Placeholders found: foo, name, number." in page
    assert "Rechnung 2026-000123" in page
    assert "Guten Tag Max Muster, [foo]" in page
    frame = anna.get(f"{page_of(row)}preview/")
    assert "<p>Max Muster &amp; [foo]</p>" in frame.content.decode()
    assert "script" not in frame.content.decode()
    assert "sandbox" in frame["Content-Security-Policy"]


def test_z9_a_template_that_an_import_brought_in_broken_says_so(log_in: LogIn) -> None:
    row = change(model(), text="{{ 7*7 }}", html="{{ 7*7 }}")
    assert "cannot be filled in like this" in show(log_in("anna"), page_of(row))
    assert log_in("anna").get(f"{page_of(row)}preview/").status_code == 404

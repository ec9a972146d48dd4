"""The pages of the import of employees: nothing without a yes to exactly what was shown, nothing lost, nothing of others."""

import re
from html import unescape
from io import BytesIO
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from openpyxl import Workbook

from mailsettings import changes, uploads
from mailsettings.changes import Book
from mailsettings.models import AuditEvent, ClaimedAddress, Employee, Tenant
from mailsettings.spreadsheet import read_table
from tests.pages.conftest import LogIn, person

UPLOAD, LIST = "/employees/import/", "/employees/"
TEXT = (
    "Nummer;Name;E-Mail;Benutzer;Abteilung\n"
    "1;Anna Huber;neu@kanzlei-huber.example;anna;Lohn\n"
    "2;Bernd Moser;bernd@kanzlei-huber.example;bernd;Lohn\n"
)
BAD = TEXT + "3;Clara Klein;clara@;;Lohn\n"
pytestmark = pytest.mark.django_db


def send(client: Client, text: str | bytes, *, tenant: str = "", name: str = "mitarbeiter.csv") -> Any:
    """Choose a file; the answer, after a redirect that of the preview."""
    file = SimpleUploadedFile(name, text.encode() if isinstance(text, str) else text)
    return client.post(UPLOAD + (f"?tenant={tenant}" if tenant else ""), {"file": file}, follow=True)


def address_of(answer: Any) -> str:
    return str(answer.redirect_chain[-1][0])


def said(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", unescape(answer.content.decode())).split())


def yes_to(answer: Any, **more: str) -> dict[str, str]:
    """What a browser posts when the button of this preview is pressed."""
    form = answer.context["form"]
    return {
        **{name: form[name].value() or "" for name in form.fields if name != "only_good"},
        "foreseen": form.foresight.digest,
    } | more


def numbers() -> set[str]:
    return set(Employee.objects.values_list("number", flat=True))


def sheets(**named: list[list[Any]]) -> bytes:
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, rows in named.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    stream = BytesIO()
    book.save(stream)
    return stream.getvalue()


# ---- Who


@pytest.mark.parametrize(
    ("login", "tenant", "status"),
    [
        ("anna", "", 200),
        ("anna", "muster", 200),
        ("anna", "gruber", 404),
        ("max", "", 200),
        ("max", "huber", 404),
        ("max", "beispiel", 404),
        ("root", "gruber", 200),
        ("bernd", "", 404),
        ("mia", "", 404),
    ],
)
def test_t4_each_door_of_the_import_opens_for_administrators_of_the_tenant(
    log_in: LogIn, login: str, tenant: str, status: int
) -> None:
    client, query = log_in(login), {"tenant": tenant} if tenant else {}
    for url in (UPLOAD, "/employees/export/"):
        assert client.get(url, query).status_code == status, url
    assert client.get("/employees/import/template/").status_code == (404 if login in {"bernd", "mia"} else 200)
    assert send(client, TEXT, tenant=tenant).status_code == status


def test_who_is_not_logged_in_is_sent_to_the_log_in(cast: None) -> None:
    for url in (UPLOAD, f"{UPLOAD}{'a' * 32}/", "/employees/export/", "/employees/import/template/"):
        assert Client().get(url).status_code == 302


def test_z1_an_upload_is_its_readers_and_its_tenants_alone(log_in: LogIn) -> None:
    anna = log_in("anna")
    here = address_of(send(anna, TEXT))
    for client, url in [(log_in("root"), f"{here}?tenant=huber"), (anna, f"{here}?tenant=muster"), (log_in("max"), here)]:
        for answer in (client.get(url, follow=True), client.post(url, {"foreseen": "x"}, follow=True)):
            assert "The file is no longer here." in said(answer)
            assert "bernd@kanzlei-huber.example" not in said(answer)
    assert numbers() == {"1"}
    assert "bernd@kanzlei-huber.example" in said(anna.get(here))


def test_an_address_that_names_no_upload_leads_back_to_the_file(log_in: LogIn) -> None:
    anna = log_in("anna")
    for key in ("a", "x" * 32, "y" * 500, str(anna.session.session_key)):
        for answer in (anna.get(f"{UPLOAD}{key}/", follow=True), anna.post(f"{UPLOAD}{key}/", {"foreseen": "x"}, follow=True)):
            assert answer.redirect_chain[-1][0] == UPLOAD
    assert anna.get(LIST).status_code == 200  # still logged in


# ---- Preview and yes


def test_the_preview_shows_each_line_and_changes_nothing(log_in: LogIn) -> None:
    anna = log_in("anna")
    events = AuditEvent.objects.count()
    epoch = Tenant.objects.get(slug="huber").policy_epoch
    answer = send(anna, BAD)
    for text in (
        "E-mail: anna@kanzlei-huber.example → neu@kanzlei-huber.example",
        "The own sender address of the user anna becomes neu@kanzlei-huber.example (rule P6).",
        "“clara@” cannot be a sender address (rule P7).",
        "ignored: Abteilung",
        "New 1",
        "Changed 1",
        "Refused 1",
        "2 of 5 cells change",
    ):
        assert text in said(answer), text
    assert numbers() == {"1"}
    assert AuditEvent.objects.count() == events
    assert Tenant.objects.get(slug="huber").policy_epoch == epoch
    assert changes.own_values(person("anna")) == {"sender_address": "anna@kanzlei-huber.example"}


def test_the_yes_imports_what_was_shown_and_says_so(log_in: LogIn) -> None:
    anna = log_in("anna")
    preview = send(anna, TEXT)
    answer = anna.post(address_of(preview), yes_to(preview), follow=True)
    assert answer.redirect_chain[-1][0] == LIST
    assert "1 new employee was imported. 1 employee was changed." in said(answer)
    assert Employee.objects.get(number="2").user == person("bernd")
    assert changes.own_values(person("anna")) == {"sender_address": "neu@kanzlei-huber.example"}
    assert set(AuditEvent.objects.filter(actor="anna").values_list("subject", flat=True)) >= {"huber/1", "huber/2", "anna"}
    again = send(anna, TEXT)
    assert "all employees are as the file says" in said(again)
    assert 'name="foreseen"' not in again.content.decode()


def test_a_refused_line_stops_all_until_the_tick_leaves_it_out(log_in: LogIn) -> None:
    anna = log_in("anna")
    preview = send(anna, BAD)
    answer = anna.post(address_of(preview), yes_to(preview))
    assert "Nothing is imported, because 1 line is refused." in said(answer)
    assert numbers() == {"1"}
    answer = anna.post(address_of(preview), yes_to(preview, only_good="on"), follow=True)
    assert "1 line was left out." in said(answer)
    assert numbers() == {"1", "2"}


@pytest.mark.parametrize(
    "change",
    [
        lambda: Employee.objects.filter(number="1").update(name="Anna Anders"),
        lambda: changes.save_parameters(Book("x"), person("bernd"), {"sender_address": "b@kanzlei-huber.example"}),
        lambda: changes.save_employee(
            Book("x"), tenant=Tenant.objects.get(slug="huber"), number="9", name="B", user=person("bernd")
        ),
    ],
    ids=["an employee", "the matrix", "a link"],
)
def test_p9_what_has_changed_since_the_preview_is_shown_and_asked_again(log_in: LogIn, change: Any) -> None:
    anna = log_in("anna")
    preview = send(anna, TEXT)
    change()
    answer = anna.post(address_of(preview), yes_to(preview))
    assert ("Something has changed since you looked" in said(answer)) is not bool(answer.context["refused"])
    assert ("Nothing is imported, because 1 line is refused." in said(answer)) is bool(answer.context["refused"])
    assert "2" not in numbers()
    anna.post(address_of(preview), yes_to(answer, only_good="on"))
    assert ("2" in numbers()) is not bool(answer.context["refused"])


def test_a_yes_to_other_columns_than_those_shown_does_not_count(log_in: LogIn) -> None:
    anna = log_in("anna")
    preview = send(anna, TEXT)
    answer = anna.post(address_of(preview), yes_to(preview, **{"column-2": ""}))
    assert "Something has changed since you looked" in said(answer)
    assert "ignored: E-Mail, Abteilung" in said(answer)
    assert numbers() == {"1"}


def test_a_made_up_yes_imports_nothing(log_in: LogIn) -> None:
    anna = log_in("anna")
    preview = send(anna, TEXT)
    for digest in ("", "x", "0" * 24):
        anna.post(address_of(preview), yes_to(preview) | {"foreseen": digest})
        anna.get(address_of(preview), {"foreseen": preview.context["form"].foresight.digest})
    assert numbers() == {"1"}


def test_columns_are_chosen_by_hand_and_kept(log_in: LogIn) -> None:
    anna = log_in("anna")
    preview = send(anna, "Kürzel;Wer;Post\n7;Clara Klein;clara@kanzlei-huber.example\n")
    assert "No column holds the number of the employee" in said(preview)
    assert "Personalnummer" in said(preview)
    here = address_of(preview)
    answer = anna.post(here, {"column-0": "number", "column-1": "name", "column-2": ""}, follow=True)
    assert "ignored: Post" in said(answer)
    assert "7 Clara Klein" in said(anna.get(here))
    anna.post(here, yes_to(anna.get(here)))
    assert Employee.objects.get(number="7").email == ""


@pytest.mark.parametrize(
    ("posted", "text"),
    [
        ({"column-0": "email", "column-1": "email"}, "Two columns are both “E-mail”"),
        ({"column-0": "password"}, "The file cannot be imported like this"),
        ({}, "No column holds the number"),
        ({"column-0": "number", "column-1": "name", "sheet": "Tabelle9", "foreseen": "x"}, "There is no sheet"),
    ],
)
def test_wrong_choices_are_told_and_the_file_is_kept(log_in: LogIn, posted: dict[str, str], text: str) -> None:
    anna = log_in("anna")
    here = address_of(send(anna, sheets(Team=[["Nummer", "Name"], [7, "Clara"]], Alt=[["x"]]), name="t.xlsx"))
    assert text in said(anna.post(here, posted, follow=True))
    assert anna.get(here).status_code == 200
    assert numbers() == {"1"}


def test_another_sheet_of_the_workbook_is_chosen(log_in: LogIn) -> None:
    anna = log_in("anna")
    octets = sheets(Team=[["Nummer", "Name"], [7, "Clara"]], Archiv=[["Nummer", "Name"], [8.0, "Doris"]])
    preview = send(anna, octets, name="team.xlsx")
    assert "7 Clara" in said(preview)
    answer = anna.post(address_of(preview), yes_to(preview, sheet="Archiv"), follow=True)
    assert "8 Doris" in said(answer)
    assert numbers() == {"1"}
    anna.post(address_of(preview), yes_to(answer))
    assert numbers() == {"1", "8"}


def test_lines_are_shown_by_what_becomes_of_them_and_in_pages(log_in: LogIn) -> None:
    anna = log_in("anna")
    many = "".join(f"{number};Neu {number};;;\n" for number in range(100, 180))
    here = address_of(send(anna, BAD + many))
    assert "Page 1 of 2" in said(anna.get(here))
    assert "Neu 179" in said(anna.get(here, {"page": 2}))
    refused = said(anna.get(here, {"show": "refused"}))
    assert "Clara Klein" in refused
    assert "Neu 100" not in refused
    for odd in ({"page": "x"}, {"page": "99"}, {"show": "nonsense"}, {"show": "refused\x00"}):
        assert anna.get(here, odd).status_code == 200


# ---- The file


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"", "The submitted file is empty."),
        (b"\n\n", "The file is empty."),
        (b"PK\x03\x04garbage", "The XLSX file is incomplete."),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00", "neither CSV nor XLSX"),
        (b'a;"b\n', "a quotation mark too many or too few"),
        (b"x" * 5_000_001, "larger than 5 MB"),
    ],
)
def test_an_unreadable_file_is_a_sentence_at_its_field(log_in: LogIn, octets: bytes, text: str) -> None:
    answer = send(log_in("anna"), octets)
    assert answer.status_code == 200
    assert text in said(answer)
    assert answer.redirect_chain == []


def test_z11_a_file_that_is_too_large_is_not_read(log_in: LogIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "read_table", lambda *_args: pytest.fail("was read"))
    assert "larger than 5 MB" in said(send(log_in("anna"), b"x" * 5_000_001))


def test_no_file_and_only_headings_are_told(log_in: LogIn) -> None:
    anna = log_in("anna")
    assert "This field is required." in said(anna.post(UPLOAD, {}))
    assert "Below the headings there is no line" in said(send(anna, "Nummer;Name\n"))


def test_what_the_file_holds_is_shown_as_text(log_in: LogIn) -> None:
    answer = send(log_in("anna"), "Nummer;Name;<script>x()</script>\n7;<img src=x>;<b>\n", name="<i>.csv")
    page = answer.content.decode()
    assert "&lt;img src=x&gt;" in page
    assert "<img src=x>" not in page
    assert "<script>x()" not in page


def test_a_readers_uploads_are_few_and_go_when_they_are_imported(log_in: LogIn) -> None:
    anna = log_in("anna")
    before = Session.objects.count()
    previews = [send(anna, TEXT) for _time in range(5)]
    assert Session.objects.count() - before <= uploads.KEPT_AT_ONCE
    assert "no longer here" in said(anna.get(address_of(previews[0]), follow=True))
    anna.post(address_of(previews[-1]), yes_to(previews[-1]))
    assert "no longer here" in said(anna.get(address_of(previews[-1]), follow=True))


def test_an_upload_is_no_log_in(log_in: LogIn) -> None:
    here = address_of(send(log_in("anna"), TEXT))
    stranger = Client()
    stranger.cookies["sessionid"] = here.rstrip("/").rsplit("/", 1)[-1]
    assert stranger.get(LIST).status_code == 302


# ---- Com customers


def test_t4_a_com_administrators_import_asks_the_mailboxes_first(log_in: LogIn) -> None:
    max_ = log_in("max")
    preview = send(max_, "Nummer;Name;E-Mail;Benutzer\n1;Mia Muster;mia@musterkunde.example;mia\n")
    assert "mia@musterkunde.example gets a mail" in said(preview)
    assert not ClaimedAddress.objects.filter(address="mia@musterkunde.example").exists()
    max_.post(address_of(preview), yes_to(preview))
    assert ClaimedAddress.objects.get(address="mia@musterkunde.example").confirmed_at is None
    assert Employee.objects.get(name="Mia Muster").tenant.slug == "muster"


def test_p8_a_com_administrator_never_imports_an_address_of_the_firm(log_in: LogIn) -> None:
    preview = send(log_in("max"), "Nummer;Name;E-Mail\n1;Mia Muster;anna@kanzlei-huber.example\n")
    assert "belongs to another tenant (rule P8)" in said(preview)


def test_the_firm_imports_for_its_com_customer(log_in: LogIn) -> None:
    anna = log_in("anna")
    preview = send(anna, "Nummer;Name;E-Mail\n1;Mia Muster;mia@musterkunde.example\n", tenant="muster")
    answer = anna.post(address_of(preview), yes_to(preview), follow=True)
    assert answer.redirect_chain[-1][0] == f"{LIST}?tenant=muster"
    assert ClaimedAddress.objects.get(address="mia@musterkunde.example").confirmed_by == "anna"


# ---- Downloads


@pytest.mark.parametrize(("kind", "content"), [("csv", "text/csv"), ("xlsx", "spreadsheetml")])
def test_export_edit_import_works(log_in: LogIn, kind: str, content: str) -> None:
    anna = log_in("anna")
    answer = anna.get("/employees/export/", {"format": kind})
    assert content in answer["Content-Type"]
    assert answer["Content-Disposition"] == f'attachment; filename="employees-huber.{kind}"'
    assert "all employees are as the file says" in said(send(anna, answer.content, name=f"e.{kind}"))


def test_the_template_and_the_export_are_in_the_readers_language(log_in: LogIn) -> None:
    anna = log_in("anna")
    for url in ("/employees/import/template/", "/employees/export/"):
        german = anna.get(url, {"format": "csv"}, headers={"accept-language": "de"}).content
        assert read_table(german).lines[0].cells[0] == "Personalnummer"
        assert b";" in german
        english = anna.get(url, {"format": "csv"}, headers={"accept-language": "en"}).content
        assert read_table(english).lines[0].cells[0] == "Employee number"
    assert anna.get("/employees/export/", {"format": "exe"}).status_code == 404


def test_the_list_offers_import_and_export(log_in: LogIn) -> None:
    page = log_in("anna").get(LIST).content.decode()
    assert 'href="/employees/import/"' in page
    assert 'href="/employees/export/"' in page
    page = log_in("anna").get(LIST, {"tenant": "muster"}).content.decode()
    assert 'href="/employees/import/?tenant=muster"' in page

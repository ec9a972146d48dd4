"""Employees from a spreadsheet: which column is what, what each line becomes, and that it is all or nothing (T3, P6, P7, C2)."""

from typing import Any

import pytest
from django.db import transaction
from django.utils.translation import override

from mailsettings import changes
from mailsettings.changes import Book, Trust
from mailsettings.employee_columns import HEADINGS, Column, entries_of, faults_of, guess, heading_of, sheet_of, split_addresses
from mailsettings.employee_export import export_employees, template
from mailsettings.employee_import import import_entries
from mailsettings.employee_report import Report, Result, Status, say_line
from mailsettings.models import AuditEvent, Employee, Tenant
from mailsettings.spreadsheet import CSV, XLSX, read_table
from tests import cast
from tests.cast import OFFICE

ANNA = "anna@kanzlei-huber.example"
HEAD = "Personalnummer;Name;E-Mail;Weitere E-Mail-Adressen;User-ID;Aktiv\n"


@pytest.fixture
def moved_in(db: None) -> None:
    cast.move_in()


def firm(slug: str = "huber") -> Tenant:
    return Tenant.objects.select_related("firm").get(slug=slug)


def imported(text: str | bytes, *, tenant: str = "huber", book: Book | None = None) -> Report:
    """Import a file as the pages and the command do."""
    sheet = sheet_of(read_table(text.encode() if isinstance(text, str) else text))
    columns = guess(sheet.headings)
    assert not faults_of(columns)
    with transaction.atomic():
        return import_entries(book or Book("test"), firm(tenant), entries_of(sheet.lines, columns))


def only(report: Report) -> Result:
    (result,) = report.results
    return result


def employee(number: str, tenant: str = "huber") -> Employee:
    return Employee.objects.select_related("user").get(tenant__slug=tenant, number=number)


def own_sender(login: str) -> str:
    return str(changes.own_values(cast.user(login)).get("sender_address", ""))


def statuses(report: Report) -> dict[str, str]:
    return {result.number: result.status.value for result in report.results}


# ---- Columns


@pytest.mark.parametrize(
    ("headings", "columns"),
    [
        ("Personalnummer,Name,E-Mail,Weitere E-Mail-Adressen,User-ID,Aktiv", "number name email additional_emails user active"),
        (
            "Employee number,Name,E-mail,Further e-mail addresses,User ID,Active",
            "number name email additional_emails user active",
        ),
        ("ID,Mitarbeiter,Mail,additional_emails,Benutzer,aktiv", "number name email additional_emails user active"),
        ("number,employee,E-Mail-Adresse,ADDITIONAL E-MAILS,user,ACTIVE", "number name email additional_emails user active"),
        ("Nr.,Vorname,Nachname,EMAIL", "number first_name last_name email"),
        ("No.,First name,Surname,email address", "number first_name last_name email"),
        ("Nummer,Name,Vorname", "number last_name first_name"),
        ("Nummer,Name,Vorname,Nachname", "number - first_name last_name"),
        ("Nummer,Name,E-Mail,E-Mail 2,Email3", "number name email additional_emails additional_emails"),
        ("Nummer,Name,E-Mail 1,E-Mail 2", "number name email additional_emails"),
        ("Personalnumer,Nahme,E-Mail-Adrese,Abteilung,Telefon", "number name email - -"),
        ("  personal-nummer (intern) ,NAME:,e mail", "number name email"),
        ("Zusaetzliche E-Mail-Adressen,Zusätzliche E-Mails,Nummer,Nummer", "additional_emails additional_emails number -"),
        ("Inaktiv,Benutzergruppe,Firmenname,Geburtsname,", "- - - - -"),
    ],
)
def test_columns_are_known_by_german_and_english_names_however_they_are_written(headings: str, columns: str) -> None:
    found = guess(headings.split(","))
    assert " ".join(column or "-" for column in found) == columns


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("column", Column)
def test_each_heading_that_is_offered_is_understood(column: Column, language: str) -> None:
    with override(language):
        assert guess([heading_of(column)]) in ([column], [Column.LAST_NAME if column is Column.NAME else column])
    for name in (*HEADINGS[column][0], *HEADINGS[column][1]):
        assert guess([name]) == [column], name


def test_a_missing_column_is_said_with_the_names_that_would_do() -> None:
    (fault,) = faults_of(guess(["Name", "E-Mail"]))
    assert "Personalnummer" in fault
    assert "Employee number" in fault


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["number", "email", "email"], "Two columns are both “E-mail”"),
        (["number", "first_name"], "first name needs a last name"),
        (["number", "name", "last_name"], "not from both"),
        (["number", "additional_emails", "additional_emails"], None),
        (["number"], None),
    ],
)
def test_columns_that_contradict_each_other_are_said(columns: list[str], said: str | None) -> None:
    faults = faults_of([Column(column) for column in columns])
    assert bool(faults) is bool(said)
    assert said is None or said in faults[0]


def test_the_head_is_found_below_a_title() -> None:
    table = read_table(b"Mitarbeiterliste 2026;;\nStand: heute;;\nNummer;Name;E-Mail\n1;Anna;a@x.example\n")
    sheet = sheet_of(table)
    assert sheet.headings == ("Nummer", "Name", "E-Mail")
    assert [line.number for line in sheet.lines] == [4]


def test_a_file_without_a_head_loses_no_line() -> None:
    sheet = sheet_of(read_table(b"1;Anna Huber;anna@x.example\n2;Bernd;b@x.example\n"))
    assert sheet.headings == ("", "", "")
    assert [line.number for line in sheet.lines] == [1, 2]


@pytest.mark.parametrize(
    ("cell", "addresses"),
    [
        ("a@x.example; b@x.example", ["a@x.example", "b@x.example"]),
        ("a@x.example,b@x.example\nc@x.example\r\n", ["a@x.example", "b@x.example", "c@x.example"]),
        ('"Huber, Anna; Mag." <a@x.example>; b@x.example', ['"Huber, Anna; Mag." <a@x.example>', "b@x.example"]),
        ('"Huber <a@x.example>; b@x.example', ['"Huber <a@x.example>', "b@x.example"]),
        (" ;, \n", []),
    ],
)
def test_several_addresses_stand_in_one_cell(cell: str, addresses: list[str]) -> None:
    assert list(split_addresses(cell)) == addresses


@pytest.mark.parametrize(
    ("cells", "active"),
    [
        (["ja", "NEIN", "yes", "no", "true", "false", "1", "0", "Wahr", ""], [1, 0, 1, 0, 1, 0, 1, 0, 1, None]),
        (["x", "", "X"], [1, 0, 1]),
        (["x", "", "nein"], [1, None, 0]),
        (["", ""], [None, None]),
    ],
)
def test_active_is_read_in_both_languages_and_as_a_tick(cells: list[str], active: list[int | None]) -> None:
    text = "Nummer;Aktiv\n" + "\n".join(f"{place};{cell}" for place, cell in enumerate(cells))
    sheet = sheet_of(read_table(text.encode()))
    found = [entry.active for entry in entries_of(sheet.lines, guess(sheet.headings))]
    assert found == [None if value is None else bool(value) for value in active]


# ---- What becomes of a line


def test_an_import_adds_changes_and_leaves_and_does_nothing_the_second_time(moved_in: None) -> None:
    text = HEAD + f"1;Anna Huber;{ANNA};{OFFICE};anna;ja\n2;Bernd Moser;bernd@kanzlei-huber.example;;bernd;ja\n"
    book = Book("anna")
    report = imported(text, book=book)
    assert statuses(report) == {"1": "unchanged", "2": "new"}
    assert employee("2").user == cast.user("bernd")
    assert {record.action for record in book.records} == {"employee", "parameters"}
    assert AuditEvent.objects.filter(actor="anna", subject="huber/2").count() == 1
    again = Book("anna")
    assert statuses(imported(text, book=again)) == {"1": "unchanged", "2": "unchanged"}
    assert again.records == []


def test_what_changes_is_said_field_by_field(moved_in: None) -> None:
    result = only(imported(HEAD + "1;Anna Huber-Maier;neu@kanzlei-huber.example;;;nein\n"))
    assert {row.column.value: (row.before, row.after) for row in result.differences} == {
        "name": ("Anna Huber", "Anna Huber-Maier"),
        "email": (ANNA, "neu@kanzlei-huber.example"),
        "additional_emails": (OFFICE, "–"),
        "user": ("anna", "–"),
        "active": ("Yes", "No"),
    }
    assert "E-mail: anna@kanzlei-huber.example → neu@kanzlei-huber.example" in say_line(result)


def test_an_absent_column_leaves_the_field_and_an_empty_cell_empties_it(moved_in: None) -> None:
    assert statuses(imported("Nummer\n1\n")) == {"1": "unchanged"}
    imported("Nummer;E-Mail\n1;\n")
    assert (employee("1").email, employee("1").additional_emails, employee("1").user) == ("", [OFFICE], cast.user("anna"))
    imported("Nummer;Weitere E-Mails;Benutzer;Aktiv\n1;;;\n")
    assert (employee("1").additional_emails, employee("1").user, employee("1").is_active) == ([], None, True)


def test_an_employee_absent_from_the_file_stays(moved_in: None) -> None:
    imported("Nummer;Name\n2;Bernd\n")
    assert employee("1").email == ANNA


def test_first_and_last_name_become_the_name(moved_in: None) -> None:
    imported("Nummer;Name;Vorname\n7;Moser;Bernd \n8;Clara Klein;Clara\n9;Doe;\n")
    assert [employee(number).name for number in "789"] == ["Bernd Moser", "Clara Klein", "Doe"]


@pytest.mark.parametrize(("written", "number"), [("17.0", "17"), ("17,0", "17"), ("1.0", "1"), ("2.5", "2.5"), ("A.0", "A.0")])
def test_a_number_that_a_program_wrote_with_a_point_is_that_number(moved_in: None, written: str, number: str) -> None:
    assert only(imported(f"Nummer;Name\n{written};Anna Huber\n")).number == number


def test_a_number_whose_zeros_a_spreadsheet_took_away_is_warned_of(moved_in: None) -> None:
    imported("Nummer;Name\n007;Gerda\n")
    result = only(imported("Nummer;Name\n7;Gerda\n"))
    assert result.status is Status.NEW
    assert "There is an employee 007 already." in result.warnings[0]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (";Anna;;;;", "so nobody knows whom the line is about"),
        ("2;;;;;", "The name is empty."),
        ("1;;;;;", "The name is empty."),
        ("ä;Anna;;;;", "Employee number: An ID has letters, digits"),
        (f"2;{'x' * 201};;;;", "at most 200 characters"),
        ("2;Bernd;bernd@;;;", "E-mail: “bernd@” cannot be a sender address (rule P7). The domain after the @ is not valid."),
        ("2;Bernd;bernd;;;", "“bernd” cannot be a sender address (rule P7). An address has the form user@domain"),
        ("2;Bernd;a@x.example b@x.example;;;", "Give exactly one address"),
        ("2;Bernd;a@ﬁrma.example;;;", "contains characters that stand for others"),
        ("2;Bernd;;gut@x.example, schlecht@;;", "Further e-mail addresses: “schlecht@” cannot be a sender address (rule P7)."),
        ("2;Bernd;;;berta;", "User ID: there is no user “berta” at Kanzlei Huber (rule T3). Create the user first"),
        ("2;Bernd;;;max;", "there is no user “max” at Kanzlei Huber"),
        ("2;Bernd;;;anna;", "The user ID anna is already linked to the employee Anna Huber. A user ID has at most one employee"),
        ("2;Bernd;;;;vielleicht", "Active: “vielleicht” is neither yes nor no."),
        ("2;Bernd;#NV;;;", "E-mail: the cell holds #NV, an error of the spreadsheet."),
    ],
)
def test_a_refused_line_says_what_is_wrong_and_changes_nothing(moved_in: None, line: str, said: str) -> None:
    before = list(Employee.objects.values())
    book = Book("test")
    result = only(imported(HEAD + line + "\n", book=book))
    assert result.status is Status.REFUSED
    assert said in " ".join(result.objections)
    assert list(Employee.objects.values()) == before
    assert (book.records, book.warnings, book.tightened) == ([], [], set())


def test_a_refused_line_names_every_objection(moved_in: None) -> None:
    line = f'ä;{"x" * 201};anna@;"a@, b@";anna;vielleicht\n'
    said = only(imported(HEAD + line)).objections
    wanted = ["neither yes nor no", "“anna@”", "“a@”", "“b@”", "An ID has letters", "at most 200", "already linked"]
    assert [text for text in wanted if not any(text in objection for objection in said)] == []
    assert len(said) == len(set(said))


def test_a_new_employee_without_a_name_column_is_told_the_names_that_would_do(moved_in: None) -> None:
    report = imported("Nummer;E-Mail\n1;\n2;b@kanzlei-huber.example\n")
    assert statuses(report) == {"1": "changed", "2": "refused"}
    assert "A new employee needs a name; no column is one of: Name, Mitarbeiter" in report.results[1].objections[0]


def test_the_same_employee_twice_is_refused_in_both_lines(moved_in: None) -> None:
    report = imported("Nummer;Name\n5;Eins\n6;Anderer\n5;Zwei\n")
    assert [(result.line, result.status.value) for result in report.results] == [(2, "refused"), (3, "new"), (4, "refused")]
    assert "stands in line 4 too" in report.results[0].objections[0]
    assert not Employee.objects.filter(number="5").exists()


def test_good_lines_are_saved_beside_refused_ones_and_the_caller_decides(moved_in: None) -> None:
    report = imported(HEAD + "2;Bernd;bernd@;;;\n3;Clara;;;;\n")
    assert (report.count(Status.REFUSED), report.changing) == (1, 1)
    assert employee("3").name == "Clara"


def test_t3_a_user_id_passes_to_its_successor_whatever_the_order(moved_in: None) -> None:
    successor_first = "Nummer;Name;E-Mail;User-ID\n2;Nina Neu;nina@kanzlei-huber.example;anna\n1;Anna Huber;;\n"
    assert statuses(imported(successor_first)) == {"2": "new", "1": "changed"}
    assert employee("2").user == cast.user("anna")
    assert employee("1").user is None


def test_t3_two_who_swap_their_user_ids_are_refused(moved_in: None) -> None:
    imported("Nummer;Name;User-ID\n2;Bernd;bernd\n")
    report = imported("Nummer;User-ID\n1;bernd\n2;anna\n")
    assert statuses(report) == {"1": "refused", "2": "refused"}
    assert employee("1").user == cast.user("anna")


# ---- Consequences and warnings


def test_p6_says_whose_own_sender_address_follows(moved_in: None) -> None:
    result = only(imported("Nummer;E-Mail\n1;neu@kanzlei-huber.example\n"))
    assert result.consequences == ("The own sender address of the user anna becomes neu@kanzlei-huber.example (rule P6).",)
    assert own_sender("anna") == "neu@kanzlei-huber.example"


def test_p6_an_empty_e_mail_clears_nothing(moved_in: None) -> None:
    imported("Nummer;E-Mail\n1;neu@kanzlei-huber.example\n")
    assert only(imported("Nummer;E-Mail\n1;\n")).consequences == ()
    assert own_sender("anna") == "neu@kanzlei-huber.example"


def without_p6() -> None:
    book = Book("test")
    changes.save_parameters(book, firm(), {**changes.own_values(firm()), "update_sender_from_employee": False})
    changes.save_parameters(book, cast.user("anna"), {"sender_address": ANNA})


def test_c2_an_import_accepts_a_vanishing_address_and_names_what_depends_on_it(moved_in: None) -> None:
    without_p6()
    result = only(imported("Nummer;E-Mail\n1;neu@kanzlei-huber.example\n"))
    assert result.status is Status.CHANGED
    assert f"still send as {ANNA}" in result.warnings[0]
    assert "(rule C2)" in result.warnings[0]
    assert "The import accepts that; “Check sender” refuses it when a mail is sent." in result.warnings[0]
    assert employee("1").email == "neu@kanzlei-huber.example"


def test_c2_a_new_link_to_a_user_with_another_sender_address_is_warned_of(moved_in: None) -> None:
    without_p6()
    changes.save_parameters(Book("test"), cast.user("bernd"), {"sender_address": "b@kanzlei-huber.example"})
    result = only(imported("Nummer;Name;E-Mail;User-ID\n2;Bernd;bernd@kanzlei-huber.example;bernd\n"))
    assert "b@kanzlei-huber.example is none of the e-mail addresses of the linked employee Bernd" in " ".join(result.warnings)


@pytest.mark.parametrize("text", ["Nummer;User-ID\n1;\n", "Nummer;Aktiv\n1;nein\n"])
def test_c2_a_user_who_is_left_without_an_employee_is_warned_of(moved_in: None, text: str) -> None:
    assert f"The own settings of the user anna still send as {ANNA}." in " ".join(only(imported(text)).warnings)


def test_t6_what_still_names_a_leaver_is_said(moved_in: None) -> None:
    said = " ".join(only(imported("Nummer;Aktiv\n1;nein\n")).consequences)
    assert "The user anna is active and linked to Anna Huber." in said
    assert only(imported("Nummer;Aktiv\n1;ja\n")).consequences == ()


def test_t4_a_com_administrator_claims_addresses_and_never_another_tenants(moved_in: None) -> None:
    book = Book("max", trust=Trust.CLAIMANT)
    text = f"Nummer;Name;E-Mail;Weitere\n1;Mia;mia@musterkunde.example;\n2;Frech;{ANNA};{OFFICE}, {OFFICE}\n"
    report = imported(text.replace("Weitere", "Weitere E-Mails"), tenant="muster", book=book)
    assert statuses(report) == {"1": "new", "2": "refused"}
    assert "mia@musterkunde.example gets a mail" in report.results[0].consequences[0]
    objections = " ".join(report.results[1].objections)
    assert f"The address {ANNA} belongs to another tenant (rule P8)." in objections
    assert f"The address {OFFICE} belongs to another tenant (rule P8)." in objections
    assert [row.address for row in book.claims] == ["mia@musterkunde.example"]


# ---- Back into a file


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("kind", [CSV, XLSX])
def test_z12_an_export_imports_to_the_same_and_holds_no_formula(moved_in: None, kind: str, language: str) -> None:
    names = ["=HYPERLINK(1)", "'=1", "+43", "@x", "O'Brien; Anna", "'Anna'", "-", '"Anna"']
    for number, name in enumerate(names, 10):
        changes.save_employee(
            Book("test"),
            tenant=firm(),
            number=f"0{number}",
            name=name,
            email=f"=cmd{number}@kanzlei-huber.example",
            additional_emails=['"Huber, Anna" <a@kanzlei-huber.example>', "+b@kanzlei-huber.example"],
            active=number % 2 == 0,
        )
    before = list(Employee.objects.order_by("pk").values())
    with override(language):
        octets = export_employees(firm(), kind)
    cells = [cell for line in read_table(octets).lines for cell in line.cells]
    assert not [cell for cell in cells if cell[:1] in set("=+-@")]
    assert {result.status for result in imported(octets).results} == {Status.UNCHANGED}
    Employee.objects.exclude(number="1").delete()
    assert imported(octets).count(Status.REFUSED) == 0
    assert [{**row, "id": 0} for row in Employee.objects.order_by("pk").values()] == [{**row, "id": 0} for row in before]


@pytest.mark.parametrize(("language", "heading"), [("de", "Personalnummer"), ("en", "Employee number")])
@pytest.mark.parametrize("kind", [CSV, XLSX])
def test_the_template_has_the_headings_of_the_language(kind: str, language: str, heading: str) -> None:
    with override(language):
        (line,) = read_table(template(kind)).lines
    assert line.cells[0] == heading
    assert None not in guess(line.cells)


def test_german_sentences_follow_the_language(moved_in: None) -> None:
    with override("de"):
        result = only(imported(HEAD + "1;Anna;kaputt;;;\n"))
        assert any(objection.startswith("E-Mail: ") for objection in result.objections)


def test_ten_thousand_lines_that_change_nothing_ask_the_database_little(
    moved_in: None, django_assert_max_num_queries: Any
) -> None:
    rows = [
        Employee(tenant=firm(), number=f"n{number}", name="N", email=f"n{number}@kanzlei-huber.example")
        for number in range(9_000)
    ]
    Employee.objects.bulk_create(rows)
    text = "Nummer;Name;E-Mail\n" + "".join(f"{row.number};{row.name};{row.email}\n" for row in rows)
    with django_assert_max_num_queries(10):
        assert imported(text).count(Status.UNCHANGED) == len(rows)

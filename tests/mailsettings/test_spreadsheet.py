"""Reading CSV and XLSX: what people's programs write, and what must not be read (Z11); writing without formulas (Z12)."""

import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from mailsettings import spreadsheet
from mailsettings.spreadsheet import CSV, XLSX, Unreadable, guard, read_table, unguard, write_table

TEXT = 'Nummer;Name\r\n17;"Müller; Anna"\r\n'
ROWS = [("Nummer", "Name"), ("17", "Müller; Anna")]


def cells(octets: bytes, **more: Any) -> list[tuple[str, ...]]:
    return [line.cells for line in read_table(octets, **more).lines]


def first(book: Workbook) -> Any:
    return book.worksheets[0]


def workbook(*rows: list[Any], change: Callable[[Workbook], None] | None = None) -> bytes:
    book = Workbook()
    for row in rows:
        first(book).append(row)
    if change:
        change(book)
    stream = BytesIO()
    book.save(stream)
    return stream.getvalue()


def rezipped(octets: bytes, **members: bytes) -> bytes:
    """The archive with members added or replaced; `__` in a name stands for a slash."""
    stream = BytesIO()
    named = {name.replace("__", "/") + ".xml": content for name, content in members.items()}
    with zipfile.ZipFile(BytesIO(octets)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name not in named:
                new.writestr(name, old.read(name))
        for name, content in named.items():
            new.writestr(name, content)
    return stream.getvalue()


# ---- CSV


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_csv_is_read_in_each_encoding_that_spreadsheets_write(encoding: str) -> None:
    assert cells(TEXT.encode(encoding)) == ROWS


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_csv_finds_the_delimiter_and_the_line_ends(delimiter: str, end: str) -> None:
    text = end.join([delimiter.join(["Nummer", "Name", "E-Mail"]), delimiter.join(["1", '"A;B,C"', "a@x.example"])])
    assert cells(text.encode())[1] == ("1", "A;B,C", "a@x.example")


def test_csv_obeys_the_line_that_names_the_delimiter() -> None:
    table = read_table(b"sep=;\r\nName, Vorname;Nummer\r\nHuber, Anna;1\r\n")
    assert [(line.number, line.cells) for line in table.lines] == [(2, ("Name, Vorname", "Nummer")), (3, ("Huber, Anna", "1"))]


def test_csv_lines_keep_their_numbers_where_cells_have_line_breaks_and_lines_are_empty() -> None:
    table = read_table(b'Nummer;Weitere\n1;"a@x.example\nb@x.example"\n;;\n\n2;\n')
    assert [(line.number, line.cells) for line in table.lines] == [
        (1, ("Nummer", "Weitere")),
        (2, ("1", "a@x.example\nb@x.example")),
        (6, ("2",)),
    ]


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"", "The file is empty"),
        (b"\n;;\n  \n", "The file is empty"),
        (b'Nummer;Name\n1;Anna\n2;"Bernd\n3;Clara\n', "From line 3 on"),
        (b'Nummer;Name\n1;"Anna" Huber\n', "From line 2 on"),
        (b"Nummer;Name\n1;" + b"x" * 200_000, "From line 2 on"),
        (b"%PDF-1.7\n\x00\x01\x02", "neither CSV nor XLSX"),
        (bytes(range(256)) * 40, "neither CSV nor XLSX"),
        (b"\xff\xfe\x00\xd8", "neither CSV nor XLSX"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500, "old Excel file"),
        (b"1\n" * 10_002, "more than 10000 lines"),
        (b";" * 100 + b"x", "more than 100 columns"),
        (b"x" * 5_000_001, "larger than 5 MB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_z11_csv_that_cannot_be_read_is_a_sentence(octets: bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        read_table(octets)


@given(st.binary(max_size=400))
def test_any_octets_are_a_table_or_a_sentence(octets: bytes) -> None:
    for prefix in (b"", b"PK\x03\x04", b"\xff\xfe", b"\xef\xbb\xbf"):
        try:
            outcome: object = read_table(prefix + octets).lines
        except Unreadable as why:
            outcome = str(why)
        assert outcome


# ---- XLSX


def test_xlsx_cells_are_the_texts_that_people_see() -> None:
    def as_numbers(book: Workbook) -> None:
        first(book)["A3"].number_format = "000"

    octets = workbook(["Nummer", "Aktiv", "Satz"], [17.0, True, 12.5], [7, False, None], change=as_numbers)
    assert cells(octets) == [("Nummer", "Aktiv", "Satz"), ("17", "true", "12.5"), ("007", "false")]


def test_xlsx_reads_the_first_visible_sheet_or_the_one_that_is_named() -> None:
    def more_sheets(book: Workbook) -> None:
        first(book).sheet_state = "hidden"
        book.create_sheet("Mitarbeiter").append(["zweites"])
        book.create_sheet("Archiv").append(["drittes"])

    octets = workbook(["erstes"], change=more_sheets)
    table = read_table(octets)
    assert (table.sheet, table.sheets) == ("Mitarbeiter", ("Sheet", "Mitarbeiter", "Archiv"))
    assert cells(octets) == [("zweites",)]
    assert cells(octets, sheet="Archiv") == [("drittes",)]
    with pytest.raises(Unreadable, match=r"no sheet “Personal” in the file\. There are: Sheet, Mitarbeiter, Archiv"):
        read_table(octets, sheet="Personal")


def test_xlsx_takes_the_stored_value_of_a_formula_and_refuses_one_without() -> None:
    octets = workbook(["Nummer", "E-Mail"], [1, '="anna"&"@x.example"'])
    with pytest.raises(Unreadable, match="formula in cell B2 has no stored value"):
        read_table(octets)
    with zipfile.ZipFile(BytesIO(octets)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
    stored = sheet.replace(b'<c r="B2">', b'<c r="B2" t="str">')
    assert cells(rezipped(octets, xl__worksheets__sheet1=stored))[1] == ("1",)  # a formula may say nothing
    stored = stored.replace(b"<v></v>", b"<v>anna@x.example</v>")
    assert cells(rezipped(octets, xl__worksheets__sheet1=stored))[1] == ("1", "anna@x.example")


def test_xlsx_rows_far_below_are_read_with_their_number() -> None:
    def far_below(book: Workbook) -> None:
        first(book)["A1048576"] = "letzte"

    assert [line.number for line in read_table(workbook(["erste"], change=far_below)).lines] == [1, 1048576]


def small_bomb() -> bytes:
    return rezipped(workbook(["a"]), xl__worksheets__sheet2=b"<a/>" * 5_000_000)


def large_bomb() -> bytes:
    with_pictures = rezipped(workbook(["a"]), xl__media__a=bytes(20_000_000))
    return rezipped(with_pictures, xl__media__b=bytes(20_000_000))


def entities() -> bytes:
    laughs = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><worksheet>&b;</worksheet>'
    return rezipped(workbook(["a"]), xl__worksheets__sheet1=laughs)


def one_text_in_many_cells() -> bytes:
    """Small however unpacked, and nine million characters as a table."""
    plain = workbook(["a"])
    with zipfile.ZipFile(BytesIO(plain)) as archive:
        types = archive.read("[Content_Types].xml").decode()
    shared = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    types = types.replace("</Types>", f'<Override PartName="/xl/sharedStrings.xml" ContentType="{shared}"/></Types>')
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    row = "<row>" + '<c t="s"><v>0</v></c>' * 90 + "</row>"
    return rezipped(
        plain,
        **{"[Content_Types]": types.encode()},
        xl__sharedStrings=f"<sst {space}><si><t>{'x' * 10_000}</t></si></sst>".encode(),
        xl__worksheets__sheet1=f"<worksheet {space}><sheetData>{row * 10}</sheetData></worksheet>".encode(),
    )


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (small_bomb, "would be too large"),
        (large_bomb, "would be too large"),
        (entities, "damaged"),
        (lambda: rezipped(workbook(["a"]), xl__worksheets__sheet1=b"<worksheet><sheetData>"), "damaged"),
        (lambda: rezipped(workbook(["a"]), xl__workbook=b"no XML"), "damaged"),
        (lambda: workbook(["a"])[:-200], "incomplete"),
        (lambda: b"PK\x03\x04 and no more", "incomplete"),
        (workbook, "is empty"),
        (lambda: workbook(*[[1]] * 10_002), "more than 10000 lines"),
        (lambda: workbook([1] * 101), "more than 100 columns"),
        (one_text_in_many_cells, "more than 10000 lines"),
    ],
)
def test_z11_xlsx_that_must_not_be_read_is_a_sentence(octets: Callable[[], bytes], said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        read_table(octets())


def test_z11_an_archive_that_is_no_workbook_is_a_sentence() -> None:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    with pytest.raises(Unreadable, match="neither CSV nor XLSX"):
        read_table(stream.getvalue())


def test_z11_what_is_too_large_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    octets = small_bomb()
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_args: pytest.fail("was unpacked"))
    monkeypatch.setattr(spreadsheet, "load_workbook", lambda *_args, **_more: pytest.fail("was opened"))
    with pytest.raises(Unreadable, match="would be too large"):
        read_table(octets)


# ---- Writing


FORMULAS = [
    "=1+1",
    "+43 1 5550",
    "-1",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "＝1",
    "'=1",
    "''=1",
    "O'Brien",
    "'quoted'",
    "",
    "anna@x.example",
]


@pytest.mark.parametrize("kind", [CSV, XLSX])
def test_z12_what_is_written_is_no_formula_and_reads_back_the_same(kind: str) -> None:
    octets = write_table(kind, [["Text"], *[[text.replace("\r", "")] for text in FORMULAS if text]], title="Mit/arbeiter")
    read = [cell for (cell,) in cells(octets)]
    assert not [cell for cell in read if cell[:1] in "=+-@\t\r＝＋－＠"]
    assert [unguard(cell) for cell in read[1:]] == [text.replace("\r", "") for text in FORMULAS if text]


@given(st.text())
def test_z12_the_apostrophe_is_taken_off_again(text: str) -> None:
    assert unguard(guard(text)) == text
    assert guard(text)[:1] not in set("=+-@\t\r\n＝＋－＠")


def test_z12_no_cell_of_a_workbook_has_the_type_formula() -> None:
    book = load_workbook(BytesIO(write_table(XLSX, [["=A1"], ["=1+1\x01"]], title="x")))
    assert {cell.data_type for row in first(book).iter_rows() for cell in row} == {"s"}

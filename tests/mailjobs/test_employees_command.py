"""`manage.py employees`: the import on the command line, with the exit codes of the contract."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from mailsettings.models import AuditEvent, ClaimedAddress, Employee
from tests import cast

TEXT = "Personalnummer;Name;E-Mail;User-ID;Abteilung\n1;Anna Huber;neu@kanzlei-huber.example;anna;\n2;Bernd;;bernd;Lohn\n"
BAD = TEXT + "3;Clara;clara@;;\n"


@pytest.fixture
def moved_in(db: None) -> None:
    cast.move_in()


def run(tmp_path: Path, text: str, *more: str, tenant: str = "huber") -> None:
    path = tmp_path / "mitarbeiter.csv"
    path.write_text(text)
    call_command("employees", "import", str(path), "--tenant", tenant, *more)


def numbers() -> set[str]:
    return set(Employee.objects.values_list("number", flat=True))


def test_the_import_is_done_audited_and_told(moved_in: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, TEXT)
    assert numbers() == {"1", "2"}
    assert AuditEvent.objects.filter(actor="command line", subject="huber/2").exists()
    output = capsys.readouterr()
    assert output.out == ""
    assert "New: 1, Changed: 1, Unchanged: 0, Refused: 0" in output.err


def test_p9_a_dry_run_prints_each_line_and_the_matrix_and_changes_nothing(
    moved_in: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = AuditEvent.objects.count()
    run(tmp_path, TEXT, "--dry-run")
    output = capsys.readouterr().out
    assert "Line 2, 1 Anna Huber: Changed. E-mail: anna@kanzlei-huber.example → neu@kanzlei-huber.example" in output
    assert "Line 3, 2 Bernd: New" in output
    assert "huber / anna / invoices: " in output
    assert numbers() == {"1"}
    assert AuditEvent.objects.count() == events


@pytest.mark.parametrize("mode", [[], ["--dry-run"], ["--json"]])
def test_refused_lines_import_nothing_and_exit_1(
    moved_in: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: list[str]
) -> None:
    with pytest.raises(CommandError, match="Nothing is imported, because 1 line is refused") as refused:
        run(tmp_path, BAD, *mode)
    assert refused.value.returncode == 1
    output = capsys.readouterr().out
    text = str(json.loads(output)["lines"][2]["objections"]) if "--json" in mode else output
    assert "“clara@” cannot be a sender address (rule P7)" in text
    assert numbers() == {"1"}


def test_only_good_leaves_refused_lines_out(moved_in: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, BAD, "--only-good")
    assert numbers() == {"1", "2"}
    assert "Line 4, 3 Clara: Refused" in capsys.readouterr().err


def test_json_is_one_document(moved_in: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, TEXT, "--json", "--dry-run")
    output = capsys.readouterr().out
    assert output.isascii()
    document: dict[str, Any] = json.loads(output)
    assert (document["tenant"], document["imported"]) == ("huber", False)
    assert document["counts"] == {"new": 1, "changed": 1, "unchanged": 0, "refused": 0}
    assert document["columns"][-1] == {"heading": "Abteilung", "field": None}
    changed = document["lines"][0]
    assert (changed["line"], changed["number"], changed["status"]) == (2, "1", "changed")
    assert changed["changes"]["email"] == {"before": "anna@kanzlei-huber.example", "after": "neu@kanzlei-huber.example"}
    assert "(rule P6)" in changed["consequences"][0]
    assert {"tenant", "user", "print_model", "before", "after"} == set(document["matrix"][0])
    run(tmp_path, TEXT, "--json")
    assert json.loads(capsys.readouterr().out)["imported"] is True


def test_columns_are_named_by_hand(moved_in: None, tmp_path: Path) -> None:
    text = "Kürzel;Name;E-Mail\n7;Clara;clara@\n"
    run(tmp_path, text, "--column", "Kürzel=number", "--column", "E-Mail=ignore")
    assert Employee.objects.get(number="7").email == ""


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        ("Name\nAnna\n", [], "Personalnummer, Nummer"),
        ("", [], "The file is empty"),
        (TEXT, ["--column", "Fax=email"], "The file has no column “Fax”. It has: Personalnummer, Name"),
    ],
)
def test_what_cannot_be_read_exits_1_and_says_why(moved_in: None, tmp_path: Path, text: str, more: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        run(tmp_path, text, *more)
    assert refused.value.returncode == 1


def test_a_file_that_is_not_there_exits_1(moved_in: None, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("employees", "import", str(tmp_path / "nothing.csv"), "--tenant", "huber")
    with pytest.raises(CommandError, match="There is no tenant nobody"):
        run(tmp_path, TEXT, tenant="nobody")


@pytest.mark.parametrize("arguments", [["import", "x.csv"], ["import", "x", "--tenant", "huber", "--column", "A=fax"], []])
def test_a_wrong_call_exits_2(arguments: list[str]) -> None:
    called = subprocess.run([sys.executable, "manage.py", "employees", *arguments], capture_output=True, check=False)
    assert called.returncode == 2


def test_t4_addresses_from_the_command_line_count_as_confirmed(moved_in: None, tmp_path: Path) -> None:
    run(tmp_path, "Nummer;Name;E-Mail\n1;Mia;mia@musterkunde.example\n", tenant="muster")
    assert ClaimedAddress.objects.get(address="mia@musterkunde.example").confirmed_by == "command line"


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_export_is_imported_from_standard_input(
    moved_in: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / "export"
    with path.open("wb") as stream:
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream))
        call_command("employees", "export", "--tenant", "huber", "--format", kind)
        sys.stdout.flush()
        monkeypatch.undo()
        sys.stdout.flush()
    before = list(Employee.objects.values())
    with path.open("rb") as stream:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
        call_command("employees", "import", "-", "--tenant", "huber")
        monkeypatch.undo()
    assert list(Employee.objects.values()) == before

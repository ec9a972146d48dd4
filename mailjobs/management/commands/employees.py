"""`manage.py employees import|export`: the employees of a tenant from a spreadsheet, and back into one."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.translation import gettext as _

from mailjobs.command_line import print_json, say, tenant_named
from mailsettings.changes import Book
from mailsettings.core.send_systems import Role
from mailsettings.employee_columns import Column, Sheet, entries_of, faults_of, guess, sheet_of
from mailsettings.employee_export import export_employees
from mailsettings.employee_import import import_entries
from mailsettings.employee_report import Report, Result, Status, say_line, say_refusal
from mailsettings.foresight import Foresight, compare, concerned, matrix_of
from mailsettings.models import Tenant, User
from mailsettings.spreadsheet import CONTENT_TYPES, CSV, MAX_OCTETS, Unreadable, read_table

ACTOR = "command line"


class Command(BaseCommand):
    help = "Import or export the employees of a tenant as CSV or XLSX."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        importing = actions.add_parser("import")
        importing.add_argument("file", metavar="FILE|-")
        importing.add_argument("--tenant", metavar="ID", required=True)
        importing.add_argument("--sheet", metavar="NAME", default="", help="of a workbook; else the first")
        importing.add_argument(
            "--column",
            metavar="HEADING=FIELD",
            action="append",
            default=[],
            type=_choice,
            help=f"where the heading alone does not say it; fields: {', '.join(Column)}, ignore",
        )
        importing.add_argument("--only-good", action="store_true", help="leave refused lines out instead of importing nothing")
        importing.add_argument("--dry-run", action="store_true")
        importing.add_argument("--json", action="store_true")
        exporting = actions.add_parser("export")
        exporting.add_argument("--tenant", metavar="ID", required=True)
        exporting.add_argument("--format", choices=tuple(CONTENT_TYPES), default=CSV)

    def handle(self, *args: object, **options: Any) -> None:
        tenant = tenant_named(options["tenant"])
        if options["action"] == "export":
            sys.stdout.buffer.write(export_employees(tenant, options["format"]))
            return
        sheet, columns = _read(options)
        with transaction.atomic():
            report, foresight = _import(tenant, sheet, columns)
            refused = report.count(Status.REFUSED)
            possible = not refused or options["only_good"]
            saved = possible and not options["dry_run"]
            if not saved:
                transaction.set_rollback(True)
        if options["json"]:
            print_json(_document(tenant, sheet, columns, report, foresight, imported=saved))
        elif not saved:
            _show(report, foresight)
        else:
            _tell(report)
        if not possible:
            raise CommandError(say_refusal(report))


def _choice(text: str) -> tuple[str, Column | None]:
    """`Kürzel=number` as (heading, field). Raises ValueError, which the parser reports as a wrong call."""
    heading, _equals, field = text.rpartition("=")
    return heading.strip(), None if field == "ignore" else Column(field)


def _read(options: dict[str, Any]) -> tuple[Sheet, list[Column | None]]:
    try:
        sheet = sheet_of(read_table(_octets(options["file"]), sheet=options["sheet"]))
    except Unreadable as why:
        raise CommandError(str(why)) from why
    columns = guess(sheet.headings)
    for heading, column in options["column"]:
        if heading not in sheet.headings:
            message = _("The file has no column “%(heading)s”. It has: %(headings)s.")
            raise CommandError(message % {"heading": heading, "headings": ", ".join(filter(None, sheet.headings))})
        columns[sheet.headings.index(heading)] = column
    if faults := faults_of(columns):
        raise CommandError("\n".join(faults))
    return sheet, columns


def _octets(name: str) -> bytes:
    """The file, but no more of it than is too much."""
    try:
        with open(sys.stdin.fileno(), "rb", closefd=False) if name == "-" else Path(name).open("rb") as stream:
            return stream.read(MAX_OCTETS + 1)
    except OSError as error:
        raise CommandError(_("%(file)s cannot be read: %(why)s") % {"file": name, "why": error.strerror}) from error


def _import(tenant: Tenant, sheet: Sheet, columns: list[Column | None]) -> tuple[Report, Foresight]:
    reader = User(login=ACTOR, role=Role.OPERATOR)  # whoever has a shell sees what an operator sees
    tenants = concerned(tenant)
    before = matrix_of(tenants, reader)
    report = import_entries(Book(ACTOR), tenant, entries_of(sheet.lines, columns))
    return report, compare(before, matrix_of(tenants, reader))


def _show(report: Report, foresight: Foresight) -> None:
    for sentence in report.sentences():
        sys.stdout.write(sentence + "\n")
    sys.stdout.write(_("Cells of the matrix that change: %(count)s") % {"count": len(foresight.changed)} + "\n")
    for row in foresight.changed:
        sys.stdout.write(f"  {' / '.join(row.place)}: {row.before or '–'} → {row.after or '–'}\n")


def _tell(report: Report) -> None:
    """What was imported, and what is to be said about it."""
    say(next(report.sentences()))
    for result in report.results:
        if result.objections or result.warnings:
            say(say_line(result))


def _document(
    tenant: Tenant, sheet: Sheet, columns: list[Column | None], report: Report, foresight: Foresight, *, imported: bool
) -> dict[str, Any]:
    return {
        "tenant": tenant.slug,
        "imported": imported,
        "counts": {status.value: report.count(status) for status in Status},
        "columns": [{"heading": heading, "field": column} for heading, column in zip(sheet.headings, columns, strict=True)],
        "lines": [_line(result) for result in report.results],
        "matrix": [{**row.place._asdict(), "before": row.before, "after": row.after} for row in foresight.changed],
    }


def _line(result: Result) -> dict[str, Any]:
    return {
        "line": result.line,
        "number": result.number,
        "name": result.name,
        "status": result.status,
        "changes": {row.column.value: {"before": row.before, "after": row.after} for row in result.differences},
        "objections": result.objections,
        "warnings": result.warnings,
        "consequences": result.consequences,
    }

"""`manage.py settings import|export`: the configuration as YAML, all-or-nothing (contract)."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailjobs.command_line import open_text, say, tenant_named
from mailjobs.matrix import cells
from mailsettings.changes import Book
from mailsettings.configuration import ConfigurationInvalid, import_document, load
from mailsettings.export import dump, export_document
from mailsettings.installation import copied_from


class Command(BaseCommand):
    help = "Import or export the configuration as YAML."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        importing = actions.add_parser("import")
        importing.add_argument("file", metavar="FILE|-")
        importing.add_argument("--dry-run", action="store_true")
        exporting = actions.add_parser("export")
        exporting.add_argument("--tenant", metavar="ID")

    def handle(self, *args: object, **options: Any) -> None:
        if options["action"] == "export":
            tenant = tenant_named(options["tenant"]) if options["tenant"] else None
            sys.stdout.write(dump(export_document(tenant)))
            return
        copied_from()  # whoever fills a new database is the installation it belongs to (U5)
        with open_text(options["file"]) as stream:
            text = stream.read()
        try:
            document = load(text)
            book, changed = _dry_run(document) if options["dry_run"] else (import_document(document, actor="command line"), None)
        except ConfigurationInvalid as invalid:
            raise CommandError("\n".join([_("Nothing was imported:"), *invalid.faults])) from invalid
        for warning in dict.fromkeys(book.warnings):
            say(_("Warning: %(text)s") % {"text": warning})
        if changed is not None:
            _show(book, changed)
        say(ngettext("%(count)s change", "%(count)s changes", len(book.records)) % {"count": len(book.records)})


def _dry_run(document: dict[str, Any]) -> tuple[Book, list[str]]:
    """What an import would change: the records, and the cells of the matrix before and after (P9)."""
    before = cells()
    with transaction.atomic():
        book = import_document(document, actor="command line")
        after = cells()
        transaction.set_rollback(True)
    changed = [
        f"{' / '.join(key)}: {_say(before.get(key))} → {_say(after.get(key))}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
    return book, changed


def _say(cell: tuple[object, ...] | None) -> str:
    return "–" if cell is None else ", ".join(str(part) for part in cell if part is not None)


def _show(book: Book, changed: list[str]) -> None:
    for record in book.records:
        sys.stdout.write(f"{record.action} {record.subject}: {dict(record.before)} → {dict(record.after)}\n")
    sys.stdout.write(_("Cells of the matrix that change: %(count)s") % {"count": len(changed)} + "\n")
    for line in changed:
        sys.stdout.write(f"  {line}\n")

"""`manage.py mailjobs export`: all jobs as JSONL, sent ones too (contract); `proof`, `verify`: proofs of dispatch (J10)."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count
from django.utils.translation import gettext as _

from mailjobs.command_line import open_text, print_json, say
from mailjobs.models import MailJob
from mailjobs.proof import proof_of
from mailjobs.proof_pdf import pdf_of
from mailjobs.proof_seal import is_genuine


class Command(BaseCommand):
    help = "Export all mail jobs as JSONL; print or check proofs of dispatch."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        export = actions.add_parser("export")
        export.add_argument("--since", type=int, default=0, metavar="ID")
        proof = actions.add_parser("proof")
        proof.add_argument("id", type=int, metavar="ID")
        proof.add_argument("--pdf", type=Path, metavar="FILE")
        verify = actions.add_parser("verify")
        verify.add_argument("file", metavar="FILE|-")

    def handle(self, *args: object, **options: Any) -> None:
        match options["action"]:
            case "export":
                self._export(options["since"])
            case "proof":
                self._proof(options["id"], options["pdf"])
            case _:
                self._verify(options["file"])

    def _proof(self, pk: int, pdf: Path | None) -> None:
        rows = MailJob.objects.select_related("tenant", "user__tenant", "decision")
        job = rows.filter(pk=pk).first() if 0 < pk < 2**63 else None
        if job is None:
            raise CommandError(_("There is no mail job %(id)s.") % {"id": pk})
        document = proof_of(job, None)
        if document is None:
            raise CommandError(_("The mail job %(id)s was not handed over, so there is nothing to prove.") % {"id": pk})
        if pdf is not None:
            try:
                pdf.write_bytes(pdf_of(document))
            except OSError as error:
                raise CommandError(_("%(file)s cannot be written: %(why)s") % {"file": pdf, "why": error.strerror}) from error
        print_json(document)

    def _verify(self, name: str) -> None:
        with open_text(name) as stream:
            try:
                document = json.load(stream)
            except (ValueError, RecursionError) as error:
                raise CommandError(_("%(file)s is no JSON document.") % {"file": name}) from error
        genuine = is_genuine(document) if isinstance(document, dict) else None
        print_json({"genuine": genuine is True})
        if genuine is None:
            raise CommandError(_("The document has no seal that this installation could have made."))
        if not genuine:
            raise CommandError(_("The document was changed after it was made."))
        say(_("The document is as this installation made it."))

    def _export(self, last: int) -> None:
        while rows := list(_rows(last)):
            for job in rows:
                print_json(_document(job))
            last = rows[-1].pk


def _rows(after: int) -> Any:
    rows = MailJob.objects.filter(pk__gt=after).select_related("tenant").prefetch_related("recipients")
    return rows.annotate(messages=Count("internal_messages")).order_by("pk")[:500]


def _document(job: Any) -> dict[str, Any]:
    return {
        "id": job.pk,
        "tenant": job.tenant.slug,
        "state": job.state,
        "epoch": job.epoch,
        "message_id": job.message_id,
        "last_error": job.last_error or None,
        "recipients": [
            {
                "address": row.address,
                "state": row.state,
                "reply": row.reply or (job.last_error if row.state != "accepted" else "") or None,
            }
            for row in job.recipients.all()
        ],
        "attempts": job.attempts,
        "possible_duplicate": job.possible_duplicate,
        "internal_messages": job.messages,
    }

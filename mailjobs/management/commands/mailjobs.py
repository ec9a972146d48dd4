"""`manage.py mailjobs export`: all jobs as JSONL, sent ones too (contract)."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db.models import Count

from mailjobs.command_line import print_json
from mailjobs.models import MailJob


class Command(BaseCommand):
    help = "Export all mail jobs as JSONL."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        export = actions.add_parser("export")
        export.add_argument("--since", type=int, default=0, metavar="ID")

    def handle(self, *args: object, **options: Any) -> None:
        last = options["since"]
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

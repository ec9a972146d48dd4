"""`manage.py capacity`: how many sessions a firm's own mail server takes at once, measured on the caller's word (D6)."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from diagnostics.capacity import MOST, candidate_at, keep, measure
from mailjobs.command_line import print_json, say, tenant_named
from mailjobs.remedies import say_error
from mailsettings.changes import Book
from mailsettings.models import EmailAccount


class Command(BaseCommand):
    help = "Measure how many sessions a mail server takes at once; nothing is sent."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", metavar="ID", required=True)
        parser.add_argument("--account", metavar="ID")
        parser.add_argument("--consent", action="store_true", help="whoever runs the mail server agrees")
        parser.add_argument("--apply", action="store_true", help="keep it as max_connections")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: object, **options: Any) -> None:
        tenant = tenant_named(options["tenant"])
        account = EmailAccount.objects.filter(tenant=tenant, slug=options["account"]).first() if options["account"] else None
        if options["account"] and account is None:
            raise CommandError(_("There is no account %(id)s.") % {"id": options["account"]})
        if not options["consent"]:
            text = _("Up to %(count)s sessions log in to the mail server at once. Ask whoever runs it, then add --consent.")
            raise CommandError(text % {"count": MOST}, returncode=2)
        candidate = candidate_at(tenant, account)
        if candidate is None:
            raise CommandError(_("There is no connection of its own that may be tried now."))
        found = measure(candidate)
        if not found.sessions:
            raise CommandError(say_error(found.limit))
        if options["apply"]:
            keep(Book("capacity"), tenant, account, found)
        if options["json"]:
            print_json({"sessions": found.sessions, "limit": found.limit, "max_connections": found.setting})
        words = {"count": found.sessions, "setting": found.setting}
        say(_("%(count)s sessions at once; max_connections: %(setting)s.") % words)

"""`manage.py database_roles [--apply]`: separate roles and row-level security in PostgreSQL (Z1, Z16)."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.utils.translation import gettext as _

from mailjobs.command_line import say
from mailsettings.row_security import Roles, statements


class Command(BaseCommand):
    help = "Print the SQL for the roles of owner, portal and workers with row-level security; --apply runs it, as a superuser."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--owner", default="postausgang_owner", help="runs the migrations")
        parser.add_argument(
            "--application", default="postausgang_app", help="of the portal's pages; sees what a request's user may see"
        )
        parser.add_argument("--worker", default="postausgang_worker", help="of workers, scheduler and commands; sees all")
        parser.add_argument("--apply", action="store_true")

    def handle(self, *args: object, **options: Any) -> None:
        if connection.vendor != "postgresql":
            raise CommandError(_("Only PostgreSQL has roles and row-level security."))
        words = list(statements(Roles(options["owner"], options["application"], options["worker"])))
        if not options["apply"]:
            self.stdout.write("".join(f"{line};\n" for line in words))
            say(_("Nothing was changed. Let a superuser run this, or use --apply; then give the roles passwords."))
            return
        with transaction.atomic(), connection.cursor() as cursor:
            for line in words:
                cursor.execute(line)
        say(_("Row-level security is on. Give the roles passwords, and set ROW_LEVEL_SECURITY=true where the pages run."))

"""`manage.py adopt [--hold-pending]`: a copied database belongs to this installation from now on (U5)."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailjobs.command_line import say
from mailjobs.holds import hold_restored, pending
from mailsettings.changes import audit
from mailsettings.installation import adopt, copied_from


class Command(BaseCommand):
    help = "Let this installation deliver the mail of a database that was copied from another one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--hold-pending", action="store_true", help="pending mails wait for the operator, who releases them on /jobs/"
        )

    def handle(self, *args: object, **options: Any) -> None:
        with transaction.atomic():
            if copied_from() is None:
                say(_("This database belongs to this installation already: there is nothing to adopt."))
                return
            held = hold_restored() if options["hold_pending"] else 0
            going = pending()
            original = adopt() or ""
            audit("command line", None, "adopt", original, {"held": held, "pending": going})
        say(_("The database of %(name)s belongs to this installation now.") % {"name": original})
        if held:
            say(ngettext("%(count)s mail is held.", "%(count)s mails are held.", held) % {"count": held})
        if going:
            text = ngettext(
                "%(count)s pending mail may go out now. “manage.py restored” holds it for the operator instead.",
                "%(count)s pending mails may go out now. “manage.py restored” holds them for the operator instead.",
                going,
            )
            say(text % {"count": going})

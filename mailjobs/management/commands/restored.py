"""`manage.py restored`: after a restore in place, pending mails wait for the operator: they may have been sent since (U5)."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils.translation import ngettext

from mailjobs.command_line import say
from mailjobs.holds import hold_restored
from mailsettings.changes import audit


class Command(BaseCommand):
    help = "Hold all pending mails of a restored database for the operator, who releases or withdraws them on /jobs/."

    def handle(self, *args: object, **options: Any) -> None:
        with transaction.atomic():
            count = hold_restored()
            audit("command line", None, "restored", "", {"held": count})
        text = ngettext(
            "%(count)s mail is held for the operator. Release or withdraw it on the page Mail jobs.",
            "%(count)s mails are held for the operator. Release or withdraw them on the page Mail jobs.",
            count,
        )
        say(text % {"count": count})

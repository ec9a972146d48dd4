"""`manage.py purge`: erase bodies, attachments and dialogues whose retention time is over (contract)."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import ngettext

from mailjobs.command_line import say
from mailjobs.keeping import purge


class Command(BaseCommand):
    help = "Erase what has been kept long enough."

    def handle(self, *args: object, **options: Any) -> None:
        count = purge()
        say(
            ngettext("The content of %(count)s mail was erased.", "The content of %(count)s mails was erased.", count)
            % {"count": count}
        )

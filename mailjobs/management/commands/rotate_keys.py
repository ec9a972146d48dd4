"""`manage.py rotate_keys`: all stored secrets under the newest of FIELD_KEYS, while the portal runs (contract, Z8)."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailjobs import tokens
from mailjobs.command_line import print_json, say
from mailsettings.changes import audit
from mailsettings.rotation import rotate


class Command(BaseCommand):
    help = "Seal all stored secrets under the newest of FIELD_KEYS; the older ones can be taken away afterwards."

    def handle(self, *args: object, **options: Any) -> None:
        count, forgotten = rotate(), tokens.forget_under_old_keys()
        if count.rotated:
            audit("command line", None, "keys rotated", "", asdict(count))
        print_json({**asdict(count), "tokens": forgotten})
        text = ngettext("%(count)s secret was sealed anew.", "%(count)s secrets were sealed anew.", count.rotated)
        say(text % {"count": count.rotated})
        if count.unreadable:
            text = ngettext(
                "%(count)s secret cannot be read with any key; it must be entered again.",
                "%(count)s secrets cannot be read with any key; they must be entered again.",
                count.unreadable,
            )
            raise CommandError(text % {"count": count.unreadable})
        say(_("Older keys are no longer needed once no process has them as its newest."))

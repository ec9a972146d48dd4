"""`manage.py audit verify [--head POSITION:HASH]`: whether the audit log is as it was written (Z16)."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from mailjobs.command_line import say
from mailsettings.audit_chain import Broken, Head, head, verify

WORDS = {
    "changed": gettext_lazy("Event %(row)s was changed."),
    "removed": gettext_lazy("Row %(row)s was removed."),
    "inserted": gettext_lazy("Event %(row)s was inserted beside the chain."),
    "head": gettext_lazy("The head that was noted at place %(row)s is gone: the end was cut off, or all was written anew."),
}


class Command(BaseCommand):
    help = "Check the chain of the audit log; prints its head, to be noted down elsewhere and given to a later check."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        check = actions.add_parser("verify")
        check.add_argument("--head", type=_head, metavar="POSITION:HASH", help="that an earlier check printed")

    def handle(self, *args: object, **options: Any) -> None:
        found = list(verify(options["head"]))
        for broken in found:
            say(_say(broken))
        if found:
            text = ngettext("%(count)s fault in the audit log.", "%(count)s faults in the audit log.", len(found))
            raise CommandError(text % {"count": len(found)})
        end = head()
        text = ngettext("The audit log is intact: %(count)s event.", "The audit log is intact: %(count)s events.", end.position)
        say(text % {"count": end.position})
        self.stdout.write(str(end))


def _say(broken: Broken) -> str:
    return str(WORDS[broken.kind]) % {"row": broken.row}


def _head(text: str) -> Head:
    position, _colon, digest = text.partition(":")
    if not position.isdigit():
        raise ArgumentTypeError(_("A head has the form POSITION:HASH."))
    return Head(int(position), digest)

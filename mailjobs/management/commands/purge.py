"""`manage.py purge`: erase what has been kept long enough; `--recipient A`: one recipient, everywhere (contract, Z20)."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailjobs.command_line import say, tenant_named
from mailjobs.erasing import Erased, erase_recipient
from mailjobs.keeping import purge
from mailsettings.changes import audit
from mailsettings.core.addresses import AddressInvalid
from mailsettings.wording import say_address_fault


class Command(BaseCommand):
    help = "Erase what has been kept long enough, or all that is kept of one recipient."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--recipient", metavar="ADDRESS", help="erase what went to this address and what names it")
        parser.add_argument("--tenant", metavar="ID", help="with --recipient: of this tenant only")

    def handle(self, *args: object, **options: Any) -> None:
        if options["recipient"]:
            self._recipient(options["recipient"], options["tenant"])
            return
        if options["tenant"]:
            raise CommandError(_("--tenant goes with --recipient only."))
        count = purge()
        text = ngettext("The content of %(count)s mail was erased.", "The content of %(count)s mails was erased.", count)
        say(text % {"count": count})

    def _recipient(self, address: str, slug: str | None) -> None:
        tenant = tenant_named(slug) if slug else None
        try:
            done = erase_recipient(address, tenant)
        except AddressInvalid as invalid:
            raise CommandError(say_address_fault(invalid.code)) from invalid
        if done.mails or done.lines:  # that somebody was forgotten, not who
            audit("command line", tenant, "erased", "", {"mails": done.mails, "lines": done.lines})
        say(_say(done))
        if done.under_way:
            ids = ", ".join(map(str, done.under_way[:20]))
            text = _("Mails to this recipient are still under way and were not touched; withdraw them first: %(ids)s")
            raise CommandError(text % {"ids": ids})


def _say(done: Erased) -> str:
    mails = ngettext("%(count)s mail was erased", "%(count)s mails were erased", done.mails) % {"count": done.mails}
    lines = ngettext("the address was taken out of %(count)s line.", "the address was taken out of %(count)s lines.", done.lines)
    return f"{mails}, {lines % {'count': done.lines}}"

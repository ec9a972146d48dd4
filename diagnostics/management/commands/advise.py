"""`manage.py advise`: what is wrong with the live configuration (D5); exit 1 where something is."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from diagnostics.advisor import advise_all
from diagnostics.advisor_wording import SEVERITIES
from mailjobs.command_line import print_json, say, tenant_named
from mailsettings.models import Tenant


class Command(BaseCommand):
    help = "Check the live configuration and say what is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", metavar="ID")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: object, **options: Any) -> None:
        rows = [tenant_named(options["tenant"])] if options["tenant"] else Tenant.objects.select_related("firm").order_by("slug")
        found = advise_all(rows)
        if options["json"]:
            print_json({"verdict": "failed" if found else "passed", "findings": [advice.document() for advice in found]})
        for advice in () if options["json"] else found:
            say(f"{advice.tenant.slug}: {SEVERITIES[advice.check.severity]}: {advice.check.title}")
            say(f"  {', '.join(where.name for where in advice.places)}")
            say(f"  {advice.check.why}")
        if found:
            raise CommandError(_("%(count)s things to look at.") % {"count": len(found)}, returncode=1)
        say(_("Nothing found: the configuration is in order."))

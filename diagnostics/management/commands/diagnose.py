"""`manage.py diagnose`: the mail system diagnosis of a user, an account, a print model or a failed job (rules D)."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from diagnostics.cases import Asked, AskedInvalid
from diagnostics.core.findings import Verdict
from diagnostics.diagnosis import begin, document_of, perform
from diagnostics.wording import CAUSES, STEPS, VERDICTS, WHO
from mailjobs.command_line import print_json, say, user_named
from mailjobs.models import MailJob
from mailsettings.models import EmailAccount, PrintModel, User


class Command(BaseCommand):
    help = "Check step by step whether mail goes out, and send a test mail. Exit status 1: something is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", help="whose mail it is")
        parser.add_argument("--account", metavar="ID", help="an e-mail account of the user's tenant")
        parser.add_argument("--print-model", metavar="P")
        parser.add_argument("--job", type=int, metavar="ID", help="a mail job: exactly its settings, sender, mode and recipients")
        parser.add_argument("--to", default="", metavar="ADDRESS", help="the recipient, else the user's own address")
        parser.add_argument("--mode", choices=["direct", "async"], default="")
        parser.add_argument("--no-test-mail", action="store_true")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: object, **options: Any) -> None:
        asked = _asked(options)
        row = begin(asked)
        try:
            row = perform(row, asked)
        except AskedInvalid as invalid:
            raise CommandError(str(invalid)) from invalid
        document = document_of(row)
        if options["json"]:
            print_json(document)
        else:
            _say(document)
        if document["verdict"] not in {Verdict.PASSED, Verdict.WARNED}:
            sys.exit(1)


def _asked(options: dict[str, Any]) -> Asked:
    chosen = [name for name in ("account", "print_model", "job") if options[name]]
    if len(chosen) > 1 or (not options["job"] and not options["user"]) or (options["job"] and options["user"]):
        raise CommandError(
            _("Name a user (--user), with an account (--account) or a print model (--print-model), or a job (--job)."),
            returncode=2,
        )
    common = {"to": options["to"], "mode": options["mode"], "test_mail": not options["no_test_mail"]}
    if options["job"]:
        job = MailJob.objects.select_related("user__tenant__firm", "account", "print_model").filter(pk=options["job"]).first()
        if job is None:
            raise CommandError(_("There is no mail job %(id)s.") % {"id": options["job"]})
        return Asked(job.user, job=job, **common)
    user = user_named(options["user"])
    return Asked(user, account=_account(user, options["account"]), print_model=_model(user, options["print_model"]), **common)


def _account(user: User, slug: str | None) -> EmailAccount | None:
    if not slug:
        return None
    found = EmailAccount.objects.filter(tenant=user.tenant, slug=slug).first()
    if found is None:
        raise CommandError(_("There is no e-mail account %(id)s at the user's tenant.") % {"id": slug})
    return found


def _model(user: User, slug: str | None) -> PrintModel | None:
    if not slug:
        return None
    found = PrintModel.objects.filter(tenant=user.tenant, slug=slug).first()
    if found is None:
        raise CommandError(_("There is no print model %(id)s at the user's tenant.") % {"id": slug})
    return found


def _say(document: dict[str, Any]) -> None:
    say(str(VERDICTS[document["verdict"]]))
    for step in document["steps"]:
        line = f"  {STEPS[step['step']]}: {VERDICTS[step['verdict']]}"
        if step["verdict"] != Verdict.NOT_REACHED:
            line += f" ({step['milliseconds']} ms)"
        say(line)
        if step["cause"]:
            say(f"    {CAUSES[step['cause']]}: {step['meaning']}")
            say(f"    {WHO[step['who']]}: {step['remedy']}")
        if step["reply"]:
            say(f"    {step['reply']}")

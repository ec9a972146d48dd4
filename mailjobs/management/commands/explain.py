"""`manage.py explain`: who would send as whom through which server, without sending (R4)."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from mailjobs.command_line import json_lines, print_json, say, tenant_named, user_named
from mailjobs.core.plan import make_plan
from mailjobs.explanation import document_of
from mailjobs.matrix import matrix, plan_in
from mailsettings.core.facts import Request
from mailsettings.models import Tenant
from mailsettings.selectors import World, facts_of, world_of
from mailsettings.wording import LEVEL_LABELS, OUTCOME_LABELS


class Command(BaseCommand):
    help = "Explain which sender and server a mail would use."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user")
        parser.add_argument("--print-model")
        parser.add_argument("--context-sender")
        parser.add_argument("--sender-method", choices=["crm"])
        parser.add_argument("--unattended", action="store_true")
        parser.add_argument("--matrix", action="store_true")
        parser.add_argument("--tenant")
        parser.add_argument("--cases", metavar="FILE|-")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: object, **options: Any) -> None:
        if options["cases"]:
            return self._cases(options["cases"])
        if options["matrix"]:
            return self._matrix(options["tenant"])
        if not options["user"]:
            raise CommandError(
                _("Name a user (--user), a tenant (--matrix --tenant) or a file of cases (--cases)."), returncode=2
            )
        request = Request(
            options["print_model"], options["context_sender"], options["sender_method"], unattended=options["unattended"]
        )
        user = user_named(options["user"])
        document = document_of(make_plan(facts_of(user, request)))
        if options["json"]:
            return print_json(document)
        return _say_document(document)

    def _matrix(self, slug: str | None) -> None:
        if not slug:
            raise CommandError(_("Name the tenant: --matrix --tenant ID."), returncode=2)
        print_json([document_of(plan) for plan in matrix(tenant_named(slug))])

    def _cases(self, name: str) -> None:
        cases = list(json_lines(name))
        for number, case in cases:
            if not isinstance(case, dict):
                raise CommandError(_("Line %(number)s is not a JSON object.") % {"number": number})
        logins = {str(case.get("user")) for _number, case in cases}
        worlds = _worlds(logins)
        for _number, case in cases:
            print_json(_answer(worlds, case))


def _worlds(logins: set[str]) -> dict[str, World]:
    found: dict[str, World] = {}
    for tenant in Tenant.objects.filter(users__login__in=logins).select_related("firm").distinct():
        members = list(tenant.users.filter(login__in=logins))
        found.update(dict.fromkeys((member.login for member in members), world_of(tenant, members)))
    return found


def _answer(worlds: dict[str, World], case: dict[str, Any]) -> dict[str, Any]:
    login = str(case.get("user"))
    if login not in worlds:
        message = _("There is no user %(id)s at a tenant.") % {"id": login}
        return {"user": login, "print_model": case.get("print_model"), "channel": "none", "sender": None, "connection": None,
                "delivery_mode": None, "allowed": False, "refused": {"code": "user_unknown", "message": message}, "held": None,
                "redirect": None, "levels": [], "hazards": []}  # fmt: skip
    request = Request(
        print_model=_text(case.get("print_model")),
        context_sender=_text(case.get("context_sender")),
        sender_method=_text(case.get("sender_method")),
        unattended=case.get("unattended") is True,
    )
    return document_of(plan_in(worlds[login], login, request))


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)


def _say_document(document: dict[str, Any]) -> None:
    sender, connection = document["sender"], document["connection"]
    say(_("Sender: %(address)s") % {"address": sender["address"] if sender else "–"})
    if connection:
        say(
            _("Server: %(server)s, send system %(system)s")
            % {"server": f"{connection['server']}:{connection['port']}", "system": connection["send_system"]}
        )
    if document["refused"]:
        say(_("Refused: %(why)s") % {"why": document["refused"]["message"]})
    for level in document["levels"]:
        say(f"  {LEVEL_LABELS[level['level']]}: {OUTCOME_LABELS[level['outcome']]} {level['address'] or ''} ({level['reason']})")
    for hazard in document["hazards"]:
        say(_("Hazard: %(what)s") % {"what": hazard["message"]})

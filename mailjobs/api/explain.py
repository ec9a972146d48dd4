"""Who would send as whom through which server, without sending (R4)."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Router

from mailjobs.api import documents
from mailjobs.api.auth import Bearer, caller
from mailjobs.api.bodies import json_object
from mailjobs.api.problems import Problem, not_found
from mailjobs.api.schemas import Explanation, extra
from mailjobs.core.plan import make_plan
from mailjobs.explanation import document_of
from mailjobs.keys import Scope
from mailsettings.access import Right, may, visible_to
from mailsettings.core.facts import Request
from mailsettings.models import User
from mailsettings.selectors import facts_of

router = Router(tags=["explain"])
_TEXTS = ("user", "print_model", "context_sender", "sender_method")


@router.post("explain", response=Explanation, auth=Bearer(Scope.EXPLAIN), openapi_extra=extra(404, body="Case"))
def explain(request: HttpRequest) -> dict[str, Any]:
    """Explain one case, as for the key's user or for one whose settings they manage; a refusal is an answer, too."""
    reader = caller(request)
    case = _case(json_object(request))
    user = _user(reader, case["user"])
    asked = Request(case["print_model"], case["context_sender"], case["sender_method"], unattended=case["unattended"])
    return documents.explanation(document_of(make_plan(facts_of(user, asked))), reader)


def _case(raw: dict[str, Any]) -> dict[str, Any]:
    for name in raw:
        if name not in (*_TEXTS, "unattended"):
            raise Problem(422, "unknown_field", _("There is no field %(field)s.") % {"field": name[:50]}, field=name[:50])
    case: dict[str, Any] = {name: raw.get(name) or None for name in _TEXTS}
    for name, value in case.items():
        if value is not None and not isinstance(value, str):
            raise Problem(422, "not_a_text", _("%(field)s must be a text.") % {"field": name}, field=name)
    if case["sender_method"] not in (None, "crm"):
        raise Problem(
            422, "not_a_choice", _("%(field)s must be one of: %(detail)s.") % {"field": "sender_method", "detail": "crm"}
        )
    if not isinstance(raw.get("unattended", False), bool):
        raise Problem(422, "not_a_choice", _("“run” is a text, “unattended” true or false."), field="unattended")
    return {**case, "unattended": raw.get("unattended", False)}


def _user(reader: User, login: str | None) -> User:
    if login is None or login == reader.login:
        return reader
    rows = visible_to(User.objects.select_related("tenant__firm"), reader) if may(reader, Right.MANAGE_SETTINGS) else None
    found = rows.filter(login=login, tenant__isnull=False).first() if rows is not None and "\0" not in login else None
    if found is None:
        raise not_found()
    return found

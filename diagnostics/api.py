"""Diagnoses for programs: begin one, and read its steps while it runs and afterwards (contract, HTTP API)."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Router, Schema, Status
from pydantic import ConfigDict, Field

from diagnostics.diagnosis import document_of
from diagnostics.forms import DiagnosisForm
from diagnostics.models import Diagnosis
from diagnostics.starting import TooMany, diagnoses_visible_to, is_lost, start, users_to_diagnose
from mailjobs.api.auth import Bearer, caller
from mailjobs.api.bodies import json_object
from mailjobs.api.portal import api
from mailjobs.api.problems import Problem, not_found
from mailjobs.api.schemas import DESCRIBED, extra
from mailjobs.keys import Scope
from mailjobs.models import MailJob
from mailjobs.selectors import jobs_visible_to
from mailsettings.models import EmailAccount, PrintModel, User

router = Router(tags=["diagnoses"])
_TEXTS = ("user", "account", "print_model", "to", "mode")
_LATER = 10  # seconds after which somebody may ask again


class DiagnosisAsked(Schema):
    """What is to be diagnosed: the mail of a user, with an account or print model, or exactly one mail job."""

    model_config = ConfigDict(extra="forbid")
    user: str | None = Field(None, description="The key's own user, or one whose settings they manage.")
    account: str | None = None
    print_model: str | None = None
    job: int | None = None
    to: str | None = Field(None, description="The recipient, else the own address.")
    mode: str | None = Field(None, pattern="^(direct|async)$")
    test_mail: bool = True


class DiagnosisFound(Schema):
    """`diagnose --json` of the command line; `running` while steps are still to come."""

    id: int
    running: bool
    verdict: str
    user: str
    account: str | None
    print_model: str | None
    job: int | None
    mode: str
    send_system: int | None
    steps: list[dict[str, Any]]
    trouble: str | None = Field(description="Why it could not be made, or was broken off.")


@router.post(
    "diagnoses",
    response={202: DiagnosisFound},
    auth=Bearer(Scope.DIAGNOSE),
    openapi_extra=extra(404, body="DiagnosisAsked"),
)
def diagnose(request: HttpRequest) -> Status[dict[str, Any]]:
    """Begin a diagnosis; it ends within 30 seconds."""
    reader = caller(request)
    form = _form(reader, json_object(request))
    if not form.is_valid():
        errors = [{"field": name, "message": str(said[0])} for name, said in form.errors.items()]
        raise Problem(422, "invalid_parameter", errors[0]["message"], field=errors[0]["field"], errors=errors)
    try:
        with transaction.atomic():
            row = start(form.asked)
    except TooMany as refused:
        raise Problem(429, "too_often", str(refused), {"Retry-After": str(_LATER)}) from refused
    return Status(202, _document(row, reader))


@router.get("diagnoses/{int:id}", response=DiagnosisFound, auth=Bearer(Scope.DIAGNOSE), openapi_extra=extra(404))
def diagnosis(request: HttpRequest, id: int) -> dict[str, Any]:
    """A diagnosis, with the steps that have been made."""
    reader = caller(request)
    row = diagnoses_visible_to(reader).select_related("user", "account", "print_model", "job", "by").filter(pk=id).first()
    if row is None:
        raise not_found()
    return _document(row, reader)


def register() -> None:
    """Add the operations to the API; once, when the applications are ready."""
    DESCRIBED["DiagnosisAsked"] = DiagnosisAsked
    api.add_router("", router)


def _document(row: Diagnosis, reader: User) -> dict[str, Any]:
    trouble = row.trouble or (_("The diagnosis was broken off.") if is_lost(row) else None)
    return {**document_of(row, reader), "running": row.running and not is_lost(row), "trouble": trouble}


def _form(reader: User, raw: dict[str, Any]) -> DiagnosisForm:
    """The form of the page, so that no door is stricter than another. Raises Problem."""
    for name, value in raw.items():
        if name not in (*_TEXTS, "job", "test_mail"):
            raise Problem(422, "unknown_field", _("There is no field %(field)s.") % {"field": name[:50]}, field=name[:50])
        if name in _TEXTS and value is not None and not (isinstance(value, str) and "\0" not in value):
            raise Problem(422, "not_a_text", _("%(field)s must be a text.") % {"field": name}, field=name)
    if not isinstance(raw.get("test_mail", True), bool):
        raise Problem(422, "not_a_choice", _("%(field)s must be true or false.") % {"field": "test_mail"}, field="test_mail")
    given = {
        "to": raw.get("to") or "",
        "mode": raw.get("mode") or "",
        **({"test_mail": "on"} if raw.get("test_mail", True) else {}),
    }
    if raw.get("job") is not None:
        return DiagnosisForm(given, reader=reader, job=_job(reader, raw["job"]))
    people = users_to_diagnose(reader)
    user = people.filter(login=raw.get("user") or reader.login).first()
    if user is None:
        raise not_found()
    return DiagnosisForm(
        {**given, "user": user.pk, "account": _named(EmailAccount, user, raw), "print_model": _named(PrintModel, user, raw)},
        reader=reader,
    )


def _named(model: type[EmailAccount | PrintModel], user: User, raw: dict[str, Any]) -> int | None:
    slug = raw.get("account" if model is EmailAccount else "print_model")
    if not slug:
        return None
    found = model.objects.filter(tenant=user.tenant_id, slug=slug, is_active=True).values_list("pk", flat=True).first()
    if found is None:
        raise not_found()
    return found


def _job(reader: User, pk: Any) -> MailJob:
    if isinstance(pk, bool) or not isinstance(pk, int):
        raise Problem(422, "not_a_number", _("%(field)s must be a number.") % {"field": "job"}, field="job")
    rows = jobs_visible_to(reader).select_related("user__tenant__firm", "account", "print_model")
    found = rows.filter(pk=pk).first() if 0 < pk < 2**63 else None
    if found is None or not users_to_diagnose(reader).filter(pk=found.user_id).exists():
        raise not_found()
    return found

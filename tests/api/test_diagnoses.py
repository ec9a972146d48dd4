"""Programs begin a diagnosis and follow it, by the rules of the page."""

from typing import Any

import pytest

from diagnostics.models import Diagnosis
from mailjobs.keys import Scope
from mailsettings.models import Tenant
from tests.api.conftest import Programs
from tests.cast import user
from tests.services import wait_until


def _row(by: str, verdict: str = "passed") -> Diagnosis:
    asked = user(by)
    assert asked.tenant is not None
    return Diagnosis.objects.create(tenant=asked.tenant, by=asked, user=asked, alike="x", verdict=verdict)


@pytest.mark.django_db(transaction=True)
def test_a_diagnosis_is_begun_and_followed_to_its_end(program: Programs) -> None:
    anna = program("anna")
    status, begun = anna.post("diagnoses", {"user": "bernd", "test_mail": False})
    assert (status, begun["user"], begun["running"]) == (202, "bernd", True)
    wait_until(lambda: not anna.get(f"diagnoses/{begun['id']}")[1]["running"], seconds=60, what="the end of a diagnosis")
    status, found = anna.get(f"diagnoses/{begun['id']}")
    assert status == 200
    assert found["verdict"] == "failed"
    assert next(step["cause"] for step in found["steps"] if step["verdict"] == "failed") in {"dns_failure", "host_unknown"}


@pytest.mark.parametrize(
    ("body", "status", "about"),
    [
        ({"user": "gustav"}, 404, None),  # of another firm
        ({"user": "nobody"}, 404, None),
        ({"account": "no such account"}, 404, None),
        ({"job": 10**9}, 404, None),
        ({"job": 10**30}, 404, None),
        ({"job": "1"}, 422, "job"),
        ({"to": "no address"}, 422, "to"),
        ({"to": 7}, 422, "to"),
        ({"mode": "by pigeon"}, 422, "mode"),
        ({"test_mail": "yes"}, 422, "test_mail"),
        ({"colour": "red"}, 422, "colour"),
    ],
)
def test_what_cannot_be_diagnosed_is_said(program: Programs, body: dict[str, Any], status: int, about: str | None) -> None:
    answered, document = program("anna").post("diagnoses", body)
    assert (answered, document.get("field")) == (status, about)
    assert not Diagnosis.objects.exists()


def test_diagnoses_of_others_and_keys_without_the_scope(program: Programs) -> None:
    assert Tenant.objects.count() > 1
    row = _row("anna")
    assert program("anna").get(f"diagnoses/{row.pk}")[0] == 200
    assert program("eva").get(f"diagnoses/{row.pk}")[0] == 404
    assert program("anna", Scope.READ).get(f"diagnoses/{row.pk}")[0] == 403


def test_too_many_at_once_are_told_to_wait(program: Programs) -> None:
    for _each in range(3):
        _row("anna", "")
    anna = program("anna")
    assert anna.post("diagnoses", {})[0] == 429
    assert anna.last.headers["Retry-After"]

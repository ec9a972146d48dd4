"""The description is true: whatever fits it or not, no answer is a 500 or one that it does not name."""

from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.test import Client, override_settings
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from diagnostics import starting
from tests.api.conftest import Programs
from tests.pages.conftest import mail

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    ignored_auth,
]
OPERATIONS = {
    "POST /api/v1/messages",
    "POST /api/v1/messages/batch",
    "GET /api/v1/messages/{id}",
    "POST /api/v1/messages/{id}/requeue",
    "POST /api/v1/messages/{id}/cancel",
    "GET /api/v1/jobs",
    "GET /api/v1/log",
    "POST /api/v1/explain",
    "POST /api/v1/diagnoses",
    "GET /api/v1/diagnoses/{id}",
}
MODES = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]


def described() -> Any:
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", get_wsgi_application())


def test_the_description_names_all_operations_of_the_contract(db: None) -> None:
    found = {f"{each.ok().method.upper()} {each.ok().path}" for each in described().get_all_operations()}
    assert found >= OPERATIONS
    document = Client().get("/api/v1/openapi.json").json()
    assert "http" not in str(document["servers"])
    assert document["components"]["schemas"]["Message"]["additionalProperties"] is False


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mode", MODES, ids=["what fits", "what does not fit"])
@override_settings(API_KEY_PER_MINUTE=10**9, API_TENANT_PER_MINUTE=10**9)
def test_no_answer_is_an_error_of_ours_or_undescribed(program: Programs, mode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "MOST_AT_ONCE", 0)  # what can be begun is tried in `test_diagnoses`
    anna = program("anna")
    real = [
        mail("anna", number, **({"state": state} if state else {})).pk for number, state in enumerate(("", "failed", "unknown"))
    ]
    seen: set[str] = set()
    answered: set[int] = set()
    for found in described().get_all_operations():
        operation = found.ok()
        seen.add(f"{operation.method.upper()} {operation.path}")

        @given(case=operation.as_strategy(generation_mode=mode), pk=st.sampled_from([None, *real]))
        @settings(
            max_examples=25,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any, pk: int | None) -> None:
            if pk is not None and "id" in case.path_parameters:
                case.path_parameters["id"] = pk
            response = case.call(headers=anna.headers())
            answered.add(response.status_code)
            case.validate_response(response, checks=CHECKS, headers=anna.headers())

        ask()
    assert seen >= OPERATIONS
    assert answered >= ({200, 404, 409, 422} if mode is MODES[0] else {422})

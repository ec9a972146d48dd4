"""The API put together: routers, errors, description."""

from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import ValidationError
from ninja.openapi.schema import OpenAPISchema

from mailjobs.api import explain, lists, messages
from mailjobs.api.problems import Problem, answer, failed, not_found
from mailjobs.api.schemas import components


class Api(NinjaAPI):
    """The description names the bodies and problems that the operations read and raise themselves."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**options)
        schema["components"].setdefault("schemas", {}).update(components())
        for operations in schema["paths"].values():
            for operation in operations.values():
                operation["operationId"] = operation["operationId"].rpartition("_api_")[2]
        return schema


api = Api(
    title="Postausgang",
    version="1",
    description="Hand mails in, and learn what became of them. Each call needs a key: `Authorization: Bearer KEY`.",
    urls_namespace="api",
    docs_url=None,
)
for module in (messages, lists, explain):
    api.add_router("", module.router)


@api.exception_handler(Problem)
def _problem(_request: HttpRequest, problem: Problem) -> HttpResponse:
    return answer(problem)


@api.exception_handler(ValidationError)
def _invalid(_request: HttpRequest, invalid: ValidationError) -> HttpResponse:
    errors = [{"field": str(error["loc"][-1]), "message": str(error["msg"])} for error in invalid.errors]
    return answer(Problem(422, "invalid_parameter", _("A parameter cannot be read."), errors=errors))


@api.exception_handler(Http404)
def _missing(_request: HttpRequest, _error: Http404) -> HttpResponse:
    return answer(not_found())


@api.exception_handler(OperationalError)
@api.exception_handler(InterfaceError)
def _no_database(request: HttpRequest, error: Exception) -> HttpResponse:
    failed(request, error)
    return answer(Problem(503, "no_database", _("The database is away. Try again in a moment."), {"Retry-After": "5"}))


@api.exception_handler(Exception)
def _failed(request: HttpRequest, error: Exception) -> HttpResponse:
    return failed(request, error)

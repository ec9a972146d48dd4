"""Errors as problem documents (RFC 9457), whatever went wrong and wherever under /api/."""

import json
import logging
from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

CONTENT_TYPE = "application/problem+json"
log = logging.getLogger(__name__)


class Problem(Exception):
    """An error answer; `code` is for programs, `detail` for people, `more` are further members of the document."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        self.status, self.code, self.detail, self.headers, self.more = status, code, detail, headers or {}, more
        super().__init__(detail)


def answer(problem: Problem) -> HttpResponse:
    """The document of a problem."""
    document = {
        "type": f"urn:postausgang:problem:{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        **problem.more,
    }
    return HttpResponse(json.dumps(document), CONTENT_TYPE, problem.status, headers=problem.headers)


def not_found() -> Problem:
    """Also of what belongs to somebody else (Z1)."""
    return Problem(404, "not_found", _("There is nothing at this address, or not for this key."))


@csrf_exempt
def unknown_address(_request: HttpRequest) -> HttpResponse:
    """Every other address under /api/."""
    return answer(not_found())


def always_a_problem(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view whose errors are problem documents also where the framework answers by itself."""

    @wraps(view)
    def wrapped(request: HttpRequest, *words: Any, **named: Any) -> HttpResponseBase:
        try:
            found = view(request, *words, **named)
        except Http404:
            return answer(not_found())
        if found.status_code == 405:
            return answer(
                Problem(
                    405, "method_not_allowed", _("This address does not take this method."), {"Allow": found.headers["Allow"]}
                )
            )
        return found

    return wrapped


def failed(request: HttpRequest, error: Exception) -> HttpResponse:
    """What nobody expected: the log says what, the caller that it was not their fault."""
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return answer(Problem(500, "internal_error", _("Something went wrong here. It was logged; try again later.")))

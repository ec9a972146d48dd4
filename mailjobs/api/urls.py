"""The addresses of the API; whatever else stands under /api/ is a problem document."""

from typing import Any

from django.urls import URLPattern, include, path, re_path

from mailjobs.api.portal import api
from mailjobs.api.problems import always_a_problem, unknown_address


def _wrapped(found: Any) -> Any:
    if isinstance(found, URLPattern):
        found.callback = always_a_problem(found.callback)
    return found


_patterns, _app, _namespace = api.urls
urlpatterns = [
    path("v1/", include(([_wrapped(each) for each in _patterns], _app), namespace=_namespace)),
    re_path("", unknown_address),
]

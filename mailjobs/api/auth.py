"""Who calls: a key in force, within its scopes and limits (Z15)."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja.security import HttpBearer

from mailjobs.api.problems import Problem
from mailjobs.keys import Scope, key_of
from mailjobs.metering import take
from mailjobs.models import ApiKey
from mailsettings.models import User


class Bearer(HttpBearer):
    """`Authorization: Bearer KEY`; the key needs this scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        super().__init__()

    def __call__(self, request: HttpRequest) -> Any:
        kind, _space, token = request.headers.get("Authorization", "").partition(" ")
        return self.authenticate(request, token.strip() if kind.lower() == "bearer" else "")

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey:
        """The key. Raises Problem: 401 without one, 429 beyond the limits, 403 without the scope."""
        key = key_of(token)
        if key is None:
            detail = _("The key is missing, unknown, expired or revoked.")
            raise Problem(401, "unauthorized", detail, {"WWW-Authenticate": "Bearer"})
        limits = {f"key/{key.pk}": settings.API_KEY_PER_MINUTE, f"tenant/{key.user.tenant_id}": settings.API_TENANT_PER_MINUTE}
        if (seconds := take(limits)) is not None:
            raise too_often(seconds)
        if self.scope not in key.scopes:
            detail = _("The key lacks the scope “%(scope)s”.") % {"scope": self.scope.value}
            raise Problem(
                403, "scope_missing", detail, {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{self.scope}"'}
            )
        return key


def too_often(seconds: int) -> Problem:
    """The limits are the tenant's and the key's; a batch counts once."""
    detail = _("Too many requests in this minute. Try again in %(seconds)s seconds; a batch counts as one request.")
    return Problem(429, "too_many_requests", detail % {"seconds": seconds}, {"Retry-After": str(seconds)})


def caller(request: HttpRequest) -> User:
    """The acting user of an authenticated request."""
    key: ApiKey = request.auth  # type: ignore[attr-defined]  # set by ninja
    return key.user

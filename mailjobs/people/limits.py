"""How often somebody may try to log in (Z14): per user and per address, so that nobody locks anybody else out.

A browser in which a user has logged in before carries a signed cookie and counts by itself: whoever guesses a colleague's
password from elsewhere slows only themselves down.
"""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_variables

from mailjobs.people.models import FailedTry
from mailsettings.models import User

WINDOW = timedelta(minutes=15)
KEPT = timedelta(days=1)
OF_BROWSER = 10  # failed tries in one window, of a known browser
OF_USER_AND_ADDRESS = 6
OF_USER = 30  # from all unknown browsers together
OF_ADDRESS = 60
COOKIE = "browser"
_COOKIE_SECONDS = 400 * 24 * 3600
_SALT = "people.limits.browser"


def address_of(request: HttpRequest) -> str:
    """The client's address; behind `PROXY_COUNT` proxies the one that the outermost of them saw."""
    proxies: int = settings.PROXY_COUNT
    seen = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    found = seen[-proxies] if proxies and len(seen) >= proxies else request.META.get("REMOTE_ADDR", "")
    return str(found)[:64]


def minutes_to_wait(request: HttpRequest, login: str) -> int:
    """How long nobody may try this user from here; 0: now."""
    since, key, address, browser = timezone.now() - WINDOW, _digest(login), address_of(request), browser_of(request, login)
    if browser:
        limits: list[tuple[Q, int]] = [(Q(login=key, browser=browser), OF_BROWSER)]
    else:
        limits = [
            (Q(login=key, address=address), OF_USER_AND_ADDRESS),
            (Q(login=key, browser=""), OF_USER),
            (Q(address=address), OF_ADDRESS),
        ]
    waits = [0]
    for which, limit in limits:
        tries = list(FailedTry.objects.filter(which, at__gt=since).order_by("-at").values_list("at", flat=True)[:limit])
        if len(tries) == limit:
            left = tries[-1] + WINDOW - timezone.now()
            waits.append(int(left.total_seconds() // 60) + 1)
    return max(waits)


def say_wait(minutes: int) -> str:
    """The sentence for it."""
    text = ngettext(
        "Too many failed tries. Try again in %(count)s minute, or have your password reset. Others are not affected.",
        "Too many failed tries. Try again in %(count)s minutes, or have your password reset. Others are not affected.",
        minutes,
    )
    return text % {"count": minutes}


def failed(request: HttpRequest, login: str) -> None:
    """Write down a failed try; old ones are forgotten."""
    FailedTry.objects.create(login=_digest(login), address=address_of(request), browser=browser_of(request, login))
    FailedTry.objects.filter(at__lt=timezone.now() - KEPT).delete()


def succeeded(request: HttpRequest, login: str) -> None:
    """Who has got in begins to count anew, from here."""
    own = Q(address=address_of(request))
    if browser := browser_of(request, login):
        own |= Q(browser=browser)
    FailedTry.objects.filter(own, login=_digest(login)).delete()


def forgive(login: str) -> None:
    """Somebody has proved by mail who they are."""
    FailedTry.objects.filter(login=_digest(login)).delete()


def remember_browser(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Let this browser be known for this user: the cookie says nothing but a random name."""
    if not browser_of(request, user.login):
        value = signing.dumps([user.login, secrets.token_urlsafe(12)], salt=_SALT)
        response.set_cookie(
            COOKIE, value, max_age=_COOKIE_SECONDS, httponly=True, samesite="Lax", secure=settings.HTTPS, path="/accounts/"
        )


def browser_of(request: HttpRequest, login: str) -> str:
    """The name of a browser that is known for this user, else empty."""
    try:
        known: Any = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=_COOKIE_SECONDS)
        user, name = known
    except (signing.BadSignature, TypeError, ValueError):
        return ""
    return str(name)[:64] if user == login.strip().lower() else ""


@sensitive_variables("password")
def password_is_right(user: User, password: str) -> bool:
    """Whether somebody who is logged in has typed their password; who guesses with a stolen session is soon told no always."""
    tries = FailedTry.objects.filter(login=_digest(f"confirm {user.login}"), at__gt=timezone.now() - WINDOW)
    if tries.count() >= OF_BROWSER:
        return False
    if user.check_password(password):
        return True
    FailedTry.objects.create(login=_digest(f"confirm {user.login}"), address="")
    return False


def _digest(login: str) -> str:
    text = f"{settings.SECRET_KEY}\x00login\x00{login.strip().lower()}"
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()

"""Logging somebody in, where somebody is logged in, and logging out elsewhere."""

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import login, update_session_auth_hash
from django.http import HttpRequest
from django.utils import timezone

from mailjobs.people.limits import address_of, succeeded
from mailjobs.people.models import Authenticator, Identity, Link, Passkey, RecoveryCode, SignIn
from mailsettings.changes import audit
from mailsettings.models import User
from mailsettings.portal import confirm_now

BACKEND = "django.contrib.auth.backends.ModelBackend"
SIGN_IN = "sign_in"  # in the session: its row, and the key it was written with
LOOKED = "sign_in_seen"
SEEN_EVERY = 300  # seconds
_engine: Any = import_module(settings.SESSION_ENGINE)


def enter(request: HttpRequest, user: User, how: SignIn.How) -> None:
    """Log a user in who has proved who they are."""
    login(request, user, backend=BACKEND)
    if request.session.session_key is None:
        request.session.save()
    row = SignIn.objects.create(
        user=user,
        session_key=str(request.session.session_key),
        how=how,
        address=address_of(request),
        browser=request.headers.get("User-Agent", "")[:300],
    )
    request.session[SIGN_IN] = row.pk
    request.session[LOOKED] = timezone.now().timestamp()
    confirm_now(request)
    succeeded(request, user.login)
    audit(user.login, user.tenant, "log-in", user.login, {"how": str(how), "address": row.address})


def still_in(request: HttpRequest) -> None:
    """Note now and then that a session is in use, and its new key where it has got one."""
    pk, key = request.session.get(SIGN_IN), request.session.session_key
    if pk is None or key is None:
        return
    now = timezone.now()
    moved = request.session.get("sign_in_key") != key
    if not moved and now.timestamp() - float(request.session.get(LOOKED, 0)) < SEEN_EVERY:
        return
    request.session["sign_in_key"], request.session[LOOKED] = key, now.timestamp()
    SignIn.objects.filter(pk=pk).update(session_key=key, seen_at=now)


def sign_ins_of(user: User) -> list[SignIn]:
    """Where a user is logged in now; rows whose session has ended are removed."""
    rows = list(SignIn.objects.filter(user=user))
    alive = {row.pk for row in rows if _engine.SessionStore().exists(row.session_key)}
    SignIn.objects.filter(pk__in=[row.pk for row in rows if row.pk not in alive]).delete()
    return [row for row in rows if row.pk in alive]


def end(row: SignIn) -> None:
    """Log one browser out."""
    _engine.SessionStore(row.session_key).delete()
    row.delete()


def end_others(request: HttpRequest, user: User) -> int:
    """Log a user out everywhere but here; returns in how many browsers."""
    others = [row for row in sign_ins_of(user) if row.session_key != request.session.session_key]
    for row in others:
        end(row)
    audit(user.login, user.tenant, "log-out elsewhere", user.login, {"browsers": len(others)})
    return len(others)


def forget_ways_in(user: User) -> None:
    """Nobody is to log in with this user ID any more: passkeys, second step, identities, links and sessions go."""
    for rows in (Passkey, Authenticator, RecoveryCode, Identity):
        rows.objects.filter(user=user).delete()
    Link.objects.filter(user=user, used_at=None).update(until=timezone.now())
    for row in sign_ins_of(user):
        end(row)


def keep_here(request: HttpRequest, user: User) -> None:
    """After a change of password: this browser stays logged in, every other one is out."""
    update_session_auth_hash(request, User.objects.get(pk=user.pk))
    still_in(request)

"""The keys of programs: made and revoked by people, recognised by the API and the SMTP door (Z15)."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from mailjobs.models import ApiKey
from mailjobs.rows import database_now
from mailsettings.access import Right, may, tenants_visible_to
from mailsettings.changes import audit
from mailsettings.models import User

BEGINNING = "pa_"
SHOWN = 11  # characters of a key that are kept to tell it from others
_NOTED_EVERY = timedelta(minutes=1)  # writing down each use would cost as much as the use


class Scope(StrEnum):
    """What a key may be used for, within what its user may do."""

    SUBMIT = "submit"
    READ = "read"
    MANAGE = "manage"
    EXPLAIN = "explain"
    DIAGNOSE = "diagnose"


def make(actor: User, user: User, *, name: str, scopes: Collection[Scope], expires_at: datetime | None) -> tuple[ApiKey, str]:
    """A new key of a user; the text is known only now. Audited. Whether the actor may, `users_with_keys` says."""
    text = BEGINNING + secrets.token_urlsafe(32)
    with transaction.atomic():
        key = ApiKey.objects.create(
            user=user,
            name=name,
            prefix=text[:SHOWN],
            digest=_digest(text),
            scopes=sorted(scopes),
            made_by=actor.login,
            expires_at=expires_at,
        )
        facts = {"name": name, "scopes": key.scopes, "expires_at": expires_at.isoformat() if expires_at else None}
        audit(actor.login, user.tenant, "api_key_made", f"{user.login}/{key.prefix}", facts)
    return key, text


def revoke(actor: User, key: ApiKey) -> None:
    """From now on nobody gets in with it. Audited."""
    with transaction.atomic():
        rows = ApiKey.objects.filter(pk=key.pk, revoked_at=None)
        if rows.update(revoked_at=database_now(), revoked_by=actor.login):
            audit(actor.login, key.user.tenant, "api_key_revoked", f"{key.user.login}/{key.prefix}", {"name": key.name})


def users_with_keys(actor: User) -> QuerySet[User]:
    """The users whose keys somebody may see, make and revoke: their own, an administrator those of the tenants they manage."""
    own = Q(pk=actor.pk)
    if may(actor, Right.MANAGE_SETTINGS) and not actor.is_operator:
        own |= Q(tenant__in=tenants_visible_to(actor))
    return User.objects.filter(own, tenant__isnull=False).select_related("tenant__firm")


def key_of(text: str) -> ApiKey | None:
    """The key in force with this text, whose user is active; read anew each time, so that a revoked one stops at once."""
    if not text.startswith(BEGINNING) or len(text) > 100:
        return None
    now = database_now()
    key = (
        ApiKey.objects.select_related("user__tenant__firm", "user__deputy").filter(digest=_digest(text), revoked_at=None).first()
    )
    if key is None or not key.user.is_active or key.user.tenant is None or (key.expires_at and key.expires_at <= now):
        return None
    if key.last_used_at is None or key.last_used_at < now - _NOTED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=Now())
    return key


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

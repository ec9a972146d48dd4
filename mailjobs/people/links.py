"""Links that serve once: invitations, password resets, the first operator."""

import hashlib
import secrets
from datetime import timedelta

from django.utils import timezone

from mailjobs.people.models import Link
from mailsettings.models import User

HOLDS = {
    Link.Kind.INVITATION: timedelta(days=7),
    Link.Kind.RESET: timedelta(hours=2),
    Link.Kind.FIRST: timedelta(days=7),
}
A_DAY = 5  # of one kind, to one user


def new_token(kind: Link.Kind, user: User | None, *, by: str = "") -> str:
    """The token of a new link; those of its kind before hold no longer."""
    token = secrets.token_urlsafe(32)
    now = timezone.now()
    Link.objects.filter(kind=kind, user=user, used_at=None).update(until=now)
    Link.objects.create(kind=kind, user=user, digest=_digest(token), until=now + HOLDS[kind], made_by=by)
    return token


def may_send(kind: Link.Kind, user: User) -> bool:
    """Whether one more may go out today, so that nobody floods a mailbox."""
    since = timezone.now() - timedelta(days=1)
    return Link.objects.filter(kind=kind, user=user, made_at__gt=since).count() < A_DAY


def link_of(token: str, *kinds: Link.Kind) -> Link | None:
    """The link that a token stands for, while it holds."""
    rows = Link.objects.select_related("user__tenant__firm")
    now = timezone.now()
    return rows.filter(digest=_digest(token), kind__in=kinds, until__gt=now, used_at=None).first()


def use(link: Link) -> bool:
    """Use a link up; False where somebody was quicker."""
    now = timezone.now()
    used = Link.objects.filter(pk=link.pk, used_at=None, until__gt=now).update(used_at=now)
    if used and link.user_id is not None:
        Link.objects.filter(user_id=link.user_id, used_at=None).update(until=now)
    return bool(used)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()

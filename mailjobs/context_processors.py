"""What every page knows of the queue: the navigation with its counts, and the banners (U3, J1)."""

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailjobs.core.plan import redirect_now
from mailjobs.core.redirect import Redirect
from mailjobs.models import MailJob, StateChoices
from mailjobs.notices import count_lines
from mailjobs.parts import Part, Source, counted, open_only
from mailjobs.releasing import held_for_firm
from mailjobs.selectors import messages_of, oldest_due, reach_of, worker_alive
from mailsettings.access import Right, may
from mailsettings.context_processors import navigation, url_of
from mailsettings.core.facts import Facts, Request, TenantFacts, UserFacts
from mailsettings.core.send_systems import TenantKind
from mailsettings.installation import copied_from
from mailsettings.models import AuditEvent, User
from mailsettings.selectors import layers_of

MOST = 999  # a badge counts no further


class Banner(NamedTuple):
    """One strip above every page."""

    kind: str
    text: str
    url: str = ""
    link_label: str = ""


def queue(request: HttpRequest) -> dict[str, object]:
    """Navigation and banners, worked out once for each request however many templates ask."""
    user = request.user if hasattr(request, "user") else None
    if not isinstance(user, User):
        return {}
    known: dict[str, object] | None = getattr(request, "_queue_context", None)
    if known is None:
        known = {"navigation": navigation(request, user, _badges(user)), "banners": list(_banners(user))}
        request._queue_context = known  # type: ignore[attr-defined]
    return known


def redirect_of(user: User) -> Redirect | None:
    """The redirect in force for the mail of this user, read with as few queries as can be; None for an operator."""
    if user.tenant is None:
        return None
    facts = Facts(
        user=UserFacts(user.login, user.role_enum),
        tenant=TenantFacts(user.tenant.slug, TenantKind(user.tenant.kind), copied=copied_from() is not None),
        layers=layers_of(user),
        request=Request(),
    )
    return redirect_now(facts)


def _badges(user: User) -> dict[str, tuple[str, str]]:
    failed: list[Part] = [{**part, "state": StateChoices.FAILED.value} for part in reach_of(user).parts()]
    counts = counted(Source(open_only(MailJob.objects.all()), failed), "state", MOST + 1)
    held = held_for_firm(user)[: MOST + 1].count()
    return {
        "inbox": (unread_lines(user), _("unread")),
        "jobs": (_count(counts.get(StateChoices.FAILED, 0)), _("failed")),
        "releases": (_count(held), _("waiting for the firm")),
    }


def unread_lines(user: User) -> str:
    """What the inbox shows as one line each, among the newest unread messages; a plus where there are more than are looked at."""
    newest = list(messages_of(user).filter(read_at=None).only("kind", "subject", "error", "error_code", "incident")[: MOST + 1])
    return _count(count_lines(newest[:MOST])) + ("+" if len(newest) > MOST else "")


def _count(number: int) -> str:
    return "" if not number else f"{MOST}+" if number > MOST else str(number)


def _banners(user: User) -> Iterator[Banner]:
    if (original := copied_from()) is not None:
        yield Banner("copy", _copy(original))
    if (redirect := redirect_of(user)) is not None and redirect.active:
        yield _redirect_banner(user, redirect, copied=original is not None)
    if not worker_alive() and (since := oldest_due(user)) is not None:
        yield Banner("no_worker", _no_worker(timezone.now() - since))
    if settings.DEMO:
        yield Banner(
            "demo",
            _("Demo installation: mails go to the local test mail server only."),
            url_of("test_mailbox") if settings.SMTP_SINK_DIR else "",
            _("Test mailbox"),
        )


def _copy(original: str) -> str:
    text = _(
        "This database is a copy of the installation %(name)s: nothing is delivered, and mail queued here never goes to its real "
        "recipients. The operator ends this with “manage.py adopt”."
    )
    return text % {"name": original}


def _redirect_banner(user: User, redirect: Redirect, *, copied: bool) -> Banner:
    addresses = ", ".join(redirect.addresses)
    if not redirect.readable:
        text = _(
            "It cannot be read whether the redirect mode is on, so no mail leaves the portal. Enter the redirect mode again."
        )
    elif redirect.capture_only:
        text = _("Redirect mode is on and captures only: no mail leaves the portal.")
    else:
        text = _("Redirect mode is on: every mail goes to %(addresses)s instead of its recipients.") % {"addresses": addresses}
    if not copied and redirect.readable and (who := _who_redirects(user)):
        text += " " + _("Switched on by %(who)s.") % {"who": who}
    manages = may(user, Right.SWITCH_REDIRECT)
    return Banner("redirect", text, url_of("settings") if manages else "", _("To the redirect mode") if manages else "")


def _who_redirects(user: User) -> str:
    """Who switched it on last; of the firm's people a Com customer reads the firm's name only (T4)."""
    tenant = user.tenant
    if tenant is None:
        return ""
    event = (
        AuditEvent.objects.filter(Q(tenant=tenant) | Q(tenant=tenant.firm_id), after__redirect_enabled=True)
        .select_related("tenant")
        .first()
    )
    if event is None:
        return ""
    if event.tenant is not None and event.tenant.pk != tenant.pk:
        return event.tenant.name
    return User.objects.filter(login=event.actor).values_list("name", flat=True).first() or event.actor


def _no_worker(waits: timedelta) -> str:
    minutes = int(waits.total_seconds() // 60)
    how_long = (
        ngettext("%(count)s hour", "%(count)s hours", minutes // 60) % {"count": minutes // 60}
        if minutes >= 120
        else ngettext("%(count)s minute", "%(count)s minutes", minutes) % {"count": minutes}
    )
    return _("No delivery worker is running: the oldest due mail waits %(how_long)s.") % {"how_long": how_long}

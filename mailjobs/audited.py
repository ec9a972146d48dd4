"""The audit log as people read it: what was done, by whom, what it was before (Z16, T4)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailjobs.filters import Search, days_of
from mailsettings.ladder import say_actor
from mailsettings.models import AuditEvent, Tenant, User
from mailsettings.wording import PARAMETER_LABELS

ACTIONS: Mapping[str, object] = {
    "parameters": gettext_lazy("Parameters"),
    "secret": gettext_lazy("Stored secret"),
    "consent": gettext_lazy("Consent of a mailbox"),
    "email_account": gettext_lazy("E-mail account"),
    "print_model": gettext_lazy("Print model"),
    "stage": gettext_lazy("Introduction of a print model"),
    "user": gettext_lazy("User"),
    "log-in password": gettext_lazy("Log-in password"),
    "employee": gettext_lazy("Employee"),
    "tenant": gettext_lazy("Firm or Com customer"),
    "address": gettext_lazy("Claimed address"),
    "confirmation mail": gettext_lazy("Confirmation mail"),
    "requeue": gettext_lazy("Mails reset"),
    "release": gettext_lazy("Mails released"),
    "reject": gettext_lazy("Mails not released"),
    "cancel": gettext_lazy("Mails withdrawn"),
    "take_as_sent": gettext_lazy("Mails taken as sent"),
    "draft": gettext_lazy("Draft put into the mailbox"),
    "to_client": gettext_lazy("Mail given to the mail client"),
    "release_connection": gettext_lazy("Connection released"),
    "restored": gettext_lazy("Database restored"),
    "adopt": gettext_lazy("Database adopted"),
    "api_key_made": gettext_lazy("API key made"),
    "api_key_revoked": gettext_lazy("API key revoked"),
    "print_run_start": gettext_lazy("Print run started"),
    "print_run_pause": gettext_lazy("Print run paused"),
    "print_run_resume": gettext_lazy("Print run resumed"),
    "print_run_cancel": gettext_lazy("Print run stopped"),
    "erased": gettext_lazy("Recipient erased"),
    "keys rotated": gettext_lazy("Field keys rotated"),
}
_TEXTS = frozenset({"text", "html"})  # of a print model
_CLIP = 160  # characters of one value


@dataclass(frozen=True, slots=True)
class Line:
    """One event as its reader sees it; `changes` are (name, before, after), empty texts where there was nothing."""

    event: AuditEvent
    what: str
    who: str
    changes: tuple[tuple[str, str, str], ...]


def events_at(tenant: Tenant | None, search: Search, action: str) -> QuerySet[AuditEvent]:
    """The events of a tenant, None: of the whole installation alone, newest first."""
    rows = AuditEvent.objects.filter(tenant=tenant, **days_of("at", search))
    if search.query:
        rows = rows.filter(Q(subject__icontains=search.query) | Q(actor__icontains=search.query))
    if search.user:
        rows = rows.filter(actor=search.user)
    return rows.filter(action=action) if action else rows


def lines_of(events: Sequence[AuditEvent], reader: User) -> list[Line]:
    """The events in words."""
    people = {user.login: user for user in User.objects.filter(login__in={event.actor for event in events})}
    return [
        Line(event, say_action(event.action), say_actor(event.actor, people, reader), tuple(_changes(event, reader)))
        for event in events
    ]


def say_action(action: str) -> str:
    """What was done, in words; an action that has none speaks for itself."""
    return str(ACTIONS.get(action, action))


def _changes(event: AuditEvent, reader: User) -> Iterator[tuple[str, str, str]]:
    """What differs; of others' texts only that they do (T7)."""
    for name in sorted({*event.before, *event.after}):
        if name in _TEXTS and event.tenant_id != reader.tenant_id:
            yield name, "", _("changed")
            continue
        yield str(PARAMETER_LABELS.get(name, name)), _said(event.before, name), _said(event.after, name)


def _said(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        value = ", ".join(map(str, value))
    text = str(value)
    return text if len(text) <= _CLIP else text[:_CLIP] + "…"

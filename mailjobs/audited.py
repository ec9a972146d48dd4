"""The audit log as people read it: what was done, by whom, what it was before (Z16, T4)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailjobs.filters import Search, days_of
from mailsettings.ladder import say_actor
from mailsettings.models import AuditEvent, DeliveryModeChoices, RoleChoices, SendsAsFirmChoices, StageChoices, Tenant, User
from mailsettings.wording import PARAMETER_LABELS

ACTIONS: Mapping[str, object] = {
    "parameters": gettext_lazy("Parameters"),
    "secret": gettext_lazy("Stored secret"),
    "consent": gettext_lazy("Consent of a mailbox"),
    "email_account": gettext_lazy("E-mail account"),
    "print_model": gettext_lazy("Print model"),
    "stage": gettext_lazy("Introduction of a print model"),
    "user": gettext_lazy("User"),
    "log-in": gettext_lazy("Log-in"),
    "log-in password": gettext_lazy("Log-in password"),
    "log-out elsewhere": gettext_lazy("Other log-ins ended"),
    "second factor": gettext_lazy("Second step of the log-in"),
    "recovery code": gettext_lazy("Recovery code used"),
    "recovery codes": gettext_lazy("Recovery codes made"),
    "passkey": gettext_lazy("Passkey"),
    "identity": gettext_lazy("Connection with an OpenID account"),
    "invitation": gettext_lazy("Invitation"),
    "password reset": gettext_lazy("Password reset"),
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
_FIELDS: Mapping[str, object] = {
    "account_id": gettext_lazy("E-mail account"),
    "added": gettext_lazy("Added"),
    "additional_emails": gettext_lazy("Further addresses"),
    "address": gettext_lazy("Address"),
    "asked": gettext_lazy("Asked for"),
    "authenticator app": gettext_lazy("Authenticator app"),
    "browsers": gettext_lazy("Browsers"),
    "by": gettext_lazy("By"),
    "confirmed": gettext_lazy("Confirmed"),
    "connected": gettext_lazy("Connected"),
    "context": gettext_lazy("Context"),
    "delivery_mode": gettext_lazy("Delivery mode"),
    "deputy": gettext_lazy("Deputy"),
    "disconnected": gettext_lazy("Disconnected"),
    "email": gettext_lazy("E-mail address"),
    "entered": gettext_lazy("Entered"),
    "error": gettext_lazy("Error"),
    "expires_at": gettext_lazy("Valid until"),
    "held": gettext_lazy("Held"),
    "how": gettext_lazy("Logged in with"),
    "html": gettext_lazy("HTML"),
    "is_active": gettext_lazy("Active"),
    "jobs": gettext_lazy("Mail jobs"),
    "language": gettext_lazy("Language"),
    "left": gettext_lazy("Left over"),
    "left_out": gettext_lazy("Left out"),
    "locked": gettext_lazy("Locked"),
    "made": gettext_lazy("Made"),
    "mails": gettext_lazy("Mails"),
    "name": gettext_lazy("Name"),
    "reason": gettext_lazy("Reason"),
    "released": gettext_lazy("Released"),
    "removed": gettext_lazy("Removed"),
    "role": gettext_lazy("Role"),
    "rows": gettext_lazy("Lines"),
    "run": gettext_lazy("Print run"),
    "scopes": gettext_lazy("May"),
    "sends_as_firm": gettext_lazy("Mails with the firm's address"),
    "stage": gettext_lazy("Stage"),
    "subject": gettext_lazy("Subject"),
    "taken away by": gettext_lazy("Taken away by"),
    "text": gettext_lazy("Text"),
    "user_accounts": gettext_lazy("Accounts of users"),
    "user_id": gettext_lazy("User"),
    "values": gettext_lazy("Connection"),
}
CODES: Mapping[str, Mapping[str, object]] = {
    "delivery_mode": dict(DeliveryModeChoices.choices),
    "how": {  # people's SignIn.How
        "password": gettext_lazy("Password"),
        "second": gettext_lazy("Password and second step"),
        "passkey": gettext_lazy("Passkey"),
        "openid": gettext_lazy("OpenID Connect"),
        "link": gettext_lazy("Link by mail"),
    },
    "role": dict(RoleChoices.choices),
    "sends_as_firm": dict(SendsAsFirmChoices.choices),
    "stage": dict(StageChoices.choices),
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
            yield _say_name(name), "", _("changed")
            continue
        yield _say_name(name), _said(event.before, name), _said(event.after, name)


def _say_name(name: str) -> str:
    return str(PARAMETER_LABELS.get(name) or _FIELDS.get(name, name))


def _said(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if name == "expires_at" and (moment := parse_datetime(str(value))) is not None:
        value = date_format(localtime(moment), "SHORT_DATETIME_FORMAT")
    elif isinstance(value, dict):
        value = "; ".join(f"{_say_name(key)}: {_said(value, key) or '–'}" for key in sorted(value))
    elif isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        value = ", ".join(_say_name(item) if name == "locked" else str(item) for item in value)
    elif name in CODES:
        value = CODES[name].get(value, value)
    text = str(value)
    return text if len(text) <= _CLIP else text[:_CLIP] + "…"

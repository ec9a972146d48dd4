"""What every page knows of its reader: colour scheme, own links, and the navigation for their role (ui 13)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailsettings.access import Right, may
from mailsettings.core.send_systems import Role
from mailsettings.models import User


class _Entry(NamedTuple):
    """One place of the portal: URL name, label, icon, who has it."""

    name: str
    label: object
    icon: str
    right: Right | None = None


_MAIL = gettext_lazy("Mail")
_WHO_SENDS = gettext_lazy("Who sends how")
_PEOPLE = gettext_lazy("Master data")
_CHECK = gettext_lazy("Check")
_OPERATION = gettext_lazy("Operation")

_DASHBOARD = _Entry("dashboard", gettext_lazy("Overview"), "home")
_JOBS = _Entry("jobs", gettext_lazy("Mail jobs"), "send")
_LOG = _Entry("log", gettext_lazy("E-mail log"), "log")
_INBOX = _Entry("inbox", gettext_lazy("Internal messages"), "inbox")
_RUNS = _Entry("runs", gettext_lazy("Print runs"), "run")
_SENDERS = _Entry("senders", gettext_lazy("Senders"), "senders")
_OWN = _Entry("own_settings", gettext_lazy("Own settings"), "user", Right.OWN_PARAMETERS)
_SETTINGS = _Entry("settings", gettext_lazy("General settings"), "settings", Right.MANAGE_SETTINGS)
_ACCOUNTS = _Entry("accounts", gettext_lazy("E-mail accounts"), "account", Right.MANAGE_SETTINGS)
_MODELS = _Entry("print_models", gettext_lazy("Print models"), "print-model", Right.MANAGE_SETTINGS)
_ADDRESSES = _Entry("addresses", gettext_lazy("Claimed addresses"), "shield", Right.MANAGE_SETTINGS)
_EMPLOYEES = _Entry("employees", gettext_lazy("Employees"), "employee", Right.MANAGE_SETTINGS)
_USERS = _Entry("users", gettext_lazy("Users"), "users", Right.MANAGE_SETTINGS)
_CUSTOMERS = _Entry("com_customers", gettext_lazy("Com customers"), "com-customer", Right.MANAGE_COM_CUSTOMERS)
_RELEASES = _Entry("releases", gettext_lazy("Release queue"), "state-held", Right.MANAGE_COM_CUSTOMERS)
_DIAGNOSIS = _Entry("diagnosis", gettext_lazy("Mail system diagnosis"), "diagnosis")
_ADVISOR = _Entry("advisor", gettext_lazy("Configuration advisor"), "advisor", Right.MANAGE_SETTINGS)
_CONNECTIONS = _Entry("connections", gettext_lazy("Connections"), "server", Right.MANAGE_SETTINGS)
_AUDIT = _Entry("audit", gettext_lazy("Audit log"), "history", Right.MANAGE_SETTINGS)
_MAILBOX = _Entry("test_mailbox", gettext_lazy("Test mailbox"), "flask")
_ADMIN = _Entry("admin:index", gettext_lazy("Administration"), "settings", Right.OPERATE)

_Groups = tuple[tuple[object, tuple[_Entry, ...]], ...]
_EVERYBODY: _Groups = (
    ("", (_DASHBOARD,)),
    (_MAIL, (_JOBS, _LOG, _INBOX, _RUNS)),
    (_WHO_SENDS, (_SENDERS, _SETTINGS, _OWN, _ACCOUNTS, _ADDRESSES, _MODELS)),
    (_PEOPLE, (_EMPLOYEES, _USERS, _CUSTOMERS, _RELEASES)),
    (_CHECK, (_DIAGNOSIS, _ADVISOR, _CONNECTIONS, _AUDIT, _MAILBOX)),
)
_COM_USER: _Groups = (("", (_DASHBOARD, _SENDERS, _JOBS, _INBOX, _OWN, _MAILBOX)),)  # the log is a step away from the jobs
_OPERATOR: _Groups = (
    ("", (_DASHBOARD,)),
    (_MAIL, (_JOBS, _LOG)),
    (_WHO_SENDS, (_SENDERS,)),
    (_PEOPLE, (_CUSTOMERS,)),
    (_OPERATION, (_ADMIN, _CONNECTIONS, _ADVISOR, _AUDIT, _MAILBOX)),
)


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the navigation."""

    name: str
    group: str
    label: str
    url: str
    icon: str
    active: bool = False
    badge: str = ""
    badge_label: str = ""


def portal(request: HttpRequest) -> dict[str, object]:
    """Colour scheme and own links."""
    user = request.user if hasattr(request, "user") else None
    if not isinstance(user, User):
        return {}
    links = [{"label": _("Own settings"), "url": url_of("own_settings")}] if may(user, Right.OWN_PARAMETERS) else []
    links += [{"label": _("API keys"), "url": url_of("own_keys")}] if may(user, Right.SUBMIT) else []
    links.append({"label": _("Access and security"), "url": url_of("access")})
    return {"theme": user.theme, "user_links": [link for link in links if link["url"]]}


def navigation(request: HttpRequest, user: User, badges: Mapping[str, tuple[str, str]]) -> list[Item]:
    """The places this user has; `badges`: name → what to show beside it, and the words for who hears it."""
    items = list(_places(user))
    active = _active(request.path, items)
    return [
        replace(
            item,
            active=item is active,
            badge=badges.get(item.name, ("", ""))[0],
            badge_label=badges.get(item.name, ("", ""))[1],
        )
        for item in items
    ]


def url_of(name: str) -> str:
    """The address of a page, empty where this installation has no such page."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def _places(user: User) -> Iterator[Item]:
    for group, entries in _groups_of(user):
        for entry in entries:
            if (entry.right is not None and not may(user, entry.right)) or (entry is _MAILBOX and not settings.SMTP_SINK_DIR):
                continue
            if url := url_of(entry.name):
                yield Item(entry.name, str(group), str(entry.label), url, entry.icon)


def _groups_of(user: User) -> _Groups:
    match user.role_enum:
        case Role.COM_USER:
            return _COM_USER
        case Role.OPERATOR:
            return _OPERATOR
        case _:
            return _EVERYBODY


def _active(path: str, items: list[Item]) -> Item | None:
    """The place with the longest address that the page's begins with; the log counts as mail jobs where it has no place."""
    log = url_of("log")
    if path.startswith(log) and not any(item.name == "log" for item in items):
        path = url_of("jobs")
    under = [item for item in items if path == item.url or (item.url != "/" and path.startswith(item.url))]
    return max(under, key=lambda item: len(item.url), default=None)

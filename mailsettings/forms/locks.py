"""What a tenant locks for everything below it, and what the operator locks there (T5)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from mailsettings import changes
from mailsettings.changes import Book
from mailsettings.core.parameters import CONNECTION_KEYS, PARAMETERS, Group, Kind, locked_keys
from mailsettings.forms.fields import ObjectingForm
from mailsettings.forms.login_password import LOGIN_PASSWORD, ask_login_password
from mailsettings.forms.sheet import Entry, sheet_of_tenant
from mailsettings.forms.words import say_value
from mailsettings.locks import Lower, redirected, values_below
from mailsettings.models import Tenant, User
from mailsettings.wording import GROUP_LABELS, PARAMETER_LABELS

WHOLE = "smtp_server"  # locks the whole connection
NAMED = 4  # lower values that one line tells
LOCK, BY_OPERATOR = "lock", "operator"


@dataclass(frozen=True, slots=True)
class Lock:
    """One switch of a row: the field where it can be changed; else `why` it cannot, `implied` by the lock of the server."""

    field: forms.BoundField
    why: str = ""
    implied: bool = False

    @property
    def kept(self) -> bool:
        """Whether the list holds it although the page shows no switch."""
        return self.implied and bool(self.field.value())


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter: what is in force, its switches, and what is ignored below."""

    key: str
    label: str
    value: str
    origin: str
    locks: tuple[Lock, ...]
    ignored: tuple[str, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one group."""

    heading: object
    text: str
    rows: tuple[Row, ...]


class LockForm(ObjectingForm):
    """Which parameters are locked; the operator has a second switch for each, which binds the tenant itself too."""

    def __init__(self, tenant: Tenant, reader: User, data: QueryDict | None = None) -> None:
        self.tenant, self.reader = tenant, reader
        self.sheet = sheet_of_tenant(tenant, reader)
        self.entries = {entry.key: entry for entry in self.sheet.entries}
        self.below: dict[str, list[Lower]] = defaultdict(list)
        for lower in values_below(tenant):
            self.below[lower.key].append(lower)
        super().__init__(data)
        for key, entry in self.entries.items():
            self._add(LOCK, key, listed=key in tenant.locked, closed=bool(entry.locked))
            if reader.is_operator:
                self._add(BY_OPERATOR, key, listed=key in tenant.locked_by_operator, closed=False)

    @property
    def sections(self) -> list[Section]:
        """The rows as the page shows them, grouped like the settings."""
        found = []
        for group in Group:
            rows = tuple(self._row(key) for key in self.entries if PARAMETERS[key].group is group)
            text = ""
            if group is Group.CONNECTION:
                text = _("Whoever locks the SMTP server locks the whole connection: this group, Exchange, OAuth and the limits.")
            found += [Section(GROUP_LABELS[group], text, rows)] if rows else []
        return found

    @property
    def password(self) -> forms.BoundField | None:
        """The field for the log-in password, where it is asked for."""
        return self[LOGIN_PASSWORD] if LOGIN_PASSWORD in self.fields else None

    def clean(self) -> None:
        """Where a lock lets somebody's redirect mode go off, the log-in password once more (U2)."""
        if self._off():
            ask_login_password(self, self.reader)

    def save(self, book: Book) -> None:
        """Write the locks; inside a transaction. Raises Refused."""
        operator = self._listed(BY_OPERATOR) if self.reader.is_operator else None
        changes.save_locks(book, self.tenant, locked=self._listed(LOCK), locked_by_operator=operator)

    def consequences(self, book: Book) -> Sequence[str]:
        """What is ignored below from now on, what counts again, and whose redirect mode goes off."""
        before, after = self._in_effect(), self._after()
        said = [self._say(key, _("%(parameter)s is ignored from now on: %(values)s.")) for key in self._keys(after - before)]
        said += [self._say(key, _("%(parameter)s counts again: %(values)s.")) for key in self._keys(before - after)]
        if off := self._off():
            message = _("The redirect mode goes off, and mail goes to its real recipients: %(names)s.")
            said.append(message % {"names": ", ".join(sorted(off.values(), key=str.casefold))})
        return said

    def _add(self, kind: str, key: str, *, listed: bool, closed: bool) -> None:
        label = PARAMETER_LABELS[key] if kind == LOCK else _("%(parameter)s: operator") % {"parameter": PARAMETER_LABELS[key]}
        self.fields[f"{kind}-{key}"] = forms.BooleanField(label=label, required=False, initial=listed, disabled=closed)

    def _row(self, key: str) -> Row:
        entry = self.entries[key]
        locks = [self._lock(LOCK, key, entry.locked)]
        if self.reader.is_operator:
            locks.append(self._lock(BY_OPERATOR, key, ""))
        lower = [_say_lower(value) for value in self.below[key]] if key in self._in_effect() else []
        value = _say_value(entry)
        return Row(
            key,
            str(PARAMETER_LABELS[key]),
            value,
            entry.origin if entry.origin != value else "",
            tuple(locks),
            tuple(lower[:NAMED]),
            max(len(lower) - NAMED, 0),
        )

    def _lock(self, kind: str, key: str, why: str) -> Lock:
        with_server = key in CONNECTION_KEYS and key != WHOLE and bool(self[f"{kind}-{WHOLE}"].value())
        return Lock(self[f"{kind}-{key}"], why, implied=with_server and not why)

    def _listed(self, kind: str) -> list[str]:
        """The list as it was typed; what this reader cannot change, or what means nothing here, stays."""
        stored = self.tenant.locked if kind == LOCK else self.tenant.locked_by_operator
        fields = {key: self.fields.get(f"{kind}-{key}") for key in PARAMETERS}
        return [
            key
            for key, field in fields.items()
            if (key in stored if field is None or field.disabled else self.cleaned_data[f"{kind}-{key}"])
        ]

    def _in_effect(self) -> frozenset[str]:
        """What is locked for everything below, as stored."""
        return locked_keys(frozenset([*self.tenant.locked, *self.tenant.locked_by_operator]))

    def _after(self) -> frozenset[str]:
        """The same as typed."""
        operator = self._listed(BY_OPERATOR) if self.reader.is_operator else self.tenant.locked_by_operator
        return locked_keys(frozenset([*self._listed(LOCK), *operator]))

    def _keys(self, keys: Iterable[str]) -> list[str]:
        """Those with a value below, in the order of the page."""
        wanted = set(keys)
        return [key for key in PARAMETERS if key in wanted and self.below[key]]

    def _off(self) -> Mapping[tuple[str, int], str]:
        """Whose redirect mode would go off."""
        before, after = self._in_effect(), self._after()
        if "redirect_enabled" not in after - before:
            return {}
        still = redirected(self.tenant, after)
        return {row: name for row, name in redirected(self.tenant, before).items() if row not in still}

    def _say(self, key: str, message: str) -> str:
        lower = self.below[key]
        values = "; ".join(map(_say_lower, lower[:NAMED]))
        if (more := len(lower) - NAMED) > 0:
            values = _("%(values)s and %(more)s more") % {"values": values, "more": more}
        return message % {"parameter": PARAMETER_LABELS[key], "values": values}


def _say_lower(lower: Lower) -> str:
    if lower.value is None or PARAMETERS[lower.key].kind is Kind.CERTIFICATE:
        return lower.owner
    return f"{lower.owner} ({say_value(lower.key, lower.value)})"


def _say_value(entry: Entry) -> str:
    """What is in force at the tenant, as far as the reader may see it."""
    kind = PARAMETERS[entry.key].kind
    value = entry.own if entry.own is not None else entry.inherited
    if kind is Kind.SECRET:
        return pgettext("password", "entered") if entry.secret is not None else entry.origin
    if value is None or value in ("", ()):
        return entry.origin
    return pgettext("certificate", "entered") if kind is Kind.CERTIFICATE else say_value(entry.key, value)

"""Forms of the settings pages: they ask the core early, `changes` asks again."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from mailsettings.changes import Refused
from mailsettings.core.parameters import CONNECTION_KEYS, PARAMETERS, SECRET_KEYS, Kind, Parameter, ParameterInvalid, parse_value
from mailsettings.core.send_systems import SEND_SYSTEMS
from mailsettings.help import PARAMETER_HELP, PARAMETER_MORE
from mailsettings.models import EmailAccount, Employee, Tenant, User
from mailsettings.portal import Line, Sheet
from mailsettings.wording import CHOICE_LABELS, GROUP_LABELS, PARAMETER_LABELS, SEND_SYSTEM_LABELS, say_parameter_fault

ACCOUNT_KEYS = (
    "smtp_server", "smtp_port", "smtp_tls", "smtp_user", "smtp_password", "send_system", "allow_plain_auth", "ca_certificate",
    "max_connections",
)  # fmt: skip
_SWITCH = {"yes": True, "no": False}


class Form(forms.Form):
    """A form to which refusals of the flow come back as errors of their fields."""

    def object(self, refused: Refused) -> None:
        """Show what `changes` objected to."""
        for objection in refused.objections:
            self.add_error(objection.field if objection.field in self.fields else None, objection.message)


class ParameterFields(Form):
    """Fields for parameters; an empty one means "not set here"."""

    def add_parameter(self, row: Parameter, value: object, *, inherits: object = "") -> forms.Field:
        field = _field_for(row, inherits)
        field.required = False
        field.label = str(PARAMETER_LABELS[row.key])
        field.help_text = str(PARAMETER_HELP[row.key])
        field.more = PARAMETER_MORE.get(row.key, "")  # type: ignore[attr-defined]
        field.mono = row.kind in {Kind.HOST, Kind.CERTIFICATE, Kind.NETWORKS}  # type: ignore[attr-defined]
        self.fields[row.key] = field
        if row.kind is not Kind.SECRET:
            self.initial[row.key] = _shown(row, value)
        return field

    def parsed(self, keys: Iterable[str]) -> dict[str, object]:
        """The typed values of these fields, secrets left out; what cannot be becomes an error of its field."""
        values: dict[str, object] = {}
        for key in keys:
            if PARAMETERS[key].kind is Kind.SECRET:
                continue
            try:
                values[key] = parse_value(key, _typed(PARAMETERS[key], self.cleaned_data.get(key, "")))
            except ParameterInvalid as invalid:
                self.add_error(key, say_parameter_fault(invalid))
        return values

    def entered_secrets(self) -> dict[str, str]:
        return {key: self.cleaned_data[key] for key in SECRET_KEYS if self.cleaned_data.get(key)}


class ParameterForm(ParameterFields):
    """General or own settings: each field with its origin, locked ones shown and not editable."""

    login_password = forms.CharField(
        label=_("Your log-in password"),
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text=_("Is asked for when the redirect mode is switched off."),
    )

    def __init__(self, data: Mapping[str, Any] | None, *, sheet: Sheet, reader: User) -> None:
        super().__init__(data)
        self.sheet, self.reader = sheet, reader
        for line in sheet.lines:
            self._add_line(line)
        self._redirected = next((line.own is True for line in sheet.lines if line.key == "redirect_enabled"), False)
        if not self._redirected:
            del self.fields["login_password"]

    def _add_line(self, line: Line) -> None:
        field = self.add_parameter(line.parameter, line.own)
        field.disabled = bool(line.locked)
        text = ". ".join(part for part in (line.locked, line.secret or line.origin) if part)
        field.origin = {"text": text, "own": line.has_own, "locked": bool(line.locked)}  # type: ignore[attr-defined]

    @property
    def grouped_fields(self) -> list[dict[str, object]]:
        groups: list[dict[str, object]] = []
        for group, lines in self.sheet.grouped:
            bound = [self[line.key] for line in lines]
            if group.value == "redirect" and "login_password" in self.fields:
                bound.append(self["login_password"])
            groups.append({"heading": GROUP_LABELS[group], "fields": bound})
        return groups

    def clean(self) -> dict[str, Any]:
        editable = [line.key for line in self.sheet.lines if not line.locked]
        self.values = self.parsed(editable)
        switched_off = self._redirected and self.values.get("redirect_enabled") is not True
        if switched_off and not self.reader.check_password(self.cleaned_data.get("login_password", "")):
            self.add_error("login_password", _("Enter your log-in password to switch the redirect mode off."))
        return self.cleaned_data


class AccountForm(ParameterFields):
    """An e-mail account: sender address, and a connection of its own or none."""

    slug = forms.CharField(label=_("ID"), max_length=64, help_text=_("Print models name the account by it."))
    sender_address = forms.CharField(
        label=_("Sender address"), max_length=400, help_text=_("In the form name@example.com or Name <name@example.com>.")
    )
    user = forms.ModelChoiceField(
        label=_("Belongs to user ID"),
        queryset=User.objects.none(),
        required=False,
        empty_label=_("nobody"),
        help_text=_("This user sends with the account wherever no print model names another one."),
    )
    active = forms.BooleanField(label=_("Active"), required=False, initial=True)

    def __init__(self, data: Mapping[str, Any] | None, *, tenant: Tenant, account: EmailAccount | None) -> None:
        super().__init__(data)
        self.fields["user"].queryset = tenant.users.all()  # type: ignore[attr-defined]
        for key in ACCOUNT_KEYS:
            self.add_parameter(PARAMETERS[key], (account.values if account else {}).get(key), inherits=_("as in the parameters"))
        self.other_values = {key: value for key, value in (account.values if account else {}).items() if key not in ACCOUNT_KEYS}
        if account:
            self.fields["slug"].disabled = True
            self.initial.update(slug=account.slug, sender_address=account.sender_address)
            self.initial.update(user=account.user_id, active=account.is_active)

    @property
    def grouped_fields(self) -> list[dict[str, object]]:
        names = ("slug", "sender_address", "user", "active")
        text = _("Empty server: mail with this address goes over the connection of the parameters.")
        return [
            {"heading": _("Account"), "fields": [self[name] for name in names]},
            {"heading": _("Own connection"), "text": text, "fields": [self[key] for key in ACCOUNT_KEYS]},
        ]

    def clean(self) -> dict[str, Any]:
        self.values = {**self.other_values, **self.parsed(ACCOUNT_KEYS)}
        return self.cleaned_data


class EmployeeForm(Form):
    """An employee with addresses and the linked user-ID (T3)."""

    number = forms.CharField(label=_("ID"), max_length=64)
    name = forms.CharField(label=_("Name"), max_length=200)
    email = forms.CharField(label=_("E-mail"), max_length=300, required=False)
    additional_emails = forms.CharField(
        label=_("Further e-mail addresses"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("One address a line. With “Check sender” on, the linked user may send with all of them."),
    )
    user = forms.ModelChoiceField(
        label=_("Linked user ID"),
        queryset=User.objects.none(),
        required=False,
        empty_label=_("nobody"),
        help_text=_("Rules about the employee's address need this link."),
    )
    active = forms.BooleanField(label=_("Active"), required=False, initial=True)

    def __init__(self, data: Mapping[str, Any] | None, *, tenant: Tenant, employee: Employee | None) -> None:
        super().__init__(data)
        self.fields["user"].queryset = tenant.users.all()  # type: ignore[attr-defined]
        if employee:
            self.fields["number"].disabled = True
            self.initial = {
                "number": employee.number,
                "name": employee.name,
                "email": employee.email,
                "additional_emails": "\n".join(employee.additional_emails),
                "user": employee.user_id,
                "active": employee.is_active,
            }

    @property
    def further(self) -> list[str]:
        return [line.strip() for line in self.cleaned_data["additional_emails"].splitlines() if line.strip()]


def without(data: QueryDict, name: str) -> QueryDict:
    """What was posted, with one field emptied: the way back to the inherited value."""
    changed = data.copy()
    changed[name] = ""
    return changed


def _field_for(row: Parameter, inherits: object) -> forms.Field:
    empty = inherits or _("inherited")
    if row.key == "send_system":
        systems = [(str(number), SEND_SYSTEM_LABELS[number]) for number in SEND_SYSTEMS]
        return forms.ChoiceField(choices=[("", empty), *systems])
    match row.kind:
        case Kind.SWITCH:
            return forms.ChoiceField(choices=[("", empty), ("yes", _("yes")), ("no", _("no"))])
        case Kind.CHOICE:
            return forms.ChoiceField(choices=[("", empty), *((choice, CHOICE_LABELS[row.key, choice]) for choice in row.choices)])
        case Kind.ADDRESSES | Kind.NETWORKS:
            return forms.CharField(widget=forms.Textarea(attrs={"rows": 2}))
        case Kind.CERTIFICATE:
            return forms.CharField(widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}), strip=False)
        case Kind.SECRET:
            return forms.CharField(widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), strip=False)
        case Kind.NUMBER:
            return forms.CharField(widget=forms.TextInput(attrs={"inputmode": "numeric"}))
        case _:
            return forms.CharField()


def _shown(row: Parameter, value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return "\n".join(value)
        case _:
            return str(value)


def _typed(row: Parameter, text: str) -> object:
    """What was typed, in the type its parameter has; what has not that type stays text, for the core to object to."""
    match row.kind:
        case Kind.SWITCH:
            return _SWITCH.get(text)
        case Kind.NUMBER:
            stripped = text.strip()
            return int(stripped) if stripped.isdecimal() else stripped or None
        case Kind.ADDRESSES | Kind.NETWORKS:
            return [line for line in text.splitlines() if line.strip()]
        case _:
            return text


assert set(ACCOUNT_KEYS) <= CONNECTION_KEYS  # noqa: S101 (`changes` takes no others)

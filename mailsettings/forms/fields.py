"""Form fields for parameters: tri-state switches, write-only secrets, the inherited value in grey (rules P)."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.formats import date_format
from django.utils.html import conditional_escape, format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailsettings.changes import Refused
from mailsettings.core.parameters import PARAMETERS, Group, Kind, Parameter, Value
from mailsettings.core.send_systems import SEND_SYSTEMS, Credentials
from mailsettings.foresight import Foresight
from mailsettings.forms.sheet import Entry
from mailsettings.forms.words import HELP, advice_on, say_value
from mailsettings.models import Tenant, user_id_validator
from mailsettings.vault import SecretUnreadable, seal, unseal
from mailsettings.wording import CHOICE_LABELS, GROUP_LABELS, PARAMETER_LABELS, SEND_SYSTEM_LABELS

INHERIT = "inherit"
KEPT = "kept-"  # before the name of a secret's field: the sealed text of what was typed there
FOLDED = frozenset({Group.EXCHANGE, Group.OAUTH, Group.LIMITS})
_MONO = frozenset({Kind.CERTIFICATE, Kind.KEY, Kind.NETWORKS})


class SecretLines(forms.Textarea):
    """A secret of several lines; like a password it is never shown again."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


class LinesField(forms.CharField):
    """A list of texts, one per line."""

    widget = forms.Textarea(attrs={"rows": 3})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, (list, tuple)) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]


class ObjectingForm(forms.Form):
    """A form that shows what `changes` refuses at the fields it speaks of, and whose groups may be folded.

    A secret that was typed is never echoed: where the form is shown again it travels sealed (`kept_secrets`), so that nothing
    need be typed twice. `foresight` is set where the reader must say yes first (`portal.write`).
    """

    foresight: Foresight | None = None

    def __init__(self, data: QueryDict | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(_with_kept_secrets(data), *args, **kwargs)
        for field in self.fields.values():  # the template trusts help texts, and these name addresses in angle brackets
            field.help_text = conditional_escape(str(field.help_text))

    def show_objections(self, refused: Refused) -> None:
        for objection in refused.objections:
            self.add_error(objection.field if objection.field in self.fields else None, objection.message)

    @property
    def kept_secrets(self) -> list[tuple[str, str]]:
        """(name, sealed text) of each secret that was typed, for hidden fields."""
        if not self.is_bound:
            return []
        typed = [
            (name, str(self.data.get(name) or ""))
            for name, field in self.fields.items()
            if isinstance(field.widget, (forms.PasswordInput, SecretLines)) and not field.disabled
        ]
        return [(f"{KEPT}{name}", _seal_typed(name, text)) for name, text in typed if text]

    def group(self, heading: object, names: Iterable[str], *, text: str = "", folded: bool = False) -> dict[str, Any]:
        """A group as `templates/mailsettings/form.html` shows it; one with errors or own values is never folded."""
        fields = [self[name] for name in names if name in self.fields]
        busy = any(field.errors or self._filled(field) for field in fields)
        return {"heading": heading, "text": text, "fields": fields, "foldable": folded, "open": busy}

    def _filled(self, field: forms.BoundField) -> bool:
        return field.value() not in (None, "", []) or bool(getattr(field.field, "filled", False))


def _seal_typed(name: str, text: str) -> str:
    return base64.urlsafe_b64encode(seal(text, owner="typed in a form", key=name, binding="")).decode()


def _with_kept_secrets(data: QueryDict | None) -> QueryDict | None:
    """The posted data with the sealed secrets where nothing new was typed; what cannot be unsealed counts as nothing."""
    kept = [name for name in data if name.startswith(KEPT)] if data else []
    if data is None or not kept:
        return data
    data = data.copy()
    for name in kept:
        field = name.removeprefix(KEPT)
        if not data.get(field):
            try:
                data[field] = unseal(base64.urlsafe_b64decode(str(data[name])), owner="typed in a form", key=field, binding="")
            except (SecretUnreadable, ValueError):
                continue
    return data


def login_field() -> forms.CharField:
    """The user ID of a new user (T2)."""
    return forms.CharField(
        label=gettext_lazy("User ID"),
        max_length=64,
        validators=[user_id_validator],
        help_text=gettext_lazy("Small letters, digits, dots, hyphens and underscores; it cannot be changed later."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )


def contact_field() -> forms.CharField:
    """Where a user is reached, which is no sender address."""
    return forms.CharField(
        label=gettext_lazy("E-mail"),
        required=False,
        help_text=gettext_lazy("Where this person is reached; the sender address is in the user's own settings."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


def parameter_field(entry: Entry, *, shared_identity: bool, inherits: bool = True) -> forms.Field:
    """The field of one parameter; `shared_identity` offers send systems 2 and 3, `inherits` shows the origin."""
    row = PARAMETERS[entry.key]
    field = _bare_field(row, entry, shared_identity=shared_identity)
    field.label, field.required, field.disabled = PARAMETER_LABELS[entry.key], False, bool(entry.locked)
    field.help_text = conditional_escape(_say_secret(entry) or str(HELP[entry.key]))
    shown: dict[str, Any] = {"more": advice_on(entry.key), "mono": row.kind in _MONO, "filled": entry.secret is not None}
    if entry.locked:
        shown["origin"] = {
            "text": entry.locked if entry.is_own or not entry.origin else f"{entry.origin}. {entry.locked}",
            "own": False,
            "locked": True,
        }
    elif inherits or entry.secret is not None:
        shown["origin"] = {"text": entry.origin, "own": entry.is_own, "locked": False}
    for name, value in shown.items():
        setattr(field, name, value)
    return field


def initial_of(entry: Entry) -> Any:
    """What the field shows at first: the own value, or the inherited one where nobody can type."""
    value = entry.own if not entry.locked or entry.own is not None else entry.inherited
    if isinstance(value, bool):
        return "yes" if value else "no"
    return list(value) if isinstance(value, tuple) else value


def offer_users(field: forms.Field, tenant: Tenant) -> None:
    """Let a field choose among the users of one tenant."""
    if isinstance(field, forms.ModelChoiceField):
        field.queryset = tenant.users.order_by("login")


def parameter_groups(
    form: ObjectingForm, keys: Iterable[str], *, extra: Mapping[Group, str] | None = None
) -> list[dict[str, Any]]:
    """The fields of these parameters under the headings of their groups; `extra` is one more field for a group."""
    wanted = set(keys) & set(form.fields)
    groups = []
    for group in Group:
        names = [key for key, row in PARAMETERS.items() if row.group is group and key in wanted]
        names += [name for name in ((extra or {}).get(group),) if name in form.fields]
        if names:
            groups.append(form.group(GROUP_LABELS[group], names, folded=group in FOLDED))
    return groups


def _bare_field(row: Parameter, entry: Entry, *, shared_identity: bool) -> forms.Field:
    if row.key == "send_system":
        return _choice(
            [(number, SEND_SYSTEM_LABELS[number]) for number in _possible(entry, shared_identity=shared_identity)], entry, int
        )
    match row.kind:
        case Kind.SWITCH:
            return _choice([("yes", _("Yes")), ("no", _("No"))], entry, lambda value: value == "yes")
        case Kind.CHOICE:
            return _choice([(choice, CHOICE_LABELS[row.key, choice]) for choice in row.choices], entry, str)
        case Kind.NUMBER:
            return forms.IntegerField(widget=forms.TextInput(attrs=_hints(entry) | {"inputmode": "numeric"}))
        case Kind.DATE:
            return forms.CharField(widget=forms.TextInput(attrs={"type": "date", "autocomplete": "off"}))
        case Kind.ADDRESSES | Kind.NETWORKS:
            return LinesField(widget=forms.Textarea(attrs=_hints(entry) | {"rows": 3}))
        case Kind.CERTIFICATE:
            return forms.CharField(widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}))
        case Kind.KEY:
            return forms.CharField(
                widget=SecretLines(attrs={"rows": 4, "spellcheck": "false", "autocomplete": "off"}), strip=False
            )
        case Kind.SECRET:
            return forms.CharField(widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), strip=False)
        case _:
            return forms.CharField(widget=forms.TextInput(attrs=_hints(entry)))


def _possible(entry: Entry, *, shared_identity: bool) -> list[int]:
    process = Credentials.PROCESS
    return [
        number
        for number, row in SEND_SYSTEMS.items()
        if shared_identity or row.credentials is not process or number in (entry.own, entry.inherited)
    ]


def _choice(choices: list[tuple[Any, Any]], entry: Entry, coerce: Any) -> forms.Field:
    nothing = _("Not set here")
    if entry.inherited is not None:
        message = _("Default: %(value)s") if entry.by_default else _("Inherited: %(value)s")
        nothing = message % {"value": say_value(entry.key, entry.inherited)}
    return forms.TypedChoiceField(choices=[("", nothing), *choices], coerce=coerce, empty_value=None)


def _hints(entry: Entry) -> dict[str, str]:
    hints = {"autocomplete": "off", "spellcheck": "false"}
    if entry.inherited is not None and entry.own is None:
        hints["placeholder"] = _say_hint(entry.inherited)
    return hints


def _say_hint(value: Value) -> str:
    return "\n".join(value) if isinstance(value, (tuple, list)) else str(value)


def _say_secret(entry: Entry) -> str:
    if entry.secret is None:
        return ""
    day = date_format(localtime(entry.secret.changed_at), "SHORT_DATE_FORMAT")
    if entry.secret_fits:
        return _("Entered on %(day)s. Leave empty to keep it.") % {"day": day}
    message = _("Entered on %(day)s; must be entered again because server, user, authority or client have changed.")
    if entry.key == "client_key":
        message = _("Entered on %(day)s; must be entered again because server, port, TLS or certificate have changed.")
    if entry.key in {"smtp_password", "imap_password"}:
        message = _("Entered on %(day)s; must be entered again because server, port, user or TLS have changed.")
    return format_html('<strong class="is-error">{}</strong>', message % {"day": day})

"""What the settings pages show of parameters: own value, where the value in force comes from, who locked it (P, T4, T5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from mailsettings.access import Right, may
from mailsettings.core.parameters import (
    CONNECTION_KEYS,
    PARAMETERS,
    Group,
    Holder,
    Kind,
    Layer,
    Parameter,
    ParameterLevel,
    Value,
    locked_keys,
    resolve,
)
from mailsettings.core.relay import Level, binding, oauth_binding
from mailsettings.models import ParameterSet, Secret, Tenant, User
from mailsettings.selectors import general_layers, owner_of
from mailsettings.wording import CHOICE_LABELS, SEND_SYSTEM_LABELS

FIRM_VALUES_SHOWN = frozenset({"sender_address", "redirect_enabled", "redirect_addresses"})  # to a Com customer (T4)
OWN_KEYS = frozenset({"sender_address", "smtp_user", "smtp_password"})
REDIRECT_KEYS = frozenset(key for key, row in PARAMETERS.items() if row.group is Group.REDIRECT)
_GENERAL_ONLY = frozenset({"allowed_networks", "retention_days"})


@dataclass(frozen=True, slots=True)
class Line:
    """One parameter on a page. `origin`: where the value in force comes from; `locked`: who locked it, empty for nobody."""

    parameter: Parameter
    own: Value | None
    origin: str
    locked: str = ""
    secret: str = ""  # what is to be said about a stored secret

    @property
    def key(self) -> str:
        return self.parameter.key

    @property
    def has_own(self) -> bool:
        return self.own is not None or bool(self.secret)


@dataclass(frozen=True, slots=True)
class Sheet:
    """The parameters of one owner as one reader may see and change them."""

    owner: Tenant | User
    lines: tuple[Line, ...]

    @property
    def grouped(self) -> list[tuple[Group, list[Line]]]:
        found = [(group, [line for line in self.lines if line.parameter.group is group]) for group in Group]
        return [(group, lines) for group, lines in found if lines]


def sheet_of(owner: Tenant | User, reader: User) -> Sheet:
    """The sheet of general (tenant) or own (user) settings."""
    tenant = owner if isinstance(owner, Tenant) else owner.tenant
    if tenant is None:
        raise ValueError("an operator has no settings")
    parameter_set = _set_of(owner)
    holder = Holder(owner_of(parameter_set) if parameter_set else "", dict(parameter_set.values) if parameter_set else {})
    layers = general_layers(tenant)
    above = layers if isinstance(owner, User) else layers[1:]
    secrets = {row.key: row for row in Secret.objects.filter(parameter_set=parameter_set)} if parameter_set else {}
    level = Level("", "", holder, tuple(layer.holder for layer in above))
    return Sheet(owner, tuple(_line(key, owner, reader, level, above, secrets.get(key)) for key in _keys(owner, reader)))


def say_value(key: str, value: Value | None) -> str:
    """A value as people read it."""
    row = PARAMETERS[key]
    if value is None or value in ("", ()):
        return _("not set")
    if key == "send_system" and isinstance(value, int):
        return str(SEND_SYSTEM_LABELS[value])
    match row.kind:
        case Kind.SWITCH:
            return _("yes") if value else _("no")
        case Kind.CHOICE:
            return str(CHOICE_LABELS[key, str(value)])
        case Kind.CERTIFICATE:
            return _("set")
        case _:
            return ", ".join(value) if isinstance(value, (tuple, list)) else str(value)


def _set_of(owner: Tenant | User) -> ParameterSet | None:
    mine = {"tenant": owner} if isinstance(owner, Tenant) else {"user": owner}
    return ParameterSet.objects.filter(**mine).first()


def _keys(owner: Tenant | User, reader: User) -> list[str]:
    keys = [key for key in PARAMETERS if _offered(key, owner, reader)]
    if isinstance(owner, User) and not may(reader, Right.OWN_SERVER):
        keys = [key for key in keys if key in OWN_KEYS]
    return keys


def _offered(key: str, owner: Tenant | User, reader: User) -> bool:
    if isinstance(owner, User) and key in _GENERAL_ONLY:
        return False
    if PARAMETERS[key].firm_only and (isinstance(owner, User) or owner.is_com_customer):
        return False
    if key in REDIRECT_KEYS:
        return may(reader, Right.SWITCH_REDIRECT)
    return key != "check_sender" or may(reader, Right.SWITCH_CHECK_SENDER)


def _line(key: str, owner: Tenant | User, reader: User, level: Level, above: Sequence[Layer], secret: Secret | None) -> Line:  # noqa: PLR0917 (private)
    own = level.holder.values.get(key)
    inherited = resolve(above, key)
    text = _say_origin(key, reader, inherited.value, inherited.layer)
    said = _say_secret(key, level, secret.binding, secret.changed_at) if secret else ""
    if own is not None:
        text = _("Set here. Otherwise: %(inherited)s") % {"inherited": text}
    return Line(PARAMETERS[key], own, text, _locked_by(key, owner, reader, above), said)


def _say_origin(key: str, reader: User, value: Value | None, layer: Layer | None) -> str:
    if PARAMETERS[key].kind is Kind.SECRET:
        return _("Entered where the user stands.")
    if layer is None:
        return _("Default: %(value)s") % {"value": say_value(key, value)}
    if layer.level is ParameterLevel.FIRM and reader.tenant and reader.tenant.is_com_customer and key not in FIRM_VALUES_SHOWN:
        return _("Mail server of the firm") if key in CONNECTION_KEYS else _("Set by the firm")
    words = {
        ParameterLevel.USER: _("From the own settings: %(value)s"),
        ParameterLevel.COM: _("From the Com customer: %(value)s"),
        ParameterLevel.FIRM: _("From the firm: %(value)s"),
    }
    return words[layer.level] % {"value": say_value(key, value)}


def _say_secret(key: str, level: Level, bound_to: str, changed_at: datetime) -> str:
    """Whether a stored secret still fits what it was entered for (P5)."""
    now = binding(level) if key == "smtp_password" else oauth_binding(level)
    if now != bound_to:
        return _("Must be entered again, because server, port, user or TLS have changed.")
    return _("Entered on %(date)s.") % {"date": date_format(localtime(changed_at), "SHORT_DATE_FORMAT")}


def _locked_by(key: str, owner: Tenant | User, reader: User, above: Sequence[Layer]) -> str:
    if isinstance(owner, Tenant) and key in locked_keys(frozenset(owner.locked_by_operator)) and not reader.is_operator:
        return _("Locked by the operator")
    for layer in above:
        if key in locked_keys(layer.locked):
            return (
                _("Locked by the firm") if layer.level is ParameterLevel.FIRM else _("Locked by the Com customer's administrator")
            )
    return ""

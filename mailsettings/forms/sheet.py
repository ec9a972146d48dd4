"""What a settings page shows of each parameter to one reader: value, origin, lock (T4, T5)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from mailsettings.access import Right, may
from mailsettings.changes import POLICY_KEYS, Owner, secret_fits, secrets_of
from mailsettings.core.parameters import (
    CONNECTION_KEYS,
    PARAMETERS,
    SECRET_KEYS,
    Group,
    Layer,
    ParameterLevel,
    Value,
    resolve,
)
from mailsettings.locks import ignored_at, locked_at
from mailsettings.models import Secret, Tenant, User
from mailsettings.selectors import general_layers, world_of

# What a Com customer may see of its firm's values (T4): the address its mail would carry, and what binds its mail anyway.
VISIBLE_OF_FIRM = POLICY_KEYS | {"sender_address"}
ONLY_CONFIRMED_BY_FIRMS = "confirm_shared_identity"
_OWN_LOGIN = frozenset({"sender_address", "smtp_user", "smtp_password"})
_OWN_SERVER = frozenset(
    key for key, row in PARAMETERS.items() if row.group in {Group.CONNECTION, Group.EXCHANGE, Group.OAUTH}
) - {ONLY_CONFIRMED_BY_FIRMS}
_STICKY = frozenset({"check_sender", "redirect_enabled"})  # on at any level means on


@dataclass(frozen=True, slots=True)
class Entry:
    """One parameter as the page shows it; `inherited` holds where it is not set here, None where the reader may not see it."""

    key: str
    own: Value | None = None
    inherited: Value | None = None
    by_default: bool = False  # nobody sets it, the inherited value is the default
    origin: str = ""
    locked: str = ""  # why it cannot be changed
    secret: Secret | None = None
    secret_fits: bool = True

    @property
    def is_own(self) -> bool:
        return self.own is not None or self.secret is not None


@dataclass(frozen=True, slots=True)
class Sheet:
    """All parameters of an owner as one reader sees them."""

    owner: Tenant | User
    reader: User
    entries: tuple[Entry, ...]
    layers: tuple[Layer, ...]


def sheet_of_tenant(tenant: Tenant, reader: User) -> Sheet:
    """The general settings of a tenant."""
    closed = _closed_to(reader)
    return _sheet(tenant, reader, general_layers(tenant), _keys_at(tenant), closed | locks_on(tenant, reader))


def sheet_of_user(user: User, reader: User) -> Sheet:
    """A user's own settings: they themselves see what they may set, and what an administrator or an import has set for them;
    where `reader` is somebody else, an administrator, all that a user can have.
    """
    if user.tenant is None:
        raise ValueError("an operator has no settings")
    layers = world_of(user.tenant, [user]).layers_for(user.login)
    if reader.pk != user.pk:
        closed = _closed_to(reader)
        shown = [key for key in _keys_at(user.tenant) if not PARAMETERS[key].firm_only]
        return _sheet(user, reader, layers, shown, closed | locks_on(user, reader))
    keys = _OWN_LOGIN | _OWN_SERVER if may(user, Right.OWN_SERVER) else _OWN_LOGIN
    found = set(layers[0].holder.values) | set(layers[0].holder.secrets)
    closed = dict.fromkeys(found - keys, _("Only an administrator changes this."))
    if may(user, Right.MANAGE_SETTINGS):
        closed = _closed_to(user)
    shown = [key for key in PARAMETERS if key in keys | found]
    return _sheet(user, user, layers, shown, closed | locks_on(user, user))


def _keys_at(tenant: Tenant) -> list[str]:
    """The parameters that have a meaning at a tenant."""
    return [
        key for key, row in PARAMETERS.items() if not tenant.is_com_customer or not _for_firms_only(key, firm_only=row.firm_only)
    ]


def _closed_to(reader: User) -> dict[str, str]:
    """What a reader sees but may not change: the policies, to those without the right."""
    closed = {} if may(reader, Right.SWITCH_CHECK_SENDER) else {"check_sender": _("Only the firm's administrator changes this.")}
    if not may(reader, Right.SWITCH_REDIRECT):
        closed |= dict.fromkeys(POLICY_KEYS - {"check_sender"}, _("Only an administrator changes this."))
    return closed


def locks_on(owner: Owner, reader: User) -> dict[str, str]:
    """What this reader cannot change at an owner: parameter → who locked it, in words (T5)."""
    return ignored_at(owner) if reader.is_operator else locked_at(owner)


def sees_firm(reader: User, tenant: Tenant | None) -> bool:
    """Whether a reader may see the values of the firm of this tenant (T4)."""
    return tenant is None or reader.is_operator or reader.tenant_id == (tenant.firm_id or tenant.pk)


def secrets_with_fit(owner: Owner) -> dict[str, tuple[Secret, bool]]:
    """The stored secrets of an owner, and whether they still fit (P5)."""
    return {secret.key: (secret, secret_fits(owner, secret)) for secret in secrets_of(owner)}


def _sheet(owner: Tenant | User, reader: User, layers: Sequence[Layer], keys: Iterable[str], locks: Mapping[str, str]) -> Sheet:
    secrets = secrets_with_fit(owner)
    tenant = owner if isinstance(owner, Tenant) else owner.tenant
    open_firm = sees_firm(reader, tenant)
    names = {member.slug: member.name for member in (tenant, tenant.firm if tenant else None) if member}
    entries = []
    for key in keys:
        own = layers[0].holder.values.get(key)
        secret, fits = secrets.get(key, (None, True)) if key not in layers[0].ignored else (None, True)
        origin = resolve(layers[1:], key)
        hidden = _hidden(key, origin.layer, open_firm=open_firm)
        entries.append(
            Entry(
                key,
                own=own,
                inherited=None if hidden else origin.value,
                by_default=origin.layer is None,
                origin=_stays_on(key, layers[1:], names)
                or _say_origin(key, layers, names, set_here=own is not None or bool(secret), open_firm=open_firm),
                locked=locks.get(key, ""),
                secret=secret,
                secret_fits=fits,
            )
        )
    return Sheet(owner, reader, tuple(entries), tuple(layers))


def _for_firms_only(key: str, *, firm_only: bool) -> bool:
    return firm_only or key == ONLY_CONFIRMED_BY_FIRMS


def _hidden(key: str, layer: Layer | None, *, open_firm: bool) -> bool:
    return layer is not None and layer.level is ParameterLevel.FIRM and not open_firm and key not in VISIBLE_OF_FIRM


def _say_origin(key: str, layers: Sequence[Layer], names: Mapping[str, str], *, set_here: bool, open_firm: bool) -> str:
    if set_here:
        return _("Set here")
    layer = _first_with_secret(layers[1:], key) if key in SECRET_KEYS else resolve(layers[1:], key).layer
    if layer is None:
        return _("Not set") if PARAMETERS[key].default is None else _("Default")
    if _hidden(key, layer, open_firm=open_firm):
        return _("Mail server of the firm") if key in CONNECTION_KEYS else _("Set by the firm")
    return _("Inherited from %(name)s") % {"name": names.get(layer.source, layer.source)}


def _first_with_secret(layers: Sequence[Layer], key: str) -> Layer | None:
    return next((layer for layer in layers if key in layer.holder.secrets), None)


def _stays_on(key: str, above: Sequence[Layer], names: Mapping[str, str]) -> str:
    """Who has switched on, above, what no level below can switch off (C1, U2)."""
    if key not in _STICKY:
        return ""
    layer = next((layer for layer in above if layer.holder.switch(key) is True), None)
    return (
        _("Switched on by %(name)s, and on whatever is chosen here") % {"name": names.get(layer.source, layer.source)}
        if layer
        else ""
    )

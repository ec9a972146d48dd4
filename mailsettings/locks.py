"""What is locked, by whom, and which values below are ignored because of it (T5)."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from django.db.models import Q
from django.utils.translation import gettext as _

from mailsettings.core.parameters import Holder, Layer, ParameterLevel, Value, in_force, locked_keys, on_anywhere
from mailsettings.models import EmailAccount, ParameterSet, Tenant, User


class Lower(NamedTuple):
    """A value that stands below a tenant: whose, which; of a secret None."""

    owner: str
    key: str
    value: Value | None


def ignored_at(owner: Tenant | User | EmailAccount) -> dict[str, str]:
    """Whose locks above an owner make its values ignored: parameter → `Locked by Kanzlei Huber`.

    A tenant's own accounts are not below it, those of a firm's Com customers are.
    """
    found: dict[str, str] = {}
    for member in _above(owner):
        found |= dict.fromkeys(locked_keys(frozenset(member.locked)), _("Locked by %(name)s") % {"name": member.name})
        found |= dict.fromkeys(locked_keys(frozenset(member.locked_by_operator)), _("Locked by the operator"))
    return found


def locked_at(owner: Tenant | User | EmailAccount) -> dict[str, str]:
    """What nobody but the operator changes at an owner: what is locked above, and what the operator has locked at its tenant."""
    home = _home(owner)
    own = locked_keys(frozenset(home.locked_by_operator)) if home else frozenset()
    return ignored_at(owner) | dict.fromkeys(own, _("Locked by the operator"))


def values_below(tenant: Tenant) -> list[Lower]:
    """Everything that is set below a tenant: by its users, by a firm's Com customers, their users and accounts."""
    below = Q(user__tenant=tenant) | Q(tenant__firm=tenant) | Q(user__tenant__firm=tenant)
    sets = ParameterSet.objects.filter(below).select_related("tenant", "user").prefetch_related("secrets")
    found = [Lower(_name_of(row), key, value) for row in sets for key, value in _values_of(row)]
    accounts = EmailAccount.objects.filter(tenant__firm=tenant).select_related("tenant").prefetch_related("secrets")
    found += [Lower(_name_of(row), key, value) for row in accounts for key, value in _values_of(row)]
    return sorted(found, key=lambda lower: lower.owner.casefold())


def redirected(tenant: Tenant, locked: Collection[str]) -> dict[tuple[str, int], str]:
    """Whose mail at and below a tenant would be redirected if it locked this (U2): row → name of a tenant, or user-ID."""
    members = [*tenant.com_customers.all(), tenant]
    chain = {member.pk: [member, *(above for above in [member.firm] if above)] for member in members}
    everybody = {each.pk for tenants in chain.values() for each in tenants}
    users = list(User.objects.filter(tenant__in=[member.pk for member in members]))
    rows = ParameterSet.objects.filter(Q(tenant__in=everybody) | Q(user__in=users))
    values = {(row.tenant_id, row.user_id): row.values for row in rows}

    def layer_of(member: Tenant) -> Layer:
        listed = frozenset(locked if member.pk == tenant.pk else [*member.locked, *member.locked_by_operator])
        level = ParameterLevel.COM if member.is_com_customer else ParameterLevel.FIRM
        return Layer(level, member.slug, Holder("", values.get((member.pk, None), {})), listed)

    general = {pk: [layer_of(each) for each in tenants] for pk, tenants in chain.items()}
    paths = {("tenant", member.pk): (member.name, general[member.pk]) for member in members}
    for user in users:
        own = Layer(ParameterLevel.USER, user.login, Holder("", values.get((None, user.pk), {})))
        paths["user", user.pk] = (user.login, [own, *general[user.tenant_id or 0]])
    return {row: name for row, (name, layers) in paths.items() if on_anywhere(in_force(layers), "redirect_enabled")}


def _above(owner: Tenant | User | EmailAccount) -> Iterator[Tenant]:
    """The tenants above an owner, the nearest first."""
    home = _home(owner)
    if isinstance(owner, User) and home is not None:
        yield home
    if home is not None and home.firm is not None:
        yield home.firm


def _home(owner: Tenant | User | EmailAccount) -> Tenant | None:
    return owner if isinstance(owner, Tenant) else owner.tenant


def _values_of(row: ParameterSet | EmailAccount) -> Iterator[tuple[str, Any]]:
    values: Mapping[str, Any] = row.values
    yield from ((key, value) for key, value in values.items() if value not in (None, "", []))
    yield from ((secret.key, None) for secret in row.secrets.all())


def _name_of(row: ParameterSet | EmailAccount) -> str:
    if isinstance(row, EmailAccount):
        return _("%(tenant)s, account %(account)s") % {"tenant": row.tenant.name, "account": row.slug}
    return row.tenant.name if row.tenant else row.user.login if row.user else ""

"""Who takes over from whom: a batch user's or a leaver's deputy, their deputy in turn, else the administrators (J2, T6)."""

from collections.abc import Iterable

from django.db.models import Q, QuerySet

from mailsettings.core.send_systems import Role
from mailsettings.models import Tenant, User

_ABSENT = Q(is_active=False) | Q(role=Role.SERVICE_USER)
_ADMINISTRATES = Q(is_active=True, role__in=[role for role in Role if role.administers])


def is_absent(user: User) -> bool:
    """Whether nobody is there who would read what is told to this user: a leaver, or a batch user."""
    return not user.is_active or user.role_enum is Role.SERVICE_USER


def deputy_of(user: User) -> User | None:
    """The nearest deputy who is there; one who has left too is passed over for theirs."""
    seen = {user.pk}
    deputy = user.deputy
    while deputy is not None and not deputy.is_active and deputy.pk not in seen:
        seen.add(deputy.pk)
        deputy = deputy.deputy
    return deputy if deputy is not None and deputy.is_active and deputy.pk != user.pk else None


def successors_of(user: User) -> list[User]:
    """Who has the mail of somebody who is not there: the deputy, else the administrators."""
    if (deputy := deputy_of(user)) is not None:
        return [deputy]
    return administrators_of(user.tenant) if user.tenant else []


def administrators_of(tenant: Tenant) -> list[User]:
    """The active administrators of a tenant; of a Com customer without any, those of its firm."""
    found = list(tenant.users.filter(_ADMINISTRATES))
    if found or tenant.firm is None:
        return found
    return administrators_of(tenant.firm)


def principals_of(user: User) -> frozenset[int]:
    """The users who are not there and whose chain of deputies ends at this one, by primary key."""
    found: set[int] = set()
    links = {user.pk} if user.is_active else set()
    while links:
        rows = User.objects.filter(_ABSENT, deputy__in=links).exclude(pk=user.pk).values_list("pk", "is_active")
        fresh = {pk: active for pk, active in rows if pk not in found}
        found.update(fresh)
        links = {pk for pk, active in fresh.items() if not active}
    return frozenset(found)


def passed_on_to(user: User) -> frozenset[int]:
    """The deactivated users whose jobs this user has now (T6), by primary key."""
    if not user.is_active or user.tenant_id is None:
        return frozenset()
    left = User.objects.filter(is_active=False)
    found = set(left.filter(pk__in=principals_of(user)).values_list("pk", flat=True))
    if user.role_enum.administers:
        found.update(each.pk for each in _left_at(left, user) if deputy_of(each) is None)
    return frozenset(found)


def _left_at(left: QuerySet[User], administrator: User) -> Iterable[User]:
    """The deactivated users of the administrator's tenant, and of Com customers that have no administrators of their own."""
    customers = Tenant.objects.filter(firm=administrator.tenant_id)
    served = User.objects.filter(_ADMINISTRATES, tenant__in=customers).values("tenant")
    orphaned = customers.exclude(pk__in=served)
    return left.filter(Q(tenant=administrator.tenant_id) | Q(tenant__in=orphaned)).select_related("deputy")

"""Who may see and do what (T4): the only way to the rows of tenants."""

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from mailsettings.core.send_systems import Role
from mailsettings.models import Tenant, User

# Whether a user has typed their own password, within limits; the app that counts the failed tries adds itself.
password_checks: list[Callable[[User, str], bool]] = []

Row = TypeVar("Row", bound=Model)


class Right(StrEnum):
    """The rows of the table in rules T."""

    MANAGE_SETTINGS = "manage_settings"  # general parameters, accounts, print models, employees, users of the tenant
    MANAGE_COM_CUSTOMERS = "manage_com_customers"
    OWN_PARAMETERS = "own_parameters"
    OWN_SERVER = "own_server"
    SUBMIT = "submit"
    SEE_TENANT_JOBS = "see_tenant_jobs"
    SWITCH_REDIRECT = "switch_redirect"
    SWITCH_CHECK_SENDER = "switch_check_sender"
    OPERATE = "operate"


_RIGHTS: dict[Role, frozenset[Right]] = {
    Role.OPERATOR: frozenset(Right) - {Right.SUBMIT, Right.OWN_PARAMETERS, Right.OWN_SERVER},
    Role.FIRM_ADMIN: frozenset(Right) - {Right.OPERATE},
    Role.FIRM_USER: frozenset({Right.OWN_PARAMETERS, Right.SUBMIT}),
    Role.COM_ADMIN: frozenset(
        {
            Right.MANAGE_SETTINGS,
            Right.OWN_PARAMETERS,
            Right.OWN_SERVER,
            Right.SUBMIT,
            Right.SEE_TENANT_JOBS,
            Right.SWITCH_REDIRECT,
        }
    ),
    Role.COM_USER: frozenset({Right.OWN_PARAMETERS, Right.SUBMIT}),
    Role.SERVICE_USER: frozenset({Right.SUBMIT}),
}


def may(user: User, right: Right) -> bool:
    """Whether this user's role has a right; on whose rows, `visible_to` says."""
    return user.is_active and right in _RIGHTS[user.role_enum]


def knows_password(user: User, typed: str) -> bool:
    """Whether this is the user's own log-in password (Z13); who guesses too often is told no, too."""
    return bool(typed) and all(check(user, typed) for check in password_checks)


def tenants_visible_to(user: User) -> QuerySet[Tenant]:
    """The tenants whose set-up this user may see: the own one, a firm's administrator also its Com customers'."""
    if user.is_operator:
        return Tenant.objects.all()
    own = Q(pk=user.tenant_id)
    if user.role_enum is Role.FIRM_ADMIN:
        own |= Q(firm_id=user.tenant_id)
    return Tenant.objects.filter(own)


def visible_to(rows: QuerySet[Row], user: User) -> QuerySet[Row]:
    """The settings rows (with a `tenant`) that this user may see."""
    if user.is_operator:
        return rows
    return rows.filter(tenant__in=tenants_visible_to(user))


def sees_whole_tenant(user: User) -> bool:
    """Whether this user sees the jobs and log of colleagues too."""
    return may(user, Right.SEE_TENANT_JOBS)

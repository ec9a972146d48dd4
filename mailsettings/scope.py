"""Which tenants' rows the database shows to this connection, where row-level security is on (Z1).

A connection begins with all (`config.settings`), which is what log-in, engine and commands need; a request narrows it to its
user's tenants and widens it again at its end. Beside `access` this is the second wall: it asks nothing of `access`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import Error, connection

from mailsettings.core.send_systems import Role
from mailsettings.models import Tenant, User

ALL = "*"


@contextmanager
def scope_of(user: User) -> Iterator[None]:
    """Show only the rows that this user could have to do with; an operator has to do with all."""
    if not settings.ROW_LEVEL_SECURITY or user.is_operator:
        yield
        return
    before, tenants = _current(), {user.tenant_id or 0}
    if user.role_enum is Role.FIRM_ADMIN:
        tenants.update(Tenant.objects.filter(firm_id=user.tenant_id).values_list("pk", flat=True))
    firm = (user.tenant.firm_id if user.tenant else None) or 0
    _set(_listed(tenants), _listed({*tenants, firm}))
    try:
        yield
    finally:
        _widen(before)


@contextmanager
def all_tenants() -> Iterator[None]:
    """For questions about the whole installation whose answer tells nothing of anybody: is an address or an ID taken?"""
    if not settings.ROW_LEVEL_SECURITY:
        yield
        return
    before = _current()
    _set(ALL, ALL)
    try:
        yield
    finally:
        if not connection.needs_rollback:  # a rollback takes the setting back as well
            _set(*before)


def _listed(ids: set[int]) -> str:
    return ",".join(str(pk) for pk in sorted(ids) if pk)


def _widen(before: tuple[str, str]) -> None:
    """A connection that cannot be widened again is not used for anybody else."""
    try:
        _set(*before)
    except Error:
        connection.close()


def _current() -> tuple[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('postausgang.tenants', true), current_setting('postausgang.firms', true)")
        tenants, firms = cursor.fetchone() or ("", "")
    return tenants or "", firms or ""


def _set(tenants: str, firms: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('postausgang.tenants', %s, false), set_config('postausgang.firms', %s, false)", [tenants, firms]
        )

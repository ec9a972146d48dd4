"""All stored secrets under the newest field key, while the portal runs (Z8).

Each row is written only where it is still what was read, so that a change in between stands; a row that is under the newest key
already is passed over, so that it can be broken off and begun again at any time. What a row is bound to stays as it was.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet

from mailsettings.models import Secret
from mailsettings.selectors import owner_of
from mailsettings.vault import SecretUnreadable, is_newest, seal, unseal

AT_ONCE = 500  # rows held in memory
_TRIES = 5  # for rows that change meanwhile


@dataclass(frozen=True, slots=True)
class Sealed:
    """A table with a column of sealed secrets; `bound` gives a row's owner, key and binding, as they were sealed."""

    rows: Callable[[], QuerySet[Any]]
    column: str
    bound: Callable[[Any], tuple[str, str, str]]


@dataclass(slots=True)
class Count:
    """How many rows were sealed anew, were it already, and cannot be read with any key."""

    rotated: int = 0
    current: int = 0
    unreadable: int = 0


def _bound(row: Secret) -> tuple[str, str, str]:
    owner = f"account:{row.account_id}" if row.account_id else owner_of(row.parameter_set) if row.parameter_set else ""
    return owner, row.key, row.binding


# Whoever keeps other sealed secrets adds their table.
sealed_tables: list[Sealed] = [Sealed(lambda: Secret.objects.select_related("parameter_set"), "sealed", _bound)]


def rotate() -> Count:
    """Seal all secrets under the newest key."""
    count = Count()
    for table in sealed_tables:
        last = 0
        while rows := list(table.rows().filter(pk__gt=last).order_by("pk")[:AT_ONCE]):
            for row in rows:
                _rotate(table, row, count)
            last = rows[-1].pk
    return count


def _rotate(table: Sealed, row: Model | None, count: Count) -> None:
    for _try in range(_TRIES):
        old = bytes(getattr(row, table.column) or b"") if row is not None else b""
        if row is None or not old:
            return
        if is_newest(old):
            count.current += 1
            return
        owner, key, binding = table.bound(row)
        try:
            new = seal(unseal(old, owner=owner, key=key, binding=binding), owner=owner, key=key, binding=binding)
        except SecretUnreadable:
            count.unreadable += 1
            return
        if table.rows().filter(pk=row.pk, **{table.column: old}).update(**{table.column: new}):
            count.rotated += 1
            return
        row = table.rows().filter(pk=row.pk).first()

"""What a change of settings would do, shown before it is saved (P9): cells of the sender matrix, and what follows (T6)."""

import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mailsettings.models import Tenant, User

SHOWN = 50  # changed cells that a page lists; the others are counted


class Place(NamedTuple):
    """One cell: tenant, user and print model by their ids; no print model: empty."""

    tenant: str
    user: str
    print_model: str


class Cell(NamedTuple):
    """What a cell holds: `state` to compare, `words` for the reader."""

    state: Hashable
    words: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A cell that would change; None where there is none before or after."""

    place: Place
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Foresight:
    """What the reader is asked to say yes to; `total` counts the cells of the matrix, `consequences` are sentences."""

    changed: tuple[Changed, ...] = ()
    total: int = 0
    consequences: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Names exactly this foresight, so that a yes to another one does not count."""
        return hashlib.sha256(repr((self.changed, self.consequences)).encode()).hexdigest()[:24]

    @property
    def shown(self) -> tuple[Changed, ...]:
        return self.changed[:SHOWN]

    @property
    def more(self) -> int:
        return len(self.changed) - len(self.shown)

    def __bool__(self) -> bool:
        return bool(self.changed or self.consequences)


Matrix = Mapping[Place, Cell]
# Gives the matrix of these tenants in the words of a reader; the app that decides about mail adds its own.
matrices: list[Callable[[Sequence[Tenant], User], Matrix]] = []


def matrix_of(tenants: Sequence[Tenant], reader: User) -> dict[Place, Cell]:
    """The cells of the sender matrix of these tenants as they are stored now, whatever these objects remember."""
    stored = Tenant.objects.select_related("firm").in_bulk([tenant.pk for tenant in tenants])
    return {place: cell for matrix in matrices for place, cell in matrix(list(stored.values()), reader).items()}


def compare(before: Matrix, after: Matrix, consequences: Sequence[str] = ()) -> Foresight:
    """What has become of the matrix."""
    nothing = Cell(None, "")
    changed = tuple(
        Changed(place, before[place].words if place in before else None, after[place].words if place in after else None)
        for place in sorted({*before, *after})
        if before.get(place, nothing).state != after.get(place, nothing).state
    )
    return Foresight(changed, len(after), tuple(consequences))


def concerned(tenant: Tenant) -> list[Tenant]:
    """The tenants whose cells a change of this tenant's settings can touch: itself and, of a firm, its Com customers."""
    return [tenant, *tenant.com_customers.select_related("firm").order_by("slug")]

"""Who comes next: tenants take turns, then a tenant's connections; inside one, interactive mail goes before bulk 4:1 (delivery contract 4)."""

from collections import Counter, OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar

INTERACTIVE_SHARE = 4  # of five, when both wait
Item = TypeVar("Item")


class Lane(IntEnum):
    """Whether somebody waits for the mail."""

    INTERACTIVE = 0
    BULK = 1


@dataclass(frozen=True, slots=True)
class Group:
    """Due mails of one tenant, connection and lane: how many, counted no further than makes a difference."""

    tenant: int
    connection: int
    lane: Lane
    waiting: int


def share_out(groups: Sequence[Group], room: int, turn: int, per_connection: Mapping[int, int]) -> list[tuple[Group, int]]:
    """How many mails of each group are taken, `room` at most together.

    `per_connection` caps what is taken for a connection (absent: no cap). `turn` says who begins: where there are more tenants than
    room, counting it up lets everybody begin once.
    """
    left = {group: group.waiting for group in groups if group.waiting > 0}
    capacity = dict(per_connection)
    tenants: OrderedDict[int, deque[int]] = OrderedDict()
    for group in sorted(left, key=lambda each: (each.tenant, each.connection)):
        places = tenants.setdefault(group.tenant, deque())
        if group.connection not in places:
            places.append(group.connection)
    names = list(tenants)
    order = deque(names[turn % len(names) :] + names[: turn % len(names)]) if names else deque()
    for tenant in order:
        tenants[tenant].rotate(-(turn // max(len(names), 1)))
    given: Counter[Group] = Counter()
    served: Counter[tuple[int, int]] = Counter()
    while room > 0 and order:
        tenant = order.popleft()
        group = _next(tenant, tenants[tenant], left, capacity, served)
        if group is None:
            continue
        room -= 1
        given[group] += 1
        left[group] -= 1
        served[group.tenant, group.connection] += 1
        if group.connection in capacity:
            capacity[group.connection] -= 1
        order.append(tenant)
    return list(given.items())


def _next(
    tenant: int,
    places: deque[int],
    left: Mapping[Group, int],
    capacity: Mapping[int, int],
    served: Mapping[tuple[int, int], int],
) -> Group | None:
    """The group whose turn it is at a tenant, None where none of its connections has anything that may be taken."""
    lanes = {(group.connection, group.lane): group for group, count in left.items() if count and group.tenant == tenant}
    for _connection in range(len(places)):
        place = places[0]
        places.rotate(-1)
        if capacity.get(place, 1) <= 0:
            continue
        wanted = lane_in_turn(served.get((tenant, place), 0))
        group = lanes.get((place, wanted)) or lanes.get((place, Lane(1 - wanted)))
        if group is not None:
            return group
    return None


def lane_in_turn(served: int) -> Lane:
    """Whose turn it is after so many mails, where both wait."""
    return Lane.BULK if served % (INTERACTIVE_SHARE + 1) == INTERACTIVE_SHARE else Lane.INTERACTIVE


class FairQueue(Generic[Item]):
    """Mails that wait for one connection: tenants in turn, lanes 4:1."""

    def __init__(self) -> None:
        self._tenants: OrderedDict[int, tuple[deque[Item], deque[Item]]] = OrderedDict()
        self._served: Counter[int] = Counter()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, item: Item, tenant: int, lane: Lane) -> None:
        """Behind the others of its tenant and lane."""
        if tenant not in self._tenants:
            self._tenants[tenant] = (deque(), deque())
        self._tenants[tenant][lane].append(item)
        self._count += 1

    def pop(self) -> Item:
        """The next one. Raises KeyError where none is left."""
        tenant, lanes = self._tenants.popitem(last=False)
        wanted = lane_in_turn(self._served[tenant])
        lane = lanes[wanted] or lanes[1 - wanted]
        item = lane.popleft()
        self._count -= 1
        self._served[tenant] += 1
        if lanes[0] or lanes[1]:
            self._tenants[tenant] = lanes
        else:
            del self._served[tenant]
        return item

    def drain(self) -> list[Item]:
        """All of them, in no particular order; then it is empty."""
        items = [item for lanes in self._tenants.values() for lane in lanes for item in lane]
        self.__init__()  # type: ignore[misc]
        return items

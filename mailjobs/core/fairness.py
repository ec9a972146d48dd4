"""Who comes next: tenants take turns, then connections; inside one, interactive mail goes before bulk 4:1 (delivery 4)."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import chain, islice, zip_longest
from typing import Generic, TypeVar

INTERACTIVE_SHARE = 4  # of five, when both wait
Item = TypeVar("Item")


class Lane(IntEnum):
    """Whether somebody waits for the mail."""

    INTERACTIVE = 0
    BULK = 1
    DIAGNOSIS = 2  # a test mail: one at a time, before all others


@dataclass(frozen=True, slots=True)
class Group:
    """Due mails of one tenant, connection and lane: how many, counted no further than makes a difference."""

    tenant: int
    connection: int
    lane: Lane
    waiting: int


def share_out(groups: Sequence[Group], room: int, turn: int, per_connection: Mapping[int, int]) -> list[tuple[Group, int]]:
    """How many mails of each group are taken, `room` at most together. No two groups share tenant, connection and lane.

    `per_connection` caps what is taken for a connection (absent: no cap). `turn` counts the calls: it moves on who begins, first
    the tenant, then its connection, then the lane, so that everybody comes in time however small the room is.
    """
    tenants = _places(groups, turn)
    capacity = dict(per_connection)
    given: Counter[Group] = Counter()
    while room > 0 and tenants:
        places = tenants.popleft()
        group = _next(places, capacity)
        if group is None:
            continue
        given[group] += 1
        room -= 1
        tenants.append(places)
    return list(given.items())


def lane_in_turn(served: int) -> Lane:
    """Whose turn it is after so many mails, where both wait."""
    return Lane.BULK if served % (INTERACTIVE_SHARE + 1) == INTERACTIVE_SHARE else Lane.INTERACTIVE


@dataclass(slots=True)
class _Place:
    """A tenant's mails for one connection: by lane the group and how many of it are left, and whose turn it is."""

    connection: int
    served: int
    lanes: dict[Lane, Group] = field(default_factory=dict)
    left: Counter[Lane] = field(default_factory=Counter)

    def take(self) -> Group | None:
        lane = lane_in_turn(self.served)
        if self.left[Lane.DIAGNOSIS]:
            lane = Lane.DIAGNOSIS
        elif not self.left[lane]:
            lane = Lane(1 - lane)
        if not self.left[lane]:
            return None
        self.left[lane] -= 1
        self.served += 1
        return self.lanes[lane]


def _places(groups: Iterable[Group], turn: int) -> deque[deque[_Place]]:
    """Each tenant's connections, both in the order in which they begin in this turn."""
    found: dict[int, dict[int, _Place]] = {}
    for group in sorted(groups, key=lambda each: (each.tenant, each.connection, each.lane)):
        place = found.setdefault(group.tenant, {}).setdefault(group.connection, _Place(group.connection, 0))
        place.lanes[group.lane] = group
        place.left[group.lane] = group.waiting
    tenants: deque[deque[_Place]] = deque()
    begun, tenant_first = divmod(turn, max(len(found), 1))
    for own in found.values():
        begun_by_each, first = divmod(begun, len(own))
        places = deque(own.values())
        for place in places:
            place.served = begun_by_each
        places.rotate(-first)
        tenants.append(places)
    tenants.rotate(-tenant_first)
    return tenants


def _next(places: deque[_Place], capacity: dict[int, int]) -> Group | None:
    """The group whose turn it is at a tenant, None where none of its connections has anything that may be taken."""
    while places:
        place = places.popleft()
        room = capacity.get(place.connection)
        if room is not None and room <= 0:
            continue
        if (group := place.take()) is None:
            continue
        if room is not None:
            capacity[place.connection] = room - 1
        places.append(place)
        return group
    return None


@dataclass(slots=True)
class _Waiting(Generic[Item]):
    """One tenant's mails in a queue."""

    lanes: tuple[deque[Item], ...] = field(default_factory=lambda: tuple(deque() for _lane in Lane))
    served: int = 0

    def take(self) -> Item:
        lane = lane_in_turn(self.served)
        self.served += 1
        return (self.lanes[Lane.DIAGNOSIS] or self.lanes[lane] or self.lanes[1 - lane]).popleft()


class FairQueue(Generic[Item]):
    """Mails that wait for one connection: tenants in turn, lanes 4:1."""

    def __init__(self) -> None:
        self._tenants: OrderedDict[int, _Waiting[Item]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, item: Item, tenant: int, lane: Lane) -> None:
        """Behind the others of its tenant and lane."""
        if tenant not in self._tenants:
            self._tenants[tenant] = _Waiting()
        self._tenants[tenant].lanes[lane].append(item)
        self._count += 1

    def pop(self) -> Item:
        """The next one. Raises KeyError where none is left."""
        tenant, waiting = self._tenants.popitem(last=False)
        item = waiting.take()
        self._count -= 1
        if any(waiting.lanes):
            self._tenants[tenant] = waiting
        return item

    def upcoming(self, count: int) -> list[Item]:
        """Some of those whose turn comes soonest; they stay where they are."""
        own = (chain.from_iterable(waiting.lanes) for waiting in self._tenants.values())
        return list(islice((item for in_turn in zip_longest(*own) for item in in_turn if item is not None), count))

    def drain(self) -> list[Item]:
        """All of them, in the order in which they would have come; then it is empty."""
        return [self.pop() for _each in range(self._count)]

"""Tenants take turns, then connections; interactive mail goes before bulk 4:1 (delivery contract 4)."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailjobs.core.fairness import FairQueue, Group, Lane, lane_in_turn, share_out

NOW, LATER = Lane.INTERACTIVE, Lane.BULK


@st.composite
def _groups(draw: st.DrawFn) -> list[Group]:
    places = st.tuples(st.integers(1, 6), st.integers(0, 4), st.sampled_from(Lane))
    return [Group(*place, draw(st.integers(0, 40))) for place in draw(st.lists(places, unique=True, max_size=30))]


def _taken(shares: Sequence[tuple[Group, int]]) -> dict[int, int]:
    taken: Counter[int] = Counter()
    for group, count in shares:
        taken[group.tenant] += count
    return dict(taken)


def test_delivery_4_tenants_share_the_room_whatever_each_has_queued() -> None:
    shares = share_out([Group(1, 1, LATER, 100_000), Group(2, 2, NOW, 1), Group(3, 3, LATER, 50)], 61, 0, {})
    assert _taken(shares) == {1: 30, 2: 1, 3: 30}


def test_delivery_4_a_tenants_connections_take_turns() -> None:
    shares = dict(share_out([Group(1, 1, LATER, 100), Group(1, 2, NOW, 100), Group(1, 3, LATER, 2)], 20, 0, {}))
    assert {group.connection: count for group, count in shares.items()} == {1: 9, 2: 9, 3: 2}


def test_delivery_4_a_tenant_with_many_connections_gets_no_more_than_one_with_one() -> None:
    groups = [*(Group(1, place, NOW, 50) for place in range(1, 9)), Group(2, 9, NOW, 50)]
    assert _taken(share_out(groups, 20, 0, {})) == {1: 10, 2: 10}


@pytest.mark.parametrize("turn", range(12))
def test_delivery_4_interactive_goes_before_bulk_four_to_one(turn: int) -> None:
    shares = dict(share_out([Group(1, 1, NOW, 100), Group(1, 1, LATER, 100)], 50, turn, {}))
    assert {group.lane: count for group, count in shares.items()} == {NOW: 40, LATER: 10}


@pytest.mark.parametrize(
    ("interactive", "bulk", "expected"), [(2, 100, {NOW: 2, LATER: 18}), (100, 1, {NOW: 19, LATER: 1}), (0, 5, {LATER: 5})]
)
def test_delivery_4_what_one_lane_cannot_use_the_other_gets(interactive: int, bulk: int, expected: dict[Lane, int]) -> None:
    shares = share_out([Group(1, 1, NOW, interactive), Group(1, 1, LATER, bulk)], 20, 0, {})
    assert {group.lane: count for group, count in shares} == expected


def test_delivery_4_a_cap_holds_for_a_connection_that_tenants_share() -> None:
    groups = [Group(1, 7, NOW, 50), Group(2, 7, LATER, 50), Group(2, 8, LATER, 50)]
    assert _taken(share_out(groups, 40, 0, {7: 6})) == {1: 4, 2: 36}
    assert share_out(groups, 40, 0, {7: 0, 8: -3}) == []


def test_delivery_4_with_more_tenants_than_room_each_comes_in_time() -> None:
    groups = [Group(tenant, tenant, NOW, 1000) for tenant in range(30)]
    taken: Counter[int] = Counter()
    for turn in range(30):
        taken.update(_taken(share_out(groups, 4, turn, {})))
    assert set(taken.values()) == {4}


def test_delivery_4_with_room_for_one_every_connection_and_lane_comes_in_time() -> None:
    groups = [Group(tenant, place, lane, 1000) for tenant in range(3) for place in range(4) for lane in (NOW, LATER)]
    taken: Counter[Group] = Counter()
    for turn in range(3 * 4 * 5):
        taken.update(dict(share_out(groups, 1, turn, {})))
    assert {group: count for group, count in taken.items() if group.lane is NOW} == {g: 4 for g in groups if g.lane is NOW}
    assert {group: count for group, count in taken.items() if group.lane is LATER} == {g: 1 for g in groups if g.lane is LATER}


@given(_groups(), st.integers(-3, 60), st.integers(0, 500), st.dictionaries(st.integers(0, 4), st.integers(-2, 20)))
def test_delivery_4_shares_fill_the_room_and_keep_every_bound(
    groups: list[Group], room: int, turn: int, caps: dict[int, int]
) -> None:
    shares = dict(share_out(groups, room, turn, caps))
    assert all(0 < count <= group.waiting for group, count in shares.items())
    by_connection: dict[int, int] = defaultdict(int)
    waiting: dict[int, int] = defaultdict(int)
    for group in groups:
        waiting[group.connection] += group.waiting
        by_connection[group.connection] += shares.get(group, 0)
    assert all(by_connection[place] <= max(cap, 0) for place, cap in caps.items())
    possible = sum(min(count, max(caps.get(place, count), 0)) for place, count in waiting.items())
    assert sum(shares.values()) == min(max(room, 0), possible)


@given(_groups(), st.integers(1, 60), st.integers(0, 500))
def test_delivery_4_no_tenant_gets_two_more_than_another_that_still_waits(groups: list[Group], room: int, turn: int) -> None:
    taken = _taken(share_out(groups, room, turn, {}))
    waiting: Counter[int] = Counter()
    for group in groups:
        waiting[group.tenant] += group.waiting
    for tenant, count in waiting.items():
        if taken.get(tenant, 0) < count:
            assert max(taken.values(), default=0) - taken.get(tenant, 0) <= 1


@given(_groups(), st.integers(1, 5))
def test_delivery_4_repeated_calls_leave_nobody_waiting(groups: list[Group], room: int) -> None:
    left = {(group.tenant, group.connection, group.lane): group.waiting for group in groups}
    turn = 0
    while total := sum(left.values()):
        for group, count in share_out([Group(*place, count) for place, count in left.items()], room, turn, {}):
            left[group.tenant, group.connection, group.lane] -= count
        turn += 1
        assert sum(left.values()) == total - min(room, total)


def test_delivery_4_bulk_comes_in_time_while_interactive_never_ends() -> None:
    groups = [Group(tenant, 1, lane, 10) for tenant in range(20) for lane in (NOW, LATER)]
    bulk = {group.tenant for turn in range(100) for group, _count in share_out(groups, 20, turn, {}) if group.lane is LATER}
    assert bulk == set(range(20))


def test_delivery_4_of_five_the_last_is_bulk() -> None:
    assert [lane_in_turn(served) for served in range(6)] == [NOW, NOW, NOW, NOW, LATER, NOW]


def test_a_test_mail_of_the_diagnosis_waits_for_nobody_of_its_connection() -> None:
    groups = [Group(1, 1, lane, 1 if lane is Lane.DIAGNOSIS else 1000) for lane in Lane]
    for turn in range(10):
        assert dict(share_out(groups, 1, turn, {})) == {groups[2]: 1}
    queue: FairQueue[str] = FairQueue()
    for name, lane in (("bulk", LATER), ("now", NOW), ("test", Lane.DIAGNOSIS)):
        queue.push(name, 1, lane)
    assert [queue.pop() for _each in range(3)] == ["test", "now", "bulk"]


def test_delivery_4_queue_takes_tenants_in_turn_and_lanes_four_to_one() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(6):
        queue.push(f"bulk-{number}", 1, LATER)
        queue.push(f"now-{number}", 1, NOW)
    queue.push("other", 2, LATER)
    assert [queue.pop() for _each in range(8)] == ["now-0", "other", "now-1", "now-2", "now-3", "bulk-0", "now-4", "now-5"]
    assert len(queue) == 5
    assert queue.drain() == [f"bulk-{number}" for number in range(1, 6)]
    assert not queue


def test_delivery_4_an_empty_queue_has_nothing_to_pop() -> None:
    with pytest.raises(KeyError):
        FairQueue[int]().pop()


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from(Lane)), max_size=60))
def test_delivery_4_queue_loses_nothing_and_keeps_the_order_within_a_lane(pushed: list[tuple[int, Lane]]) -> None:
    queue: FairQueue[int] = FairQueue()
    for number, (tenant, lane) in enumerate(pushed):
        queue.push(number, tenant, lane)
    assert len(queue) == len(pushed)
    popped = [queue.pop() for _each in range(len(pushed))]
    assert sorted(popped) == list(range(len(pushed)))
    for place in set(pushed):
        mine = [number for number in popped if pushed[number] == place]
        assert mine == sorted(mine)


@given(st.dictionaries(st.integers(1, 6), st.integers(1, 30), min_size=1), st.integers(1, 60))
def test_delivery_4_queue_serves_tenants_that_wait_evenly(waiting: dict[int, int], pops: int) -> None:
    queue: FairQueue[int] = FairQueue()
    for tenant, count in waiting.items():
        for _each in range(count):
            queue.push(tenant, tenant, LATER)
    served = Counter(queue.pop() for _each in range(min(pops, len(queue))))
    for tenant, count in waiting.items():
        if served[tenant] < count:
            assert max(served.values()) - served[tenant] <= 1


def test_delivery_4_a_single_mail_overtakes_an_enormous_run_of_another_tenant() -> None:
    queue: FairQueue[str] = FairQueue()
    for _each in range(1000):
        queue.push("run", 1, LATER)
    queue.push("single", 2, NOW)
    assert "single" in [queue.pop(), queue.pop()]


def test_delivery_4_who_comes_next_can_be_looked_at_without_being_taken() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(4):
        queue.push(f"run {number}", 1, LATER)
    queue.push("single", 2, NOW)
    assert set(queue.upcoming(3)) == {"run 0", "single", "run 1"}
    assert len(queue.upcoming(9)) == len(queue) == 5

"""The storms are worth what their judges are: each kind of fault is found, and what the contract allows is none."""

import pytest

from tests.storm.judging import Arrival, Job, Write, judge, judge_writes


def job(state: str, number: int = 1) -> Job:
    return Job(number, state, 1, f"<{number}@x.example>", 1)


def arrival(number: int = 1) -> Arrival:
    return Arrival(0.0, "main", 1, f"<{number}@x.example>", "klient@kunde.example")


@pytest.mark.parametrize(("state", "arrivals"), [("sent", 1), ("unknown", 0), ("unknown", 1), ("failed", 0), ("cancelled", 0)])
def test_the_judge_is_content_with_what_the_contract_allows(state: str, arrivals: int) -> None:
    assert judge([1], [job(state)], [arrival()] * arrivals) == []


@pytest.mark.parametrize(
    ("state", "arrivals"),
    [("sent", 0), ("sent", 2), ("unknown", 2), ("failed", 1), ("new", 0), ("sending", 0), ("deferred", 1), ("held", 1)],
)
def test_the_judge_finds_what_must_not_be(state: str, arrivals: int) -> None:
    assert judge([1], [job(state)], [arrival()] * arrivals) != []


def test_the_judge_misses_what_is_not_there_and_sees_what_nobody_sent() -> None:
    assert judge([1, 2], [job("sent")], [arrival()]) == ["2 was accepted and is not there"]
    assert judge([1], [job("sent")], [arrival(), arrival(2)]) == ["<2@x.example> arrived and belongs to no job"]


CLAIM = Write(1, "new", 0, "sending", 1, "a")
LOST = Write(1, "sending", 1, "new", 1, "b")
CLAIM_OF_B = Write(1, "new", 1, "sending", 2, "b")


@pytest.mark.parametrize(
    "writes",
    [
        [CLAIM, Write(1, "sending", 1, "sent", 1, "a")],
        [CLAIM, LOST, CLAIM_OF_B, Write(1, "sending", 2, "sent", 2, "b")],
        [CLAIM, Write(1, "sending", 1, "unknown", 1, "b"), Write(1, "unknown", 1, "sent", 1, "a")],
        [CLAIM, Write(1, "sending", 1, "failed", 1, "b")],
    ],
    ids=["sent", "lost and sent by another", "healed", "poison"],
)
def test_the_judge_of_writes_knows_the_contract(writes: list[Write]) -> None:
    assert judge_writes(writes) == []


@pytest.mark.parametrize(
    "writes",
    [
        [CLAIM, LOST, CLAIM_OF_B, Write(1, "sending", 2, "sent", 2, "a")],
        [CLAIM, LOST, CLAIM_OF_B, Write(1, "sending", 2, "deferred", 2, "a")],
        [CLAIM, Write(1, "sending", 1, "sent", 2, "a")],
        [Write(1, "new", 1, "sending", 1, "a")],
        [CLAIM, Write(1, "sending", 1, "sent", 1, "a"), Write(1, "sent", 1, "new", 1, "a")],
        [Write(1, "new", 0, "sent", 0, "a")],
    ],
    ids=["an old epoch's", "an old epoch's too", "the epoch moves", "a claim without epoch", "sent is the end", "no lease"],
)
def test_the_judge_of_writes_finds_what_breaks_it(writes: list[Write]) -> None:
    assert judge_writes(writes) != []

"""A server that allows 3 connections and 30 mails in any minute: both are kept and used, told or learnt (delivery contract 4).

A limit per minute cannot be shortened, so that a small storm lasts two minutes too; it costs time and no work.
"""

import time
from pathlib import Path

import pytest

from tests.services import Postgres, wait_until
from tests.storm.judging import by_door, judge, report
from tests.storm.stack import SIZE, Stack, configuration, mail_server

pytestmark = pytest.mark.postgres
SECONDS = 310 if SIZE >= 1 else 125
PER_MINUTE, CONNECTIONS = 30, 3
LEAST = 27  # a minute
UNDER_WAY = 5.0  # seconds in which what is under way may still meet the refusal that the first one met
DOORS = ("told", "learnt")


def test_a_limit_of_the_server_is_kept_and_used_whether_told_or_learnt(postgres: Postgres, migrated: str, tmp_path: Path) -> None:
    stack = Stack.of(postgres, migrated, tmp_path)
    began = time.monotonic()
    doors = [{"name": name, "per_minute": PER_MINUTE, "connections": CONNECTIONS} for name in DOORS]
    with mail_server(tmp_path / "mail", *doors) as server:
        told = {**server.connection("told"), "per_minute": PER_MINUTE, "max_connections": CONNECTIONS}
        stack.configure(configuration({"told": told, "learnt": server.connection("learnt")}))
        with stack.feeder() as feeder, stack.crew():
            feeder.submit("bernd", DOORS, len(DOORS) * (SECONDS // 60 + 2) * PER_MINUTE)
            wait_until(lambda: all(map(server.count, DOORS)), seconds=30, what="a mail at each door")
            time.sleep(SECONDS)
        jobs, arrivals = stack.jobs(), server.arrivals
        violations = {name: [event.at for event in server.events_of("violation", name)] for name in DOORS}
    times = {name: [arrival.at for arrival in mails] for name, mails in by_door(arrivals).items()}
    minutes = {name: _by_minute(times[name]) for name in DOORS}
    refused = violations["learnt"]
    pause = next((later - at for at, later in zip(times["learnt"], times["learnt"][1:], strict=False) if later - at > 1), 0.0)
    report(
        "Limited server",
        {
            "violations, told": len(violations["told"]),
            "violations, learnt": len(refused),
            "of them after the first moment": sum(at > refused[0] + UNDER_WAY for at in refused),
            "longest pause of the first minute, learnt": pause,
            "mails a minute, told": minutes["told"],
            "mails a minute, learnt": minutes["learnt"],
            "seconds": time.monotonic() - began,
        },
    )
    assert violations["told"] == []
    assert refused, "a limit that nobody meets cannot be learnt"
    assert [at - refused[0] for at in refused if at > refused[0] + UNDER_WAY] == []
    for name in DOORS:
        assert min(minutes[name]) >= LEAST, name
    assert [told for told in judge([], jobs, arrivals) if "arrived" in told] == []


def _by_minute(times: list[float]) -> list[int]:
    """How many mails in each whole minute since the first one."""
    whole = int((SECONDS - 2) // 60)
    return [sum(times[0] + 60 * n <= at < times[0] + 60 * (n + 1) for at in times) for n in range(whole)]

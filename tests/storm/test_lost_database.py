"""PostgreSQL crashes again and again under load, and comes back: what was accepted arrives, once (delivery contract 1)."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import Postgres
from tests.storm.judging import judge, judge_writes, report
from tests.storm.stack import DICE, SIZE, Stack, configuration, mail_server, migrate, scaled, wait_for_more

pytestmark = pytest.mark.postgres
STOPS = scaled(30, least=2)
MAILS = scaled(20_000, least=600)
SESSIONS = 3  # of one connection


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that nobody else uses."""
    server = Postgres()
    yield server
    server.stop()


def test_no_mail_is_lost_or_doubled_when_the_database_crashes(own_postgres: Postgres, tmp_path: Path) -> None:
    stack = Stack.of(own_postgres, migrate(own_postgres), tmp_path, LEASE_SECONDS="30" if SIZE >= 1 else "3")
    began = time.monotonic()
    tries, longest = 0, 0.0
    with mail_server(tmp_path / "mail", {"name": "main", "delay": [0.0, 0.02]}) as server:
        stack.configure(configuration({"main": server.connection("main")}))
        stack.watch()
        chunk = -(-MAILS // (2 * STOPS + 1))
        with stack.feeder() as feeder, stack.crew() as crew:
            feeder.submit("bernd", "main", chunk, key="storm/", insist=True)
            for stop in range(STOPS):
                first = (2 * stop + 1) * chunk + 1
                feeder.submit("bernd", "main", chunk, key="storm/", insist=True, first=first)
                assert wait_for_more(server, max(server.count(), round(0.9 * first) - chunk), seconds=90), "the workers go on"
                time.sleep(DICE.uniform(0, 0.2))
                feeder.begin("bernd", "main", chunk, key="storm/", insist=True, first=first + chunk)
                time.sleep(DICE.uniform(0, 0.15))
                own_postgres.stop_immediately()
                time.sleep(DICE.uniform(0.1, 1.5))
                own_postgres.start_again()
                answer = feeder.finish()
                tries, longest = tries + answer["tries"], max(longest, answer["ended"] - answer["began"])
            seconds = stack.wait_until_final(60)
            crashes = crew.crashes
        jobs, writes, states = stack.jobs(), stack.writes(), stack.states()
        arrivals = server.arrivals
    report(
        "Crashes of PostgreSQL",
        {
            "mails": len(feeder.accepted),
            "stops": STOPS,
            "states": states,
            "submissions tried": tries,
            "longest submission": longest,
            "workers that ended": crashes,
            "final after the last stop": seconds,
            "seconds": time.monotonic() - began,
        },
    )
    assert len(set(feeder.accepted)) == len(feeder.accepted) == chunk * (2 * STOPS + 1)
    assert len(jobs) == len(feeder.accepted), "no submission was stored twice"
    assert judge(feeder.accepted, jobs, arrivals) == []
    assert judge_writes(writes) == []
    assert set(states) <= {"sent", "unknown"}
    assert states["unknown"] <= STOPS * SESSIONS * len(crew.workers)

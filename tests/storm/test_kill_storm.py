"""Workers are killed again and again: nothing vanishes or arrives twice, uncertain is only what was in the body (J5)."""

import time
from pathlib import Path

import pytest

from tests.services import Postgres
from tests.storm.judging import judge, judge_writes, report
from tests.storm.stack import DICE, SIZE, Stack, configuration, mail_server, scaled, wait_for_more

pytestmark = pytest.mark.postgres
MAILS, KILLS = scaled(20_000, least=800), scaled(200, least=10)
AT_WORK = 0.7  # of the kills hit who has just taken mails, the others anybody
LEASE = 30 if SIZE >= 1 else 3  # the portal's own at full size


def test_no_mail_is_lost_or_doubled_when_workers_are_killed(postgres: Postgres, migrated: str, tmp_path: Path) -> None:
    stack = Stack.of(postgres, migrated, tmp_path, LEASE_SECONDS=str(LEASE))
    began = time.monotonic()
    with mail_server(tmp_path / "mail", {"name": "main", "delay": [0.02, 0.08]}) as server:
        stack.configure(configuration({"main": server.connection("main")}))
        stack.watch()
        chunk = -(-MAILS // KILLS)
        with stack.feeder() as feeder, stack.crew() as crew:
            feeder.submit("bernd", "main", chunk)
            assert wait_for_more(server, 0, seconds=30), "the workers begin"
            for kill in range(1, KILLS + 1):
                if kill < KILLS:
                    feeder.submit("bernd", "main", chunk, first=kill * chunk + 1)
                wait_for_more(server, server.count() + DICE.randrange(chunk), seconds=5)
                time.sleep(DICE.uniform(0, 0.3))
                at_work = stack.last_to_lease(crew) if DICE.random() < AT_WORK else None
                crew.kill(at_work or DICE.choice(crew.workers))
            last_kill = time.monotonic()
            server.change("main", delay=[0.0, 0.0])
            seconds = stack.wait_until_final(60)
            crashes = crew.crashes
        jobs, writes = stack.jobs(), stack.writes()
        lost = server.events_of("lost")
        arrivals = server.arrivals
    in_body = [event for event in lost if event.detail == "body" and event.at <= last_kill + 1]
    states = stack.states()
    report(
        "Kill storm",
        {
            "mails": len(feeder.accepted),
            "kills": KILLS,
            "states": states,
            "connections lost": len(lost),
            "of them in the body": len(in_body),
            "final after the last kill": seconds,
            "crashes": crashes,
            "seconds": time.monotonic() - began,
        },
    )
    assert len(feeder.accepted) == chunk * KILLS
    assert judge(feeder.accepted, jobs, arrivals) == []
    assert judge_writes(writes) == []
    assert states["unknown"] <= len(lost), "at most one for each connection that a kill has broken"
    assert set(states) <= {"sent", "failed", "unknown"}
    assert states["failed"] <= KILLS / 10, "innocent mails are not taken for poison"
    assert crashes == 0
    assert len(in_body) >= KILLS / 10, "a storm that kills nobody in the body shows nothing"

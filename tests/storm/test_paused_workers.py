"""Workers stop past their lease and go on: none of them writes under an old epoch, nothing is sent a second time (J5)."""

import time
from pathlib import Path

import pytest

from tests.services import Postgres
from tests.storm.judging import judge, judge_writes, report
from tests.storm.stack import DICE, Stack, configuration, mail_server, scaled, wait_for_more

pytestmark = pytest.mark.postgres
PAUSES = scaled(50, least=3)
MAILS = scaled(20_000, least=900)
LEASE = 2
SESSIONS = 3  # of one connection


def test_a_resumed_worker_harms_nothing_when_its_leases_have_run_out(postgres: Postgres, migrated: str, tmp_path: Path) -> None:
    stack = Stack.of(postgres, migrated, tmp_path, LEASE_SECONDS=str(LEASE), SWEEP_SECONDS="0.5")
    began = time.monotonic()
    lost_leases = 0
    with mail_server(tmp_path / "mail", {"name": "main", "delay": [0.0, 0.04]}) as server:
        stack.configure(configuration({"main": server.connection("main")}))
        stack.watch()
        chunk = -(-MAILS // PAUSES)
        with stack.feeder() as feeder, stack.crew() as crew:
            for pause in range(PAUSES):
                feeder.submit("bernd", "main", chunk, first=pause * chunk + 1)
                assert wait_for_more(server, max(server.count(), round(0.9 * pause * chunk) - chunk), seconds=90), "they go on"
                time.sleep(DICE.uniform(0, 0.2))
                stopped = crew.workers if pause % 3 == 2 else [DICE.choice(crew.workers)]  # each third time both
                for worker in stopped:
                    crew.pause(worker)
                time.sleep(LEASE + DICE.uniform(0.2, 1.2))
                for worker in DICE.sample(stopped, len(stopped)):
                    crew.resume(worker)
                    time.sleep(DICE.uniform(0, 0.05))
            seconds = stack.wait_until_final(60)
            crashes = crew.crashes
        jobs, writes, states = stack.jobs(), stack.writes(), stack.states()
        arrivals = server.arrivals
    lost_leases = sum(write.before == "sending" and write.after in {"new", "unknown"} for write in writes)
    healed = sum(write.before == "unknown" and write.after == "sent" for write in writes)
    report(
        "Pauses past the lease",
        {
            "mails": len(feeder.accepted),
            "pauses": PAUSES,
            "states": states,
            "leases lost": lost_leases,
            "healed by a late reply": healed,
            "final after the last pause": seconds,
            "workers that ended": crashes,
            "seconds": time.monotonic() - began,
        },
    )
    assert judge(feeder.accepted, jobs, arrivals) == []
    assert judge_writes(writes) == []
    assert set(states) <= {"sent", "failed", "unknown"}  # failed: three lost leases before any reply
    assert states["unknown"] <= PAUSES * SESSIONS * len(crew.workers)
    assert lost_leases >= PAUSES / 2, "a storm without lost leases shows nothing"

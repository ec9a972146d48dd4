"""Two workers find the same lost leases at once: each is ended once, and told once (delivery contract 2, 7 and 8)."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.production.test_postgres import manage
from tests.services import Postgres, wait_until
from tests.storm.judging import judge, judge_writes, report
from tests.storm.stack import Stack, configuration, mail_server, scaled

pytestmark = pytest.mark.postgres
ROUNDS = scaled(20, least=1)
MAILS = 200
LEASE = 4  # both workers look before it ends


def test_two_sweepers_end_each_lost_lease_once(postgres: Postgres, migrated: str, tmp_path: Path) -> None:
    stack = Stack.of(postgres, migrated, tmp_path, LEASE_SECONDS=str(LEASE), SWEEP_SECONDS="0.05")
    began = time.monotonic()
    with mail_server(tmp_path / "mail", {"name": "main"}) as server:
        stack.configure(configuration({"main": server.connection("main")}))
        stack.watch()
        with stack.feeder() as feeder:
            feeder.submit("bernd", "main", 10, first=1_000_000)
            manage("deliver", "--until-empty", env=stack.env)  # before one mail has gone a server gets one connection only
            for number in range(ROUNDS):
                server.change("main", delay=[30.0, 30.0])
                feeder.submit("bernd", "main", MAILS, first=number * MAILS + 1)
                before = server.count()
                with stack.crew(3):
                    wait_until(lambda: server.count() > before, seconds=30, what="a mail in the body")  # noqa: B023
                    time.sleep(2)  # others too, and more in hand
                server.change("main", delay=[0.0, 0.0])
                with stack.crew(2):  # all leases run out while both look
                    stack.wait_until_final(60)
        jobs, writes, arrivals = stack.jobs(), stack.writes(), server.arrivals
    told = {
        job["id"]: job["internal_messages"] for job in map(json.loads, manage("mailjobs", "export", env=stack.env).splitlines())
    }
    ended = Counter(
        (write.job, write.epoch) for write in writes if write.before == "sending" and write.after in {"new", "unknown"}
    )
    by_whom = Counter(write.by for write in writes if write.before == "sending" and write.after in {"new", "unknown"})
    states = stack.states()
    report(
        "Two sweepers",
        {"states": states, "leases ended": len(ended), "by whom": by_whom, "seconds": time.monotonic() - began},
    )
    assert set(ended.values()) == {1}
    assert len(ended) > states["unknown"] >= ROUNDS, "leases were lost in the body and before it"
    assert all(told[job.id] == (job.state == "unknown") for job in jobs), (
        "one message for each uncertain mail, none for the others"
    )
    assert judge(feeder.accepted, jobs, arrivals) == []
    assert judge_writes(writes) == []

"""Mails that bring the worker down, or cannot be built, are set aside; all others go (delivery contract 3)."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.production.test_postgres import manage
from tests.services import Postgres, wait_until
from tests.storm.judging import judge, judge_writes, report
from tests.storm.stack import Stack, configuration, mail_server

pytestmark = pytest.mark.postgres
LEASE = 2
DAMAGES = {
    "content gone": "DELETE FROM mailjobs_frozenmail WHERE job_id = %s",
    "content cut": "UPDATE mailjobs_frozenmail SET body = 'no end of line' WHERE job_id = %s",
    "row damaged": "UPDATE mailjobs_mailjob SET approved = '5' WHERE id = %s",
}


def exported(stack: Stack) -> dict[int, dict[str, Any]]:
    lines = manage("mailjobs", "export", env=stack.env).splitlines()
    return {job["id"]: job for job in map(json.loads, lines)}


def test_a_mail_that_costs_three_workers_is_set_aside_and_told(postgres: Postgres, migrated: str, tmp_path: Path) -> None:
    """The worker dies each time that it has leased this mail."""
    stack = Stack.of(postgres, migrated, tmp_path, LEASE_SECONDS=str(LEASE), SWEEP_SECONDS="0.3")
    began = time.monotonic()
    with mail_server(tmp_path / "mail", {"name": "poison", "fault": ["greeting", "hang"]}, {"name": "good"}) as server:
        stack.configure(configuration({name: server.connection(name) for name in server.ports}))
        stack.watch()
        with stack.feeder() as feeder:
            poison = feeder.submit("bernd", "poison", 1)["ids"][0]
            with stack.crew(1) as crew:
                for death in range(1, 4):
                    feeder.submit("bernd", "good", 1, first=death)
                    wait_until(lambda: len(server.events_of("fault", "poison")) == death, seconds=30, what="the next try")  # noqa: B023
                    wait_until(lambda: server.count("good") == death, seconds=10, what="the mail beside it")  # noqa: B023
                    crew.kill(crew.workers[0])
                wait_until(lambda: not stack.unfinished(), seconds=30, what="the verdict")
                time.sleep(2)
        jobs, writes, arrivals = stack.jobs(), stack.writes(), server.arrivals
        tries = len(server.events_of("fault", "poison"))
    job = exported(stack)[poison]
    report("Poison", {"state": job["state"], "error": job["last_error"], "tries": tries, "seconds": time.monotonic() - began})
    assert (job["state"], job["internal_messages"]) == ("failed", 1)
    assert job["last_error"]
    assert tries == 3, "it is not tried a fourth time"
    assert judge(feeder.accepted, jobs, arrivals) == []
    assert judge_writes(writes) == []


def test_mails_that_cannot_be_built_are_set_aside_and_the_others_of_their_batch_go(
    postgres: Postgres, migrated: str, tmp_path: Path
) -> None:
    stack = Stack.of(postgres, migrated, tmp_path)
    with mail_server(tmp_path / "mail") as server:
        stack.configure(configuration({"main": server.connection("main")}))
        with stack.feeder() as feeder:
            ids = feeder.submit("bernd", "main", 30)["ids"]
            damaged = dict(zip(DAMAGES, ids[5::5], strict=False))
            with stack.database() as database:
                for name, number in damaged.items():
                    database.execute(DAMAGES[name], [number])
            with stack.crew(1) as crew:
                stack.wait_until_final(30)
                crashes = crew.crashes
        jobs = exported(stack)
        arrivals = server.arrivals
    found = {name: (jobs[number]["state"], jobs[number]["internal_messages"]) for name, number in damaged.items()}
    report("Mails that cannot be built", {name: " ".join(map(str, what)) for name, what in found.items()})
    assert found == dict.fromkeys(DAMAGES, ("failed", 1))
    assert all(jobs[number]["last_error"] for number in damaged.values())
    assert len(arrivals) == len(ids) - len(damaged)
    assert crashes == 0

"""Workers are replaced one after the other under load, as a deploy does: nobody notices (delivery contract 2)."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.services import Postgres, Redis, wait_until
from tests.storm.judging import judge, judge_writes, latencies, report
from tests.storm.stack import CELERY_WORKER, DELIVER, Stack, configuration, mail_server, scaled, wait_for_more

pytestmark = [pytest.mark.postgres, pytest.mark.redis]
REPLACEMENTS = scaled(10, least=3)
CHUNK = 150


@pytest.mark.parametrize("command", [DELIVER, CELERY_WORKER], ids=["deliver", "celery"])
def test_a_deploy_under_load_leaves_nothing_uncertain(
    command: Sequence[str], postgres: Postgres, redis: Redis, migrated: str, tmp_path: Path
) -> None:
    stack = Stack.of(postgres, migrated, tmp_path, REDIS_URL=redis.url, QUEUE=tmp_path.name, SWEEP_SECONDS="1")
    began = time.monotonic()
    seconds: list[float] = []
    with mail_server(tmp_path / "mail", {"name": "main", "delay": [0.02, 0.06]}) as server:
        stack.configure(configuration({"main": server.connection("main")}))
        stack.watch()
        with stack.feeder() as feeder, stack.crew(command=command) as crew:
            statuses, at_work = [], 0
            for number in range(REPLACEMENTS):
                worker = crew.workers[number % len(crew.workers)]
                feeder.submit("bernd", "main", CHUNK, first=len(feeder.accepted) + 1)
                wait_until(lambda: stack.is_up(worker), seconds=60, what="the worker's start")  # noqa: B023
                time.sleep(1)  # nobody stops a process that has not begun
                feeder.submit("bernd", "main", CHUNK, first=len(feeder.accepted) + 1)
                assert wait_for_more(server, server.count(), seconds=30), "the workers go on"
                at_work += stack.has_leased(worker)
                started = time.monotonic()
                statuses.append(crew.replace(worker))
                seconds.append(time.monotonic() - started)
            stack.wait_until_final(60)
            crashes = crew.crashes
        jobs, writes, arrivals = stack.jobs(), stack.writes(), server.arrivals
        in_body = [event for event in server.events_of("lost") if event.detail == "body"]
    report(
        "Deploy under load",
        {
            "mails": len(feeder.accepted),
            "replacements": REPLACEMENTS,
            "of workers that had taken mails": at_work,
            "states": stack.states(),
            "until a worker has ended": latencies(seconds),
            "connections lost in the body": len(in_body),
            "seconds": time.monotonic() - began,
        },
    )
    assert judge(feeder.accepted, jobs, arrivals) == []
    assert judge_writes(writes) == []
    assert {job.state for job in jobs} == {"sent"}
    assert in_body == [], "what is on the wire finishes"
    assert set(statuses) == {0}
    assert crashes == 0
    assert at_work, "a deploy without work shows nothing"

"""Workers are replaced one after the other under load, as a deploy does: nobody notices (delivery contract 2)."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.services import Postgres, Redis
from tests.storm.judging import judge, judge_writes, latencies, report
from tests.storm.stack import CELERY_WORKER, DELIVER, Feeder, Stack, Worker, configuration, mail_server, scaled

pytestmark = [pytest.mark.postgres, pytest.mark.redis]
REPLACEMENTS = scaled(10, least=3)
CHUNK = 150


def under_load(stack: Stack, feeder: Feeder, worker: Worker, seconds: float) -> None:
    """Hand mails in until this worker has some in hand."""
    deadline = time.monotonic() + seconds
    while True:
        feeder.submit("bernd", "main", CHUNK, first=len(feeder.accepted) + 1)
        for _look in range(20):
            if stack.has_leased(worker):
                return
            time.sleep(0.05)
        assert time.monotonic() < deadline, f"{worker.name} takes no mail"


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
            statuses = []
            for number in range(REPLACEMENTS):
                worker = crew.workers[number % len(crew.workers)]
                under_load(stack, feeder, worker, seconds=60)
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

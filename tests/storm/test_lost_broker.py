"""Redis is flushed, killed and hangs while mails are handed in: it carries wake-ups only, so only wake-ups are late (J1)."""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.services import Postgres, Redis, wait_until
from tests.storm.judging import judge, judge_writes, latencies, percentile, report
from tests.storm.stack import CELERY_WORKER, Feeder, Stack, configuration, mail_server, scaled, wait_for_more

pytestmark = [pytest.mark.postgres, pytest.mark.redis]
FLAPPING, AWAY, HANGING = scaled(60, least=10), scaled(300, least=12), scaled(60, least=8)
BEFORE_AND_AFTER = 5
EVERY = 0.5  # seconds between two mails
SWEEP = 5  # the workers' own timer, as it is by default


@dataclass
class Steady:
    """Hands one mail in after the other and remembers in which phase of the storm that was."""

    feeder: Feeder
    phase: str = "before"
    mails: list[tuple[str, int, float, float]] = field(default_factory=list)  # phase, job, begun at, seconds
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        number = 0
        while not self.stop.is_set():
            phase, due, number = self.phase, time.monotonic() + EVERY, number + 1
            answer = self.feeder.submit("bernd", "main", 1, first=number)
            self.mails.append((phase, answer["ids"][0], answer["began"], answer["ended"] - answer["began"]))
            self.stop.wait(max(due - time.monotonic(), 0.05))


def workers_wait_at(redis: Redis, workers: int) -> bool:
    """Whether each worker waits for a wake-up at the broker."""
    with redis.server.client(socket_timeout=2) as client:
        return [each["cmd"] for each in client.client_list()].count("brpop") >= workers


def storm(steady: Steady, redis: Redis, workers: int) -> None:
    """One phase after the other."""
    steady.phase = "before"
    time.sleep(BEFORE_AND_AFTER)
    steady.phase = "flapping"
    for _flush in range(FLAPPING // 5):
        time.sleep(5)
        redis.flush()
    steady.phase = "away"
    redis.kill()
    time.sleep(AWAY)
    steady.phase = "coming back"
    redis.start()
    wait_until(lambda: workers_wait_at(redis, workers), seconds=30, what="workers that consume again")
    steady.phase = "back"
    time.sleep(BEFORE_AND_AFTER)
    steady.phase = "hanging"
    redis.hang()
    time.sleep(HANGING)
    redis.resume()
    steady.phase = "going on"
    wait_until(lambda: workers_wait_at(redis, workers), seconds=30, what="workers that consume again")
    steady.phase = "back again"
    time.sleep(BEFORE_AND_AFTER)


def test_j1_nothing_is_lost_or_late_when_redis_is_flushed_killed_or_hangs(
    postgres: Postgres, redis: Redis, migrated: str, tmp_path: Path
) -> None:
    more = {"REDIS_URL": redis.url, "QUEUE": tmp_path.name, "SWEEP_SECONDS": str(SWEEP)}
    stack = Stack.of(postgres, migrated, tmp_path, **more)
    began = time.monotonic()
    with mail_server(tmp_path / "mail") as server:
        stack.configure(configuration({"main": server.connection("main")}))
        stack.watch()
        with stack.feeder() as feeder, stack.crew(command=CELERY_WORKER) as crew:
            feeder.submit("bernd", "main", 1, first=1_000_000)
            assert wait_for_more(server, 0, seconds=30), "the workers begin"
            wait_until(lambda: workers_wait_at(redis, len(crew.workers)), seconds=30, what="the workers at the broker")
            steady = Steady(feeder)
            thread = threading.Thread(target=steady.run, daemon=True)
            thread.start()
            try:
                storm(steady, redis, len(crew.workers))
            finally:
                redis.resume()
                steady.stop.set()
                thread.join(timeout=30)
            stack.wait_until_final(60)
            crashes = crew.crashes
        jobs, writes, arrivals = stack.jobs(), stack.writes(), server.arrivals
    message_ids = {job.id: job.message_id for job in jobs}
    arrived = {arrival.message_id: arrival.at for arrival in arrivals}
    phases = dict.fromkeys(phase for phase, *_rest in steady.mails)
    delivery = {name: [arrived[message_ids[job]] - at for phase, job, at, _s in steady.mails if phase == name] for name in phases}
    submission = {name: [seconds for phase, _job, _at, seconds in steady.mails if phase == name] for name in phases}
    report(
        "Broker",
        {
            "mails": len(feeder.accepted),
            **{f"delivery, {name}": latencies(seconds) for name, seconds in delivery.items()},
            **{f"submission, {name}": latencies(seconds) for name, seconds in submission.items()},
            "workers that ended": crashes,
            "seconds": time.monotonic() - began,
        },
    )
    assert judge(feeder.accepted, jobs, arrivals) == []
    assert judge_writes(writes) == []
    assert {job.state for job in jobs} == {"sent"}
    assert percentile(delivery["flapping"], 95) <= 10
    assert max(map(max, delivery.values())) <= 60, "within a minute even without a broker"
    for name, seconds in submission.items():
        assert percentile(seconds, 95) < 1, name
    for name in ("before", "back", "back again"):  # by their own timer two workers would be this quick in one case of three
        assert percentile(delivery[name], 80) < SWEEP / 5, name

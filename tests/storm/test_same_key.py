"""Fifty callers hand in the same mail under the same key at once: it is one mail (delivery contract 2, 1)."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.services import Postgres
from tests.storm.judging import judge, latencies, report
from tests.storm.stack import Stack, configuration, mail_server, scaled

pytestmark = pytest.mark.postgres
PROCESSES, THREADS = 5, 10
ROUNDS = scaled(100, least=5)


def test_fifty_submissions_of_one_key_are_one_job_and_get_one_answer(postgres: Postgres, migrated: str, tmp_path: Path) -> None:
    stack = Stack.of(postgres, migrated, tmp_path)
    began = time.monotonic()
    seconds: list[float] = []
    differing: list[str] = []
    accepted: set[int] = set()
    with mail_server(tmp_path / "mail") as server, ExitStack() as running:
        stack.configure(configuration({"main": server.connection("main")}))
        feeders = [running.enter_context(stack.feeder()) for _n in range(PROCESSES)]
        for number in range(ROUNDS):
            for feeder in feeders:
                feeder.begin("bernd", "main", 2, first=2 * number, key="invoice/", threads=THREADS)
            answers = [answer for feeder in feeders for answer in feeder.hear()]
            seconds.extend(answer["seconds"] for answer in answers)
            given = {(tuple(answer["ids"]), answer["error"]) for answer in answers}
            accepted.update(*(ids for ids, _error in given))
            if len(answers) != PROCESSES * THREADS or len(given) != 1:
                differing.append(f"{number}: {given}")
        with stack.crew():
            stack.wait_until_final(30)
        jobs, arrivals = stack.jobs(), server.arrivals
    report(
        "One key, fifty at once",
        {
            "rounds": ROUNDS,
            "jobs": len(jobs),
            "answers that differ": differing,
            "submission": latencies(seconds),
            "seconds": time.monotonic() - began,
        },
    )
    assert differing == []
    assert len(jobs) == len(arrivals) == 2 * ROUNDS
    assert judge(accepted, jobs, arrivals) == []

"""One server answers each command two seconds late: mails to the others do not wait for it (delivery contract 4)."""

import time
from pathlib import Path
from statistics import median

import pytest

from tests.services import Postgres
from tests.storm.judging import judge, report
from tests.storm.stack import Stack, configuration, mail_server, scaled
from tests.storm.throughput import rate

pytestmark = pytest.mark.postgres
FAST, SLOW = scaled(5_000, least=250), scaled(600, least=100)
ROUNDS = 3
LATE = 2.0
SESSIONS = 8  # of each connection, so that there is a rate to lose


def test_a_slow_server_slows_only_its_own_mails(postgres: Postgres, migrated: str, tmp_path: Path) -> None:
    stack = Stack.of(postgres, migrated, tmp_path, SWEEP_SECONDS="0.5")
    began = time.monotonic()
    with mail_server(tmp_path / "mail", {"name": "fast", "delay": [0.005, 0.01]}, {"name": "slow"}) as server:
        stack.configure(configuration({name: {**server.connection(name), "max_connections": SESSIONS} for name in server.ports}))
        alone, beside = [], []
        slow_meanwhile = 0
        with stack.feeder() as feeder, stack.crew() as crew:
            rate(server, feeder, crew, doors=("fast",), models=("fast",), count=100)  # everybody is up
            for _round in range(ROUNDS):
                alone.append(rate(server, feeder, crew, doors=("fast",), models=("fast",), count=FAST))
                server.change("slow", late=LATE)
                before = server.count("slow")
                feeder.submit("bernd", "slow", SLOW)
                beside.append(rate(server, feeder, crew, doors=("fast",), models=("fast",), count=FAST))
                slow_meanwhile += server.count("slow") - before
                server.change("slow", late=0.0)
                stack.wait_until_final(60 + SLOW / 10)
        jobs, arrivals = stack.jobs(), server.arrivals
    ratio = median(b / a for a, b in zip(alone, beside, strict=True))
    report(
        "Slow server",
        {
            "fast mails a round": FAST,
            "slow mails a round": SLOW,
            "fast alone, mails/s": [round(each) for each in alone],
            "fast beside it, mails/s": [round(each) for each in beside],
            "median of the ratios": ratio,
            "slow ones meanwhile": slow_meanwhile,
            "seconds": time.monotonic() - began,
        },
    )
    assert slow_meanwhile < SLOW * ROUNDS / 2, "it was not slow"
    assert ratio >= 0.7
    assert {job.state for job in jobs} == {"sent"}
    assert judge(feeder.accepted, jobs, arrivals) == []

"""One account of many has a wrong password: its log-in is tried a few times at most, and the others hardly notice (J8)."""

import time
from pathlib import Path
from statistics import median

import pytest

from tests.production.test_postgres import manage
from tests.services import Postgres, wait_until
from tests.storm.judging import judge, report
from tests.storm.stack import Stack, configuration, mail_server, scaled
from tests.storm.throughput import rate

pytestmark = pytest.mark.postgres
JOBS = scaled(5_000, least=300)
ROUNDS = 3
SESSIONS = 6  # of each connection, so that there is a rate to lose
GOOD = ("good1", "good2")
REFUSED = tuple(f"refused{number}" for number in range(ROUNDS))
OPEN_INCIDENTS = """SELECT cause, failures FROM mailjobs_incident WHERE closed_at IS NULL AND reason = %s ORDER BY id"""
RESET = "from mailjobs import submission; from tests.cast import user; submission.requeue(user('bernd'), {ids})"


def test_j8_a_refused_login_costs_three_tries_at_most_and_slows_nobody_else(
    postgres: Postgres, migrated: str, tmp_path: Path
) -> None:
    stack = Stack.of(postgres, migrated, tmp_path, SWEEP_SECONDS="0.5")
    began = time.monotonic()
    doors = [{"name": name, "delay": [0.005, 0.01], "login": "relay", "password": "right-1"} for name in (*GOOD, *REFUSED)]
    with mail_server(tmp_path / "mail", *doors) as server:

        def settings(password: str) -> dict[str, object]:
            words = dict.fromkeys(GOOD, "right-1") | dict.fromkeys(REFUSED, password)
            leads = {name: server.connection(name, login="relay", password=word) for name, word in words.items()}
            return configuration({name: {**lead, "max_connections": SESSIONS} for name, lead in leads.items()})

        stack.configure(settings("wrong-1"))
        with stack.feeder() as feeder, stack.crew() as crew:
            rate(server, feeder, crew, doors=GOOD, models=GOOD, count=100)  # everybody is up and logged in
            alone, beside = [], []
            for name in REFUSED:
                alone.append(rate(server, feeder, crew, doors=GOOD, models=GOOD, count=JOBS * 2 // 3))
                models = (name, name, name, *GOOD)
                beside.append(rate(server, feeder, crew, doors=GOOD, models=models, count=JOBS * 5 // 3))
            time.sleep(3)  # time enough to try again
            tries = {name: len(server.events_of("refused login", name)) for name in REFUSED}
            before = stack.states()
            with stack.database() as database:
                incidents = database.execute(OPEN_INCIDENTS, ["login_refused"]).fetchall()
            stack.configure(settings("right-1"))
            corrected = time.monotonic()
            wait_until(lambda: set(stack.states()) <= {"sent", "failed"}, seconds=60 + JOBS / 20, what="the waiting mails")
            released = time.monotonic() - corrected
            failed = [job.id for job in stack.jobs() if job.state == "failed"]
            manage("shell", "--no-imports", "-c", RESET.format(ids=failed), env=stack.env)
            wait_until(lambda: set(stack.states()) == {"sent"}, seconds=30, what="the mails that met the refusal")
        jobs, arrivals = stack.jobs(), server.arrivals
    ratio = median(b / a for a, b in zip(alone, beside, strict=True))
    report(
        "Refused log-in",
        {
            "jobs of each refused account": JOBS,
            "open incidents": len(incidents),
            "refused log-ins at the server": tries,
            "states before the correction": before,
            "others alone, mails/s": [round(each) for each in alone],
            "others beside it, mails/s": [round(each) for each in beside],
            "median of the ratios": ratio,
            "all gone after the correction": released,
            "seconds": time.monotonic() - began,
        },
    )
    assert all(1 <= count <= 3 for count in tries.values())
    assert 1 <= before["failed"] <= sum(tries.values()), "the mails that met the refusal, and no others"
    assert before["new"] == JOBS * ROUNDS - before["failed"], "all others wait"
    assert [failures for _cause, failures in incidents] == list(tries.values()), "one incident for each refused login"
    assert ratio >= 0.7
    assert judge(feeder.accepted, jobs, arrivals) == []

"""Celery workers over a real Redis: the bell rings, and mail leaves without it too (J1)."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cast import document
from tests.production.test_postgres import ROOT, environment, manage
from tests.services import CountingServer, Postgres, Redis, wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.redis]
LINE = '{"print_model": "invoices", "to": ["k%s@kunde.example"], "variables": {"number": "%s", "name": "Müller"}}\n'


@contextmanager
def worker(env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "celery", "-q", "-A", "config", "worker", "-P", "threads", "-c", "2", "-l", "WARNING"]
    process = subprocess.Popen([*command, "--without-gossip", "--without-mingle"], env=env, cwd=ROOT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@pytest.fixture
def env(postgres: Postgres, redis: Redis, tmp_path: Path, smtp_server: CountingServer) -> dict[str, str]:
    """A portal on PostgreSQL and Redis with the cast; the workers' own timer is slow, so that the bell is what is seen."""
    made = environment(postgres.create_database(), tmp_path, REDIS_URL=redis.url, SWEEP_SECONDS="60", QUEUE=tmp_path.name)
    manage("migrate", "-v0", env=made)
    manage("settings", "import", "-", env=made, text=json.dumps(document(smtp_server)))
    return made


def submit(env: dict[str, str], number: int) -> None:
    manage("submit", "-", "--user", "bernd", env=env, text=LINE % (number, number))


def alive(env: dict[str, str]) -> Callable[[], bool]:
    code = "from mailjobs.selectors import worker_alive; print(worker_alive())"
    return lambda: manage("shell", "--no-imports", "-c", code, env=env).strip() == "True"


def test_a_worker_is_woken_over_redis(env: dict[str, str], smtp_server: CountingServer) -> None:
    with worker(env):
        wait_until(alive(env), seconds=30, what="a worker's sign of life")
        time.sleep(2)  # its first look round is over; the next would come in a minute
        submit(env, 1)
        smtp_server.wait_for(1, seconds=10)
    assert not alive(env)(), "a worker that ends takes its sign of life away"


def test_mail_leaves_and_is_taken_in_quickly_while_redis_is_down(
    env: dict[str, str], redis: Redis, smtp_server: CountingServer
) -> None:
    env = {**env, "SWEEP_SECONDS": "2"}
    with worker(env):
        wait_until(alive(env), seconds=30, what="a worker's sign of life")
        redis.kill()
        started = time.monotonic()
        submit(env, 1)
        assert time.monotonic() - started < 15
        smtp_server.wait_for(1, seconds=30)


def test_a_service_that_starts_before_its_database_waits_for_it(tmp_path: Path) -> None:
    made = environment("postgres://nobody@127.0.0.1:1/none", tmp_path, LANGUAGE_CODE="de")
    said = tmp_path / "said"
    with said.open("w") as log:
        command = [sys.executable, "manage.py", "deliver", "--json"]
        service = subprocess.Popen(command, env=made, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        wait_until(lambda: "looks again" in said.read_text(), seconds=60, what="a look for the database")
        assert "Die Datenbank ist nicht erreichbar." in said.read_text()
        assert service.poll() is None
        service.send_signal(signal.SIGTERM)
        printed, _nothing = service.communicate(timeout=60)
    finally:
        service.kill()
    assert service.returncode == 0
    assert json.loads(printed)["sent"] == 0


@pytest.mark.parametrize("real", [False, True], ids=["embedded", "PostgreSQL and Redis"])
def test_the_demo_hands_25_invoices_over(real: bool, postgres: Postgres, redis: Redis, tmp_path: Path) -> None:
    """`make demo`, which runs this command."""
    env = {**os.environ, "VAR_DIR": str(tmp_path), "DEMO": "", "DATABASE_URL": "", "REDIS_URL": ""}
    if real:
        env |= {"DATABASE_URL": postgres.create_database(), "REDIS_URL": redis.url}
    summary = json.loads(manage("demo", env=env))
    assert {**summary, "seconds": 0} == {"submitted": 25, "sent": 25, "failed": 0, "redirected": 0, "seconds": 0}

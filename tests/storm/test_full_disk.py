"""The database's disk is full: submission says so, what was accepted is kept, with space all goes on (delivery contract 1)."""

import json
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.production.test_postgres import manage
from tests.services import Postgres
from tests.storm.judging import Job, judge, report
from tests.storm.stack import Stack, configuration, mail_server, migrate

pytestmark = pytest.mark.postgres
DISK_MB = 192
CHUNK = 200
MOST_CHUNKS = 200


@pytest.fixture
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small disk of its own in memory; only root may mount one, and not everywhere."""
    place = tmp_path_factory.mktemp("disk")
    place.chmod(0o755)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=755", "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = f"no disk of its own can be mounted here: {done.stderr.strip()}"
        print(reason)
        pytest.skip(reason)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    """A file that leaves no space."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            for size in (2**20, 2**12):
                while file.write(b"\0" * size) == size:
                    pass
        except OSError:
            pass
    return ballast


def test_a_full_disk_of_postgresql_loses_no_accepted_mail(disk: Path, tmp_path: Path) -> None:
    postgres = Postgres(disk)
    try:
        stack = Stack.of(postgres, migrate(postgres), tmp_path, LEASE_SECONDS="5", SWEEP_SECONDS="0.5")
        began = time.monotonic()
        with mail_server(tmp_path / "mail", {"name": "main", "delay": [0.0, 0.02]}) as server:
            stack.configure(configuration({"main": server.connection("main")}))
            with stack.feeder() as feeder, stack.crew():
                feeder.submit("bernd", "main", CHUNK)
                ballast = fill(disk)
                error, chunks = "", 0
                while not error and chunks < MOST_CHUNKS:
                    chunks += 1
                    error = feeder.submit("bernd", "main", CHUNK, first=chunks * CHUNK + 1)["error"]
                time.sleep(2)
                ballast.unlink()
                postgres.start_again()  # where it has given up meanwhile
                feeder.submit("bernd", "main", CHUNK, first=1_000_000, key="again/", insist=True)
                seconds = stack.wait_until_final(60)
            jobs, states, arrivals = stack.jobs(), stack.states(), server.arrivals
    finally:
        postgres.stop()
    report(
        "Full disk, PostgreSQL",
        {
            "mails": len(feeder.accepted),
            "error": error.strip().splitlines()[:1],
            "states": states,
            "final after there was space": seconds,
            "seconds": time.monotonic() - began,
        },
    )
    assert error, "a submission on a full disk is refused"
    assert judge(feeder.accepted, jobs, arrivals) == []
    assert set(states) <= {"sent", "unknown"}


def test_a_full_disk_of_the_embedded_database_loses_no_accepted_mail(tmp_path: Path) -> None:
    """The file may not grow: what SQLite then hears is what it hears from a full disk."""
    var = tmp_path / "var"
    var.mkdir()
    env = {**os.environ, "DATABASE_URL": "", "REDIS_URL": "", "VAR_DIR": str(var), "PYTHONPATH": "."}
    stack = Stack("", env, tmp_path)
    manage("migrate", "-v0", env=env)
    with mail_server(tmp_path / "mail") as server:
        stack.configure(configuration({"main": server.connection("main")}))
        with stack.feeder() as feeder:
            feeder.submit("bernd", "main", 20)
            _soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.prlimit(feeder.process.pid, resource.RLIMIT_FSIZE, (_largest(var), hard))
            error, chunks = "", 0
            while not error and chunks < MOST_CHUNKS:
                chunks += 1
                error = feeder.submit("bernd", "main", CHUNK, first=chunks * CHUNK + 1)["error"]
            resource.prlimit(feeder.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
            feeder.submit("bernd", "main", 20, first=1_000_000)
        manage("deliver", "--until-empty", env=env)
        documents = map(json.loads, manage("mailjobs", "export", env=env).splitlines())
        jobs = [Job(*(each[key] for key in ("id", "state", "epoch", "message_id", "attempts"))) for each in documents]
        arrivals = server.arrivals
    report("Full disk, SQLite", {"mails": len(feeder.accepted), "error": error})
    assert error, "a submission on a full disk is refused"
    assert len(feeder.accepted) == len(jobs)
    assert {job.state for job in jobs} == {"sent"}
    assert judge(feeder.accepted, jobs, arrivals) == []


def _largest(folder: Path) -> int:
    return max(file.stat().st_size for file in folder.glob("db.sqlite3*"))

"""Production's database: what the tests of the queue say of SQLite holds on a real PostgreSQL too, with workers side by side."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cast import document
from tests.services import CountingServer, Postgres

pytestmark = pytest.mark.postgres
ROOT = Path(__file__).resolve().parents[2]


def environment(url: str, folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": url, "VAR_DIR": str(folder), **more}


def manage(*words: str, env: dict[str, str], text: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *words], env=env, cwd=ROOT, input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_tests_of_the_queue_pass_on_postgresql(postgres: Postgres, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests/mailjobs",
        "--ignore=tests/mailjobs/core",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
    ]
    env = {key: value for key, value in environment(postgres.create_database(), tmp_path).items() if "PYTEST" not in key}
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


def test_two_engines_share_2000_mails_without_sending_one_twice(
    postgres: Postgres, tmp_path: Path, smtp_server: CountingServer
) -> None:
    """The commands of the contract, from the configuration to the export."""
    # Short leases and a server that takes its time: who begins first hands sessions over while there is still mail.
    smtp_server.delay = 0.02
    env = environment(postgres.create_database(), tmp_path, LEASE_SECONDS="2")
    manage("migrate", "-v0", env=env)
    manage("settings", "import", "-", env=env, text=json.dumps(document(smtp_server)))
    lines = [
        json.dumps(
            {
                "print_model": "invoices",
                "to": [f"k{n}@kunde.example"],
                "bcc": [f"b{n}@kunde.example"],
                "variables": {"number": str(n), "name": "Müller"},
            }
        )
        for n in range(2000)
    ]
    results = [json.loads(line) for line in manage("submit", "-", "--user", "bernd", env=env, text="\n".join(lines)).splitlines()]
    assert len(results) == 2000
    assert {result["status"] for result in results} == {"new"}
    command = [sys.executable, "manage.py", "deliver", "--until-empty", "--json"]
    engines = [subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _n in range(2)]
    summaries = [json.loads(engine.communicate(timeout=300)[0]) for engine in engines]
    assert sum(summary["sent"] for summary in summaries) == 2000
    assert all(summary["sent"] for summary in summaries), "both took part"
    assert len(smtp_server.received) == 2000
    assert set(smtp_server.message_ids.values()) == {1}
    exported = [json.loads(line) for line in manage("mailjobs", "export", env=env).splitlines()]
    assert [job["id"] for job in exported] == [result["id"] for result in results]
    assert {job["message_id"] for job in exported} == set(smtp_server.message_ids)
    assert {job["state"] for job in exported} == {"sent"}

"""The audit log on a real PostgreSQL: linked at the commit whoever writes, and refused to whoever would change it (Z16)."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests.cast import document
from tests.production.test_postgres import ROOT, environment, manage
from tests.services import Postgres

pytestmark = pytest.mark.postgres
WRITE = """
from django.db import transaction
from mailsettings import policy_lock
from mailsettings.changes import audit
for number in range(40):
    with transaction.atomic():
        policy_lock.share([1]) if number % 2 else audit("anna", None, "first", str(number), {})
        policy_lock.hold_alone(2)
        audit("anna", None, "then", str(number), {})
"""


@pytest.fixture(scope="module")
def database(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of an installation in which the cast has moved in."""
    env = environment(postgres.create_database(), tmp_path_factory.mktemp("var"))
    manage("migrate", "-v0", env=env)
    manage("settings", "import", "-", env=env, text=json.dumps(document()))
    return env


def test_the_chain_holds_on_postgresql(postgres: Postgres, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests/mailsettings/test_audit_chain.py",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
    ]
    env = {key: value for key, value in environment(postgres.create_database(), tmp_path).items() if "PYTEST" not in key}
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def test_writers_side_by_side_make_one_chain_and_never_block_each_other_for_ever(database: dict[str, str]) -> None:
    before = int(manage("audit", "verify", env=database).partition(":")[0])
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _n: manage("shell", "-v0", "-c", WRITE, env=database), range(3)))
    after = int(manage("audit", "verify", env=database).partition(":")[0])
    assert after - before == 3 * 60


@pytest.mark.parametrize("table", ["mailsettings_auditevent", "mailsettings_auditlink"])
@pytest.mark.parametrize("words", ["UPDATE {} SET {} = {}", "DELETE FROM {}"])
def test_the_database_refuses_to_change_or_delete(database: dict[str, str], table: str, words: str) -> None:
    column = "actor" if table.endswith("event") else "hash"
    with psycopg.connect(os.fspath(database["DATABASE_URL"])) as connection, pytest.raises(psycopg.Error, match="append-only"):
        connection.execute(words.format(table, column, column))


def test_an_event_that_was_inserted_by_hand_is_found(database: dict[str, str]) -> None:
    with psycopg.connect(database["DATABASE_URL"]) as connection:
        connection.execute(
            "INSERT INTO mailsettings_auditevent (at, actor, action, subject, before, after, digest) "
            "VALUES (now(), 'anna', 'release', 'forged', '{}', '{}', '')"
        )
    done = subprocess.run(
        [sys.executable, "manage.py", "audit", "verify"], env=database, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "was changed" in done.stderr

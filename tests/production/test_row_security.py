"""Row-level security on a real PostgreSQL: with the application's scoping switched off, nothing foreign is seen (Z1)."""

import json
import subprocess
import sys
from typing import Any

import psycopg
import pytest
from django.apps import apps

from mailsettings.row_security import SHARED, condition_of
from tests.production.test_postgres import ROOT, environment, manage
from tests.services import CountingServer, Postgres
from tests.walls.test_isolation import FOREIGN
from tests.walls.world import BEISPIEL, GRUBER, HUBER, MUSTER

pytestmark = pytest.mark.postgres
KNOWN_TO_ALL = {  # SHARED: reached through rows of tenants only
    "mailjobs_content.data",
    "mailjobs_decision.document",
    "mailjobs_sharedconnection.key",
}
WORLD = "from tests.walls.world import move_in; move_in()"


@pytest.fixture(scope="module")
def walled(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Role → environment of a process that logs in as it; everybody has moved in."""
    url = postgres.create_database()
    env = environment(url, tmp_path_factory.mktemp("var"), STATIC="", DJANGO_SETTINGS_MODULE="config.settings")
    manage("migrate", "-v0", env=env)
    manage("shell", "-v0", "-c", WORLD, env=env)
    manage("database_roles", "--apply", env=env)
    manage("database_roles", "--apply", env=env)  # may be run again
    roles = {
        role: {**env, "DATABASE_URL": url.replace("postgres@", f"postausgang_{role}@")} for role in ("owner", "app", "worker")
    }
    roles["app"]["ROW_LEVEL_SECURITY"] = "true"
    return {**roles, "superuser": env}


def ask(what: str, env: dict[str, str]) -> Any:
    command = [sys.executable, "-m", "tests.walls.rows_seen", what]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_the_database_alone_shows_nobody_anything_foreign(walled: dict[str, dict[str, str]]) -> None:
    seen = ask("rows", walled["app"])
    for login, houses in FOREIGN.items():
        for house in houses:
            places = set(seen[login][house.slug]) - KNOWN_TO_ALL
            if house is HUBER:  # a Com customer's mail may go by its firm's settings; nothing else of the firm's is seen
                places -= {"mailsettings_parameterset.values", "mailsettings_user.name", "mailsettings_user.email"}
            assert places == set(), (login, house.slug)
    assert len(seen["max"][MUSTER.slug]) > 10
    assert len(seen["anna"][BEISPIEL.slug]) > 10
    assert len(seen["root"][GRUBER.slug]) > 10


def test_pages_without_their_own_scoping_show_nothing_foreign(walled: dict[str, dict[str, str]]) -> None:
    assert ask("unscoped", walled["app"]) == []
    assert len(ask("unscoped", {**walled["superuser"], "ROW_LEVEL_SECURITY": "false"})) > 20, "the test would see a leak"


def test_pages_answer_as_without_it(walled: dict[str, dict[str, str]]) -> None:
    with_walls, without = ask("pages", walled["app"]), ask("pages", walled["superuser"])
    assert {url: status for url, status in with_walls.items() if without[url] != status} == {}
    assert sum(status == 200 for status in with_walls.values()) > 50


def test_a_session_that_names_no_tenant_sees_and_changes_nothing(walled: dict[str, dict[str, str]]) -> None:
    with psycopg.connect(walled["app"]["DATABASE_URL"], autocommit=True) as connection:
        for model in apps.get_models():
            table = model._meta.db_table
            if table not in SHARED:
                assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table  # noqa: S608
        assert connection.execute("UPDATE mailsettings_tenant SET name = 'x'").rowcount == 0
        for words in (
            "UPDATE mailsettings_auditevent SET actor = 'x'",
            "DELETE FROM mailsettings_auditlink",
            "TRUNCATE mailsettings_auditevent",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(words)


def test_every_table_has_a_policy_or_belongs_to_nobody() -> None:
    """Who adds a table decides: a foreign key that leads to a tenant, or a line in SHARED with a reason."""
    without = {model._meta.db_table for model in apps.get_models(include_auto_created=True) if not condition_of(model)}
    assert without <= SHARED


def test_owner_and_worker_go_on_as_before(walled: dict[str, dict[str, str]], smtp_server: CountingServer) -> None:
    manage("migrate", "-v0", env=walled["owner"])
    owned = manage("audit", "verify", env=walled["owner"])
    assert manage("audit", "verify", env=walled["worker"]) == owned
    server = json.dumps(
        {
            "smtp_server": smtp_server.host,
            "smtp_port": smtp_server.port,
            "smtp_tls": "starttls",
            "ca_certificate": smtp_server.ca_pem,
            "smtp_user": "relay",
            "smtp_password": "Relay-pw-4",
            "send_system": 1,
            "sender_address": "office@gruber.example",
        }
    )
    document = f'{{"version": 1, "firms": [{{"id": "gruber", "name": "Gruber", "parameters": {server}}}]}}'
    manage("settings", "import", "-", env=walled["worker"], text=document)
    lines = "\n".join(json.dumps({"to": [f"k{number}@kunde.example"], "subject": "x", "text": "y"}) for number in range(3))
    for role in ("app", "worker"):  # the pages' role stores mails too
        results = manage("submit", "-", "--user", "greta", env=walled[role], text=lines)
        assert results.count('"new"') == 3, results
    summary = json.loads(manage("deliver", "--until-empty", "--json", env=walled["worker"]))
    assert summary["sent"] == 6

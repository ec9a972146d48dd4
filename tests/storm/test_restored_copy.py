"""A database is restored while mails wait in it, elsewhere or in place: they may have been sent since, so nothing goes (U5)."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.production.test_postgres import manage
from tests.services import Postgres
from tests.storm.judging import judge, report
from tests.storm.stack import MailServer, Stack, configuration, mail_server, scaled

pytestmark = pytest.mark.postgres
SENT, WAITING = scaled(500, least=20), scaled(2_000, least=60)


def copy_of(stack: Stack, postgres: Postgres, folder: Path, **env: str) -> Stack:
    """The portal on a copy of its database as it is now; nobody may be connected to it."""
    folder.mkdir()
    name = stack.url.partition("?")[0].rpartition("/")[2]
    return Stack.of(postgres, name, folder, **env)


def send_nothing(server: MailServer, *stacks: Stack) -> list[dict[str, int]]:
    """Let workers of these portals run for a while; returns the states of each."""
    before = server.count()
    with ExitStack() as running:
        for stack in stacks:
            running.enter_context(stack.crew())
        time.sleep(4)  # they start, and look
    assert server.count() == before
    return [dict(stack.states()) for stack in stacks]


def test_u5_a_restored_database_sends_nothing_by_itself(postgres: Postgres, migrated: str, tmp_path: Path) -> None:
    original = Stack.of(postgres, migrated, tmp_path)
    began = time.monotonic()
    with mail_server(tmp_path / "mail") as server:
        original.configure(configuration({"main": server.connection("main")}))
        with original.feeder() as feeder:
            feeder.submit("bernd", "main", SENT)
            manage("deliver", "--until-empty", env=original.env)
            feeder.submit("bernd", "main", WAITING, first=SENT + 1)
        elsewhere = copy_of(original, postgres, tmp_path / "elsewhere", INSTALLATION_ID="another")
        in_place = copy_of(original, postgres, tmp_path / "in-place")
        manage("deliver", "--until-empty", env=original.env)  # what the copies do not know of
        accepted, jobs, arrivals = feeder.accepted, original.jobs(), server.arrivals
        manage("restored", env=in_place.env)
        paused, restored = send_nothing(server, elsewhere, in_place)
        manage("adopt", "--hold-pending", env=elsewhere.env)
        (adopted,) = send_nothing(server, elsewhere)
    report(
        "Restored database",
        {
            "original": original.states(),
            "copy elsewhere": paused,
            "adopted": adopted,
            "restored in place": restored,
            "seconds": time.monotonic() - began,
        },
    )
    assert judge(accepted, jobs, arrivals) == []
    assert "sending" not in paused
    assert paused["sent"] == SENT
    assert adopted == restored == {"sent": SENT, "held": WAITING}

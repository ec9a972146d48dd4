"""D6: how many sessions a server takes, on somebody's word only, bounded, without sending, turned into a limit."""

import json
import threading
from collections.abc import Iterator

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.core.management import CommandError, call_command

from diagnostics.capacity import MOST
from mailjobs.models import SharedConnection
from mailsettings.models import EmailAccount, ParameterSet
from tests.cast import move_in
from tests.services import CountingServer

pytestmark = pytest.mark.django_db(transaction=True)


class Narrow(CountingServer):
    """A server that answers 421 to more than four sessions."""

    async def handle_EHLO(
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return ["421 4.7.0 too many connections"] if self.open_now > 4 else responses


@pytest.fixture
def narrow() -> Iterator[Narrow]:
    with Narrow() as server:
        move_in(server)
        yield server


def test_d6_nothing_is_tried_without_consent(narrow: Narrow) -> None:
    with pytest.raises(CommandError) as raised:
        call_command("capacity", "--tenant", "huber")
    assert (raised.value.returncode, narrow.connections) == (2, 0)


def test_d6_what_a_server_takes_is_found_and_kept(narrow: Narrow, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("capacity", "--tenant", "huber", "--consent", "--apply", "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["sessions"], found["max_connections"]) == (4, 3)
    assert found["limit"].startswith("421")
    assert narrow.received == []
    assert ParameterSet.objects.get(tenant__slug="huber").values["max_connections"] == 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("delivery-database")]


def test_d6_it_ends_at_a_bound_where_the_server_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    with CountingServer() as server:
        own = {"smtp_user": server.login, "smtp_password": server.password}
        move_in(server, email_accounts=[{"id": "own", "sender_address": "own@kanzlei-huber.example", **own}])
        call_command("capacity", "--tenant", "huber", "--account", "own", "--consent", "--apply", "--json")
        assert server.most_open == MOST
    assert json.loads(capsys.readouterr().out) == {"sessions": MOST, "limit": "", "max_connections": MOST}
    assert EmailAccount.objects.get(slug="own").values["max_connections"] == MOST


def test_d6_a_refused_login_is_tried_once_and_pauses(narrow: Narrow) -> None:
    narrow.password = "changed-elsewhere-1"
    for _try in range(2):
        with pytest.raises(CommandError):
            call_command("capacity", "--tenant", "huber", "--consent")
    assert narrow.refused_logins == 1
    assert SharedConnection.objects.get().paused_at


def test_t4_a_com_customer_cannot_measure_its_firms_server(narrow: Narrow) -> None:
    with pytest.raises(CommandError):
        call_command("capacity", "--tenant", "muster", "--consent")
    assert narrow.connections == 0

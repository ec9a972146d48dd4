"""The API on production's web server and database: many at once, and what holds across processes."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailjobs.client import Portal, PortalError, Refused
from tests.cast import document
from tests.production.api import make_key, revoke_all, web_server
from tests.production.test_postgres import environment, manage
from tests.services import Postgres

pytestmark = pytest.mark.postgres


@dataclass
class Served:
    address: str
    env: dict[str, str]

    def portal(self, login: str, **more: int) -> Portal:
        return Portal(self.address, make_key(self.env, login), **more)  # type: ignore[arg-type]

    def jobs(self) -> int:
        return len(manage("mailjobs", "export", env=self.env).splitlines())


@pytest.fixture(scope="module")
def served(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("served")
    env = environment(postgres.create_database(), folder, API_KEY_PER_MINUTE="300")
    manage("migrate", "-v0", env=env)
    parameters = {"smtp_server": "mail.kanzlei-huber.example"}
    manage("settings", "import", "-", env=env, text=json.dumps(document(parameters=parameters)))
    with web_server(env) as address:
        yield Served(address, env)


def invoice(number: int) -> dict[str, object]:
    return {"print_model": "invoices", "to": [f"k{number}@kunde.example"], "variables": {"number": str(number), "name": "Müller"}}


def test_fifty_posts_of_one_key_at_once_are_one_mail(served: Served) -> None:
    portal, before = served.portal("bernd"), served.jobs()
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _n: portal.send({**invoice(1), "idempotency_key": "once"}), range(50)))
    assert len({answer["id"] for answer in answers}) == 1
    assert served.jobs() == before + 1


def test_batches_at_once_with_the_same_keys_are_the_same_mails(served: Served) -> None:
    portal, before = served.portal("bernd"), served.jobs()
    messages = [{**invoice(number), "idempotency_key": f"batch-{number}"} for number in range(200)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _n: [each["id"] for each in portal.send_many(messages)], range(4)))
    assert answers[0] == answers[1] == answers[2] == answers[3]
    assert served.jobs() == before + 200


def test_limits_hold_across_processes(served: Served) -> None:
    """Two workers of the web server count together."""
    portal = served.portal("bernd", attempts=1)
    time.sleep(max(0.0, 61 - time.time() % 60) if time.time() % 60 > 40 else 0)  # all within one minute
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _n: _status(portal), range(320)))
    assert answers.count(200) == 300
    assert answers.count(429) == 20


def test_a_revoked_key_stops_within_a_second(served: Served) -> None:
    portal = served.portal("anna")
    portal.explain(print_model="invoices")
    revoke_all(served.env)
    for _time in range(10):  # whichever process answers
        with pytest.raises(Refused) as refused:
            portal.message(1)
        assert refused.value.status == 401


def _status(portal: Portal) -> int:
    waits: list[float] = []
    portal.pause = waits.append
    try:
        next(portal.jobs(), None)
    except Refused as refused:
        return refused.status
    except PortalError:
        return 429
    return 200

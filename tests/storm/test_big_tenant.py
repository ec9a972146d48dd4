"""One customer queues an enormous run: everybody else's mail goes on as if nothing were (delivery contract 4)."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.services import Postgres
from tests.storm.judging import latencies, percentile, report
from tests.storm.stack import SIZE, MailServer, Stack, configuration, mail_server, scaled, wait_for_more

pytestmark = pytest.mark.postgres
QUEUED = scaled(100_000, least=4_000)
SINGLES = 60 if SIZE >= 1 else 10  # of each of the others, one a second
MOST_SECONDS = 5.0


def two_firms(server: MailServer) -> dict[str, Any]:
    """Huber with its Com customers over one connection, Wagner over one of its own."""
    document = configuration({"own": server.connection("main")}, parameters=server.connection("main"))
    people = [{"id": "wolf", "name": "Wolf Wagner", "role": "firm_admin", "password": "wolf-log-in-1"}]
    models = [{"id": "own", "delivery_mode": "background_smtp", "subject": "Rechnung", "text": "Guten Tag"}]
    parameters = {"send_system": 1, "sender_address": "office@kanzlei-wagner.example", **server.connection("wagner")}
    wagner = {"id": "wagner", "name": "Kanzlei Wagner", "parameters": parameters, "users": people, "print_models": models}
    document["firms"].append(wagner)
    return document


def test_another_tenants_mail_arrives_in_seconds_while_one_has_an_enormous_run(
    postgres: Postgres, migrated: str, tmp_path: Path
) -> None:
    stack = Stack.of(postgres, migrated, tmp_path)
    began = time.monotonic()
    slow = [0.02, 0.03]
    with mail_server(tmp_path / "mail", {"name": "main", "delay": slow}, {"name": "wagner", "delay": slow}) as server:
        stack.configure(two_firms(server))
        with stack.feeder() as feeder, stack.feeder() as singles:
            feeder.submit("mia", "invoices", QUEUED)
            queued = time.monotonic() - began
            with stack.crew():
                assert wait_for_more(server, 0, seconds=30), "the workers begin"
                handed_in: dict[str, list[tuple[int, float]]] = {"bernd": [], "wolf": []}
                for second in range(SINGLES):
                    due = time.monotonic() + 1
                    for user, mails in handed_in.items():
                        answer = singles.submit(user, "own", 1, first=1_000_000 + second)
                        mails.append((answer["ids"][0], answer["began"]))
                    time.sleep(max(due - time.monotonic(), 0))
                backlog = stack.unfinished()
                time.sleep(MOST_SECONDS + 1)
        jobs, arrivals = stack.jobs(), server.arrivals
    message_ids = {job.id: job.message_id for job in jobs}
    arrived = {arrival.message_id: arrival.at for arrival in arrivals}
    never = began + 1e6  # a mail that has not come yet is the latest of all
    waits = {user: [arrived.get(message_ids[job], never) - at for job, at in mails] for user, mails in handed_in.items()}
    report(
        "Enormous run",
        {
            "queued": QUEUED,
            "seconds to queue": queued,
            "still queued at the end": backlog,
            "same connection, other tenant": latencies(waits["bernd"]),
            "other firm": latencies(waits["wolf"]),
            "seconds": time.monotonic() - began,
        },
    )
    assert backlog > QUEUED / 10, "without a queue nobody has to be fair"
    for user, seconds in waits.items():
        assert percentile(seconds, 95) <= MOST_SECONDS, user
    assert len(arrived) == len(arrivals), "nothing arrived twice"

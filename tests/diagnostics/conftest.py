"""A firm whose mail is diagnosed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from diagnostics.cases import Asked
from diagnostics.diagnosis import begin, document_of, perform
from mailjobs import delivery
from mailjobs.selectors import worker_alive
from mailsettings.configuration import import_document
from mailsettings.models import User
from tests.cast import user
from tests.diagnostics.setups import ANNA, SetUp
from tests.services import wait_until

Document = dict[str, Any]


def firm(parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A firm with Anna, who administers it, Bernd, and a Com customer with Mia."""
    given = {"send_system": 0, "sender_address": ANNA, **parameters}
    return {
        "version": 1,
        "firms": [
            {
                "id": "huber",
                "name": "Kanzlei Huber",
                "parameters": {key: value for key, value in given.items() if value != ""},
                "users": [
                    {
                        "id": "anna",
                        "name": "Anna Huber",
                        "email": "all@test.local",
                        "role": "firm_admin",
                        "password": "anna-log-in-1",
                    },
                    {
                        "id": "bernd",
                        "name": "Bernd Moser",
                        "email": "bernd@test.local",
                        "role": "firm_user",
                        "password": "bernd-log-in-1",
                    },
                    {"id": "stapel", "name": "Stapel-User", "email": "all@test.local", "role": "service_user"},
                ],
                "employees": [{"id": "1", "name": "Anna Huber", "email": "anna.huber@kanzlei-huber.example"}],
                "com_customers": [
                    {
                        "id": "muster",
                        "name": "Musterkunde GmbH",
                        "users": [
                            {
                                "id": "max",
                                "name": "Max",
                                "email": "max@muster.example",
                                "role": "com_admin",
                                "password": "max-log-in-1",
                            },
                            {
                                "id": "mia",
                                "name": "Mia",
                                "email": "mia@muster.example",
                                "role": "com_user",
                                "password": "mia-log-in-1",
                            },
                        ],
                    }
                ],
                **more,
            }
        ],
    }


def move_in(parameters: dict[str, Any], **more: Any) -> None:
    import_document(firm(parameters, **more), actor="test")


def diagnose(login: str = "anna", *, by: User | None = None, **asked: Any) -> Document:
    """The document of a diagnosis."""
    wanted = Asked(user(login), by=by, **asked)
    return document_of(perform(begin(wanted), wanted))


def failing(document: Document) -> tuple[str, str]:
    """Step and cause of the first step that failed; empty where none did."""
    found = [(step["step"], step["cause"]) for step in document["steps"] if step["verdict"] == "failed"]
    assert len(found) <= 1, found
    return found[0] if found else ("", "")


@contextmanager
def worker() -> Iterator[None]:
    """A delivery engine as a worker process has it."""
    engine = delivery.EngineThread("test")
    engine.start()
    try:
        wait_until(worker_alive, what="a worker")
        yield
    finally:
        engine.stop()


@pytest.fixture
def set_up(request: pytest.FixtureRequest) -> Callable[[SetUp], None]:
    """Moves in with the server that a faulty set-up is at."""

    def make(wanted: SetUp) -> None:
        where: dict[str, Any] = {}
        if wanted.at:
            peer, _colon, port = wanted.at.partition(":")
            server = request.getfixturevalue(peer)
            where = {"smtp_server": "localhost", "smtp_port": server.ports[port], "ca_certificate": server.ca_certificate}
        move_in({**where, **wanted.parameters})

    return make

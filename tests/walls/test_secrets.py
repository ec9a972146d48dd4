"""Canary secrets at every level, used in earnest: found nowhere but sealed (Z8, Z18).

Looked for in pages, exports, database, log, tracebacks, broker and what tasks carry, in clear, in base64 and percent-encoded.
"""

import io
import logging
import traceback
from base64 import b64encode
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from urllib.parse import quote

import pytest
from celery import current_app
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.views.debug import ExceptionReporter

from mailjobs.core.envelope import Endpoint
from mailjobs.models import MailJob
from mailjobs.submission import submit_many
from mailsettings.changes import Book, save_account, save_parameters, save_print_model, save_secret, set_password
from mailsettings.changes.secrets import save_consent
from mailsettings.models import Secret, Tenant
from tests.canary import places_of
from tests.cast import invoice, move_in, user
from tests.mailjobs.test_delivery import deliver
from tests.pages.test_hostile_input import addresses
from tests.services import CountingServer

pytestmark = pytest.mark.django_db(transaction=True)
WORDS = {
    "firm": "Firm/canary+4711",
    "user": "User/canary+4712",
    "account": "Account/canary+4713",
    "client": "Client/canary+4714",
    "consent": "Refresh/canary+4715",
    "login": "Login/canary+4716",
    "refused": "Refused/canary+4717",
}


def forms(secret: str) -> Iterator[str]:
    """The ways in which a secret might be written."""
    yield from (secret, quote(secret, safe=""), repr(secret.encode())[2:-1], secret.replace("/", "\\/"))
    yield from (b64encode(b"x" * shift + secret.encode()).decode()[4:-4] for shift in range(3))


def found_in(text: str) -> list[str]:
    return [name for name, secret in WORDS.items() if any(form in text for form in forms(secret))]


@pytest.fixture
def used(smtp_server: CountingServer, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Every secret is stored, and has been offered to a server: taken, refused, or not reached; what was logged meanwhile."""
    caplog.set_level(logging.DEBUG)
    smtp_server.password = WORDS["firm"]
    move_in(smtp_server, parameters={"smtp_password": WORDS["firm"]})
    book, huber = Book("anna"), Tenant.objects.get(slug="huber")
    set_password(book, user("bernd"), WORDS["login"])
    save_parameters(book, user("bernd"), {"smtp_user": "bernd"})
    save_secret(book, user("bernd"), "smtp_password", WORDS["user"])
    here = {
        "smtp_server": "localhost",
        "smtp_port": smtp_server.port,
        "smtp_tls": "starttls",
        "ca_certificate": smtp_server.ca_pem,
    }
    values = {"refused": {**here, "smtp_user": "relay"}, "account": {**here, "smtp_port": 1025, "smtp_user": "nobody"}}
    accounts = {
        slug: save_account(
            book, tenant=huber, slug=slug, sender_address=f"{slug}@kanzlei-huber.example", values={**more, "send_system": 1}
        )
        for slug, more in values.items()
    }
    for slug, account in accounts.items():
        save_secret(book, account, "smtp_password", WORDS[slug])
        save_print_model(
            book,
            tenant=huber,
            slug=slug,
            account=account,
            user_accounts={},
            delivery_mode="background_smtp",
            subject="x",
            text="y",
        )
    oauth = {
        "send_system": 11,
        "oauth_client_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "smtp_user": "box@kanzlei-huber.example",
    }
    graph = save_account(book, tenant=huber, slug="graph", sender_address="graph@kanzlei-huber.example", values=oauth)
    save_secret(book, graph, "oauth_client_secret", WORDS["client"])
    save_consent(book, graph, WORDS["consent"], mailbox="box@kanzlei-huber.example")
    submit_many(user("anna"), [invoice(1), invoice(2, print_model="refused"), invoice(3, print_model="account")])
    submit_many(user("bernd"), [invoice(4)])
    deliver()
    assert smtp_server.received
    assert smtp_server.refused_logins >= 1
    return caplog


def test_the_database_holds_them_sealed_only(used: pytest.LogCaptureFixture) -> None:
    assert {name: places for name, secret in WORDS.items() if (places := places_of(secret))} == {}
    assert Secret.objects.count() >= 6


def test_no_page_shows_one(used: pytest.LogCaptureFixture) -> None:
    rows = (*MailJob.objects.values_list("pk", flat=True), *range(1, 5))
    shown = 0
    for login in ("anna", "bernd"):
        client = Client(raise_request_exception=False)
        client.force_login(user(login))
        for pattern in addresses():
            for pk in dict.fromkeys(rows if "{pk}" in pattern else rows[:1]):
                for kind in ("account", "user", "tenant") if "{text}/{pk}" in pattern else ("x",):
                    answer = client.get("/" + pattern.replace("{pk}", str(pk)).replace("{text}", kind))
                    said = b"".join(answer) if answer.streaming else answer.content
                    shown += answer.status_code == 200
                    assert found_in(said.decode(errors="replace") + str(answer.headers)) == [], answer.request["PATH_INFO"]
    assert shown > 40


def test_no_command_prints_one(used: pytest.LogCaptureFixture) -> None:
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        call_command("settings", "export", stdout=said)
        call_command("mailjobs", "export", stdout=said)
        call_command("explain", "--matrix", "--tenant", "huber", "--json", stdout=said)
    assert len(said.getvalue()) > 1000
    assert found_in(said.getvalue()) == []


def test_neither_log_nor_traceback_names_one(used: pytest.LogCaptureFixture) -> None:
    assert found_in(used.text) == []
    endpoint = Endpoint(host="mail.example", port=25, tls="off", send_system=1, secret=WORDS["firm"])
    try:
        raise ValueError(f"{endpoint}")
    except ValueError as error:
        reporter = ExceptionReporter(None, type(error), error, error.__traceback__)
        assert found_in(traceback.format_exc() + reporter.get_traceback_text() + reporter.get_traceback_html()) == []


def test_the_broker_carries_and_keeps_nothing(used: pytest.LogCaptureFixture) -> None:
    """Z18: JSON only, no results, and the one call that mail makes has no arguments."""
    assert settings.CELERY_TASK_IGNORE_RESULT
    assert settings.CELERY_ACCEPT_CONTENT == ["json"]
    assert not current_app.conf.get("result_backend")
    carried = b"".join(path.read_bytes() for path in Path(settings.VAR_DIR).rglob("*") if path.is_file() and "bell" in path.parts)
    assert found_in(carried.decode(errors="replace")) == []

"""Direct and asynchronous, redirect, pauses, who may send to whom, time limits, the command line (D1, D2, J8, J9, Z6, Z19)."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from diagnostics.models import Diagnosis
from mailjobs.core.message import parse_message
from mailjobs.models import MailJob, MailLogEntry, SharedConnection
from mailjobs.submission import requeue, submit, submit_many
from mailsettings.changes import Book, own_values, save_parameters
from mailsettings.configuration import import_document
from mailsettings.models import EmailAccount, PrintModel, Tenant
from tests.cast import connection_to, user
from tests.diagnostics.conftest import diagnose, failing, firm, move_in, worker
from tests.services import CountingServer, free_port, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def step(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in document["steps"] if each["step"] == name)


def test_asynchronous_mail_goes_through_queue_and_worker(smtp_server: CountingServer) -> None:
    move_in({**connection_to(smtp_server), "send_system": 1})
    with worker():
        document = diagnose(to="kunde@kunde.example")
    assert (document["verdict"], document["mode"], document["send_system"]) == ("passed", "async", 1)
    assert [mail.recipients for mail in smtp_server.received] == [("kunde@kunde.example",)]
    job = MailJob.objects.get()
    assert (job.lane, job.direct, job.state) == (2, False, "sent")


def test_no_worker_is_alive(smtp_server: CountingServer) -> None:
    move_in({**connection_to(smtp_server), "send_system": 1})
    document = diagnose()
    assert failing(document) == ("queue", "no_worker")
    assert step(document, "queue")["who"] == "operator"
    assert step(document, "test_mail")["verdict"] == "not_reached"
    assert not MailJob.objects.exists()


def test_mode_can_be_chosen(smtp_server: CountingServer) -> None:
    move_in({**connection_to(smtp_server), "send_system": 1})
    document = diagnose(mode="direct")
    assert (document["verdict"], document["mode"], document["send_system"]) == ("passed", "direct", 0)


def test_without_test_mail_it_ends_before_data(smtp_server: CountingServer) -> None:
    move_in(connection_to(smtp_server))
    document = diagnose(test_mail=False, to="kunde@kunde.example")
    assert document["verdict"] == "passed"
    assert step(document, "test_mail")["verdict"] == "not_reached"
    assert step(document, "recipient_accepted")["verdict"] == "passed"
    said = [line for each in document["steps"] for line in each["dialogue"]]
    assert "C: RSET" in said
    assert not any(line.startswith("C: DATA") for line in said)
    assert not smtp_server.received


def test_mail_larger_than_the_server_announces() -> None:
    with CountingServer(size_limit=1000) as server:
        move_in(connection_to(server))
        document = diagnose()
    assert failing(document) == ("size", "too_large")
    assert step(document, "test_mail")["verdict"] == "not_reached"


def test_old_diagnoses_are_forgotten(smtp_server: CountingServer) -> None:
    move_in(connection_to(smtp_server))
    diagnose(test_mail=False)
    Diagnosis.objects.update(started_at=timezone.now() - timedelta(days=181))
    diagnose(test_mail=False)
    assert Diagnosis.objects.count() == 1


def test_redirect_applies_and_is_shown(smtp_server: CountingServer) -> None:
    move_in({**connection_to(smtp_server), "redirect_enabled": True, "redirect_addresses": ["test@kanzlei-huber.example"]})
    document = diagnose(to="kunde@kunde.example")
    assert (document["verdict"], step(document, "redirect")["cause"]) == ("warned", "redirected")
    assert step(document, "redirect")["facts"]["to"] == ["test@kanzlei-huber.example"]
    assert [mail.recipients for mail in smtp_server.received] == [("test@kanzlei-huber.example",)]
    assert "kunde@kunde.example" not in str(document["steps"])


def test_captured_mail_is_not_sent(smtp_server: CountingServer) -> None:
    move_in({**connection_to(smtp_server), "redirect_enabled": True, "redirect_capture_only": True})
    assert failing(diagnose(to="kunde@kunde.example")) == ("redirect", "captured")
    assert not smtp_server.received


def test_who_is_no_administrator_probes_the_recipient_and_sends_to_himself(smtp_server: CountingServer) -> None:
    """Z19."""
    move_in(connection_to(smtp_server))
    document = diagnose("bernd", to="fremd@kunde.example")
    assert document["verdict"] == "passed"
    assert "C: RCPT TO:<fremd@kunde.example>" in step(document, "recipient_accepted")["dialogue"]
    assert [mail.recipients for mail in smtp_server.received] == [("bernd@test.local",)]
    entry = MailLogEntry.objects.get()
    assert (entry.outcome, entry.user.login) == ("handed_over", "bernd")


def test_com_user_cannot_look_around_in_the_firms_network(smtp_server: CountingServer) -> None:
    """Z6: the firm's own networks are no Com customer's; every refused host gets the same words."""
    given = firm({**connection_to(smtp_server), "allowed_networks": ["10.0.0.0/8", "192.168.0.0/16"]})
    replies = set()
    for host in ("10.0.0.1", "192.168.1.10", "169.254.169.254", "0x0a000001"):
        own = {"smtp_server": host, "smtp_tls": "off", "send_system": 0, "sender_address": "rechnung@muster.example"}
        given["firms"][0]["com_customers"][0]["parameters"] = own
        import_document(given, actor="test")
        for login in ("max", "mia"):
            document = diagnose(login)
            assert failing(document) == ("configuration", "host_not_allowed")
            replies.add((step(document, "configuration")["reply"], step(document, "configuration")["meaning"]))
    assert len(replies) == 1


def test_com_user_does_not_see_the_firms_server(smtp_server: CountingServer) -> None:
    """T4."""
    move_in(connection_to(smtp_server))
    document = diagnose("mia", test_mail=False)
    shown = json.dumps(document)
    assert document["verdict"] == "passed"
    assert smtp_server.host not in shown
    assert str(smtp_server.port) not in shown
    assert not any(each["dialogue"] for each in document["steps"])


def test_paused_login_is_told_and_not_released_by_the_diagnosis(smtp_server: CountingServer) -> None:
    """J8: a refused login waits for a person; that it works now is said, and releasing it is the person's."""
    move_in(connection_to(smtp_server))
    right, smtp_server.password = smtp_server.password, "another"
    failed = submit(user("anna"), parse_message({"to": ["kunde@kunde.example"], "subject": "1", "text": "1"}))
    assert failing(diagnose()) == ("authentication", "wrong_credentials")
    smtp_server.password = right
    document = diagnose()
    assert failing(document) == ("queue", "login_paused")
    assert SharedConnection.objects.filter(paused_at__isnull=False).count() == 1
    requeue(user("anna"), [failed.id or 0])
    assert diagnose()["verdict"] == "passed"


def test_corrected_login_is_green_at_once(smtp_server: CountingServer) -> None:
    move_in({**connection_to(smtp_server), "smtp_password": "another"})
    submit(user("anna"), parse_message({"to": ["kunde@kunde.example"], "subject": "1", "text": "1"}))
    import_document(firm(connection_to(smtp_server)), actor="test")
    assert diagnose()["verdict"] == "passed"


def test_account_is_diagnosed_as_a_print_model_would_use_it(smtp_server: CountingServer) -> None:
    account = {"id": "rechnungen", "sender_address": "rechnungen@kanzlei-huber.example", **connection_to(smtp_server)}
    models = [{"id": "invoices", "account": "rechnungen", "subject": "Rechnung {{ number }}", "text": "Nr. {{ number }}"}]
    move_in({}, email_accounts=[account], print_models=models)
    assert failing(diagnose()) == ("configuration", "no_server")
    for asked in ({"account": EmailAccount.objects.get()}, {"print_model": PrintModel.objects.get(tenant__slug="huber")}):
        document = diagnose(**asked)
        assert (document["verdict"], document["account"]) == ("passed", "rechnungen")
    assert {mail.sender for mail in smtp_server.received} == {"rechnungen@kanzlei-huber.example"}


def test_job_is_diagnosed_with_its_own_sender_and_recipients(smtp_server: CountingServer) -> None:
    """J9: whatever would be decided for a new mail."""
    move_in(connection_to(smtp_server))
    smtp_server.reply = "554 5.6.0 no"
    message = parse_message({"to": ["eins@kunde.example", "zwei@kunde.example"], "sender": "buero@test.local", "text": "1"})
    failed = submit(user("anna"), message)
    smtp_server.reply = "250 2.0.0 Ok"
    tenant = Tenant.objects.get(slug="huber")
    save_parameters(Book("test"), tenant, {**own_values(tenant), "sender_address": "neu@test.local"})
    document = diagnose(job=MailJob.objects.get(pk=failed.id or 0))
    assert "C: MAIL FROM:<buero@test.local>" in step(document, "sender_accepted")["dialogue"][0]
    asked = [line for line in step(document, "recipient_accepted")["dialogue"] if line.startswith("C: RCPT")]
    assert asked == ["C: RCPT TO:<eins@kunde.example>", "C: RCPT TO:<zwei@kunde.example>"]
    assert smtp_server.received[-1].recipients == ("all@test.local",)  # the test mail goes to the one who asks, not to clients


@contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        held: list[socket.socket] = []

        def take() -> None:
            with suppress(OSError):
                while True:
                    held.append(listening.accept()[0])

        threading.Thread(target=take, daemon=True).start()
        yield listening.getsockname()[1]


def test_silent_server_costs_less_than_30_seconds() -> None:
    with silent() as port:
        move_in({"smtp_server": "127.0.0.1", "smtp_port": port, "smtp_tls": "off"})
        begun = time.monotonic()
        assert failing(diagnose()) == ("greeting", "timeout")
        assert time.monotonic() - begun < 30


def test_server_that_never_answers_the_mail_costs_less_than_30_seconds(smtp_server: CountingServer, fault: Any) -> None:
    where = {"smtp_server": "localhost", "smtp_port": fault.ports["fault"], "ca_certificate": fault.ca_certificate}
    move_in({**where, "smtp_tls": "starttls"})
    begun = time.monotonic()
    assert failing(diagnose(to="silentafterdata@kunde.example")) == ("test_mail", "no_reply")
    assert time.monotonic() - begun < 30


def test_nothing_listens_there() -> None:
    move_in({"smtp_server": "127.0.0.1", "smtp_port": free_port(), "smtp_tls": "off"})
    assert failing(diagnose()) == ("connection", "refused")


# The command line


def run_command(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = 0
    try:
        call_command("diagnose", *arguments, stdout=StringIO())
    except SystemExit as ended:
        status = int(ended.code or 0)
    return status, capsys.readouterr().out


def test_command_prints_one_document_and_says_by_its_status(
    smtp_server: CountingServer, capsys: pytest.CaptureFixture[str]
) -> None:
    move_in(connection_to(smtp_server))
    status, printed = run_command("--user", "anna", "--json", capsys=capsys)
    document = json.loads(printed)
    assert (status, document["verdict"], document["user"]) == (0, "passed", "anna")
    assert [each["step"] for each in document["steps"]][:3] == ["configuration", "sender", "redirect"]
    smtp_server.reply = "554 5.6.0 no"
    status, printed = run_command("--user", "anna", "--json", capsys=capsys)
    assert (status, json.loads(printed)["verdict"]) == (1, "failed")
    assert Diagnosis.objects.count() == 2


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], 2),
        (["--user", "anna", "--account", "a", "--print-model", "b"], 2),
        (["--user", "niemand"], 1),
        (["--job", "4711"], 1),
    ],
)
def test_command_that_cannot_be_done(arguments: list[str], status: int) -> None:
    move_in({})
    with pytest.raises(CommandError) as refused:
        call_command("diagnose", *arguments)
    assert refused.value.returncode == status
    assert not Diagnosis.objects.exists()


def test_twenty_at_once_do_not_disturb_sending(smtp_server: CountingServer) -> None:
    move_in({**connection_to(smtp_server), "send_system": 1, "max_connections": 3})
    anna = user("anna")
    submit_many(anna, [parse_message({"to": [f"k{n}@kunde.example"], "subject": "1", "text": "1"}) for n in range(100)])
    ended: list[str] = []
    with worker():
        threads = [threading.Thread(target=lambda: ended.append(diagnose(test_mail=False)["verdict"])) for _n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(40)
        wait_until(lambda: MailJob.objects.filter(state="sent").count() == 100, seconds=30)
    assert ended == ["passed"] * 20

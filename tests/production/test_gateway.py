"""The SMTP door: real programs hand in mail that arrives once each; rules answer as SMTP replies; 250 survives kill -9."""

import json
import os
import queue
import shutil
import signal
import smtplib
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.cast import document
from tests.peers.fixtures import require
from tests.production.api import make_key, revoke_all
from tests.production.gateway import Door, smtp_door
from tests.production.test_postgres import environment, manage
from tests.services import CountingServer, Postgres, free_port, missing, wait_until

pytestmark = pytest.mark.postgres
PASSWORD = "bernd-log-in-1"
FROM = "Kanzlei Huber <office@kanzlei-huber.example>"


@dataclass
class Scene:
    env: dict[str, str]
    folder: Path
    server: CountingServer
    door: Door
    before: int = 0  # the last job of the tests before this one

    def jobs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in manage("mailjobs", "export", "--since", str(self.before), env=self.env).splitlines()]

    def deliver(self) -> None:
        manage("deliver", "--until-empty", "--json", env=self.env)


@pytest.fixture(scope="module")
def portal(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("portal")
    env = environment(postgres.create_database(), folder)
    manage("migrate", "-v0", env=env)
    with CountingServer() as server, smtp_door(env, folder) as door:
        yield Scene(env, folder, server, door)


@pytest.fixture
def scene(portal: Scene) -> Scene:
    """The cast as it is at first, and nothing arrived yet."""
    manage("settings", "import", "-", env=portal.env, text=json.dumps(document(portal.server)))
    if jobs := portal.jobs():
        portal.before = max(job["id"] for job in jobs)
        portal.deliver()  # what the test before has left
    portal.server.received.clear()
    return portal


def mail(number: int = 1, **headers: str) -> EmailMessage:
    made = EmailMessage()
    for name, value in {"From": FROM, "To": f"Max <k{number}@kunde.example>", "Subject": f"Rechnung {number}", **headers}.items():
        made[name.replace("_", "-")] = value
    made.set_content("Guten Tag, Grüße\n")
    made.add_alternative("<p>Guten Tag, Grüße</p>", subtype="html")
    made.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="Rechnung.pdf")
    return made


def test_a_mail_with_text_html_and_file_arrives_once_at_its_recipients(scene: Scene) -> None:
    with scene.door.starttls("bernd", PASSWORD) as session:
        made = mail(X_Postausgang_Document_Key="invoice 1", X_Postausgang_Run="November", Bcc="blind@kunde.example")
        session.send_message(made)
    with scene.door.implicit("bernd", make_key(scene.env, "bernd")) as session:
        session.send_message(mail(2))
    scene.deliver()
    first, second = sorted(scene.server.received, key=lambda each: each.headers["Subject"])
    assert sorted(first.recipients) == ["blind@kunde.example", "k1@kunde.example"]
    assert second.recipients == ("k2@kunde.example",)
    for part in (b"blind", b"X-Postausgang", b"localhost", b"127.0.0.1"):
        assert part not in first.content, "nothing of the way here is told"
    assert first.content.count(b"Content-Type: application/pdf") == 1
    assert {job["state"] for job in scene.jobs()} == {"sent"}


def test_log_in_only_over_tls_and_only_with_what_is_right(scene: Scene) -> None:
    with smtplib.SMTP("localhost", scene.door.port) as session:
        session.ehlo()
        assert not session.has_extn("auth")
        assert session.docmd("AUTH", "PLAIN AGJlcm5kAHg=")[0] in (530, 538)
        assert session.docmd("MAIL", "FROM:<a@b.example>")[0] == 530
    for login, password in (
        ("bernd", "wrong"),
        ("anna", make_key(scene.env, "bernd")),
        ("bernd", "pa_" + "x" * 43),
        ("nobody", "x"),
    ):
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            scene.door.starttls(login, password)
        assert refused.value.smtp_code == 535
    with scene.door.starttls() as session:
        session.ehlo()
        assert session.docmd("MAIL", "FROM:<office@kanzlei-huber.example>")[0] == 530
    assert scene.jobs() == []


def test_guessing_is_slowed_down(scene: Scene) -> None:
    codes = []
    for _number in range(6):
        with suppress(smtplib.SMTPServerDisconnected), scene.door.starttls() as session:
            session.ehlo()
            for _time in range(2):
                codes.append(session.docmd("AUTH", "PLAIN AGFubmEAd3Jvbmc=")[0])
    assert codes.count(535) <= 10
    assert 454 in codes


def test_a_key_that_is_revoked_ends_at_the_next_mail(scene: Scene) -> None:
    with scene.door.starttls("bernd", make_key(scene.env, "bernd")) as session:
        session.send_message(mail(1))
        revoke_all(scene.env)
        with pytest.raises(smtplib.SMTPDataError) as refused:
            session.send_message(mail(2))
        assert refused.value.smtp_code == 535


def test_rules_refuse_as_smtp_replies(scene: Scene) -> None:
    """P8: a Com customer's user may send as no other tenant, whichever of both addresses says so; C1; M1."""
    own, firm = "rechnung@musterkunde.example", "office@kanzlei-huber.example"
    with scene.door.starttls("mia", make_key(scene.env, "mia")) as session:
        session.sendmail(own, ["k1@kunde.example"], mail(From=own).as_bytes())
        for sender, header in ((firm, firm), (firm, own), (own, firm)):
            with pytest.raises((smtplib.SMTPDataError, smtplib.SMTPSenderRefused)) as refused:
                session.sendmail(sender, ["k1@kunde.example"], mail(From=header).as_bytes())
            assert (refused.value.smtp_code, refused.value.smtp_error[:5]) == (550, b"5.7.1")
            assert firm.encode() in refused.value.smtp_error
            session.rset()
        with pytest.raises(smtplib.SMTPDataError) as refused:
            session.send_message(mail(From=own, X_Postausgang_Print_Model="unknown"))
        assert (refused.value.smtp_code, b"5.7.1" in refused.value.smtp_error) == (550, True)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            session.sendmail(own, ["k1@localhost"], mail(From=own).as_bytes())
    checked = document(scene.server, parameters={"check_sender": True})
    manage("settings", "import", "-", env=scene.env, text=json.dumps(checked))
    with scene.door.starttls("bernd", PASSWORD) as session, pytest.raises(smtplib.SMTPDataError) as refused:
        session.send_message(mail())
    assert (refused.value.smtp_code, b"5.7.1" in refused.value.smtp_error, b"C1" in refused.value.smtp_error) == (550, True, True)
    assert len(scene.jobs()) == 1


def test_swaks_hands_in_and_is_refused(scene: Scene) -> None:
    if not shutil.which("swaks"):
        missing("swaks")
    common = ["swaks", "--server", f"localhost:{scene.door.port}", "--tls", "--auth-user", "bernd", "--auth-password", PASSWORD]
    letter = ["--from", "office@kanzlei-huber.example", "--to", "k1@kunde.example", "--header", "Subject: swaks"]
    done = subprocess.run([*common, *letter], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "250 2.0.0 Ok: stored as" in done.stdout
    broken = subprocess.run([*common, *letter, "--to", "nowhere"], capture_output=True, text=True, check=False, timeout=60)
    assert "553 5.1.3" in broken.stdout
    scene.deliver()
    assert [received.headers["Subject"] for received in scene.server.received] == ["swaks"]


@contextmanager
def relay(door: Door, login: str, password: str) -> Iterator[tuple[int, Path]]:
    """A Postfix whose smarthost is the door: its port and its log."""
    require(("postfix",))
    folder = Path(tempfile.mkdtemp(prefix="gw", dir="/tmp"))
    folder.chmod(0o755)
    port, config = free_port(), folder / "etc"
    for name in ("etc", "queue", "data"):
        (folder / name).mkdir()
    shutil.chown(folder / "data", "postfix")
    shutil.copy(door.ca_file, config / "ca.pem")
    (config / "password").write_text(f"[localhost]:{door.port} {login}:{password}\n")
    (config / "main.cf").write_text(
        f"""compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file_prefixes = {folder}
maillog_file = {folder}/log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = erp.kanzlei-huber.example
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
smtp_host_lookup = native
relayhost = [localhost]:{door.port}
smtp_tls_security_level = secure
smtp_tls_secure_cert_match = localhost
smtp_tls_CAfile = {config}/ca.pem
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = texthash:{config}/password
smtp_sasl_security_options = noanonymous
smtp_sasl_tls_security_options = noanonymous
minimal_backoff_time = 5s
queue_run_delay = 5s
"""
    )
    services = "cleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\nrewrite unix - - n - - trivial-rewrite\n"
    services += (
        "bounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\nverify unix - - n - 1 verify\n"
    )
    services += "smtp unix - - n - - smtp\nrelay unix - - n - - smtp\nerror unix - - n - - error\nretry unix - - n - - error\n"
    services += "tlsmgr unix - - n 1000? 1 tlsmgr\nanvil unix - - n - 1 anvil\nscache unix - - n - 1 scache\n"
    services += "pickup unix n - n 60 1 pickup\n"
    services += "postlog unix-dgram n - n - 1 postlogd\nlocal unix - n n - - local\nproxymap unix - - n - - proxymap\n"
    (config / "master.cf").write_text(f"127.0.0.1:{port} inet n - n - - smtpd\n{services}")
    subprocess.run(["postfix", "-c", str(config), "start"], check=True, capture_output=True, timeout=60)
    try:
        yield port, folder / "log"
    finally:
        subprocess.run(["postfix", "-c", str(config), "stop"], check=False, capture_output=True, timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.peers
def test_a_postfix_with_the_door_as_smarthost(scene: Scene) -> None:
    """Twenty mails of a program that knows nothing of the portal arrive once each; a refusal comes back as the server's words."""
    with relay(scene.door, "mia", make_key(scene.env, "mia")) as (port, log):
        own = "rechnung@musterkunde.example"
        with smtplib.SMTP("127.0.0.1", port) as session:
            for number in range(20):
                session.send_message(mail(number, From=own, Message_ID=f"<{number}@musterkunde.example>"))
            session.send_message(mail(99, From="office@kanzlei-huber.example", Message_ID="<99@musterkunde.example>"))

        def settled() -> bool:
            text = log.read_text()
            return text.count("status=sent") >= 20 and "status=bounced" in text

        try:
            wait_until(settled, seconds=60, what="Postfix handing on")
        finally:
            print(log.read_text())  # what pytest shows where it fails
        assert "550 5.7.1" in log.read_text()
    scene.deliver()
    arrived = Counter(received.recipients for received in scene.server.received)
    assert arrived == {(f"k{number}@kunde.example",): 1 for number in range(20)}


def test_kill_9_under_load_loses_nothing_and_doubles_no_document(scene: Scene) -> None:
    """What was answered with 250 is there; what was not is handed in again until it is, and each document is one mail."""
    count, todo = 120, queue.Queue[int]()
    for number in range(count):
        todo.put(number)
    answered: set[int] = set()
    door, key = scene.door, make_key(scene.env, "bernd")

    def program() -> None:
        while len(answered) < count:
            try:
                number = todo.get(timeout=0.2)
            except queue.Empty:
                continue
            try:
                with door.starttls("bernd", key) as session:
                    session.send_message(mail(number, X_Postausgang_Document_Key=f"invoice {number}"))
                    answered.add(number)
            except (OSError, smtplib.SMTPException):
                if number not in answered:
                    todo.put(number)
                    time.sleep(0.05)

    programs = [threading.Thread(target=program, daemon=True) for _n in range(6)]
    for each in programs:
        each.start()
    with ExitStack() as doors:
        running = door
        for kill in range(3):
            wait_until(lambda most=20 * (kill + 1): len(answered) >= most, seconds=60, what="some answers")  # type: ignore[misc]
            os.kill(running.process.pid, signal.SIGKILL)
            running.process.wait()
            running = doors.enter_context(smtp_door(scene.env, scene.folder, port=door.port, tls_port=door.tls_port))
        for each in programs:
            each.join(timeout=60)
    assert len(answered) == count
    scene.deliver()
    arrived = Counter(received.recipients for received in scene.server.received)
    assert arrived == {(f"k{number}@kunde.example",): 1 for number in range(count)}
    assert len(scene.jobs()) == count

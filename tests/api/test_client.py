"""The Python client and Django's e-mail backend, against a real web server in a thread and one that fails."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.mime.image import MIMEImage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives, get_connection, send_mail
from django.test import override_settings

from mailjobs.backend import message_of
from mailjobs.client import Portal, PortalError, Refused
from mailjobs.core.message import parse_message
from mailjobs.keys import Scope, make
from mailjobs.models import MailJob
from mailsettings.configuration import import_document
from tests.api.conftest import invoice
from tests.pages.conftest import document, person


@pytest.fixture
def key(transactional_db: None) -> str:
    import_document(document(), actor="test")
    return make(person("anna"), person("bernd"), name="test", scopes=list(Scope), expires_at=None)[1]


def test_mails_are_handed_in_and_asked_for(live_server: Any, key: str) -> None:
    portal = Portal(live_server.url, key)
    answer = portal.send(invoice(1), run="November")
    assert portal.message(answer["id"])["state"] == "new"
    assert MailJob.objects.get().run == "November"
    assert portal.cancel(answer["id"])["state"] == "cancelled"
    assert portal.requeue(answer["id"])["state"] == "new"
    assert portal.explain(print_model="invoices")["allowed"] is True
    with pytest.raises(Refused) as refused:
        portal.send(invoice(to=["nobody"]))
    assert (refused.value.status, refused.value.code) == (422, "address_invalid")


def test_any_number_goes_in_batches_and_comes_back_in_pages(live_server: Any, key: str) -> None:
    portal = Portal(live_server.url, key)
    messages = [invoice(number) if number != 700 else invoice(to=[]) for number in range(1100)]
    answers = list(portal.send_many(messages))
    assert [number for number, answer in enumerate(answers) if answer["id"] is None] == [700]
    assert MailJob.objects.count() == 1099
    assert [job["id"] for job in portal.jobs()] == sorted((answer["id"] for answer in answers if answer["id"]), reverse=True)
    assert [line["error_code"] for line in portal.log(outcome="refused")] == ["no_recipient"]


class _Failing(BaseHTTPRequestHandler):
    """Answers as the script says: a status, or `lost` (the connection ends without an answer)."""

    def do_POST(self) -> None:
        server: Any = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or "{}")
        server.bodies.append(body)
        step = server.script.pop(0) if server.script else 202
        if step == "lost":
            self.connection.close()
            return
        said = json.dumps({"id": 1, "status": "new", "error": None} if step == 202 else {"code": "x", "detail": "y"}).encode()
        self.send_response(step)
        self.send_header("Retry-After", "7")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_words: object) -> None:
        pass


@contextmanager
def failing(*script: int | str) -> Iterator[tuple[Portal, Any, list[float]]]:
    """A client of a server that follows a script; the pauses it would have made."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Failing)
    server.script, server.bodies = list(script), []
    pauses: list[float] = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Portal(f"http://127.0.0.1:{server.server_port}", "pa_x", attempts=4, pause=pauses.append), server, pauses
    finally:
        server.shutdown()
        server.server_close()


def test_a_lost_answer_and_a_busy_portal_are_asked_again_with_the_same_key() -> None:
    with failing("lost", 503, 429) as (portal, server, pauses):
        assert portal.send(invoice())["id"] == 1
    assert len(server.bodies) == 4
    assert len({body["idempotency_key"] for body in server.bodies}) == 1
    assert pauses == [2.0, 7.0, 7.0], "as long as the server says, else a little"


def test_it_gives_up_and_does_not_repeat_a_refusal_or_a_reset() -> None:
    with failing(503, 503, 503, 503) as (portal, server, _pauses), pytest.raises(PortalError):
        portal.send(invoice())
    assert len(server.bodies) == 4
    with failing(422) as (portal, server, _pauses), pytest.raises(Refused):
        portal.send(invoice())
    assert len(server.bodies) == 1
    with failing("lost") as (portal, server, _pauses), pytest.raises(PortalError):
        portal.requeue(1)


def test_only_web_addresses_are_taken() -> None:
    with pytest.raises(ValueError, match="https"):
        Portal("file:///etc/passwd", "k")


def test_a_django_project_sends_by_changing_settings(live_server: Any, key: str) -> None:
    backend = {"EMAIL_BACKEND": "mailjobs.backend.EmailBackend", "POSTAUSGANG_URL": live_server.url, "POSTAUSGANG_KEY": key}
    with override_settings(**backend):
        assert send_mail("Größe", "Guten Tag", "office@kanzlei-huber.example", ["Max <max@kunde.example>"]) == 1
        mail = EmailMultiAlternatives(
            "Rechnung",
            "Text",
            "office@kanzlei-huber.example",
            ["a@kunde.example"],
            bcc=["b@kunde.example"],
            headers={"X-Postausgang-Document-Key": "invoice 1", "X-Postausgang-Run": "November"},
        )
        mail.attach_alternative("<p>Text</p>", "text/html")
        mail.attach("r.pdf", b"%PDF", "application/pdf")
        assert mail.send() == 1
        with pytest.raises(Refused):
            send_mail("x", "x", "office@kanzlei-huber.example", ["nobody"])
        assert send_mail("x", "x", "office@kanzlei-huber.example", ["nobody"], fail_silently=True) == 0
        assert get_connection().send_messages([EmailMultiAlternatives("x", "x")]) == 0, "nobody gets it"
    plain, rich = MailJob.objects.order_by("pk")
    assert (plain.subject, plain.sender_address, plain.user.login) == ("Größe", "office@kanzlei-huber.example", "bernd")
    assert (rich.document_key, rich.run, rich.attachments.count()) == ("invoice 1", "November", 1)
    assert set(rich.recipients.values_list("kind", "address")) == {("to", "a@kunde.example"), ("bcc", "b@kunde.example")}


def test_names_html_and_ready_made_attachments_of_django_mails_are_taken_over() -> None:
    mail = EmailMultiAlternatives("x", "<p>x</p>", '"Huber, Anna" <a@huber.example>', ['"Müller, Max" <max@kunde.example>'])
    mail.content_subtype = "html"
    image = MIMEImage(b"GIF89a", _subtype="gif")
    image.add_header("Content-Disposition", "attachment", filename="logo.gif")
    mail.attach(image)
    mail.attach("note.txt", "Größe", "text/plain")
    message = parse_message(message_of(mail))
    assert (message.html, message.text) == ("<p>x</p>", None)
    assert [(file.filename, file.data) for file in message.attachments] == [
        ("logo.gif", b"GIF89a"),
        ("note.txt", "Größe".encode()),
    ]
    assert (message.to[0].name, message.to[0].address) == ("Müller, Max", "max@kunde.example")

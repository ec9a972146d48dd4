"""What the tests of log-in share: the cast, the operator's relay for system mail, links out of mails."""

import re
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.test import Client

from mailsettings.models import User
from tests.cast import move_in
from tests.services import CountingServer

LINK = re.compile(r"https?://[^/\s]+(/accounts/welcome/\S+)")
PASSWORD = "anna-log-in-1"
NEW = "drei blaue Lampen im Keller"


@pytest.fixture
def relay(settings: Any, smtp_server: CountingServer, tmp_path: Any) -> CountingServer:
    """The operator's relay for system mail; it is also the firm's mail server here."""
    ca = tmp_path / "ca.pem"
    ca.write_text(smtp_server.ca_pem)
    settings.OUTBOUND_CA_FILE = str(ca)
    settings.SYSTEM_EMAIL_FROM = "Postausgang <postausgang@hoster.example>"
    settings.SYSTEM_EMAIL = {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": smtp_server.host,
        "EMAIL_PORT": smtp_server.port,
        "EMAIL_HOST_USER": smtp_server.login,
        "EMAIL_HOST_PASSWORD": smtp_server.password,
        "EMAIL_USE_TLS": True,
    }
    move_in(smtp_server)
    User.objects.filter(login="anna").update(email="anna@kanzlei-huber.example")
    return smtp_server


def text_of(mail: Any) -> str:
    """The text of a mail that the server took."""
    read: Any = message_from_bytes(mail.content, policy=policy.default)
    body = read.get_body(("plain",))
    return str(body.get_content())


def link_in(mail: Any) -> str:
    """The path of the link in a mail."""
    found = LINK.search(text_of(mail))
    assert found
    return found[1]


def log_in(login: str, password: str, client: Client | None = None, **more: Any) -> Any:
    """Post the log-in form; returns the answer, whose `wsgi_request.user` says who is in."""
    return (client or Client()).post("/accounts/login/", {"login": login, "password": password}, **more)


def is_in(client: Client) -> bool:
    """Whether somebody is logged in in this browser."""
    return bool(client.get("/accounts/access/").status_code == 200)

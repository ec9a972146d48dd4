"""A small cast for the pages: two firms, one with two Com customers, and an operator."""

import re
from collections.abc import Callable, Mapping
from html import unescape
from typing import Any

import pytest
from django.forms import PasswordInput
from django.test import Client

from mailjobs.core.message import parse_message
from mailjobs.models import MailJob
from mailjobs.submission import submit
from mailsettings.configuration import import_document
from mailsettings.models import User

PASSWORD = "only-for-these-tests"
HIDDEN = re.compile(r'<input type="hidden" name="(?P<name>(?:kept-|inherit)[^"]*)" value="(?P<value>[^"]*)">')
LogIn = Callable[[str], Client]
MODEL = {"id": "invoices", "delivery_mode": "background_smtp", "subject": "Rechnung {{ number }}"}
BODY = {"text": "Guten Tag, anbei die Rechnung.", "html": "<p>Guten Tag, <b>anbei</b> die Rechnung.</p><script>x()</script>"}


def document() -> dict[str, Any]:
    """The configuration of the cast."""
    server = {"smtp_server": "mail.kanzlei-huber.example", "send_system": 1, "sender_address": "office@kanzlei-huber.example"}
    return {
        "version": 1,
        "operators": [_person("root", "Betrieb")],
        "firms": [
            {
                "id": "huber",
                "name": "Kanzlei Huber",
                "parameters": server,
                "users": [_person("anna", "Anna Huber", "firm_admin"), _person("bernd", "Bernd Moser", "firm_user")],
                "employees": [{"id": "1", "name": "Anna Huber", "email": "anna@kanzlei-huber.example", "user": "anna"}],
                "print_models": [{**MODEL, **BODY}],
                "com_customers": [
                    {
                        "id": "muster",
                        "name": "Musterkunde GmbH",
                        "parameters": {"sender_address": "rechnung@musterkunde.example"},
                        "users": [_person("max", "Max Muster", "com_admin"), _person("mia", "Mia Muster", "com_user")],
                        "print_models": [{**MODEL, **BODY}],
                    },
                    {
                        "id": "beispiel",
                        "name": "Beispiel Handels KG",
                        "users": [_person("eva", "Eva Beispiel", "com_admin")],
                        "print_models": [{**MODEL, **BODY}],
                    },
                ],
            },
            {
                "id": "gruber",
                "name": "Kanzlei Gruber",
                "parameters": {"smtp_server": "mail.gruber.example", "send_system": 1, "sender_address": "office@gruber.example"},
                "users": [_person("greta", "Greta Gruber", "firm_admin")],
                "print_models": [{**MODEL, **BODY}],
            },
        ],
    }


def _person(login: str, name: str, role: str = "") -> dict[str, str]:
    return {"id": login, "name": name, "password": PASSWORD, **({"role": role} if role else {})}


@pytest.fixture
def cast(db: None) -> None:
    """Everybody has moved in."""
    import_document(document(), actor="test")


@pytest.fixture
def log_in(cast: None) -> LogIn:
    """A browser in which this user is logged in."""

    def logged_in(login: str) -> Client:
        client = Client()
        client.force_login(person(login))
        return client

    return logged_in


def text_of(client: Client, url: str, status: int = 200) -> str:
    """What a page says, which must answer with this status."""
    answer = client.get(url)
    assert answer.status_code == status, url
    return unescape(answer.content.decode())


def filled(client: Client, url: str) -> dict[str, str]:
    """What a browser would post from the page as it stands."""
    form = client.get(url).context["form"]
    found = {}
    for field in form:
        value = field.field.prepare_value(field.value())
        if not field.field.disabled and value not in (None, False, "", []):
            found[field.html_name] = "on" if value is True else "\n".join(value) if isinstance(value, list) else str(value)
    return found


def save(client: Client, url: str, data: Mapping[str, Any]) -> Any:
    """Post a form and, where the page first shows what would change (P9), say yes to it as a browser would: without what was
    typed into password fields, with the hidden fields. Returns the answer after all redirects.
    """
    answer = client.post(url, data, follow=True)
    if answer.status_code == 200 and not answer.redirect_chain and getattr(answer.context.get("form"), "foresight", None):
        form = answer.context["form"]
        typed = {name: value for name, value in data.items() if not _is_secret(form, name) and name != "inherit"}
        hidden = {match["name"]: unescape(match["value"]) for match in HIDDEN.finditer(answer.content.decode())}
        answer = client.post(url, {**typed, **hidden, "foreseen": form.foresight.digest}, follow=True)
    return answer


def _is_secret(form: Any, name: str) -> bool:
    return name in form.fields and isinstance(form.fields[name].widget, PasswordInput)


def person(login: str) -> User:
    return User.objects.select_related("tenant__firm").get(login=login)


def mail(login: str, number: int = 1, **changes: Any) -> MailJob:
    """A job of this user's, with these columns changed as the engine would."""
    to = [f"klient{number}@kunde.example", f"zweiter{number}@kunde.example"]
    attachment = {"filename": f"{number}.html", "content_type": "text/html", "content_base64": "PGI+aGk8L2I+"}
    message = {"print_model": "invoices", "to": to, "variables": {"number": str(number)}, "attachments": [attachment]}
    result = submit(person(login), parse_message(message))
    assert result.id is not None, result
    if changes:
        MailJob.objects.filter(pk=result.id).update(**changes)
    return MailJob.objects.get(pk=result.id)

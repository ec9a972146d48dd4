"""The cast of the tests: Kanzlei Huber (Anna administers, Bernd works there, a batch user runs at night) and its Com customers.

Muster (Max, Mia) has addresses of its own, Beispiel (Eva) has none and would send as the firm.
"""

from typing import Any

from mailjobs.core.message import Message, parse_message
from mailsettings.configuration import import_document
from mailsettings.models import User
from tests.services import CountingServer

OFFICE = "office@kanzlei-huber.example"
INVOICES = "rechnungen@kanzlei-huber.example"


def document(server: CountingServer | None = None, *, parameters: dict[str, Any] | None = None, **firm: Any) -> dict[str, Any]:
    """The configuration of the cast; `parameters` adds to the firm's, `firm` replaces whole keys of the firm."""
    connection = connection_to(server) if server else {}
    models = [
        {
            "id": "invoices",
            "delivery_mode": "background_smtp",
            "subject": "Rechnung {{ number }}",
            "text": "Guten Tag {{ name }}",
            "html": "<p>Guten Tag {{ name }}</p>",
        }
    ]
    entry: dict[str, Any] = {
        "id": "huber",
        "name": "Kanzlei Huber",
        "parameters": {"send_system": 1, "sender_address": f"Kanzlei Huber <{OFFICE}>", **connection, **(parameters or {})},
        "users": [
            {"id": "anna", "name": "Anna Huber", "role": "firm_admin", "password": "anna-log-in-1"},
            {"id": "bernd", "name": "Bernd Moser", "role": "firm_user", "password": "bernd-log-in-1"},
            {"id": "stapel", "name": "Stapel-User", "role": "service_user"},
        ],
        "employees": [
            {
                "id": "1",
                "name": "Anna Huber",
                "email": "anna@kanzlei-huber.example",
                "user": "anna",
                "additional_emails": [OFFICE],
            },
        ],
        "email_accounts": [],
        "print_models": models,
        "com_customers": [
            {
                "id": "muster",
                "name": "Musterkunde GmbH",
                "parameters": {"sender_address": "rechnung@musterkunde.example"},
                "users": [
                    {"id": "max", "name": "Max Muster", "role": "com_admin", "password": "max-log-in-1"},
                    {"id": "mia", "name": "Mia Muster", "role": "com_user", "password": "mia-log-in-1"},
                ],
                "print_models": models,
            },
            {
                "id": "beispiel",
                "name": "Beispiel Handels KG",
                "users": [{"id": "eva", "name": "Eva Beispiel", "role": "com_admin", "password": "eva-log-in-1"}],
                "print_models": models,
            },
        ],
        **firm,
    }
    return {"version": 1, "firms": [entry]}


def connection_to(server: CountingServer) -> dict[str, Any]:
    """The connection parameters of a counting server."""
    return {
        "smtp_server": server.host,
        "smtp_port": server.port,
        "smtp_tls": "starttls" if server.starttls else "off",
        "ca_certificate": server.ca_pem,
        **({"smtp_user": server.login, "smtp_password": server.password} if server.auth else {}),
    }


def move_in(server: CountingServer | None = None, **more: Any) -> None:
    """Import the cast into the database."""
    import_document(document(server, **more), actor="test")


def user(login: str) -> User:
    return User.objects.select_related("tenant__firm").get(login=login)


def invoice(number: int | str = 1, **more: Any) -> Message:
    """An invoice to a client."""
    return parse_message(
        {
            "print_model": "invoices",
            "to": [f"klient{number}@kunde.example"],
            "variables": {"number": str(number), "name": "Müller & Co"},
            **more,
        }
    )

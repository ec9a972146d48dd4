"""Four tenants full of canaries: each row has an id that says whose it is, each text a word that nobody else may read.

The tables' counters are moved on before each tenant moves in, so that no id of one tenant is an id of another, in any table.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, models
from django.utils import timezone

from diagnostics.models import Diagnosis
from mailjobs.core.message import parse_message
from mailjobs.keys import Scope, make
from mailjobs.models import FrozenMail, Incident, InternalMessage, MailDraft, MailJob, MailLogEntry, PrintRun
from mailjobs.submission import submit_many
from mailsettings.changes import Book, save_account, save_employee, save_secret
from mailsettings.changes.secrets import save_consent
from mailsettings.configuration import import_document
from mailsettings.models import ClaimedAddress, Tenant, User

BODY = "koerper-6604"  # in bodies and attachments, beside the tenant's own word


@dataclass(frozen=True)
class House:
    """A tenant of the tests: its canary, where its ids begin, its people by role."""

    slug: str
    canary: str
    ids_from: int
    people: tuple[tuple[str, str], ...]


HUBER = House("huber", "kanzlei-9953", 100_000, (("anna", "firm_admin"), ("bernd", "firm_user"), ("stapel", "service_user")))
MUSTER = House("muster", "eigen-1220", 200_000, (("max", "com_admin"), ("mia", "com_user")))
BEISPIEL = House("beispiel", "nachbar-8842", 300_000, (("eva", "com_admin"), ("emil", "com_user")))
GRUBER = House("gruber", "fremd-7731", 400_000, (("greta", "firm_admin"), ("gert", "firm_user")))
HOUSES = (HUBER, MUSTER, BEISPIEL, GRUBER)
OPERATOR = "root"


def move_in() -> None:
    """Everybody, with a row of every kind."""
    import_document({"version": 1, "operators": [_person(OPERATOR, OPERATOR)], "firms": []}, actor="test")
    customers: list[dict[str, Any]] = []
    for house in HOUSES:
        _move_counters(house.ids_from)
        if house in (HUBER, GRUBER):
            import_document({"version": 1, "firms": [_entry(house)]}, actor="test")
        else:
            customers.append(_entry(house))
            import_document({"version": 1, "firms": [{**_entry(HUBER), "com_customers": customers}]}, actor="test")
        _fill(house)
    _move_counters(900_000)  # what comes later is nobody's here


def ids_of(house: House) -> list[int]:
    """All ids of a tenant's rows; few, for the tables' counters went on together."""
    numbered = (model for model in apps.get_models() if isinstance(model._meta.pk, models.BigAutoField))
    span = {"pk__gt": house.ids_from, "pk__lt": house.ids_from + 100_000}
    return sorted({pk for model in numbered for pk in model._base_manager.filter(**span).values_list("pk", flat=True)})


def rows_of(house: House) -> dict[str, list[dict[str, Any]]]:
    """The settings and mails of a tenant as they are in the database, to see whether anybody changed them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for model in apps.get_models():
        pk = model._meta.pk
        if model.__module__.startswith(("mailsettings.", "mailjobs.")) and not model.__name__.startswith("Audit"):
            span = {"pk__gt": house.ids_from, "pk__lt": house.ids_from + 100_000}
            if isinstance(pk, models.BigAutoField | models.OneToOneField):
                found[model._meta.db_table] = list(model._base_manager.filter(**span).order_by("pk").values())
    return found


def _person(login: str, role: str, canary: str = "") -> dict[str, str]:
    person = {"id": login, "name": f"{login} {canary}".strip()}
    return person if role == OPERATOR else {**person, "role": role, "email": f"{login}@{canary}.example"}


def _entry(house: House) -> dict[str, Any]:
    text = f"{house.canary} {BODY}"
    return {
        "id": house.slug,
        "name": f"Haus {house.slug}",  # a firm's name may be read by its Com customers
        "parameters": {
            "sender_address": f"office@{house.slug}.example",
            "send_system": 1,
            "smtp_server": f"{house.canary}.example",
        },
        "users": [_person(login, role, house.canary) for login, role in house.people],
        "print_models": [
            {"id": f"model-{house.canary}", "delivery_mode": "background_smtp", "subject": house.canary, "text": text}
        ],
    }


def _fill(house: House) -> None:
    tenant = Tenant.objects.select_related("firm").get(slug=house.slug)
    user = User.objects.select_related("tenant__firm").get(login=house.people[0][0])
    book, word = Book(user.login), house.canary
    save_employee(book, tenant=tenant, number=word, name=word, email=f"employee@{word}.example")
    values = {"send_system": 11, "oauth_client_id": word, "smtp_user": f"box@{word}.example"}
    account = save_account(book, tenant=tenant, slug=word, sender_address=f"account@{word}.example", values=values)
    save_secret(book, account, "oauth_client_secret", f"secret {word}")
    save_consent(book, account, f"refresh {word}", mailbox=f"mailbox@{word}.example")
    ClaimedAddress.objects.get_or_create(
        tenant=tenant, key=f"claim@{word}.example", defaults={"address": f"claim@{word}.example"}
    )
    PrintRun.objects.create(tenant=tenant, user=user, name=word, filename=f"{word}.csv", headings=[word])
    Diagnosis.objects.create(tenant=tenant, by=user, user=user, alike=word, verdict="failed", sender=f"box@{word}.example")
    make(user, user, name=word, scopes=list(Scope), expires_at=None)
    for job in _mails(user, word):
        now, what = timezone.now(), {"subject": word, "error": f"550 {word}", "recipients": [f"to@{word}.example"]}
        incident = Incident.objects.create(
            tenant=tenant, cause=f"{word} {job.pk}", reason="recipient_refused", error=f"550 {word}"
        )
        InternalMessage.objects.create(user=user, job=job, kind="failed", incident=incident, **what)
        MailLogEntry.objects.create(tenant=tenant, user=user, job=job, outcome="failed", **what)
        MailLogEntry.objects.create(tenant=tenant, user=user, outcome="refused", **what)
        MailDraft.objects.create(job=job, state="failed", mailbox=word, folder=word, error=word, changed_at=now)


def _mails(user: User, word: str) -> Iterator[MailJob]:
    file = {
        "filename": f"{word}.txt",
        "content_type": "text/plain",
        "content_base64": base64.b64encode(f"{word} {BODY}".encode()).decode(),
    }
    letter = {
        "to": [f"to@{word}.example"],
        "subject": word,
        "text": f"{word} {BODY}",
        "attachments": [file],
        "document_key": word,
    }
    for result in submit_many(user, [parse_message(letter), parse_message({**letter, "to": [f"other@{word}.example"]})]):
        assert result.id is not None, result
        MailJob.objects.filter(pk=result.id).update(state="failed", last_error=f"550 {word}", finished_at=timezone.now())
        assert FrozenMail.objects.filter(pk=result.id).exists()
        yield MailJob.objects.get(pk=result.id)


def _move_counters(start: int) -> None:
    tables = [model._meta.db_table for model in apps.get_models() if isinstance(model._meta.pk, models.BigAutoField)]
    with connection.cursor() as cursor:
        for table in tables:
            if connection.vendor == "postgresql":
                cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, start])
            else:
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
                cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, start])

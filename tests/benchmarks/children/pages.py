"""Very many mails in every state, made by SQL, and how long the portal's pages take over them."""

import gc
import time
from collections.abc import Mapping
from statistics import median, quantiles
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402 (after the line above)
from django.db import connection, transaction  # noqa: E402
from django.db.models import Max, Min, Model  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from mailjobs.models import InternalMessage, JobRecipient, MailJob, MailLogEntry, StateChoices, WorkerSign  # noqa: E402
from mailjobs.notices import Settled, record  # noqa: E402
from mailjobs.submission import submit  # noqa: E402
from tests.benchmarks.children.conversation import Wish, clock, converse  # noqa: E402
from tests.cast import invoice, move_in, user  # noqa: E402

AT_ONCE = 250_000  # rows of one statement
REFUSED = "550 5.1.1 <klient@kunde.example>: Recipient address rejected: User unknown"
WARM_UP = 3
# Of 1,000 mails in a row: 100 wait, 30 failed, 12 need somebody in another way, all others are done.
STATE = """CASE WHEN n % 10 = 0 THEN CASE WHEN n % 50 = 0 THEN 'deferred' ELSE 'new' END
    WHEN n % 1000 IN (1, 101, 201, 301, 401, 501, 601, 701, 801, 901) OR n % 50 = 3 THEN 'failed'
    WHEN n % 250 = 5 THEN 'held' WHEN n % 250 = 7 THEN 'unknown' WHEN n % 250 = 9 THEN 'partly_sent'
    WHEN n % 100 = 11 THEN 'cancelled' ELSE 'sent' END"""
OUTCOME = """CASE WHEN n % 50 = 3 THEN 'failed' WHEN n % 100 = 11 THEN 'cancelled' WHEN n % 1000 = 9 THEN 'refused'
    ELSE 'handed_over' END"""
# Whose: 60 % of the firm's administrator and user, 30 % of a Com customer's, the rest of another one's.
USER = "CASE WHEN n % 20 < 6 THEN {anna} WHEN n % 20 < 12 THEN {bernd} WHEN n % 20 < 18 THEN {mia} ELSE {eva} END"
TENANT = "CASE WHEN n % 20 < 12 THEN {huber} WHEN n % 20 < 18 THEN {muster} ELSE {beispiel} END"


def fill(wish: Wish) -> object:
    """So many jobs with recipient, attempt and line of the log, and a tenth as many internal messages."""
    count = wish["count"]
    move_in(parameters={"smtp_server": "127.0.0.1", "smtp_port": 25, "smtp_tls": "off"})
    people = {login: user(login) for login in ("anna", "bernd", "mia", "eva", "max")}
    ids = {login: person.pk for login, person in people.items()}
    ids |= {person.tenant.slug: person.tenant.pk for person in people.values() if person.tenant}
    submit(people["anna"], invoice(1))
    job = MailJob.objects.latest("pk")
    record([Settled(job, StateChoices.FAILED, REFUSED, "127.0.0.1:25")])
    ago = _ago(f"({count} - n) * 30")
    whose = {"user_id": USER.format(**ids), "tenant_id": TENANT.format(**ids)}
    with clock() as times:
        _copy(
            MailJob,
            job,
            count,
            state=STATE,
            held_reason=f"CASE WHEN {STATE} = 'held' THEN 'stage_held' ELSE '' END",
            held_for=f"CASE WHEN {STATE} = 'held' THEN 'approver' ELSE '' END",
            last_error=f"CASE WHEN {STATE} IN ('failed', 'partly_sent') THEN '{REFUSED}' WHEN {STATE} = 'deferred' "
            "THEN '450 4.2.0 Greylisted' WHEN n % 250 = 7 THEN 'timeout' ELSE '' END",
            subject="'Rechnung 2026-' || n",
            message_id="'<' || n || '@kanzlei-huber.example>'",
            document_key="'invoice 2026-' || n",
            idempotency_key="'key-' || n",
            run="'lauf-' || (n / 5000)",
            created_at=ago,
            due_at=ago,
            first_due_at=ago,
            finished_at=ago,
            delay_notified="TRUE",
            **whose,
        )
        recipient = JobRecipient.objects.filter(job=job).earliest("pk")
        address = "'klient' || n || '@kunde.example'"
        _copy(JobRecipient, recipient, count, job_id=f"n + {job.pk}", address=address, state="'accepted'")
        entry = MailLogEntry.objects.latest("pk")
        _copy(
            MailLogEntry,
            entry,
            count,
            job_id=f"CASE WHEN n % 1000 = 9 THEN NULL ELSE n + {job.pk} END",
            subject="'Rechnung 2026-' || n",
            message_id="'<' || n || '@kanzlei-huber.example>'",
            recipients=_json("'[\"klient' || n || '@kunde.example\"]'"),
            error=f"CASE WHEN n % 50 = 3 THEN '{REFUSED}' ELSE '' END",
            outcome=OUTCOME,
            at=ago,
            **whose,
        )
        letter = InternalMessage.objects.latest("pk")
        _copy(
            InternalMessage,
            letter,
            count // 10,
            user_id=str(ids["anna"]),
            job_id=f"n * 10 + {job.pk}",
            subject="'Rechnung 2026-' || n",
            at=ago,
            read_at=f"CASE WHEN n % 10 < 7 THEN {ago} ELSE NULL END",
            incident_id="NULL" if not wish.get("incident") else "t.incident_id",
        )
    _settle()
    WorkerSign.objects.all().delete()
    return {**times, "jobs": MailJob.objects.count(), "log": MailLogEntry.objects.count()}


def measure(wish: Wish) -> object:
    """The answer times of pages in milliseconds, as `login` sees them; each address of `pages` is visited `times` times.

    What was loaded at the start is kept out of the garbage collections, which would else hit now the one, now the other page.
    """
    call_command("collectstatic", interactive=False, verbosity=0)
    client = Client()
    client.force_login(user(wish["login"]))
    for path in wish["pages"].values():
        client.get(path.format(**_places()))
    gc.collect()
    gc.freeze()
    found = {}
    for name, path in wish["pages"].items():
        found[name] = _visited(client, path.format(**_places()), wish["times"])
    return found


def _places() -> Mapping[str, Any]:
    """What an address may name: the middle of the lists, a day in it."""
    ids = MailJob.objects.aggregate(first=Min("pk"), last=Max("pk"))
    middle = (ids["first"] + ids["last"]) // 2
    entry = (MailLogEntry.objects.aggregate(last=Max("pk"))["last"] or 0) // 2
    letter = (InternalMessage.objects.aggregate(last=Max("pk"))["last"] or 0) // 2
    day = MailJob.objects.filter(pk__gte=middle).earliest("pk").created_at.date()
    return {"job": middle, "entry": entry, "letter": letter, "day": day, "number": middle - ids["first"], "last": ids["last"]}


def _visited(client: Client, path: str, times: int) -> dict[str, Any]:
    took = []
    for _ in range(WARM_UP + times):
        began = time.perf_counter()
        answer = client.get(path)
        took.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code}")
        if took[-1] > 3000:
            break
    took = took[WARM_UP:] or took
    with CaptureQueriesContext(connection) as queries:
        client.get(path)
    slowest = max(queries.captured_queries, key=lambda query: float(query["time"]))
    return {
        "p50": median(took),
        "p95": quantiles(took, n=20)[18] if len(took) > 1 else took[0],
        "queries": len(queries),
        "slowest": f"{slowest['time']} s: {slowest['sql']}",
    }


def _copy(model: type[Model], row: Model, count: int, **changes: str) -> None:
    """Copies of a row, numbered by n from 1, with other values in these columns (SQL)."""
    table, quote = model._meta.db_table, connection.ops.quote_name
    names = [str(field.column) for field in model._meta.concrete_fields if field.column != "id"]
    values = ", ".join(changes.get(name, f"t.{quote(name)}") for name in names)
    columns = ", ".join(map(quote, names))
    for first in range(1, count + 1, AT_ONCE):
        last = min(first + AT_ONCE - 1, count)
        with transaction.atomic(), connection.cursor() as cursor:
            source = f"SELECT {row.pk} + n, {values} FROM {table} t, numbers WHERE t.id = {row.pk} ORDER BY n"
            cursor.execute(f"{_numbers(first, last)} INSERT INTO {table} (id, {columns}) {source}")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")


def _numbers(first: int, last: int) -> str:
    if connection.vendor == "postgresql":
        return f"WITH numbers AS (SELECT generate_series({first}, {last}) AS n)"
    return f"WITH RECURSIVE numbers(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})"


def _ago(seconds: str) -> str:
    if connection.vendor == "postgresql":
        return f"(now() - make_interval(secs => {seconds}))"
    return f"strftime('%Y-%m-%d %H:%M:%f', 'now', (-({seconds})) || ' seconds')"


def _json(text: str) -> str:
    return f"({text})::jsonb" if connection.vendor == "postgresql" else text


def _settle() -> None:
    """As a database that has been running for a while: statistics and visibility are known."""
    connection.ensure_connection()
    with connection.cursor() as cursor:
        for statement in ("VACUUM ANALYZE",) if connection.vendor == "postgresql" else ("ANALYZE",):
            cursor.execute(statement)


if __name__ == "__main__":
    converse({"fill": fill, "measure": measure})

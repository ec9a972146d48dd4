"""`manage.py demo`: the main job without a browser, on ports and a database of its own (contract, `make demo`).

Starts the same stack as `serve`, submits a print run of 25 invoices, waits for it and prints a JSON summary. With DATABASE_URL
the database of its own is a schema, made for it and dropped afterwards; with REDIS_URL it is a queue of its own.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils.translation import gettext as _

from diagnostics.demo import submit_run
from mailjobs.command_line import print_json, say
from mailjobs.models import FINAL_STATES, MailJob, StateChoices

START_SECONDS = 90
RUN_SECONDS = 120


class Command(BaseCommand):
    help = "Run the demo print run through a stack of its own and print a JSON summary."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--inside", action="store_true", help="the stack runs already, in this environment")

    def handle(self, *args: object, **options: Any) -> None:
        if options["inside"]:
            summary = run_and_wait()
            print_json(summary)
            if summary["sent"] != summary["submitted"]:
                raise CommandError(_("Not every mail was handed over."))
            return
        with own_environment() as environment, own_stack(environment):
            inside = subprocess.run([sys.executable, "manage.py", "demo", "--inside"], env=environment, check=False)
        if inside.returncode:
            raise CommandError(_("The demo failed; the lines above say why."))


def run_and_wait() -> dict[str, Any]:
    """Submit the run, wait until every mail has come to its end, and count."""
    started = time.monotonic()
    run = f"demo {uuid.uuid4().hex[:8]}"
    results = submit_run(run)
    jobs = MailJob.objects.filter(run=run)
    while jobs.exclude(state__in=FINAL_STATES).exists() and time.monotonic() - started < RUN_SECONDS:
        time.sleep(0.05)
    seconds = time.monotonic() - started
    sent = jobs.filter(state=StateChoices.SENT).count()
    return {
        "submitted": len(results),
        "sent": sent,
        "failed": len(results) - sent,
        "redirected": jobs.filter(log__redirected_to__isnull=False).distinct().count(),
        "seconds": round(seconds, 2),
    }


@contextmanager
def own_environment() -> Iterator[dict[str, str]]:
    """Folder, ports, database and queue that nothing else uses."""
    folder = tempfile.mkdtemp(prefix="demo-", dir=settings.VAR_DIR)
    name = f"postausgang_demo_{uuid.uuid4().hex[:8]}"
    port, sink_port = _free_ports(2)
    environment = {
        **os.environ,
        "VAR_DIR": folder,
        "PORT": str(port),
        "SMTP_SINK_PORT": str(sink_port),
        "SMTP_SINK_DIR": str(Path(folder) / "sink"),
        "OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
        "DEMO": "true",
        "QUEUE": name,
    }
    try:
        if settings.DATABASE_URL:
            with connection.cursor() as cursor:
                cursor.execute(f'CREATE SCHEMA "{name}"')
            separator = "&" if "?" in settings.DATABASE_URL else "?"
            environment["DATABASE_URL"] = f"{settings.DATABASE_URL}{separator}options={quote(f'-c search_path={name}')}"
        yield environment
    finally:
        if settings.DATABASE_URL:
            with connection.cursor() as cursor:
                cursor.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_stack(environment: dict[str, str]) -> Iterator[None]:
    """The processes of `serve --demo` while the block runs."""
    command = [sys.executable, "manage.py", "serve", "--demo"]
    log = Path(environment["VAR_DIR"]) / "serve.log"
    with log.open("wb") as output:
        stack = subprocess.Popen(command, env=environment, stdout=output, stderr=output)  # noqa: S603
        try:
            _wait_until_ready(stack, int(environment["PORT"]), log)
            yield
        finally:
            stack.send_signal(signal.SIGTERM)
            stack.wait(timeout=30)


def _wait_until_ready(stack: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    say(_("Starting a portal of its own on port %(port)s ...") % {"port": port})
    while time.monotonic() < deadline and stack.poll() is None:
        if "Ctrl-C" in log.read_text(errors="replace"):
            return
        time.sleep(0.1)
    raise CommandError(_("The stack did not start:") + "\n" + log.read_text(errors="replace")[-3000:])


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _index in range(count)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports

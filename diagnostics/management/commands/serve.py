"""`manage.py serve [--demo]`: the whole portal in the foreground: web server, worker, scheduler, test mail server."""

import hashlib
import http.client
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from diagnostics import sink
from diagnostics.demo import load_demo
from diagnostics.processes import Child, GaveUp, Supervisor
from mailjobs.people.first import first_token, nobody_yet
from mailsettings import demo
from mailsettings.installation import copied_from


class Command(BaseCommand):
    help = (
        "Runs the portal until Ctrl-C: web server (PORT, BIND), worker, scheduler and, with SMTP_SINK_DIR, the test mail server."
    )
    requires_system_checks = ()  # migrate runs them, after the ports were looked at

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="demo tenants into an empty database, and the test mail server")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["demo"]:
            run_again_as_demo()
        bind, port = os.environ.get("BIND") or "127.0.0.1", port_from_environment()
        require_free_port(bind, port, variable="PORT")
        if settings.SMTP_SINK_DIR:
            require_free_port(sink.HOST, settings.SMTP_SINK_PORT, variable="SMTP_SINK_PORT")
        self.prepare(with_demo=options["demo"])
        try:
            with Supervisor(children(bind, port), say=self.stderr_line) as supervisor:
                supervisor.run(until=lambda: answers(bind, port))
                if supervisor.wanted:
                    self.announce(bind, port, with_demo=options["demo"])
                supervisor.run()
        except GaveUp as error:
            raise CommandError(str(error)) from error

    def stderr_line(self, line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def prepare(self, *, with_demo: bool) -> None:
        """What must stand before the first process starts: tables, static files, demo tenants."""
        call_command("migrate", interactive=False, verbosity=0)
        if (original := copied_from()) is not None:
            self.stderr_line(
                f"This database is a copy of the installation {original}: nothing is delivered until `manage.py adopt`."
            )
        collect_static_files()
        forget_old_calls()
        if with_demo and not get_user_model().objects.exists():
            self.stderr_line("Making the demo tenants ...")
            load_demo()
        connections.close_all()

    def announce(self, bind: str, port: int, *, with_demo: bool) -> None:
        lines = [f"The portal answers on http://{reachable(bind)}:{port}"]
        if with_demo:
            user = get_user_model()
            known = set(user.objects.values_list(user.USERNAME_FIELD, flat=True))
            lines += [f"    {login:<20} {role}" for login, role in demo.LOGINS if login in known]
            lines += [f"    Password of all of them: {demo.PASSWORD}"]
            connections.close_all()
        if nobody_yet():
            where = f"http://{reachable(bind)}:{port}/accounts/first/"
            lines += ["Nobody can log in yet. Become the first operator with this link, which serves once:"]
            lines += [f"    {where}?token={first_token()}"]
            connections.close_all()
        if settings.SMTP_SINK_DIR:
            lines += [f"Test mail server: {sink.HOST}:{settings.SMTP_SINK_PORT}, mails in {Path(settings.SMTP_SINK_DIR) / 'new'}"]
        self.stdout.write("\n".join([*lines, "Ctrl-C stops everything."]))
        self.stdout.flush()


def run_again_as_demo() -> None:
    """Settings are read at the start of a process: with what the demo needs missing there, this one starts once more."""
    folder = settings.VAR_DIR / "sink"
    wanted = {
        "SMTP_SINK_DIR": str(folder),
        "OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
        "OUTBOUND_CA_FILE": str(folder / "tls" / "ca.pem"),
        "SYSTEM_EMAIL_URL": f"smtp+tls://{sink.LOGIN}:{sink.PASSWORD}@localhost:{settings.SMTP_SINK_PORT}",
        "SYSTEM_EMAIL_FROM": "Postausgang <postausgang@hoster.example>",
    }
    missing = {name: value for name, value in wanted.items() if not os.environ.get(name)}
    if not settings.DEMO:
        missing["DEMO"] = "true"
    if missing:
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **missing})  # noqa: S606 (the same command line again)


def port_from_environment() -> int:
    port = os.environ.get("PORT") or "8000"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise CommandError(f"PORT is no port: {port}")
    return int(port)


def require_free_port(bind: str, port: int, *, variable: str) -> None:
    host = bind.strip("[]")
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        why = f"Port {port} on {bind} cannot be used ({os.strerror(error.errno or 0)})"
        raise CommandError(f"{why}: end what uses it or set {variable} to another one.") from error


def reachable(bind: str) -> str:
    """The address under which this machine reaches what listens on `bind`."""
    return {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(bind, bind)  # noqa: S104 (compares, binds nothing)


def answers(bind: str, port: int) -> bool:
    """Whether the web server gives any HTTP answer."""
    with closing(http.client.HTTPConnection(reachable(bind).strip("[]"), port, timeout=2)) as connection:
        try:
            connection.request("GET", "/healthz")
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
        return True


def children(bind: str, port: int) -> list[Child]:
    """The processes of the portal; the mail server stops last, so that mails on the wire arrive."""
    environment = {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(settings.BASE_DIR), os.environ.get("PYTHONPATH")])),
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
    }
    celery = [sys.executable, "-m", "celery", "--quiet", "--app", "config"]
    worker = [*celery, "worker", "--pool", "threads", "--concurrency", "2", "--without-gossip", "--without-mingle"]
    worker += ["--loglevel", environment["LOG_LEVEL"], "--hostname", f"portal-{os.getpid()}@%h"]
    beat = [*celery, "beat", "--loglevel", environment["LOG_LEVEL"], "--pidfile", ""]
    made = [
        Child("web", web_server(bind, port, log_level=environment["LOG_LEVEL"].lower()), environment),
        Child("worker", worker, {**environment, "PYTHONWARNINGS": "ignore:You're running the worker with superuser"}),
        Child("beat", beat, environment),
    ]
    if settings.SMTP_SINK_DIR:
        mail = [sys.executable, str(settings.BASE_DIR / "manage.py"), "sink"]
        made.insert(0, Child("mail", mail, environment, stage=0))
    return made


def web_server(bind: str, port: int, *, log_level: str) -> list[str]:
    """gunicorn; SQLite has one writer, so that a second process would only wait for the first."""
    processes = "1" if settings.EMBEDDED else "2"
    command = [sys.executable, "-m", "gunicorn", "config.wsgi:application", "--bind", f"{bind}:{port}"]
    command += ["--worker-class", "gthread", "--workers", processes, "--threads", "8"]
    command += ["--graceful-timeout", "8", "--no-control-socket", "--log-level", log_level]
    if os.access("/dev/shm", os.W_OK):  # noqa: S108 (gunicorn makes nameless files there: a heartbeat must not wait for a disk)
        command += ["--worker-tmp-dir", "/dev/shm"]  # noqa: S108
    return command


def collect_static_files() -> None:
    """Collects and compresses them where one was added, changed or removed since the last time; that takes seconds."""
    state = Path(str(settings.STATIC_ROOT)) / ".collected"
    fingerprint = hashlib.sha256("\n".join(sorted(static_files())).encode()).hexdigest()
    if state.exists() and state.read_text() == fingerprint:
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    state.write_text(fingerprint)


def static_files() -> Iterator[str]:
    for finder in get_finders():
        for path, storage in finder.list([]):
            status = os.stat(storage.path(path))
            yield f"{path} {status.st_mtime_ns} {status.st_size}"


def forget_old_calls() -> None:
    """Empties the folder that carries the wake-up calls without Redis: each worker that was killed left its address there."""
    if not settings.REDIS_URL:
        folder = Path(str(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_in"]))
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)

"""The portal under a storm, all of it real processes: database, mail server, those who hand mails in, workers that may die.

Everything scales by STORM_SIZE: a twentieth by default, all of it by `make storm`.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

from tests.cast import document
from tests.production.test_postgres import ROOT, environment, manage
from tests.services import Postgres, wait_until
from tests.storm.judging import Arrival, Event, Job, Write

SIZE = float(os.environ.get("STORM_SIZE") or 0.05)
DELIVER = (sys.executable, "manage.py", "deliver")
CELERY = (sys.executable, "-m", "celery", "-q", "-A", "config", "worker", "-P", "threads", "-c", "2", "-l", "WARNING")
CELERY_WORKER = (*CELERY, "--without-gossip", "--without-mingle")

WATCH = """
CREATE TABLE storm_write (id bigserial, job bigint, before text, epoch_before int, after text, epoch int, by text);
CREATE FUNCTION storm_watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO storm_write (job, before, epoch_before, after, epoch, by)
  VALUES (NEW.id, OLD.state, OLD.epoch, NEW.state, NEW.epoch, current_setting('application_name'));
  RETURN NULL;
END $$;
CREATE TRIGGER storm_watch AFTER UPDATE ON mailjobs_mailjob FOR EACH ROW
  WHEN (OLD.state <> NEW.state OR OLD.epoch <> NEW.epoch) EXECUTE FUNCTION storm_watch();
"""


def scaled(full: int, *, least: int) -> int:
    """So many of a full storm's, but no fewer than a storm needs to show anything."""
    return max(round(full * SIZE), least)


@dataclass
class MailServer:
    """A process of `tests.storm.recorder`."""

    process: subprocess.Popen[str]
    folder: Path
    ports: Mapping[str, int]

    @property
    def arrivals(self) -> list[Arrival]:
        rows = (line.split("\t") for line in (self.folder / "arrivals.tsv").read_text().splitlines())
        return [Arrival(float(at), door, int(number), message_id, to) for at, door, number, message_id, to in rows]

    @property
    def events(self) -> list[Event]:
        rows = (line.split("\t") for line in (self.folder / "events.tsv").read_text().splitlines())
        return [Event(float(at), door, int(number), what, detail) for at, door, number, what, detail in rows]

    def count(self, door: str = "") -> int:
        """How many mails have been taken, at one door or all."""
        content = (self.folder / "arrivals.tsv").read_bytes()
        return content.count(f"\t{door}\t".encode()) if door else content.count(b"\n")

    def events_of(self, what: str, door: str = "") -> list[Event]:
        return [event for event in self.events if event.what == what and door in {"", event.door}]

    def change(self, door: str, **values: object) -> None:
        """Change a door; returns when it has been."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"door": door, "set": values}) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def connection(self, door: str, *, login: str = "", password: str = "", starttls: bool = False) -> dict[str, Any]:
        """The connection parameters that lead to a door."""
        leads: dict[str, Any] = {"smtp_server": "localhost", "smtp_port": self.ports[door], "smtp_tls": "off"}
        if starttls:
            leads |= {"smtp_tls": "starttls", "ca_certificate": (self.folder / "tls" / "ca.pem").read_text()}
        if login:
            leads |= {"smtp_user": login, "smtp_password": password, "allow_plain_auth": True}
        return leads


@contextmanager
def mail_server(folder: Path, *doors: dict[str, Any]) -> Iterator[MailServer]:
    """Listening with these doors; one called "main" when none is named."""
    folder.mkdir()
    command = [sys.executable, "-m", "tests.storm.recorder", str(folder), json.dumps(doors or [{"name": "main"}])]
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield MailServer(process, folder, json.loads(process.stdout.readline()))
    finally:
        end(process)


def end(process: subprocess.Popen[Any]) -> None:
    """Kill a process of one's own and wait for it."""
    process.kill()
    process.wait()


@dataclass
class Worker:
    """A place in the crew, and the process that holds it now."""

    name: str
    process: subprocess.Popen[bytes]
    starts: int = 1


@dataclass
class Crew:
    """Workers under supervision: whoever dies is started again at once."""

    command: Sequence[str]
    env: Mapping[str, str]
    folder: Path
    workers: list[Worker] = field(default_factory=list)
    crashes: int = 0  # exits that the storm did not ask for
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _over: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, size: int, command: Sequence[str], env: Mapping[str, str], folder: Path) -> Self:
        crew = cls(command, env, folder)
        crew.workers = [Worker(f"worker{n}", crew._start(f"worker{n}", 1)) for n in range(size)]
        threading.Thread(target=crew._supervise, daemon=True).start()
        return crew

    def _start(self, name: str, number: int) -> subprocess.Popen[bytes]:
        """The database sees each process by a name of its own."""
        command = [*self.command, *(["-n", f"{name}.{number}@storm"] if "celery" in self.command else [])]
        with (self.folder / f"{name}.log").open("ab") as log:
            env = {**self.env, "PGAPPNAME": f"{name}.{number}"}
            return subprocess.Popen(command, env=env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _supervise(self) -> None:
        while not self._over.wait(0.05):
            with self._lock:
                for worker in self.workers:
                    if worker.process.poll() is not None:
                        self.crashes += 1
                        self._start_again(worker)

    def _start_again(self, worker: Worker) -> None:
        worker.starts += 1
        worker.process = self._start(worker.name, worker.starts)

    def kill(self, worker: Worker) -> None:
        """kill -9, and a new one at once."""
        with self._lock:
            end(worker.process)
            self._start_again(worker)

    def replace(self, worker: Worker, seconds: float = 60) -> int:
        """As a deploy does: SIGTERM, wait for the end, start the new one; returns the exit status."""
        with self._lock:
            worker.process.send_signal(signal.SIGTERM)
            status = worker.process.wait(timeout=seconds)
            self._start_again(worker)
        return status

    def pause(self, worker: Worker) -> None:
        worker.process.send_signal(signal.SIGSTOP)

    def resume(self, worker: Worker) -> None:
        worker.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self._over.set()
        with self._lock:
            for worker in self.workers:
                end(worker.process)

    def tail(self, octets: int = 3000) -> str:
        """The last words of each worker, for a failure."""
        logs = sorted(self.folder.glob("worker*.log"))
        return "\n".join(f"== {log.name}\n{log.read_bytes()[-octets:].decode(errors='replace')}" for log in logs)


@dataclass
class Feeder:
    """A process of `tests.storm.feeder`, which does one thing after the other."""

    process: subprocess.Popen[str]
    accepted: list[int] = field(default_factory=list)

    def submit(self, user: str, models: str | Sequence[str], count: int, *, first: int = 1, **more: object) -> dict[str, Any]:
        """Hand in mails number `first` and on, of these print models in turn; see `tests.storm.feeder`."""
        self.begin(user, models, count, first=first, **more)
        return self.finish()

    def begin(self, user: str, models: str | Sequence[str], count: int, *, first: int = 1, **more: object) -> None:
        """`submit` without waiting for the answer, which `finish` gives."""
        self.say(
            {"user": user, "models": [models] if isinstance(models, str) else models, "first": first, "count": count, **more}
        )

    def finish(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.hear()
        self.accepted.extend(number for number in answer["ids"] if number is not None)
        return answer

    def say(self, wish: Mapping[str, object]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(wish) + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the feeder has died"
        return json.loads(line)


@dataclass
class Stack:
    """A portal with a database of its own."""

    url: str
    env: dict[str, str]
    folder: Path

    @classmethod
    def of(cls, postgres: Postgres, template: str, folder: Path, **env: str) -> Self:
        """`template`: a database of this server in which the tables are."""
        var = folder / "var"
        var.mkdir()
        url = postgres.create_database(template)
        return cls(url, environment(url, var, **{"PYTHONPATH": str(ROOT), "INSTALLATION_ID": "storm", **env}), folder)

    def configure(self, configuration: Mapping[str, Any]) -> None:
        manage("settings", "import", "-", env=self.env, text=json.dumps(configuration))

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as connection:
            yield connection

    def watch(self) -> None:
        """Write down every change of a job's state or epoch, and who made it."""
        with self.database() as database:
            database.execute(WATCH)

    def writes(self) -> list[Write]:
        with self.database() as database:
            rows = database.execute("SELECT job, before, epoch_before, after, epoch, by FROM storm_write ORDER BY id").fetchall()
        return [Write(*row) for row in rows]

    def has_leased(self, worker: Worker) -> bool:
        """Whether the process that is this worker now has taken a mail; needs `watch`."""
        sql = "SELECT count(*) FROM storm_write WHERE by = %s AND after = 'sending'"
        with self.database() as database:
            row = database.execute(sql, [f"{worker.name}.{worker.starts}"]).fetchone()
        return bool(row and row[0])

    def is_up(self, worker: Worker) -> bool:
        """Whether the process that is this worker now has come to the database."""
        sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
        with self.database() as database:
            row = database.execute(sql, [f"{worker.name}.{worker.starts}"]).fetchone()
        return bool(row and row[0])

    def last_to_lease(self, crew: Crew) -> Worker | None:
        """Who has taken the latest mails, unless another process has its place by now; needs `watch`."""
        with self.database() as database:
            row = database.execute("SELECT by FROM storm_write WHERE after = 'sending' ORDER BY id DESC LIMIT 1").fetchone()
        return next((each for each in crew.workers if row == (f"{each.name}.{each.starts}",)), None)

    def jobs(self) -> list[Job]:
        with self.database() as database:
            rows = database.execute("SELECT id, state, epoch, message_id, attempts FROM mailjobs_mailjob ORDER BY id").fetchall()
        return [Job(*row) for row in rows]

    def states(self) -> Counter[str]:
        with self.database() as database:
            return Counter(dict(database.execute("SELECT state, count(*) FROM mailjobs_mailjob GROUP BY state").fetchall()))

    def unfinished(self) -> int:
        states = self.states()
        return sum(states[state] for state in ("new", "sending", "deferred", "held"))

    def wait_until_final(self, seconds: float) -> float:
        """Until every job has a final state; returns how long that took."""
        began = time.monotonic()
        wait_until(lambda: not self.unfinished(), seconds=seconds, what=f"the end of all jobs ({dict(self.states())})")
        return time.monotonic() - began

    @contextmanager
    def crew(self, size: int = 2, command: Sequence[str] = DELIVER) -> Iterator[Crew]:
        """Workers at work; when the storm fails, what they said last is printed."""
        crew = Crew.of(size, command, self.env, self.folder)
        try:
            yield crew
        except BaseException:
            print(crew.tail())
            raise
        finally:
            crew.end()

    @contextmanager
    def feeder(self) -> Iterator[Feeder]:
        command = [sys.executable, "-m", "tests.storm.feeder"]
        env = {**self.env, "PGAPPNAME": "feeder"}
        process = subprocess.Popen(command, env=env, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            yield Feeder(process)
        finally:
            end(process)


def configuration(accounts: Mapping[str, Mapping[str, Any]], **firm: Any) -> dict[str, Any]:
    """The cast with one account, and one print model of the same name, for each connection; `firm` adds to the firm."""
    made = document(**{key: value for key, value in firm.items() if key != "parameters"}, parameters=firm.get("parameters"))
    entry = made["firms"][0]
    entry["email_accounts"] = [
        {"id": name, "sender_address": f"{name}@kanzlei-huber.example", **connection} for name, connection in accounts.items()
    ]
    entry["print_models"] = [
        {"id": name, "account": name, "delivery_mode": "background_smtp", "subject": "Rechnung", "text": "Guten Tag"}
        for name in accounts
    ]
    return made


def wait_for_more(server: MailServer, before: int, seconds: float) -> bool:
    """Until more mails have arrived than before; whether they have."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.count() > before:
            return True
        time.sleep(0.005)
    return False


DICE = random.Random("november")


@pytest.fixture(scope="session")
def migrated(postgres: Postgres) -> str:
    """A database with the tables, to be copied."""
    return migrate(postgres)


def migrate(postgres: Postgres, folder: Path | None = None) -> str:
    """Make the tables in a new database of this server; returns its name, for `Stack.of`."""
    url = postgres.create_database()
    manage("migrate", "-v0", env=environment(url, folder or postgres.folder))
    return url.partition("?")[0].rpartition("/")[2]

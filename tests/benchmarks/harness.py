"""What a measurement stands on: real servers, child processes, fresh databases. Nothing here measures."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg

from tests.services import Postgres, Redis, free_port

ROOT = Path(__file__).resolve().parents[2]
LATE_SERVER = "tests.benchmarks.children.late_server"
DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}  # as in earnest: what is committed survives a crash
SWEEP = 1.0
PATIENCE = 900.0  # seconds after which a measurement is given up
_LOOK = 0.005  # seconds between looks at a counter


class BenchmarkError(Exception):
    """What was measured is not what should have been: lost mails, a child that died."""


class PackageMissing(BenchmarkError):
    """A package of the operating system is missing; the text says which."""


def wait_for(condition: Callable[[], object], what: str, *, seconds: float = PATIENCE, every: float = _LOOK) -> None:
    """Returns as soon as the condition is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise BenchmarkError(f"waited {seconds:.0f} s for {what}")
        time.sleep(every)


def peak_mb(process: subprocess.Popen[Any]) -> float:
    """The most memory that a process, or the largest of its children, has had in it at once."""
    family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
    return max(_high_water_mark(pid) for pid in family)


def rss_mb(process: subprocess.Popen[Any]) -> float:
    """The memory that a process has in it now."""
    return float(psutil.Process(process.pid).memory_info().rss) / 2**20


def cpu_seconds(process: subprocess.Popen[Any]) -> float:
    """How long a process has kept a core busy."""
    times = psutil.Process(process.pid).cpu_times()
    return float(times.user + times.system)


def _high_water_mark(pid: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


class Child:
    """A process of `tests.benchmarks.children`, set up and waiting for wishes."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process, self.log = process, log

    def ask(self, do: str, **wish: object) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **wish}) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise BenchmarkError(f"a child died:\n{tail(self.log)}")
        return json.loads(line)


def tail(log: Path, octets: int = 3000) -> str:
    return log.read_bytes()[-octets:].decode(errors="replace")


@dataclass
class Sink:
    """A mail server that counts."""

    port: int
    file: Path
    lines: bool  # whether `file` has a line for each mail, or the running count of Postfix's smtp-sink at its end

    def taken(self) -> int:
        """How many mails it has taken."""
        if self.lines:
            return self.file.read_bytes().count(b"\n")
        with self.file.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - 100, 0))
            _before, found, after = file.read().rpartition(b"mesg=")
        digits, ended, _rest = after.partition(b"\r")
        return int(digits) if found and ended else 0

    def arrivals(self) -> dict[int, float]:
        """Number of the recipient → when its mail arrived (monotonic)."""
        rows = (line.split() for line in self.file.read_text().splitlines())
        return {int(row[0]): float(row[1]) for row in rows if len(row) == 2}


@dataclass
class Stand:
    """The servers of a run; `Stand.open()`."""

    folder: Path
    postgres: Postgres
    redis: Redis
    # Seconds between the last mail handed in and the moment when all are due, for a checkpoint and the workers' next look; 0: it
    # does not matter whether they come due together.
    rest: float = 2.5
    handed_in_per_second: dict[str, float] = field(default_factory=dict)  # load → what was seen last, to know how long it takes
    _names: int = 0

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Self]:
        """Running until the end of the block."""
        sink_program()  # says at once what is missing
        folder = Path(tempfile.mkdtemp(prefix="benchmarks-"))
        folder.chmod(0o755)  # PostgreSQL runs as somebody else
        postgres, redis = Postgres(), Redis()
        try:
            stand = cls(folder, postgres, redis)
            stand._make_durable()
            yield stand
        finally:
            redis.remove()
            postgres.stop()
            shutil.rmtree(folder, ignore_errors=True)

    def _make_durable(self) -> None:
        with self.database(self.postgres.url()) as database:
            for name, value in DURABLE.items():
                database.execute(f"ALTER SYSTEM SET {name} = {value}")
            database.execute("SELECT pg_reload_conf()")
        with self.database(self.postgres.url()) as database:
            for name, value in DURABLE.items():
                row = database.execute("SELECT current_setting(%s)", [name]).fetchone()
                if row != (value,):
                    raise BenchmarkError(f"PostgreSQL runs with {name} {row}")

    def new_name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}-{self._names}"

    # Environments

    def environment(self, url: str, settings: str, **more: str) -> dict[str, str]:
        """For a process on a database of this stand; what a developer has set himself is kept out."""
        var = self.folder / self.new_name("var")
        (var / "static").mkdir(parents=True)
        ours = {
            "DJANGO_SETTINGS_MODULE": settings,
            "DATABASE_URL": url,
            "REDIS_URL": self.redis.url,
            "QUEUE": var.name,
            "VAR_DIR": str(var),
            "PYTHONPATH": str(ROOT),
            "SECRET_KEY": "only-for-benchmarks-" + "x" * 50,
            "INSTALLATION_ID": "benchmark",
            "OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8",
            "LOG_LEVEL": "WARNING",
            "LEASE_SECONDS": "30",
            "SWEEP_SECONDS": str(SWEEP),  # so that each worker knows of mails that will be due together before they are (`rest`)
            "PENDING_CAP": "250000",
        }
        empty = ("FIELD_KEYS", "OUTBOUND_CA_FILE", "EHLO_NAME", "SMTP_SINK_DIR", "SYSTEM_EMAIL_URL")
        off = dict.fromkeys(("DEBUG", "DEMO", "HTTPS"), "false")
        return {**os.environ, **dict.fromkeys(empty, ""), **off, **ours, **more}

    # Databases

    @contextmanager
    def database(self, url: str) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection

    @cached_property
    def portal_template(self) -> str:
        """A database with the portal's tables, to be copied."""
        return self._template("config.settings")

    @cached_property
    def peer_template(self) -> str:
        """The same with the peers' tables."""
        return self._template("tests.benchmarks.children.peer_settings")

    def _template(self, settings: str) -> str:
        url = self.postgres.create_database()
        command = [sys.executable, "-m", "django", "migrate", "-v0"]
        done = subprocess.run(command, cwd=ROOT, env=self.environment(url, settings), capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchmarkError(done.stderr[-3000:])
        return url.partition("?")[0].rpartition("/")[2]

    @contextmanager
    def copy_of(self, template: str) -> Iterator[str]:
        """A fresh database; its URL. It is dropped at the end, since some are large."""
        url = self.postgres.create_database(template)
        yield url
        name = url.partition("?")[0].rpartition("/")[2]
        with self.database(self.postgres.url()) as database:
            database.execute(f"DROP DATABASE {name} WITH (FORCE)")

    # Processes

    @contextmanager
    def process(self, command: Sequence[str], env: dict[str, str], **pipes: Any) -> Iterator[tuple[subprocess.Popen[str], Path]]:
        """A process and the file with what it says on its standard error; ended, gently if possible, with the block."""
        log = self.folder / f"{self.new_name('log')}.txt"
        with log.open("wb") as errors:
            pipes = {"stdout": errors, "stdin": subprocess.DEVNULL, **pipes}
            process = subprocess.Popen(command, cwd=ROOT, env=env, stderr=errors, text=True, **pipes)
        try:
            yield process, log
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @contextmanager
    def child(self, module: str, env: dict[str, str], *words: str) -> Iterator[Child]:
        """A module of `tests.benchmarks.children`, ready."""
        command = [sys.executable, "-m", module, *words]
        with self.process(command, env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as (process, log):
            child = Child(process, log)
            child.answer()
            yield child

    @contextmanager
    def sink(self) -> Iterator[Sink]:
        """Postfix's smtp-sink, which takes everything."""
        file, port = self.folder / f"{self.new_name('sink')}.txt", free_port()
        user = ("-u", "nobody") if os.geteuid() == 0 else ()
        command = [sink_program(), "-c", "-m", "256", *user, f"127.0.0.1:{port}", "512"]
        with file.open("wb") as counts, self.process(command, dict(os.environ), stdout=counts):
            sink = Sink(port, file, lines=False)
            wait_for(lambda: _listens(port), "smtp-sink", seconds=10)
            yield sink

    @contextmanager
    def late_sink(self, seconds: float) -> Iterator[Sink]:
        """One that answers each command so late, and tells when each mail arrived."""
        file = self.folder / f"{self.new_name('arrivals')}.txt"
        command = [sys.executable, "-m", LATE_SERVER, str(seconds), str(file)]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        with self.process(command, env, stdout=subprocess.PIPE) as (process, log):
            yield Sink(Child(process, log).answer(), file, lines=True)


def sink_program() -> str:
    """Where Postfix's smtp-sink is."""
    found = shutil.which("smtp-sink", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if found is None:
        raise PackageMissing("smtp-sink is missing, which is in Debian's package postfix: apt-get install postfix")
    return found


def _listens(port: int) -> bool:
    listening = psutil.net_connections("tcp4")
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in listening)

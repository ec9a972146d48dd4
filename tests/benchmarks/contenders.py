"""Those who are compared: the portal, aiosmtplib without a queue, django-post-office, Celery with Django's mail.

Each `drain_...` has its senders up and idle before the clock starts, and gives a `Drain`.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from celery import Celery

from tests.benchmarks.harness import SWEEP, BenchmarkError, Child, Sink, Stand, cpu_seconds, peak_mb, wait_for
from tests.benchmarks.mails import Load

PORTAL = "tests.benchmarks.children.portal"
RAW = "tests.benchmarks.children.raw"
PEERS = "tests.benchmarks.children.peer_enqueuing"
PEER_SETTINGS = "tests.benchmarks.children.peer_settings"
PEER_CELERY = "tests.benchmarks.children.peer_celery"
RAW_CONNECTIONS = 4
POST_OFFICE_DEFAULTS: dict[str, object] = {}
POST_OFFICE_TUNED: dict[str, object] = {"BATCH_SIZE": 1000, "THREADS_PER_PROCESS": 16, "LOG_LEVEL": 1}  # what was fastest here
SLOWEST_HAND_IN = {"small": 900.0}  # mails per second assumed of a load that has not been handed in yet
SLOWEST_HAND_IN_OF_OTHERS = 350.0


@dataclass(frozen=True)
class Drain:
    """How long a queue took: until the last mail had arrived and was recorded as sent."""

    count: int
    seconds: float
    peak_mb: float = 0.0
    first: float = 0.0  # seconds until the first mail had arrived
    cpu: float = 0.0  # seconds of a core that the senders used

    @property
    def rate(self) -> float:
        return self.count / self.seconds


@dataclass
class Portal:
    """A portal with a database of its own, configured for one mail server."""

    stand: Stand
    url: str
    env: dict[str, str]
    feeder: Child
    database: psycopg.Connection[Any]

    def hand_in(self, load: Load, count: int, *, do: str = "hand_in", **wish: object) -> dict[str, float]:
        """Mails into the queue; when they are due at some time, only if that is still to come."""
        times: dict[str, float] = self.feeder.ask(do, load=load.name, count=count, **wish)
        self.stand.handed_in_per_second[load.name] = count / times["seconds"]
        return times

    def hand_in_due_at_once(self, load: Load, count: int, *, do: str = "hand_in", first: int = 1) -> float:
        """Mails that all come due at one moment, shortly after the last one was stored; that moment (monotonic)."""
        rate = self.stand.handed_in_per_second.get(load.name) or SLOWEST_HAND_IN.get(load.name, SLOWEST_HAND_IN_OF_OTHERS)
        made = 0.001 * count  # what it takes to make them before they are handed in
        moment = time.monotonic() + self.stand.rest + made + 1.2 * count / rate
        self.hand_in(load, count, do=do, first=first, due=time.time() + moment - time.monotonic())
        self.database.execute("CHECKPOINT")
        if self.stand.rest and time.monotonic() > moment - 1.2 * SWEEP:
            raise TooLate
        time.sleep(max(moment - time.monotonic(), 0))
        return moment

    def count(self, state: str) -> int:
        row = self.database.execute("SELECT count(*) FROM mailjobs_mailjob WHERE state = %s", [state]).fetchone()
        return int(row[0]) if row else 0

    def is_done(self) -> bool:
        """Whether no mail waits or is on its way."""
        unfinished = "SELECT EXISTS (SELECT FROM mailjobs_mailjob WHERE state IN ('new', 'deferred', 'held', 'sending'))"
        return self.database.execute(unfinished).fetchone() == (False,)

    @contextmanager
    def workers(self, count: int, *, concurrency: int | None = None) -> Iterator[list[subprocess.Popen[str]]]:
        """`manage.py deliver` in so many processes, up and waiting for mail."""
        names = [self.stand.new_name("deliver") for _n in range(count)]
        sessions = ["--concurrency", str(concurrency)] if concurrency else []
        with ExitStack() as stack:
            workers = [
                stack.enter_context(
                    self.stand.process([sys.executable, "manage.py", "deliver", *sessions], {**self.env, "PGAPPNAME": name})
                )[0]
                for name in names
            ]
            wait_for(lambda: self._seen(names), "the workers", seconds=60, every=0.05)
            time.sleep(0.5)
            try:
                yield workers
            finally:
                for worker in workers:  # nobody waits for them: what they did has been looked at
                    worker.kill()

    def _seen(self, names: list[str]) -> bool:
        query = "SELECT count(DISTINCT application_name) FROM pg_stat_activity WHERE application_name = ANY(%s)"
        return self.database.execute(query, [names]).fetchone() == (len(names),)

    @contextmanager
    def celery_worker(self) -> Iterator[None]:
        """A Celery worker of the portal, which the bell wakes."""
        with celery_worker(self.stand, "config", self.env, "-P", "threads"):
            yield

    def finish(self, sink: Sink, count: int) -> None:
        """Returns when so many mails have arrived and all are recorded as sent."""
        wait_for(lambda: sink.taken() >= count, f"{count} mails to arrive")
        wait_for(self.is_done, "the queue to be empty", every=0.01)

    def check(self, sink: Sink, count: int) -> None:
        """Nothing got lost, came twice or is recorded otherwise."""
        sent, taken = self.count("sent"), sink.taken()
        if (sent, taken) != (count, count):
            raise BenchmarkError(f"{count} mails were handed in, {taken} arrived, {sent} are recorded as sent")


class TooLate(Exception):
    """Handing in took longer than was thought: the mails came due meanwhile."""


@contextmanager
def portal(stand: Stand, sink: Sink | None, *, connections: int = 16) -> Iterator[Portal]:
    """A fresh portal that sends to this mail server."""
    with stand.copy_of(stand.portal_template) as url:
        env = stand.environment(url, "config.settings")
        with stand.child(PORTAL, env) as feeder, stand.database(url) as database:
            feeder.ask("configure", port=sink.port if sink else 25, connections=connections)
            yield Portal(stand, url, env, feeder, database)


def drain_portal(
    stand: Stand, load: Load, count: int, *, processes: int = 2, connections: int = 16, late: float | None = None
) -> Drain:
    """From the moment in which all mails come due; `late`: the server answers so many seconds late."""
    while True:
        with (
            stand.sink() if late is None else stand.late_sink(late) as sink,
            portal(stand, sink, connections=connections) as ours,
            ours.workers(processes, concurrency=connections if processes == 1 else None) as workers,
        ):
            try:
                due = ours.hand_in_due_at_once(load, count)
            except TooLate:
                continue
            used = sum(map(cpu_seconds, workers))
            wait_for(sink.taken, "the first mail")
            first = time.monotonic() - due
            ours.finish(sink, count)
            seconds = time.monotonic() - due
            used = sum(map(cpu_seconds, workers)) - used
            ours.check(sink, count)
            return Drain(count, seconds, max(map(peak_mb, workers)), first, used)


def drain_raw(stand: Stand, load: Load, count: int, *, late: float | None = None) -> Drain:
    """Ready-made bytes over a few open connections."""
    with (
        stand.sink() if late is None else stand.late_sink(late) as sink,
        stand.child(RAW, stand.environment("", "")) as raw,
    ):
        times = raw.ask("send", load=load.name, count=count, port=sink.port, connections=RAW_CONNECTIONS)
        _all_arrived(sink, count)
        return Drain(count, times["seconds"])


@contextmanager
def peers(
    stand: Stand, sink: Sink | None = None, options: dict[str, object] | None = None
) -> Iterator[tuple[dict[str, str], Child]]:
    """A fresh project of the peers: its environment, and a child that hands mails in."""
    with stand.copy_of(stand.peer_template) as url:
        port = str(sink.port if sink else 25)
        env = stand.environment(url, PEER_SETTINGS, BENCHMARK_SMTP_PORT=port, BENCHMARK_POST_OFFICE=json.dumps(options or {}))
        with stand.child(PEERS, env) as child:
            yield env, child


def drain_post_office(stand: Stand, load: Load, count: int, options: dict[str, object], *, processes: int) -> Drain:
    """`send_queued_mail` in a process that has nothing else to do."""
    with stand.sink() as sink, peers(stand, sink, options) as (env, feeder):
        feeder.ask("post_office_one_by_one" if load.file_octets else "post_office_in_bulk", load=load.name, count=count)
        with stand.database(env["DATABASE_URL"]) as database:
            database.execute("CHECKPOINT")
            with stand.child(PEERS, env) as sender:
                times = sender.ask("post_office_send_queued", processes=processes)
            _all_arrived(sink, count)
            row = database.execute("SELECT count(*) FROM post_office_email WHERE status = 0").fetchone()
            if row != (count,):
                raise BenchmarkError(f"django-post-office recorded {row} of {count} mails as sent")
        return Drain(count, times["seconds"], times["peak_mb"])


def drain_celery(stand: Stand, load: Load, count: int) -> Drain:
    """A worker of two processes that is told to begin with a full queue; nothing is recorded."""
    with stand.sink() as sink, peers(stand, sink) as (env, feeder):
        full, empty = env["QUEUE"], stand.new_name("empty")
        with celery_worker(stand, PEER_CELERY, {**env, "QUEUE": empty}, "-P", "prefork") as worker:
            feeder.ask("celery_one_by_one", load=load.name, count=count)
            began = time.monotonic()
            with Celery(broker=stand.redis.url) as remote:
                remote.control.add_consumer(full, destination=[f"worker@{empty}"])
            wait_for(lambda: sink.taken() >= count, f"{count} mails of Celery's")
            seconds = time.monotonic() - began
            _all_arrived(sink, count)
            return Drain(count, seconds, peak_mb(worker))


@contextmanager
def celery_worker(stand: Stand, app: str, env: dict[str, str], *options: str) -> Iterator[subprocess.Popen[str]]:
    """Up and waiting for tasks."""
    name = f"worker@{env['QUEUE']}"
    command = [sys.executable, "-m", "celery", "-q", "-A", app, "worker", *options, "-c", "2", "-n", name, "-l", "WARNING"]
    with (
        stand.process([*command, "--without-gossip", "--without-mingle"], env) as (process, _log),
        Celery(broker=stand.redis.url) as remote,
    ):
        wait_for(lambda: remote.control.ping([name], timeout=0.5), "a Celery worker", seconds=60, every=0.05)
        yield process


def stop(process: subprocess.Popen[str]) -> None:
    """As an administrator stops a worker: what is on the wire is finished, the rest given back."""
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)


def _all_arrived(sink: Sink, count: int) -> None:
    if sink.taken() != count:
        raise BenchmarkError(f"{count} mails were sent, {sink.taken()} arrived")

"""The doors of the delivery engine: in the foreground, inside a call, inside every worker process.

`run` is `manage.py deliver`, `deliver_now` serves the direct send systems, `EngineThread` lives in each Celery worker.
"""

import threading
import time
from collections.abc import Sequence

import structlog
from django.conf import settings

from mailjobs import lost, queue
from mailjobs.engine import Engine, Summary
from mailjobs.models import MailJob

log = structlog.get_logger(__name__)


def run(*, until_empty: bool, concurrency: int | None = None, stop: threading.Event | None = None) -> Summary:
    """Deliver in the foreground until `stop` is set or, with `until_empty`, until nothing is due and nothing is leased.

    `concurrency`: sessions of a connection, where no parameter says how many.
    """
    engine = Engine(concurrency=concurrency, stop=stop or threading.Event())
    return engine.run(until_empty=until_empty)


def deliver_now(job_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Deliver exactly these direct jobs now (S2); returns id → (state, last error)."""
    engine = Engine(concurrency=None, stop=threading.Event(), only=tuple(job_ids))
    engine.run(until_empty=True)
    rows = MailJob.objects.filter(pk__in=job_ids).values_list("pk", "state", "last_error")
    return {pk: (state, error) for pk, state, error in rows}


_local_engines: list["EngineThread"] = []


def wake() -> None:
    """Ring this process's engine; a process without one (another Celery pool) delivers what is due itself."""
    if _local_engines:
        for engine in _local_engines:
            engine.wake()
    else:
        run(until_empty=True)


class EngineThread:
    """The engine of a worker process, in a thread of its own; it survives a database that goes away."""

    def __init__(self, name: str) -> None:
        self._stop = threading.Event()
        self._engine = Engine(concurrency=None, stop=self._stop, name=name)
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)

    def start(self) -> None:
        _local_engines.append(self)
        self._thread.start()

    def wake(self) -> None:
        self._engine.wake()

    def stop(self) -> None:
        """Finish what is on the wire, give back the rest, end."""
        self._stop.set()
        self._engine.wake()
        self._thread.join(timeout=settings.LEASE_SECONDS)
        if self in _local_engines:
            _local_engines.remove(self)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._engine.run(until_empty=False)
            except Exception:
                log.exception("the delivery engine stopped and starts again", engine=self._engine.name)
                self._stop.wait(2.0)


def wait_until_off_the_wire(tenant_ids: Sequence[int]) -> None:
    """Return when none of the mails of these tenants that are on the wire now still is (U2); a lost lease ends the wait.

    Called after the change has been committed: who comes on the wire later knows the new policies and is not waited for.
    """
    before = queue.on_wire(tenant_ids)
    while before:
        time.sleep(0.02)
        lost.reap()
        before &= queue.on_wire(tenant_ids)

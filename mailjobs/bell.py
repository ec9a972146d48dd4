"""Wake-up calls for the delivery workers: sent on commit, allowed to get lost, never waited for (J1)."""

import atexit
import threading

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import KombuError

log = structlog.get_logger(__name__)
RING = "mailjobs.ring"
GOODBYE_SECONDS = 2.0  # how long a process that ends waits for its last call


class _Ringer:
    """A thread that calls the broker, so that one which hangs holds nobody up; many calls meanwhile are one."""

    def __init__(self) -> None:
        self._wanted, self._silent = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._silent.set()

    def ring(self) -> None:
        with self._lock:
            self._silent.clear()
            self._wanted.set()
            if self._thread is None or not self._thread.is_alive():  # a forked process has none
                self._thread = threading.Thread(target=self._work, name="bell", daemon=True)
                self._thread.start()

    def wait(self) -> None:
        """Until the last call is out, not long."""
        self._silent.wait(GOODBYE_SECONDS)

    def _work(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            _call()
            with self._lock:
                if not self._wanted.is_set():
                    self._silent.set()


_ringer = _Ringer()
atexit.register(_ringer.wait)


def ring_on_commit() -> None:
    """Wake a worker when the surrounding transaction commits, at once where there is none."""
    transaction.on_commit(ring)


def ring() -> None:
    """Wake a worker soon. Where the broker cannot be reached, the workers' own timer finds the mail."""
    _ringer.ring()


def _call() -> None:
    try:
        current_app.send_task(RING, ignore_result=True, retry=False, expires=60)
    except (KombuError, OSError) as error:
        log.warning("the broker was not reached; the mail waits for the workers' timer", error=str(error))
    except Exception:
        log.exception("the bell could not be rung; the mail waits for the workers' timer")

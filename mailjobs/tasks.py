"""Celery: each task is one call; a worker's process carries one delivery engine, which the tasks wake."""

from typing import Any

from celery import bootsteps, shared_task

from mailjobs import delivery, keeping
from mailjobs.bell import RING


@shared_task(name=RING)
def ring() -> None:
    """Look for due mail now."""
    delivery.wake()


@shared_task(name="mailjobs.purge")
def purge() -> None:
    """Erase what has been kept long enough."""
    keeping.purge()


@shared_task(name="mailjobs.delay_notices")
def delay_notices() -> None:
    """Tell users of mail that has been waiting for a while."""
    keeping.tell_delayed()


class EngineStep(bootsteps.StartStopStep):
    """Starts the delivery engine beside the worker's consumer and lets it finish what is on the wire when the worker stops."""

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        self.engine = delivery.EngineThread(name=worker.hostname)
        self.engine.start()

    def stop(self, worker: Any) -> None:
        self.engine.stop()

    def terminate(self, worker: Any) -> None:
        self.engine.stop()

"""Celery: each task is one call. The delivery engine of the worker's process (`config.celery`) is what `ring` wakes."""

from celery import shared_task

from mailjobs import delivery, keeping, runs
from mailjobs.bell import RING


@shared_task(name=RING)
def ring() -> None:
    """Look for due mail now."""
    delivery.wake()


@shared_task(name="mailjobs.purge")
def purge() -> None:
    """Erase what has been kept long enough."""
    keeping.purge()
    runs.forget_old()


@shared_task(name="mailjobs.delay_notices")
def delay_notices() -> None:
    """Tell users of mail that has been waiting for a while."""
    keeping.tell_delayed()

"""Celery: each task is one call."""

from celery import shared_task

from diagnostics import drift


@shared_task(name="diagnostics.watch_connections")
def watch_connections() -> None:
    """Look at the connections whose turn it is tonight."""
    drift.watch()

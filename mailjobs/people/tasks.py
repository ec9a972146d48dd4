"""Celery: each task is one call."""

from celery import shared_task

from mailjobs.people import digests


@shared_task(name="people.digests")
def send_digests() -> None:
    """Tell by mail of internal messages that are still unread."""
    digests.send_due()

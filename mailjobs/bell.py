"""Wake-up calls for the delivery workers: sent on commit, allowed to get lost (J1)."""

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import KombuError

log = structlog.get_logger(__name__)
RING = "mailjobs.ring"


def ring_on_commit() -> None:
    """Wake a worker when the surrounding transaction commits, at once where there is none."""
    transaction.on_commit(ring)


def ring() -> None:
    """Wake a worker now. Where the broker cannot be reached, the workers' own timer finds the mail."""
    try:
        current_app.send_task(RING, ignore_result=True, retry=False, expires=60)
    except (KombuError, OSError) as error:
        log.warning("the broker was not reached; the mail waits for the workers' timer", error=str(error))

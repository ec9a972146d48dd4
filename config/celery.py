"""The Celery application: the bell that wakes the delivery engine, and the scheduler."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("postausgang")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_configure.connect
def _add_engine(sender: Celery, **_unused: object) -> None:
    """Every worker process carries one delivery engine."""
    from mailjobs.tasks import EngineStep  # noqa: PLC0415 (Django must be set up first)

    sender.steps["worker"].add(EngineStep)

"""The Celery application: the bell that wakes the delivery engine, and the scheduler."""

import os
from typing import Any

from celery import Celery, bootsteps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class EngineStep(bootsteps.StartStopStep):
    """Carries one delivery engine beside a worker's consumer, and who hands print runs in; what is on the wire is finished."""

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        from mailjobs.delivery import EngineThread  # noqa: PLC0415 (Django is set up only now)
        from mailjobs.feeding import Feeder  # noqa: PLC0415

        self.engine, self.feeder = EngineThread(name=worker.hostname), Feeder()
        self.engine.start()
        self.feeder.start()

    def stop(self, worker: Any) -> None:
        self.feeder.stop()
        self.engine.stop()

    def terminate(self, worker: Any) -> None:
        self.stop(worker)


app = Celery("postausgang")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(EngineStep)

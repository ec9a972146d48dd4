"""`manage.py deliver`: the delivery engine in the foreground, the same that the Celery workers run."""

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError
from django.utils.translation import gettext as _

from mailjobs.command_line import print_json, say
from mailjobs.delivery import run
from mailjobs.feeding import Feeder, feed_all
from mailsettings.installation import copied_from


class Command(BaseCommand):
    help = "Deliver due mails until SIGTERM, or until nothing is due and nothing is leased."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--until-empty", action="store_true")
        parser.add_argument("--concurrency", type=int, default=None)
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: object, **options: Any) -> None:
        _say_if_copied()
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_unused: stop.set())
        feeder = Feeder()
        if options["until_empty"]:
            feed_all()
        else:
            feeder.start()
        summary = run(until_empty=options["until_empty"], concurrency=_at_least_one(options["concurrency"]), stop=stop).document()
        if not options["until_empty"]:
            feeder.stop()
        if options["json"]:
            print_json(summary)
        else:
            say(", ".join(f"{key} {value}" for key, value in summary.items()))


def _say_if_copied() -> None:
    try:
        original = copied_from()
    except DatabaseError:
        say(_("The database cannot be reached. Sending begins as soon as it is there."))
        return
    if original is not None:
        say(_("Paused: this database is a copy of the installation %(name)s. “manage.py adopt” ends that.") % {"name": original})


def _at_least_one(concurrency: int | None) -> int | None:
    return None if concurrency is None else max(concurrency, 1)

"""`manage.py sink`: the local test mail server in the foreground."""

import asyncio
import logging
import signal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from diagnostics import sink


class Command(BaseCommand):
    help = "Runs the local test mail server until SIGINT or SIGTERM; it keeps every mail as a file and delivers none."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--directory", type=Path, help="where it keeps the mails (SMTP_SINK_DIR)")
        parser.add_argument("--port", type=int, help="where it listens on 127.0.0.1 (SMTP_SINK_PORT)")

    def handle(self, *_args: Any, **options: Any) -> None:
        directory = options["directory"] or (Path(settings.SMTP_SINK_DIR) if settings.SMTP_SINK_DIR else None)
        if directory is None:
            raise CommandError("Name the folder for the mails: SMTP_SINK_DIR or --directory.")
        port = settings.SMTP_SINK_PORT if options["port"] is None else options["port"]
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd tells every command
        try:
            asyncio.run(self.listen(directory, port))
        except OSError as error:
            raise CommandError(f"Port {port} cannot be had ({error.strerror}): set SMTP_SINK_PORT.") from error

    async def listen(self, directory: Path, port: int) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with sink.listening(directory, port) as bound:
            self.stdout.write(f"test mail server on {sink.HOST}:{bound}, mails in {directory / 'new'}")
            self.stdout.flush()
            await stop.wait()

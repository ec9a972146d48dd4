"""`manage.py smtp_gateway`: the SMTP door in the foreground, until SIGTERM."""

import asyncio
import logging
import signal
import ssl
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from mailjobs.command_line import say
from mailjobs.gateway import listen


class Command(BaseCommand):
    help = (
        "Take mail from programs over SMTP: STARTTLS on one port, TLS from the first octet on another; log-in by key or password."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=2587, help="with STARTTLS; 0: a free one, negative: none")
        parser.add_argument("--tls-port", type=int, default=2465, help="with TLS from the first octet; likewise")
        parser.add_argument("--certificate", type=Path, required=True, metavar="PEM", help="with its chain")
        parser.add_argument("--key", type=Path, required=True, metavar="PEM")

    def handle(self, *args: object, **options: Any) -> None:
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd tells every command, passwords too
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(options["certificate"], options["key"])
            asyncio.run(_serve(options["host"], context, options["port"], options["tls_port"]))
        except OSError as error:  # an SSLError is one
            raise CommandError(_("The SMTP door cannot be opened: %(why)s") % {"why": error}) from error


async def _serve(host: str, context: ssl.SSLContext, port: int, tls_port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    servers = await listen(host, context=context, port=port if port >= 0 else None, tls_port=tls_port if tls_port >= 0 else None)
    for server in servers:
        say(_("The SMTP door is open at %(place)s") % {"place": "{}:{}".format(*server.sockets[0].getsockname()[:2])})
    await stop.wait()
    for server in servers:
        server.close()

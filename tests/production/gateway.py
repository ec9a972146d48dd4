"""The SMTP door as a process of its own."""

import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from smtplib import SMTP, SMTP_SSL

from diagnostics.sink import certificate_authority
from tests.production.test_postgres import ROOT
from tests.services import free_port, wait_until


@dataclass
class Door:
    """Both ports, and the authority that clients trust."""

    process: subprocess.Popen[str]
    port: int
    tls_port: int
    ca_file: Path

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))

    def starttls(self, login: str = "", password: str = "") -> SMTP:
        session = SMTP("localhost", self.port, timeout=60)
        session.starttls(context=self.context)
        if login:
            session.login(login, password)
        return session

    def implicit(self, login: str, password: str) -> SMTP_SSL:
        session = SMTP_SSL("localhost", self.tls_port, timeout=60, context=self.context)
        session.login(login, password)
        return session


@contextmanager
def smtp_door(env: dict[str, str], folder: Path, *, port: int = 0, tls_port: int = 0) -> Iterator[Door]:
    """A running door; given ports are those of one that was there before."""
    ca_file = certificate_authority(folder)
    port, tls_port = port or free_port(), tls_port or free_port()
    log = (folder / "gateway.log").open("a+")
    command = [
        sys.executable,
        "manage.py",
        "smtp_gateway",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--tls-port",
        str(tls_port),
    ]
    tls = ["--certificate", str(ca_file.parent / "server.pem"), "--key", str(ca_file.parent / "server.key")]
    process = subprocess.Popen([*command, *tls], env=env, cwd=ROOT, stderr=log, text=True)

    def is_open() -> bool:
        assert process.poll() is None, (folder / "gateway.log").read_text()
        try:
            with SMTP("localhost", port, timeout=5) as session:
                return bool(re.match(r"2", str(session.noop()[0])))
        except OSError:
            return False

    try:
        wait_until(is_open, seconds=40, what="the SMTP door")
        yield Door(process, port, tls_port, ca_file)
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()

"""Fixtures that run the real and the faulty mail servers of this folder, each session with its own state and ports."""

import email.policy
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from email.message import EmailMessage
from email.parser import BytesParser
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from mailjobs.core.envelope import Endpoint
from tests.services import missing

SCRIPTS = Path(__file__).parent
INSTALL = (
    "apt-get install -y postfix sasl2-bin libsasl2-modules libsasl2-modules-db libsasl2-modules-gssapi-mit dovecot-core"
    " dovecot-imapd dovecot-submissiond dovecot-gssapi krb5-kdc krb5-admin-server krb5-user openssl (or tests/peers/install.sh)"
)
PROGRAMS = {
    "postfix.sh": ("postfix", "saslpasswd2", "openssl"),
    "kdc.sh": ("krb5kdc", "kdb5_util", "kadmin.local", "kinit", "ktutil"),
    "dovecot.sh": ("dovecot", "openssl"),
    "fault.sh": ("openssl",),
}
LOOPBACK = ("127.0.0.0/8",)
PORTS = (
    *("mx", "clear", "cram", "login", "submission", "smtps", "expired", "wrongname", "selfsigned", "oldtls", "rate", "oauth"),
    *("mutual", "oauthclear"),
    *("imap", "imaps", "dovesub", "introspect", "kdc", "fault", "stripped", "inject"),
)
USERS = {
    "anna": "Anna-pw-1",
    "bernd": "Bernd-pw-2",
    "rechnungen": "Rechnung-pw-3",
    "relay": "Relay-pw-4",
    "grete": "Grüße-pw-6€",
}


@dataclass(frozen=True)
class Peers:
    """Servers of one state folder: their ports by the names of `lib.sh` in lower case, without `P_`; passwords by user."""

    state: Path
    ports: Mapping[str, int]
    users: Mapping[str, str]

    @property
    def ca_file(self) -> Path:
        return self.state / "tls" / "ca.pem"

    @cached_property
    def ca_certificate(self) -> str:
        return self.ca_file.read_text()

    def endpoint(self, port: str, tls: str, *, user: str = "", **changes: Any) -> Endpoint:
        """An endpoint of send system 0 that trusts the peers' CA; `user` logs in with its password, `changes` are its fields."""
        made = Endpoint(
            host="localhost",
            port=self.ports[port],
            tls=tls,
            send_system=0,
            username=user,
            secret=self.users.get(user, ""),
            ca_certificate=self.ca_certificate,
            allowed_networks=LOOPBACK,
        )
        return replace(made, **changes)


class Postfix(Peers):
    """Postfix with the faults and TLS variants of `postfix.sh`."""

    def delivered(self, message_id: str, *, box: str = "all", copies: int = 1, timeout: float = 20) -> list[EmailMessage]:
        """What came into the maildir of `<user>@test.local`, or of all others, under that Message-ID (with its angle brackets).

        Waits until there are so many copies; gives what there is when the time is over. One copy for each recipient.
        """
        deadline = time.monotonic() + timeout
        while True:
            mails = [mail for mail in self._mails(box) if mail["Message-ID"] == message_id]
            if len(mails) >= copies or time.monotonic() > deadline:
                return mails
            time.sleep(0.05)

    def log(self) -> str:
        return (self.state / "log" / "postfix.log").read_text(errors="replace")

    def _mails(self, box: str) -> list[EmailMessage]:
        parser = BytesParser(EmailMessage, policy=email.policy.default)
        files = (self.state / "mail" / box / "new").glob("*")
        return [parser.parsebytes(file.read_bytes()) for file in files]


class Kerberos:
    """What an operator does to give the process an identity: environment variables, a keytab, a ticket cache, krb5.conf."""

    def __init__(self, kdc: Peers, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kdc, self.folder, self._monkeypatch = kdc, folder, monkeypatch
        self._made = 0

    def configure(self, **libdefaults: object) -> None:
        """A krb5.conf of the peers' realm; `libdefaults` go before the peers' own."""
        plain = (self.kdc.state / "krb5" / "krb5.conf").read_text()
        added = "".join(f" {key} = {value}\n" for key, value in libdefaults.items())
        self._configure(plain.replace("[libdefaults]\n", f"[libdefaults]\n default_ccache_name = {self.default_cache}\n{added}"))

    def lose_kdc(self, port: int) -> None:
        """From now on the realm's KDC is looked for at this port."""
        plain = (self.kdc.state / "krb5" / "krb5.conf").read_text()
        self._configure(plain.replace(f":{self.kdc.ports['kdc']}", f":{port}"))

    def forget(self) -> None:
        for name in ("KRB5_CLIENT_KTNAME", "KRB5CCNAME"):
            self._monkeypatch.delenv(name, raising=False)

    def use_keytab(self, keytab: Path) -> None:
        self._monkeypatch.setenv("KRB5_CLIENT_KTNAME", str(keytab))

    def use_cache(self, cache: str) -> None:
        self._monkeypatch.setenv("KRB5CCNAME", cache)

    @property
    def default_cache(self) -> str:
        return f"FILE:{self.folder}/default.ccache"

    def keytab(self, user: str) -> Path:
        """A file of its own each time: the tickets that were fetched with it stay in the memory of the process."""
        made = self._new("keytab")
        made.write_bytes((self.kdc.state / "krb5" / f"{user}.keytab").read_bytes())
        return made

    def wrong_keytab(self, user: str) -> Path:
        """One with a key that is not the user's: the password was changed since."""
        made = self._new("keytab")
        asked = f"add_entry -password -p {user} -k 1 -e aes256-cts-hmac-sha1-96\nanother\nwkt {made}\nq\n"
        self._run(["ktutil"], asked)
        return made

    def ticket(self, user: str, *, lifetime: str = "1h", cache: str = "") -> str:
        """A cache with a ticket of this user, as somebody else keeps it."""
        cache = cache or f"FILE:{self._new('ccache')}"
        self._run(["kinit", "-l", lifetime, "-c", cache, "-k", "-t", str(self.keytab(user)), user])
        return cache

    def _configure(self, text: str) -> None:
        made = self._new("conf")
        made.write_text(text)
        self._monkeypatch.setenv("KRB5_CONFIG", str(made))

    def _new(self, ending: str) -> Path:
        self._made += 1
        return self.folder / f"{self._made}.{ending}"

    @staticmethod
    def _run(command: list[str], asked: str = "") -> None:
        subprocess.run(command, input=asked, text=True, check=True, capture_output=True, timeout=20)


class Faulty(Peers):
    """The three servers of `fault.py`: "fault", "stripped" (no STARTTLS) and "inject"."""

    def stored(self, message_id: str, *, server: str = "fault") -> list[dict[str, Any]]:
        """What the server took under that Message-ID: an event for each time, with sender, rcpts and scenario."""
        return [event for event in self.events(server) if event["event"] == "stored" and event["message_id"] == message_id]

    def events(self, server: str = "fault") -> list[dict[str, Any]]:
        file = self.state / server / "events.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture(scope="session")
def peers() -> Iterator[Peers]:
    """A state folder and free ports, with nothing running yet."""
    state = Path(tempfile.mkdtemp(prefix="px", dir="/tmp"))  # short: the paths of unix sockets end at 107 octets
    yield Peers(state, free_ports(PORTS), USERS)
    shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="session")
def postfix(peers: Peers, request: pytest.FixtureRequest) -> Iterator[Postfix]:
    """With GSSAPI where the KDC can run: Cyrus SASL looks for its keytab when a server process begins."""
    if not lacking(PROGRAMS["kdc.sh"]):
        request.getfixturevalue("kdc")
    with running("postfix.sh", peers):
        yield Postfix(peers.state, peers.ports, peers.users)


@pytest.fixture(scope="session")
def fault(peers: Peers) -> Iterator[Faulty]:
    with running("fault.sh", peers):
        yield Faulty(peers.state, peers.ports, peers.users)


@pytest.fixture(scope="session")
def kdc(peers: Peers) -> Iterator[Peers]:
    """Kerberos for `postfix` and `dovecot`: `state/krb5` has krb5.conf and keytabs."""
    with running("kdc.sh", peers):
        yield peers


@pytest.fixture
def kerberos(kdc: Peers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kerberos:
    """The Kerberos identity of this process; at first it has none."""
    if not importlib.util.find_spec("gssapi"):
        missing("libkrb5-dev")  # and gcc; `make development` builds gssapi where they are
    found = Kerberos(kdc, tmp_path, monkeypatch)
    found.configure()
    found.forget()
    return found


@pytest.fixture(scope="session")
def dovecot(peers: Peers) -> Iterator[Peers]:
    """IMAP, and the SASL behind the port "oauth" of `postfix`."""
    with running("dovecot.sh", peers):
        yield peers


@contextmanager
def running(script: str, peers: Peers) -> Iterator[None]:
    """Starts the servers of one of the scripts, and stops them at the end."""
    require(PROGRAMS[script])
    variables = {f"P_{name.upper()}": str(port) for name, port in peers.ports.items()}
    environment = {**os.environ, **variables, "PEERS_STATE": str(peers.state), "PEERS_PYTHON": sys.executable}
    try:
        run(script, "start", environment)
        yield
    finally:
        run(script, "stop", environment)


def run(script: str, command: str, environment: dict[str, str]) -> None:
    """Runs a script to its end. Its words go to a file, because its servers would hold a pipe open."""
    with tempfile.TemporaryFile() as said:
        done = subprocess.run([SCRIPTS / script, command], env=environment, stdout=said, stderr=said, timeout=120, check=False)
        said.seek(0)
        if done.returncode:
            pytest.fail(f"{script} {command}: {said.read().decode(errors='replace')}")


def require(programs: tuple[str, ...]) -> None:
    """Skips the test where the servers cannot run; in continuous integration that is a failure."""
    absent = lacking(programs)
    if os.geteuid() == 0 and not absent:
        return
    reason = f"needs root and {' '.join(absent) or 'Debian packages'}: {INSTALL}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def lacking(programs: tuple[str, ...]) -> list[str]:
    return [program for program in programs if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")]


def free_ports(names: tuple[str, ...]) -> dict[str, int]:
    """A different free port for each name; held open together, so that none is given twice."""
    with ExitStack() as stack:
        held = {name: stack.enter_context(socket.socket()) for name in names}
        for each in held.values():
            each.bind(("127.0.0.1", 0))
        return {name: each.getsockname()[1] for name, each in held.items()}

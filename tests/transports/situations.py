"""What can happen to a mail, whatever it goes over, and how each send system is brought into it; see `test_situations`."""

import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

import pytest

from tests.peers.fixtures import Kerberos, Peers, Postfix
from tests.peers.graph_standin import App, GraphStandIn
from tests.services import free_port

ANNA = "anna@test.local"


class Situation(StrEnum):
    """One row of the table."""

    ACCEPTED = "accepted"
    REFUSED_FOR_GOOD = "refused for good"
    REFUSED_FOR_NOW = "refused for now"
    PARTLY_REFUSED = "partly refused"
    SENDER_REFUSED = "sender refused"
    REPLY_LOST = "reply lost"  # after the body went
    SERVER_GONE = "server gone"
    WRONG_CREDENTIALS = "wrong credentials"
    WRONG_CERTIFICATE = "wrong certificate"


@dataclass(frozen=True)
class Expected:
    """What a job comes to: its state, what each recipient got, whether the login is paused.

    `arrived`: how many of its mails are at the other end. `told`: how many internal messages there are for people.
    """

    state: str
    recipients: tuple[str, ...]
    arrived: int = 0
    told: int = 1
    paused: bool = False


SENT = Expected("sent", ("accepted",), arrived=1, told=0)
PARTLY_SENT = Expected("partly_sent", ("accepted", "refused"), arrived=1)
REFUSED = Expected("failed", ("refused",))
UNTOUCHED = Expected("failed", ("pending",))  # nothing was said of the recipient
PAUSED = Expected("failed", ("pending",), paused=True)
UNKNOWN = Expected("unknown", ("unknown",), arrived=1)
DEFERRED = Expected("deferred", ("deferred",), told=0)
EXPECTED: Mapping[Situation, tuple[Expected, Expected]] = {  # sent directly, which is never tried again (S2); queued
    Situation.ACCEPTED: (SENT, SENT),
    Situation.REFUSED_FOR_GOOD: (REFUSED, REFUSED),
    Situation.REFUSED_FOR_NOW: (REFUSED, DEFERRED),
    Situation.PARTLY_REFUSED: (PARTLY_SENT, PARTLY_SENT),
    Situation.SENDER_REFUSED: (UNTOUCHED, UNTOUCHED),
    Situation.REPLY_LOST: (UNKNOWN, UNKNOWN),
    Situation.SERVER_GONE: (UNTOUCHED, DEFERRED),
    Situation.WRONG_CREDENTIALS: (PAUSED, PAUSED),
    Situation.WRONG_CERTIFICATE: (UNTOUCHED, DEFERRED),
}


@dataclass(frozen=True)
class Arranged:
    """What the situation needs: parameters of the firm beside the send system, and to whom the mail goes."""

    parameters: dict[str, Any]
    to: list[str] = field(default_factory=lambda: ["kunde@kunde.example"])


class Column(ABC):
    """How one kind of send system is brought into each situation. A new one is a class and a line in COLUMNS."""

    systems: ClassVar[tuple[int, ...]]  # direct and queued
    impossible: ClassVar[Mapping[Situation, str]] = {}  # with the reason

    def __init__(self, request: pytest.FixtureRequest) -> None:
        """`request` gives the fixtures: servers, `tmp_path`, `monkeypatch`."""
        self.request = request

    @abstractmethod
    @contextmanager
    def arrange(self, situation: Situation) -> Iterator[Arranged]:
        """The situation holds while the context lasts."""

    @abstractmethod
    def arrived(self, message_id: str, expected: int) -> int:
        """How many mails with this Message-ID (angle brackets included) are at the other end; waits until there are so many."""


class SmtpColumn(Column):
    """Over a real Postfix, whatever the log-in; `login` gives its parameters."""

    ports: ClassVar[tuple[str, str]] = ("submission", "clear")  # with STARTTLS, and without TLS

    @abstractmethod
    def login(self, *, right: bool) -> dict[str, Any]: ...

    @contextmanager
    def arrange(self, situation: Situation) -> Iterator[Arranged]:
        login = self.login(right=situation is not Situation.WRONG_CREDENTIALS)
        usual = {**self._server(self.ports[0]), "sender_address": ANNA, **login}
        match situation:
            case Situation.REFUSED_FOR_GOOD:
                yield Arranged(usual, ["reject-a@kunde.example"])
            case Situation.REFUSED_FOR_NOW:
                yield Arranged(usual, ["grey-a@kunde.example"])
            case Situation.PARTLY_REFUSED:
                yield Arranged(usual, ["kunde@kunde.example", "reject-a@kunde.example"])
            case Situation.SENDER_REFUSED:
                yield Arranged({**usual, "sender_address": "bernd@test.local"})
            case Situation.REPLY_LOST:
                with reply_losing(self._postfix.ports[self.ports[1]]) as port:
                    yield Arranged({**usual, "smtp_port": port, "smtp_tls": "off"})
            case Situation.SERVER_GONE:
                yield Arranged({**usual, "smtp_port": free_port()})
            case Situation.WRONG_CERTIFICATE:
                yield Arranged({**usual, "smtp_port": self._postfix.ports["wrongname"], "smtp_tls": "implicit"})
            case _:
                yield Arranged(usual)

    def arrived(self, message_id: str, expected: int) -> int:
        return len(self._postfix.delivered(message_id, copies=expected or 1, timeout=20 if expected else 0.2))

    @property
    def _postfix(self) -> Postfix:
        found: Postfix = self.request.getfixturevalue("postfix")
        return found

    def _server(self, port: str) -> dict[str, Any]:
        return {
            "smtp_server": "localhost",
            "smtp_port": self._postfix.ports[port],
            "smtp_tls": "starttls",
            "ca_certificate": self._postfix.ca_certificate,
        }


class PasswordColumn(SmtpColumn):
    systems = (0, 1)

    def login(self, *, right: bool) -> dict[str, Any]:
        peers: Peers = self.request.getfixturevalue("peers")
        return {"smtp_user": "anna", "smtp_password": peers.users["anna"] if right else "Falsches-Passwort-9"}


class NtlmColumn(PasswordColumn):
    systems = (4, 5)

    def login(self, *, right: bool) -> dict[str, Any]:
        return {**super().login(right=right), "ntlm_domain": "TEST"}


class KerberosColumn(SmtpColumn):
    systems = (2, 3)

    def login(self, *, right: bool) -> dict[str, Any]:
        kerberos: Kerberos = self.request.getfixturevalue("kerberos")
        kerberos.use_keytab(kerberos.keytab("anna") if right else kerberos.wrong_keytab("anna"))
        return {"confirm_shared_identity": True}


def as_program(authority: GraphStandIn, *, right: bool) -> dict[str, Any]:
    """The parameters of a program that gets its tokens from this authority."""
    return {
        "smtp_user": ANNA,
        "oauth_authority": authority.authority,
        "oauth_tenant": "huber.example",
        "oauth_client_id": "portal",
        "oauth_client_secret": App().secret if right else "Falsches-Geheimnis-9",
    }


class OAuthColumn(SmtpColumn):
    """The tokens come from the stand-in of an authority; Postfix has them checked by Dovecot."""

    systems = (8, 9)
    ports = ("oauth", "oauthclear")

    @contextmanager
    def arrange(self, situation: Situation) -> Iterator[Arranged]:
        self.request.getfixturevalue("dovecot")
        with GraphStandIn(apps={"portal": App(mailbox=ANNA)}) as self._authority, super().arrange(situation) as arranged:
            yield arranged

    def login(self, *, right: bool) -> dict[str, Any]:
        authorities = self._postfix.ca_certificate + self._authority.ca_pem
        return {**as_program(self._authority, right=right), "ca_certificate": authorities}


class GraphColumn(Column):
    """Over the stand-in of Graph, which refuses by itself where it can, and is told to where that would need the real one."""

    systems = (10, 11)
    impossible = {Situation.PARTLY_REFUSED: "Graph takes a mail for all its recipients or for none"}

    @contextmanager
    def arrange(self, situation: Situation) -> Iterator[Arranged]:
        with ExitStack() as stack:
            self._service = service = stack.enter_context(GraphStandIn(apps={"portal": App(mailbox=ANNA)}))
            login = as_program(service, right=situation is not Situation.WRONG_CREDENTIALS)
            usual = {**login, "graph_url": service.graph_url, "ca_certificate": service.ca_pem, "sender_address": ANNA}
            match situation:
                case Situation.REFUSED_FOR_GOOD:
                    yield Arranged(usual, ["kunde@invalid.test.local"])
                case Situation.REFUSED_FOR_NOW:
                    service.faults.append("throttle:30")
                    yield Arranged(usual)
                case Situation.SENDER_REFUSED:
                    yield Arranged({**usual, "sender_address": "bernd@test.local"})
                case Situation.REPLY_LOST:
                    service.faults.append("drop")
                    yield Arranged(usual)
                case Situation.SERVER_GONE:
                    yield Arranged({**usual, "graph_url": self._elsewhere(f"https://localhost:{free_port()}")})
                case Situation.WRONG_CERTIFICATE:
                    stranger = stack.enter_context(GraphStandIn())  # of another certificate authority
                    yield Arranged({**usual, "graph_url": self._elsewhere(stranger.authority)})
                case _:
                    yield Arranged(usual)

    def arrived(self, message_id: str, expected: int) -> int:
        """Nothing to wait for: it is there before the answer."""
        return sum(taken.message_id == message_id for taken in self._service.taken)

    def _elsewhere(self, resource: str) -> str:
        """A Graph at another address, for which the authority gives tokens too."""
        self._service.others.add(resource)
        return f"{resource}/v1.0"


COLUMNS: tuple[type[Column], ...] = (PasswordColumn, KerberosColumn, NtlmColumn, OAuthColumn, GraphColumn)


@contextmanager
def reply_losing(port: int) -> Iterator[int]:
    """A way to the server at this port of 127.0.0.1, without TLS, that ends when the server has answered the final dot."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accept, args=(listening, port), daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket, port: int) -> None:
    while True:
        try:
            client, _address = listening.accept()
        except OSError:
            return
        server = socket.create_connection(("127.0.0.1", port))
        over = threading.Event()
        threading.Thread(target=_carry, args=(client, server, over), kwargs={"of_client": True}, daemon=True).start()
        threading.Thread(target=_carry, args=(server, client, over), kwargs={"of_client": False}, daemon=True).start()


def _carry(source: socket.socket, target: socket.socket, over: threading.Event, *, of_client: bool) -> None:
    """Passes on what comes, until the server speaks after the final dot."""
    last = b""
    try:
        while (octets := source.recv(2**16)) and (of_client or not over.is_set()):
            last = (last + octets)[-5:]
            if of_client and last == b"\r\n.\r\n":
                over.set()
            target.sendall(octets)
    except OSError:
        pass
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()

"""Drafts over IMAP against servers that misbehave: time, size and what may stand in an answer are bounded (Z5, Z22, S7)."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from imap_tools import FolderInfo

from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.transports import imap_folders
from mailjobs.transports.imap_folders import DRAFTS, Placed, folder_of, put_mail

MAIL = b"Message-ID: <1@test.local>\r\n\r\nGuten Tag\r\n"
Script = Callable[[socket.socket], None]


@contextmanager
def listening(script: Script) -> Iterator[int]:
    """A server for one connection that does what the script says."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, script), daemon=True).start()
        yield server.getsockname()[1]


def _serve(server: socket.socket, script: Script) -> None:
    with suppress(OSError):
        client, _address = server.accept()
        with client:
            script(client)


class Talk:
    """A server that greets, says yes to everything but what it is told to answer otherwise, and keeps what it heard."""

    def __init__(self, greeting: str = "* OK hello", capabilities: str = "AUTH=PLAIN", **answers: str) -> None:
        self.greeting, self.capabilities, self.answers = greeting, capabilities, answers
        self.heard: list[str] = []

    def __call__(self, client: socket.socket) -> None:
        lines = client.makefile("rwb")
        self._say(lines, self.greeting)
        for raw in lines:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            self.heard.append(line)
            tag, _, rest = line.partition(" ")
            command = rest.partition(" ")[0]
            match command:
                case "CAPABILITY":
                    self._say(lines, f"* CAPABILITY IMAP4rev1 {self.capabilities}")
                case "AUTHENTICATE":
                    self._say(lines, "+ ")
                    self.heard.append(lines.readline().decode().rstrip())
                case "LIST":
                    self._say(lines, self.answers.get("folders", r'* LIST (\HasNoChildren \Drafts) "/" "Entw&APw-rfe"'))
                case "APPEND":
                    self._say(lines, "+ go on")
                    lines.read(int(rest.rpartition("{")[2].rstrip("}")) + 2)
                case _:
                    pass
            self._say(lines, f"{tag} {self.answers.get(command, 'OK done')}")

    @staticmethod
    def _say(lines: object, text: str) -> None:
        lines.write(f"{text}\r\n".encode())  # type: ignore[attr-defined]
        lines.flush()  # type: ignore[attr-defined]


def endpoint(port: int, **changes: object) -> Endpoint:
    known = {"host": "127.0.0.1", "port": port, "tls": "off", "send_system": -1, "username": "anna", "secret": "geheim-4711"}
    return Endpoint(**{**known, "allowed_networks": ("127.0.0.0/8",), **changes})  # type: ignore[arg-type]


def put(script: Script, *, octets: bytes | None = MAIL, **changes: str) -> Placed | None:
    async def ready() -> bytes | None:
        return octets

    with listening(script) as port:
        return asyncio.run(put_mail(endpoint(port, **changes), DRAFTS, ready, message_id="<1@test.local>", look_first=False))


def refused(script: Script, **changes: str) -> TransportError:
    with pytest.raises(TransportError) as caught:
        put(script, octets=MAIL, **changes)
    return caught.value


def test_the_folder_that_the_server_marks_gets_the_draft() -> None:
    talk = Talk()
    assert put(talk) == Placed("Entwürfe")
    assert any('APPEND "Entw&APw-rfe" (\\Draft \\Seen)' in line for line in talk.heard)


def test_nothing_is_put_that_must_not_go() -> None:
    talk = Talk()
    assert put(talk, octets=None) is None
    assert not any("APPEND" in line for line in talk.heard)


REFUSALS: list[tuple[str, Script, Phase, Trouble]] = [
    ("says nothing of IMAP", Talk("220 mail ESMTP"), Phase.GREETING, Trouble.NOT_IMAP),
    ("has logged us in already", Talk("* PREAUTH hello"), Phase.GREETING, Trouble.NOT_IMAP),
    ("goes at once", lambda client: None, Phase.GREETING, Trouble.NOT_IMAP),
    ("refuses the log-in", Talk(AUTHENTICATE="NO [AUTHENTICATIONFAILED] no"), Phase.AUTH, Trouble.PASSWORD_REFUSED),
    ("cannot judge the log-in", Talk(AUTHENTICATE="NO [UNAVAILABLE] later"), Phase.AUTH, Trouble.MAILBOX_BUSY),
    ("offers nothing", Talk(capabilities="LOGINDISABLED"), Phase.AUTH, Trouble.MECHANISM_MISSING),
    ("has no drafts", Talk(folders='* LIST () "/" "INBOX"'), Phase.MAIL, Trouble.NO_DRAFTS_FOLDER),
    ("is full", Talk(APPEND="NO [OVERQUOTA] full"), Phase.MAIL, Trouble.DRAFT_REFUSED),
]


@pytest.mark.parametrize(("script", "phase", "trouble"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_a_refusal_is_named_and_nobody_doubts_that_nothing_is_there(script: Script, phase: Phase, trouble: Trouble) -> None:
    error = refused(script)
    assert (error.phase, error.trouble) == (phase, trouble)


def test_z5_starttls_is_required_where_it_is_wanted() -> None:
    talk = Talk(capabilities="AUTH=PLAIN")
    assert refused(talk, tls="starttls").trouble is Trouble.STARTTLS_MISSING
    assert not any("AUTHENTICATE" in line for line in talk.heard)


def test_a_server_without_sasl_gets_user_and_password_quoted() -> None:
    talk = Talk(capabilities="")
    assert put(talk, username='an"na', secret='ge"heim\\1') == Placed("Entwürfe")
    assert any(line.endswith('LOGIN "an\\"na" "ge\\"heim\\\\1"') for line in talk.heard)
    with_break = refused(Talk(capabilities=""), secret="geheim\r\nA1 DELETE INBOX")
    assert with_break.trouble is Trouble.MECHANISM_MISSING


def test_z8_a_refusal_that_repeats_the_password_does_not_show_it() -> None:
    error = refused(Talk(AUTHENTICATE="NO wrong: geheim-4711 \x1b[31m"))
    assert "geheim" not in str(error)
    assert "\x1b" not in str(error)


def test_j_an_answer_that_is_lost_after_the_mail_leaves_it_open() -> None:
    class Gone(Talk):
        def __call__(self, client: socket.socket) -> None:
            self.client = client
            super().__call__(client)

        def _say(self, lines: object, text: str) -> None:  # type: ignore[override]
            if self.heard and "APPEND" in self.heard[-1] and not text.startswith("+"):
                raise OSError
            Talk._say(lines, text)

    error = refused(Gone())
    assert (error.phase, error.trouble) == (Phase.BODY, Trouble.CLOSED_BY_SERVER)


def endless(octets: bytes) -> Script:
    def talk(client: socket.socket) -> None:
        client.sendall(b"* OK hello\r\n")
        while True:
            client.sendall(octets)

    return talk


@pytest.mark.parametrize(
    "octets",
    [b"* CAPABILITY " + b"x" * 500 + b"\r\n", b"x" * 4096, b"* LIST {2000000000}\r\n"],
    ids=["lines", "a line", "a literal"],
)
def test_z22_a_server_that_never_ends_is_left(octets: bytes) -> None:
    assert refused(endless(octets)).trouble in {Trouble.NOT_IMAP, Trouble.CLOSED_BY_SERVER}


def test_z22_a_server_that_says_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_folders, "SECONDS", 0.3)
    over = threading.Event()
    assert refused(lambda _client: (over.wait(10), None)[1]).trouble is Trouble.TIMEOUT
    over.set()


FOLDERS: list[tuple[str, list[tuple[str, str]], str | None]] = [
    ("marked before named", [("Drafts", ""), ("Ablage", r"\Drafts")], "Ablage"),
    ("by its name, below the inbox", [("INBOX", ""), ("INBOX.Drafts", "")], "INBOX.Drafts"),
    ("in German", [("Entwürfe", ""), ("INBOX", "")], "Entwürfe"),
    ("not one that holds no mail", [("Drafts", r"\Noselect \Drafts")], None),
    ("none", [("INBOX", "")], None),
]


@pytest.mark.parametrize(("folders", "found"), [row[1:] for row in FOLDERS], ids=[row[0] for row in FOLDERS])
def test_drafts_folder_is_found(folders: list[tuple[str, str]], found: str | None) -> None:
    chosen = folder_of([FolderInfo(name, ".", tuple(flags.split())) for name, flags in folders], DRAFTS)
    assert (chosen.name if chosen else None) == found

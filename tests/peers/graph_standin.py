"""A stand-in for Microsoft's authority and Graph: not Microsoft 365, but as strict as its documents say it is.

`/{directory}/oauth2/v2.0/token` issues tokens with audience, scope and end, to programs and for consents, whose refresh tokens
serve once; `/v1.0/` takes mail as MIME, whole or as a draft with uploads. Everything public may be changed while it runs.
"""

import base64
import binascii
import email.policy
import hashlib
import json
import re
import shutil
import socket
import ssl
import tempfile
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import getaddresses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from diagnostics.sink import certificate_authority
from tests.peers.tokens import SMTP_AUDIENCE, Claims, active, claims_of, issue

MOST_REQUEST = 4 * 1024 * 1024  # octets, of one request
UPLOAD_UNIT = 320 * 1024  # every range but the last is a multiple of it
SMALLEST_UPLOAD = 3 * 1024 * 1024
AT_ONCE = 4  # requests for one mailbox
_BY_MESSAGE_ID = re.compile(r"internetMessageId eq '((?:[^']|'')+)'")
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class Refusal(Exception):
    """An answer that says no: status, the service's own code, and in what words."""

    def __init__(self, status: int, code: str, message: str = "", **headers: str) -> None:
        self.status, self.code, self.message, self.headers = status, code, message, headers


class Gone(Exception):
    """The connection ends without an answer."""


@dataclass
class App:
    """A registered program: its secret (empty: a public client) and what its administrator has granted it."""

    secret: str = "client-secret-of-the-tests"
    granted: str = "Mail.Send SMTP.SendAsApp"
    mailbox: str = "office@test.local"  # whose mailbox its own SMTP tokens are for


@dataclass(frozen=True)
class Taken:
    """A mail that was handed over: the mailbox that sent it, whom it goes to, the mail without Bcc."""

    mailbox: str
    recipients: tuple[str, ...]
    mail: EmailMessage = field(repr=False)

    @property
    def message_id(self) -> str:
        return str(self.mail["Message-ID"])


@dataclass
class _Draft:
    mailbox: str
    mail: EmailMessage
    files: list[tuple[dict[str, Any], bytes]] = field(default_factory=list)


@dataclass
class GraphStandIn:
    """See the module. `faults`: what happens to the next requests that send: "drop" (taken, no answer), "leave" (not taken, no
    answer), "throttle:SECONDS", or a status with or without the service's code ("503:ServiceUnavailable", "504").
    """

    apps: dict[str, App] = field(default_factory=lambda: {"portal": App(), "bare": App(granted="User.Read")})
    may_send_as: dict[str, set[str]] = field(default_factory=lambda: {"office@test.local": {"rechnungen@test.local"}})
    others: set[str] = field(default_factory=lambda: {SMTP_AUDIENCE})  # services beside Graph that it issues tokens for
    token_seconds: float = 3600
    token_delay: float = 0.0
    token_faults: deque[int] = field(default_factory=deque)
    faults: deque[str] = field(default_factory=deque)
    look_faults: deque[int] = field(default_factory=deque)  # statuses of the next look-ups
    draft_faults: deque[str] = field(default_factory=deque)  # "drop" or a status, of the next drafts
    at_once: int = AT_ONCE
    revoked: set[str] = field(default_factory=set)  # ids of tokens

    taken: list[Taken] = field(default_factory=list, init=False)
    drafts: dict[str, _Draft] = field(default_factory=dict, init=False)
    issued: list[str] = field(default_factory=list, init=False)  # all access tokens, in order
    requests: list[str] = field(default_factory=list, init=False)  # "POST /v1.0/..." of all, in order
    reused: int = field(default=0, init=False)  # refresh tokens that came a second time
    most_at_once: int = field(default=0, init=False)

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="graph-"))
        self.ca_file = certificate_authority(self._folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file.parent / "server.pem", self.ca_file.parent / "server.key")
        self._lock = threading.Lock()
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh: dict[str, dict[str, str]] = {}
        self._spent: set[str] = set()
        self._uploads: dict[str, tuple[str, dict[str, Any], bytearray]] = {}
        self._under_way: dict[str, int] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"peer": self}))
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="GraphStandIn", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def authority(self) -> str:
        """For the parameter `oauth_authority`."""
        return f"https://localhost:{self.port}"

    @property
    def graph_url(self) -> str:
        """For the parameter `graph_url`."""
        return f"{self.authority}/v1.0"

    @property
    def ca_pem(self) -> str:
        return self.ca_file.read_text()

    def revoke_tokens(self) -> None:
        """All access tokens so far are good for nothing."""
        self.revoked |= {str((claims_of(token) or {}).get("jti")) for token in self.issued}

    def revoke_consents(self) -> None:
        self._refresh.clear()

    def consent(self, authorize_url: str, mailbox: str) -> str:
        """What a browser does with the address of `/authorize`: somebody agrees, and is led back to the address returned."""
        parts = urlsplit(authorize_url)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert parts.path.endswith("/oauth2/v2.0/authorize"), parts.path
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256"), asked
        assert asked["client_id"] in self.apps, asked
        code = str(uuid.uuid4())
        self._codes[code] = {**asked, "mailbox": mailbox}
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    # The authority

    def token(self, form: dict[str, str]) -> dict[str, object]:
        """RFC 6749 4.1.3, 4.4.2, 6."""
        time.sleep(self.token_delay)
        if self.token_faults:
            raise Refusal(self.token_faults.popleft(), "temporarily_unavailable")
        app = self.apps.get(form.get("client_id", ""))
        if app is None:
            raise Refusal(400, "unauthorized_client", "AADSTS700016: Application was not found in the directory")
        given = form.get("client_secret", "")
        if given != app.secret:
            raise Refusal(401, "invalid_client", f"AADSTS7000215: Invalid client secret provided: {given}")
        match form.get("grant_type"):
            case "client_credentials":
                return self._for_program(app, form.get("scope", ""))
            case "authorization_code":
                return self._for_code(form)
            case "refresh_token":
                return self._for_refresh(form)
            case _:
                raise Refusal(400, "unsupported_grant_type")

    def _for_program(self, app: App, scope: str) -> dict[str, object]:
        resource, _, what = scope.rpartition("/")
        if what != ".default" or resource not in {self.authority, *self.others}:
            raise Refusal(400, "invalid_scope", "AADSTS1002012: The provided value for scope is not valid")
        return self._issued(resource, app.granted, app.mailbox)

    def _for_code(self, form: dict[str, str]) -> dict[str, object]:
        asked = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        wanted = asked and (asked["client_id"], asked["redirect_uri"], asked["code_challenge"])
        if asked is None or wanted != (form.get("client_id"), form.get("redirect_uri"), challenge):
            raise Refusal(400, "invalid_grant", "AADSTS70000: The provided value for the code is not valid")
        claims = json.dumps({"email": asked["mailbox"], "aud": asked["client_id"]}).encode()
        return {**self._consented(asked), "id_token": f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.sig"}

    def _for_refresh(self, form: dict[str, str]) -> dict[str, object]:
        given = form.get("refresh_token", "")
        with self._lock:
            known = self._refresh.pop(given, None)
            if given in self._spent:
                self.reused += 1
            self._spent.add(given)
        if known is None:
            raise Refusal(400, "invalid_grant", f"AADSTS700082: The refresh token has expired or was revoked: {given}")
        return self._consented(known)

    def _consented(self, asked: dict[str, str]) -> dict[str, object]:
        refresh = f"refresh-{uuid.uuid4()}"
        self._refresh[refresh] = asked
        scopes = [scope for scope in asked["scope"].split() if "/" in scope]
        resource = SMTP_AUDIENCE if "outlook" in scopes[0] else scopes[0].rpartition("/")[0]
        granted = " ".join(scope.rpartition("/")[2] for scope in scopes)
        return {**self._issued(resource, granted, asked["mailbox"]), "refresh_token": refresh}

    def _issued(self, audience: str, scope: str, mailbox: str) -> dict[str, object]:
        token = issue(audience=audience, scope=scope, user=mailbox, seconds=self.token_seconds)
        self.issued.append(token)
        return {"token_type": "Bearer", "expires_in": int(self.token_seconds), "access_token": token}

    # Graph

    def caller(self, authorization: str) -> Claims:
        claims = active(authorization.removeprefix("Bearer "), audience=self.authority, revoked=frozenset(self.revoked))
        if not authorization.startswith("Bearer ") or claims is None:
            raise Refusal(401, "InvalidAuthenticationToken", "Access token validation failure.")
        return claims

    def answer(self, method: str, path: str, headers: Any, body: bytes, query: str = "") -> tuple[int, dict[str, object] | None]:
        """Status and document. Raises Refusal and Gone."""
        if path.startswith("/upload/"):
            return self._take_range(path, headers, body)
        claims = self.caller(headers.get("Authorization", ""))
        scopes, parts = set(str(claims["scp"]).split()), path.strip("/").split("/")[1:]
        mailbox = str(claims["upn"]) if parts[0] == "me" else unquote(parts[1])
        rest = parts[1:] if parts[0] == "me" else parts[2:]
        if not rest:
            raise Refusal(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
        if method == "GET" and rest[0] == "mailFolders" and rest[2:] == ["messages"]:
            return 200, {"value": [{"id": str(number)} for number in range(self._found(mailbox, scopes, rest[1], query))]}
        needed = "Mail.Send" if rest[-1] in {"sendMail", "send"} else "Mail.ReadWrite"
        if needed not in scopes:
            raise Refusal(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        with self._one_of_few(mailbox):
            if (method, rest) == ("POST", ["sendMail"]):
                self._send(mailbox, self._mime(headers, body))
                return 202, None
            if (method, rest) == ("POST", ["messages"]):
                key = f"AAMk{uuid.uuid4().hex}="
                draft, fault = (
                    _Draft(mailbox, self._mime(headers, body)),
                    self.draft_faults.popleft() if self.draft_faults else "",
                )
                if fault and fault != "drop":
                    raise Refusal(int(fault), "")
                self.drafts[key] = draft
                if fault:
                    raise Gone
                return 201, {"id": key, "isDraft": True}
            if rest[0] == "messages":
                return self._of_draft(method, unquote(rest[1]), "/".join(rest[2:]), body)
        raise Refusal(404, "ResourceNotFound", f"No such resource: {path}")

    def _found(self, mailbox: str, scopes: set[str], folder: str, query: str) -> int:
        """How many mails of the folder have the Message-ID that `$filter` asks for."""
        if not scopes & {"Mail.Read", "Mail.ReadWrite"}:
            raise Refusal(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        asked = _BY_MESSAGE_ID.fullmatch(parse_qs(query)["$filter"][0])
        if asked is None:
            raise Refusal(400, "ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes.")
        if self.look_faults:
            raise Refusal(self.look_faults.popleft(), "serviceNotAvailable")
        lying: Sequence[_Draft | Taken] = list(self.drafts.values()) if folder == "drafts" else self.taken
        wanted = (mailbox, asked[1].replace("''", "'"))
        return sum((each.mailbox, str(each.mail["Message-ID"])) == wanted for each in lying)

    @contextmanager
    def _one_of_few(self, mailbox: str) -> Iterator[None]:
        with self._lock:
            self._under_way[mailbox] = self._under_way.get(mailbox, 0) + 1
            self.most_at_once = max(self.most_at_once, self._under_way[mailbox])
            too_many = self._under_way[mailbox] > self.at_once
        try:
            if too_many:
                raise Refusal(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.")
            yield
        finally:
            with self._lock:
                self._under_way[mailbox] -= 1

    def _mime(self, headers: Any, body: bytes) -> EmailMessage:
        if headers.get("Content-Type") != "text/plain":
            raise Refusal(400, "ErrorInvalidRequest", "MIME content is text/plain.")
        try:
            octets = base64.b64decode(body, validate=True)
        except binascii.Error as error:
            raise Refusal(400, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content.") from error
        assert b"\r\n" in octets, "a mail without CRLF"
        return BytesParser(EmailMessage, policy=email.policy.default).parsebytes(octets)

    def _send(self, mailbox: str, mail: EmailMessage) -> None:
        fault = self.faults.popleft() if self.faults else ""
        if fault == "leave":
            raise Gone
        if fault.startswith("throttle"):
            raise Refusal(429, "ApplicationThrottled", "Too many requests.", **{"Retry-After": fault.partition(":")[2] or "30"})
        if fault and fault != "drop":
            status, _, code = fault.partition(":")
            raise Refusal(int(status), code, "as the test wants it" if code else "")
        sender = str(mail["From"].addresses[0].addr_spec)
        if sender != mailbox and sender not in self.may_send_as.get(mailbox, ()):
            raise Refusal(403, "ErrorSendAsDenied", "The user account does not have the right to send as this account.")
        named = [address for name in ("To", "Cc", "Bcc") for address in mail.get_all(name, [])]
        recipients = tuple(address for _name, address in getaddresses(map(str, named)))
        if not recipients or any(address.endswith("@invalid.test.local") for address in recipients):
            raise Refusal(400, "ErrorInvalidRecipients", "At least one recipient is not valid.")
        del mail["Bcc"]
        self.taken.append(Taken(mailbox, recipients, mail))
        if fault == "drop":
            raise Gone

    def _of_draft(self, method: str, key: str, action: str, body: bytes) -> tuple[int, dict[str, object] | None]:
        draft = self.drafts.get(key)
        if draft is None:
            raise Refusal(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        match method, action:
            case "DELETE", "":
                del self.drafts[key]
                return 204, None
            case "POST", "attachments":
                item = json.loads(body)
                draft.files.append((item, base64.b64decode(item["contentBytes"], validate=True)))
                return 201, {"id": str(uuid.uuid4())}
            case "POST", "attachments/createUploadSession":
                item = json.loads(body)["AttachmentItem"]
                if item["size"] < SMALLEST_UPLOAD:
                    raise Refusal(400, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize", "Attachment size is too small.")
                upload = f"/upload/{uuid.uuid4()}"
                self._uploads[upload] = (key, item, bytearray())
                return 201, {"uploadUrl": f"{self.authority}{upload}?authtoken=key", "nextExpectedRanges": ["0-"]}
            case "POST", "send":
                for item, data in draft.files:
                    kind, _, subtype = str(item["contentType"]).partition("/")
                    draft.mail.add_attachment(data, maintype=kind, subtype=subtype, filename=item["name"])
                self._send(draft.mailbox, draft.mail)
                del self.drafts[key]
                return 202, None
            case _:
                pass
        raise Refusal(405, "ErrorInvalidRequest", f"{method} {action}")

    def _take_range(self, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, object] | None]:
        if headers.get("Authorization"):
            raise Refusal(401, "ErrorInvalidRequest", "An upload address takes no token.")
        key, item, sofar = self._uploads[path]
        found = _RANGE.fullmatch(headers.get("Content-Range", ""))
        first, last, size = map(int, found.groups()) if found else (-1, -1, -1)
        final = last + 1 == size
        if (
            first != len(sofar)
            or last - first + 1 != len(body)
            or size != item["size"]
            or (len(body) % UPLOAD_UNIT and not final)
        ):
            raise Refusal(416, "ErrorInvalidRange", "The range is not the expected one.")
        sofar += body
        if not final:
            return 200, {"nextExpectedRanges": [f"{len(sofar)}-"]}
        self.drafts[key].files.append((item, bytes(sofar)))
        return 201, None


class _Handler(BaseHTTPRequestHandler):
    """HTTP around the stand-in."""

    peer: GraphStandIn
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        self.peer.requests.append(f"{self.command} {url.path}")
        size = int(self.headers.get("Content-Length", 0))
        if size > MOST_REQUEST:
            self._say(413, {"error": {"code": "RequestEntityTooLarge", "message": "4 MB at most"}}, {"Connection": "close"})
            self.close_connection = True
            return
        body = self.rfile.read(size)
        if len(body) < size:  # broken off
            self.close_connection = True
            return
        try:
            if url.path.endswith("/oauth2/v2.0/token"):
                form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
                self._say(200, self.peer.token(form))
            else:
                self._say(*self.peer.answer(self.command, url.path, self.headers, body, url.query))
        except Gone:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        except Refusal as refusal:
            nested: dict[str, object] = {"error": {"code": refusal.code, "message": refusal.message}}
            if url.path.endswith("/token"):
                nested = {"error": refusal.code, "error_description": refusal.message}
            self._say(refusal.status, nested if refusal.code else None, refusal.headers)

    do_GET = do_PUT = do_DELETE = do_POST

    def _say(self, status: int, document: dict[str, object] | None, headers: dict[str, str] | None = None) -> None:
        octets = json.dumps(document).encode() if document is not None else b""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, format: str, *args: object) -> None:
        """`requests` has it."""

"""A stand-in for Exchange Web Services: NOT an Exchange server, but strict.

Every request, and every answer of its own, is checked against Microsoft's schema where EWS_SCHEMA_DIR names its folder. Who asks
is checked in earnest: Basic, NTLM (pyspnego's acceptor, of one connection, as in IIS), access tokens with audience and end. It
cannot prove Exchange's own behaviour: transport, quotas, throttling, how it reads MIME. What is public may be changed meanwhile.
"""

import base64
import binascii
import email.policy
import hashlib
import json
import os
import re
import shutil
import socket
import ssl
import tempfile
import threading
from collections import deque
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import getaddresses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import spnego
from lxml import etree
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

from diagnostics.sink import certificate_authority
from tests.peers.ews_xml import NS, Fault, answer_to, misfit, soap, whole_refusal
from tests.peers.fixtures import USERS
from tests.peers.tokens import active

MOST_REQUEST = 50 * 1024 * 1024
_OFFERS = {"basic": 'Basic realm="test.local"', "bearer": "Bearer"}


class Refused(Exception):
    """HTTP's own refusal."""

    def __init__(self, status: int, *headers: tuple[str, str], text: str = "") -> None:
        self.status, self.headers, self.text = status, headers, text


class Gone(Exception):
    """The connection ends without an answer."""


@dataclass(frozen=True)
class Taken:
    """A mail that was handed over: the mailbox that sent it, its author, to whom it goes, the mail as recipients see it."""

    mailbox: str
    author: str
    recipients: tuple[str, ...]
    mail: EmailMessage = field(repr=False)
    copied: bool = False

    @property
    def message_id(self) -> str:
        return str(self.mail["Message-ID"])


@dataclass
class EwsStandIn:
    """See the module. `faults`: what happens to the next mails, `login_faults` to the next requests of other kinds.

    "drop" (taken, no answer), "leave" (not taken, no answer), "busy:MILLISECONDS", a code of EWS ("ErrorSendAsDenied"), one of
    the whole request ("!ErrorMailboxMoveInProgress"), a status ("503"), "junk"; an empty one lets it pass.
    """

    users: dict[str, str] = field(default_factory=lambda: dict(USERS))
    may_send_as: dict[str, set[str]] = field(default_factory=lambda: {"anna@test.local": {"office@test.local"}})
    offered: tuple[str, ...] = ("ntlm", "basic", "bearer")
    ntlm_by: tuple[str, ...] = ("Negotiate", "NTLM")
    version: str = "Exchange2013_SP1"
    bound: bool = False  # a login by NTLM must be tied to its TLS connection (Extended Protection)
    faults: deque[str] = field(default_factory=deque)
    login_faults: deque[str] = field(default_factory=deque)
    discovered: str = ""  # what autodiscover names; empty: itself
    discovery_redirect: str = ""

    taken: list[Taken] = field(default_factory=list, init=False)
    drafts: list[Taken] = field(default_factory=list, init=False)
    requests: list[str] = field(default_factory=list, init=False)  # "ntlm CreateItem" of all that got in, in order
    complaints: list[str] = field(default_factory=list, init=False)  # what a client must not do
    connections: int = field(default=0, init=False)
    told: bytearray = field(default_factory=bytearray, init=False)  # all that was said before a login, beside what logs in

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="ews-"))
        self.ca_file = certificate_authority(self._folder)
        self._users_before = os.environ.get("NTLM_USER_FILE")
        ntlm_users = self._folder / "ntlm-users"
        known = [(domain, user) for user in self.users for domain in ("TEST:", ":")]
        known += [(":", f"{user}@test.local") for user in self.users]
        lines = (f"{domain}{user}:{self.users[user.partition('@')[0]]}\n" for domain, user in known)
        ntlm_users.write_text("".join(lines))
        os.environ["NTLM_USER_FILE"] = str(ntlm_users)  # how pyspnego's acceptor knows passwords
        certificate = self.ca_file.parent / "server.pem"
        der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
        self.binding = GssChannelBindings(application_data=b"tls-server-end-point:" + hashlib.sha256(der).digest())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, self.ca_file.parent / "server.key")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"peer": self}))
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="EwsStandIn", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        os.environ.pop("NTLM_USER_FILE", None)
        if self._users_before is not None:
            os.environ["NTLM_USER_FILE"] = self._users_before
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def audience(self) -> str:
        """Of the tokens that are taken here."""
        return f"https://localhost:{self.port}"

    @property
    def ews_url(self) -> str:
        """For the parameter `ews_url`."""
        return f"{self.audience}/EWS/Exchange.asmx"

    @property
    def ca_pem(self) -> str:
        return self.ca_file.read_text()

    def answer(self, mailbox: str, by: str, body: bytes) -> bytes:
        """The answer to a request of a logged-in mailbox. Raises Refused, Fault and Gone."""
        request, mailbox = self._request(mailbox, by, body)
        operation = str(etree.QName(request).localname)
        self.requests.append(f"{by} {operation}")
        if operation != "CreateItem" and self._meet(self.login_faults):
            raise Gone
        match operation:
            case "GetFolder":
                folder = '<t:Folder><t:FolderId Id="inbox" ChangeKey="AQ=="/></t:Folder>'
                return soap(answer_to(operation, f"<m:Folders>{folder}</m:Folders>"))
            case "CreateItem":
                return self._create(request, mailbox)
            case "FindItem":
                return soap(answer_to(operation, self._find(request, mailbox)))
            case _:
                raise Fault("ErrorInvalidRequest", f"{operation} is not in this stand-in")

    def _request(self, mailbox: str, by: str, body: bytes) -> tuple[Any, str]:
        """The operation, and in whose name it is asked for."""
        try:
            envelope = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
            request = envelope.find("s:Body", NS)[0]
        except (etree.XMLSyntaxError, TypeError, IndexError) as error:
            raise self._invalid(str(error)) from error
        versions = envelope.findall("s:Header/t:RequestServerVersion", NS)
        headers = [header for header in envelope.findall("s:Header/*", NS) if header not in versions]
        if fault := misfit([request, *headers]):
            raise self._invalid(fault)
        if [version.get("Version") for version in versions] != [self.version]:  # the schema has only the latest
            raise Fault("ErrorInvalidServerVersion")
        named = envelope.findtext("s:Header/t:ExchangeImpersonation/t:ConnectingSID/t:PrimarySmtpAddress", "", NS)
        if by == "app" and not named:
            raise Fault("ErrorAccessDenied", "ExchangeImpersonation SOAP header must be present for this type of OAuth token.")
        if named and by != "app":
            raise Fault("ErrorImpersonateUserDenied")
        return request, named or mailbox

    def _invalid(self, text: str) -> Fault:
        self.complaints.append(text)
        return Fault("ErrorSchemaValidation", f"The request failed schema validation: {text}")

    def _create(self, request: Any, mailbox: str) -> bytes:
        disposition = request.get("MessageDisposition")
        [item] = request.find("m:Items", NS)
        taken = self._mail(item, mailbox, copied=disposition == "SendAndSaveCopy")
        folders = request.xpath("m:SavedItemFolderId/t:DistinguishedFolderId/@Id", namespaces=NS)
        if folders != {"SendAndSaveCopy": ["sentitems"], "SaveOnly": ["drafts"]}.get(disposition, []):
            raise Fault("ErrorInvalidRequest", f"{disposition} in {folders} is not in this stand-in")
        lost = self._meet(self.faults)
        if disposition == "SaveOnly":
            self.drafts.append(taken)
            if lost:
                raise Gone
            return soap(answer_to("CreateItem", '<m:Items><t:Message><t:ItemId Id="1" ChangeKey="AQ=="/></t:Message></m:Items>'))
        if taken.author != mailbox and taken.author not in self.may_send_as.get(mailbox, set()):
            raise Fault("ErrorSendAsDenied", "The user account which was used to submit this request does not have the right to "
                        f"send mail on behalf of {taken.author}", whole=False)  # fmt: skip
        refused = [each for each in taken.recipients if each.startswith(("reject-", "grey-"))]
        if refused:
            code = "ErrorInvalidRecipients" if refused[0].startswith("reject-") else "ErrorMailboxStoreUnavailable"
            raise Fault(code, f"At least one recipient is not valid: {refused[0]}", whole=False)
        self.taken.append(taken)
        if lost:
            raise Gone
        return soap(answer_to("CreateItem", "<m:Items/>"))

    def _mail(self, item: Any, mailbox: str, *, copied: bool) -> Taken:
        """What Exchange would make of it: the MIME, over which goes what is said beside it."""
        text = item.findtext("t:MimeContent", "", NS)
        mail = BytesParser(EmailMessage, policy=email.policy.default).parsebytes(base64.b64decode(text, validate=True))
        if mail["Bcc"] is not None:
            self.complaints.append("a Bcc field in the mail")
        more = {str(etree.QName(part).localname) for part in item} - {"MimeContent", "BccRecipients", "From", "InternetMessageId"}
        if more:
            self.complaints.append(f"says more than the mail: {sorted(more)}")
        if item.findtext("t:InternetMessageId", "", NS) != str(mail["Message-ID"]):
            self.complaints.append("another Message-ID beside the mail")
        authors = [address for _name, address in getaddresses([str(mail["From"])])]
        if item.xpath("t:From/t:Mailbox/t:EmailAddress/text()", namespaces=NS) != authors:
            self.complaints.append("another author beside the mail")
        named = [address for _name, address in getaddresses([str(mail[key]) for key in ("To", "Cc") if mail[key] is not None])]
        hidden = item.xpath("t:BccRecipients/t:Mailbox/t:EmailAddress/text()", namespaces=NS)
        return Taken(mailbox, authors[0].lower(), tuple(map(str, (*named, *hidden))), mail, copied)

    def _find(self, request: Any, mailbox: str) -> str:
        [wanted] = request.xpath("m:Restriction/t:IsEqualTo/t:FieldURIOrConstant/t:Constant/@Value", namespaces=NS)
        drafts = bool(request.xpath("m:ParentFolderIds/t:DistinguishedFolderId[@Id='drafts']", namespaces=NS))
        lying = self.drafts if drafts else [taken for taken in self.taken if taken.copied]
        found = [taken for taken in lying if (taken.mailbox, taken.message_id) == (mailbox, wanted)]
        items = "".join(f'<t:Message><t:ItemId Id="{number}" ChangeKey="AQ=="/></t:Message>' for number, _ in enumerate(found))
        view = f'IndexedPagingOffset="{len(found)}" TotalItemsInView="{len(found)}" IncludesLastItemInRange="true"'
        return f"<m:RootFolder {view}><t:Items>{items}</t:Items></m:RootFolder>"

    @staticmethod
    def _meet(faults: deque[str]) -> bool:
        """The next of them happens; True: the answer gets lost."""
        if not faults or not (fault := faults.popleft()):
            return False
        kind, _, detail = fault.partition(":")
        match kind:
            case "drop":
                return True
            case "leave":
                raise Gone
            case "busy":
                raise Fault("ErrorServerBusy", "The server cannot service this request right now.", back_off=int(detail))
            case "302":
                raise Refused(302, ("Location", "https://127.0.0.1:1/"))
            case "junk":
                raise Refused(200, text="<html>Welcome to Outlook</html>")
            case status if status.isdecimal():
                raise Refused(int(status), text="stand-in")
            case code:
                raise Fault(code.lstrip("!"), whole=code.startswith("!"))


class _Handler(BaseHTTPRequestHandler):
    """HTTP around the stand-in."""

    peer: EwsStandIn
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True
    _context: Any = None
    _caller: tuple[str, str] | None = None  # by NTLM: of the connection

    def setup(self) -> None:
        super().setup()
        self.peer.connections += 1

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = parse_qs(parts.query)
        if self.headers.get("Authorization"):
            self.peer.complaints.append("autodiscover was told a login")
        if self.peer.discovery_redirect:
            return self._say(302, b"", ("Location", self.peer.discovery_redirect))
        if parts.path != "/autodiscover/autodiscover.json" or asked.get("Protocol") != ["EWS"] or "@" not in asked["Email"][0]:
            return self._say(404, b"")
        found = {"Protocol": "EWS", "Url": self.peer.discovered or self.peer.ews_url}
        return self._say(200, json.dumps(found).encode(), ("Content-Type", "application/json"))

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        if size > MOST_REQUEST:
            self.close_connection = True
            return self._say(413, b"", ("Connection", "close"))
        body = self.rfile.read(size)
        if len(body) < size:  # broken off
            self.close_connection = True
            return None
        try:
            if self.path.lower() != "/ews/exchange.asmx":
                raise Refused(404)
            self._say(200, self.peer.answer(*self._who(body), body))
        except Gone:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        except Refused as refused:
            self._say(refused.status, refused.text.encode(), *refused.headers)
        except Fault as fault:
            operation = re.search(rb"<m:(GetFolder|CreateItem|FindItem)\b", body)
            if fault.whole or operation is None:
                self._say(500, soap(whole_refusal(fault), valid=False))
            else:
                self._say(200, soap(answer_to(operation[1].decode(), "", fault)))
        return None

    def _who(self, body: bytes) -> tuple[str, str]:
        """The mailbox, and by what it logged in. Raises Refused."""
        scheme, _, value = (self.headers.get("Authorization") or "").partition(" ")
        match scheme.lower():
            case "" if self._caller is not None:
                return self._caller
            case "basic" if "basic" in self.peer.offered:
                user, _, password = base64.b64decode(value).decode().partition(":")
                name = re.split(r"[\\/]", user)[-1].partition("@")[0].lower()
                if self.peer.users.get(name) == password:
                    return f"{name}@test.local", "basic"
            case "bearer" if "bearer" in self.peer.offered:
                claims = active(value, audience=self.peer.audience)
                if claims is not None:
                    return str(claims["upn"]), "app" if claims["scp"] == "full_access_as_app" else "bearer"
            case "ntlm" | "negotiate" if "ntlm" in self.peer.offered:
                self._caller = (self._by_ntlm(scheme, value), "ntlm")
                return self._caller
            case _:
                pass
        if body:
            self.peer.told += body
        offers = [offer for kind in self.peer.offered for offer in (self.peer.ntlm_by if kind == "ntlm" else (_OFFERS[kind],))]
        raise Refused(401, *(("WWW-Authenticate", offer) for offer in offers))

    def _by_ntlm(self, scheme: str, value: str) -> str:
        try:
            if self._context is None or self._context.complete:
                binding = self.peer.binding if self.peer.bound else None
                self._context = spnego.server(protocol=scheme.lower(), channel_bindings=binding)
            token = self._context.step(base64.b64decode(value))
            if self._context.complete:
                user = self._context.client_principal.rpartition("\\")[2].partition("@")[0]
                return f"{user.lower()}@test.local"
            raise Refused(401, ("WWW-Authenticate", f"{scheme} {base64.b64encode(token).decode()}"))
        except (SpnegoError, binascii.Error, ValueError) as error:
            self._context = None
            raise Refused(401, *(("WWW-Authenticate", offer) for offer in self.peer.ntlm_by)) from error

    def _say(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers or [("Content-Type", "text/xml; charset=utf-8")]:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """`requests` has it."""

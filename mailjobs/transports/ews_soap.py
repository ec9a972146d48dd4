"""What is said to Exchange Web Services and what they say, as SOAP, with exchangelib; it says nothing over the network here.

Of exchangelib only what writes and reads is used: its own connections repeat requests, keep logins in the memory of the process,
and send a mail's body before the server has asked who sends it.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from exchangelib.account import Identity
from exchangelib.credentials import DELEGATE, IMPERSONATION
from exchangelib.errors import EWSError
from exchangelib.services.common import EWSAccountService
from exchangelib.util import ENS, MNS, TNS, ParseError, add_xml_child, create_element, to_xml
from exchangelib.version import EXCHANGE_2013_SP1, Version

from mailjobs.core.web_mail import ShownMail
from mailjobs.transports.https import Answer
from mailjobs.transports.web_reply import LONGEST_WAIT
from mailjobs.transports.web_session import DRAFTS, SENT

CONTENT_TYPE: Mapping[str, str] = {"Content-Type": "text/xml; charset=utf-8"}
USUAL_VERSION = "Exchange2013_SP1"  # every server since takes it, and it has all that is used here
_VERSIONS = frozenset(version.api_version for version in Version.all_versions())
_CODE = re.compile(r"Error[A-Za-z0-9]{1,80}")
_XML_FORBIDS = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Operation(EWSAccountService):  # type: ignore[misc]  # exchangelib ships no types
    """One operation whose answer is read as far as whether it went well."""

    @classmethod
    def _get_elements_in_container(cls, container: Any) -> list[Any]:
        return [container]

    def _elem_to_obj(self, elem: Any) -> Any:
        return elem


class _GetFolder(_Operation):
    SERVICE_NAME = "GetFolder"


class _CreateItem(_Operation):
    SERVICE_NAME = "CreateItem"


class _FindItem(_Operation):
    SERVICE_NAME = "FindItem"


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: `code` is EWS's own ("NoError", "ErrorSendAsDenied"), `wait` the seconds to stay away, `found` items."""

    code: str
    text: str = ""
    wait: float = 0.0
    found: int = 0

    @property
    def well(self) -> bool:
        return self.code == "NoError"


@dataclass(frozen=True, slots=True)
class Request:
    """A request's name and its octets."""

    operation: type[_Operation]
    octets: bytes

    @property
    def name(self) -> str:
        return str(self.operation.SERVICE_NAME)


class Writer:
    """Writes requests in one version; `mailbox`: in whose name a program asks that may do so for all (ExchangeImpersonation)."""

    def __init__(self, version: str, mailbox: str = "") -> None:
        wanted = f"Exchange{version.removeprefix('Exchange').strip()}"
        self._version = wanted if wanted in _VERSIONS else USUAL_VERSION
        self._account = _account(mailbox)

    def look(self) -> Request:
        """Asks for something small that every mailbox has."""
        folder = create_element("m:GetFolder")
        shape = create_element("m:FolderShape")
        add_xml_child(shape, "t:BaseShape", "IdOnly")
        folder.append(shape)
        folder.append(_folder("m:FolderIds", "inbox"))
        return self._request(_GetFolder, folder)

    def send(self, mail: ShownMail, *, copy: bool) -> Request:
        """Sends it; `copy`: and puts it into Sent Items."""
        return self._create(mail, "SendAndSaveCopy" if copy else "SendOnly", SENT if copy else "")

    def save(self, mail: ShownMail) -> Request:
        """Puts it into Drafts, and no more."""
        return self._create(mail, "SaveOnly", DRAFTS)

    def _create(self, mail: ShownMail, disposition: str, folder: str) -> Request:
        """The finished mail as it is: nothing else is said of it than whose it is, what it is called and who is not named in it.

        That is why exchangelib's own `Message` does not write it: importance, sensitivity and receipts would always be said too,
        and go before what the mail says.
        """
        item = create_element("t:Message")
        add_xml_child(item, "t:MimeContent", base64.b64encode(mail.octets).decode())
        if mail.hidden:
            _add_mailboxes(item, "t:BccRecipients", [("", address) for address in mail.hidden])
        if mail.author is not None:
            _add_mailboxes(item, "t:From", [(mail.author.name, mail.author.address)])
        if mail.message_id:
            add_xml_child(item, "t:InternetMessageId", mail.message_id)
        create = create_element("m:CreateItem", attrs={"MessageDisposition": disposition})
        if folder:
            create.append(_folder("m:SavedItemFolderId", folder))
        items = create_element("m:Items")
        items.append(item)
        create.append(items)
        return self._request(_CreateItem, create)

    def find(self, message_id: str, folder: str) -> Request:
        """Looks for this Message-ID, with its brackets."""
        find = create_element("m:FindItem", attrs={"Traversal": "Shallow"})
        shape = create_element("m:ItemShape")
        add_xml_child(shape, "t:BaseShape", "IdOnly")
        page = {"MaxEntriesReturned": "2", "Offset": "0", "BasePoint": "Beginning"}
        equal = create_element("t:IsEqualTo")
        equal.append(create_element("t:FieldURI", attrs={"FieldURI": "message:InternetMessageId"}))
        constant = create_element("t:FieldURIOrConstant")
        constant.append(create_element("t:Constant", attrs={"Value": message_id}))
        equal.append(constant)
        restriction = create_element("m:Restriction")
        restriction.append(equal)
        for part in (shape, create_element("m:IndexedPageItemView", attrs=page), restriction):
            find.append(part)
        find.append(_folder("m:ParentFolderIds", folder))
        return self._request(_FindItem, find)

    def _request(self, operation: type[_Operation], payload: Any) -> Request:
        return Request(operation, operation(account=self._account).wrap(payload, self._version))


def read(operation: type[_Operation], answer: Answer) -> Said | None:
    """What an answer says; None where it is no answer of EWS."""
    if not answer.body or answer.status not in {200, 500}:
        return None
    try:
        results = list(operation(account=_account()).parse(answer.body))
    except EWSError as error:
        results = [error]
    except (ParseError, AttributeError, LookupError, TypeError, ValueError):  # XML of another kind than it expects
        results = []
    [result] = results if len(results) == 1 else [None]
    if isinstance(result, EWSError):
        return _refusal(type(result).__name__, str(result), answer.body)
    if result is None or result is True:
        return _refusal("", "", answer.body)
    return Said("NoError", found=len(result.findall(f"{{{MNS}}}RootFolder/{{{TNS}}}Items/*")))


def _refusal(code: str, text: str, body: bytes) -> Said | None:
    """The library knows not all codes, and reads from some of the answers only how long to stay away."""
    try:
        root = to_xml(body).getroot()
        values = {value.get("Name"): value.text or "" for value in root.iter(f"{{{TNS}}}Value")}
        codes = [element.text or "" for tag in (MNS, ENS) for element in root.iter(f"{{{tag}}}ResponseCode")]
    except (ParseError, AttributeError):
        return None
    code = next((each for each in (code, *codes) if _CODE.fullmatch(each)), "")
    milliseconds = values.get("BackOffMilliseconds", "")
    wait = min(int(milliseconds[:12]) / 1000, LONGEST_WAIT) if milliseconds.isascii() and milliseconds.isdecimal() else 0.0
    return Said(code, text, wait) if code else None


def _account(mailbox: str = "") -> Any:
    """What exchangelib's services ask of an account; its own class would open connections and keep them for everybody."""
    version = Version(EXCHANGE_2013_SP1)
    return SimpleNamespace(
        protocol=SimpleNamespace(version=version, credentials=None),
        version=version,
        access_type=IMPERSONATION if mailbox else DELEGATE,
        identity=Identity(primary_smtp_address=mailbox) if mailbox else None,
        default_timezone=None,
    )


def _folder(tag: str, name: str) -> Any:
    """A folder of the mailbox that asks, whatever its language."""
    folder = create_element(tag)
    folder.append(create_element("t:DistinguishedFolderId", attrs={"Id": name}))
    return folder


def _add_mailboxes(item: Any, tag: str, mailboxes: Sequence[tuple[str, str]]) -> None:
    parent = create_element(tag)
    for name, address in mailboxes:
        mailbox = create_element("t:Mailbox")
        if name:
            add_xml_child(mailbox, "t:Name", _XML_FORBIDS.sub("", name))
        add_xml_child(mailbox, "t:EmailAddress", address)
        parent.append(mailbox)
    item.append(parent)

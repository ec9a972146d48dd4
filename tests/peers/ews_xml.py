"""What the stand-in of Exchange says, as SOAP, and Microsoft's schema, which all that is said must fit."""

import os
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

SCHEMA_DIR = os.environ.get("EWS_SCHEMA_DIR", "")
S = "http://schemas.xmlsoap.org/soap/envelope/"
M = "http://schemas.microsoft.com/exchange/services/2006/messages"
T = "http://schemas.microsoft.com/exchange/services/2006/types"
E = "http://schemas.microsoft.com/exchange/services/2006/errors"
NS = {"s": S, "m": M, "t": T}


class Fault(Exception):
    """A refusal as SOAP: of the whole request, or (`whole=False`) of its one item; `back_off` in milliseconds."""

    def __init__(self, code: str, text: str = "", *, whole: bool = True, back_off: int = 0) -> None:
        self.code, self.text, self.whole, self.back_off = code, text or f"{code} (stand-in)", whole, back_off


def misfit(parts: Iterable[Any]) -> str:
    """Why one of them does not fit the schema, empty where all do."""
    schema = _schema()
    for part in parts if schema is not None else ():
        if not schema.validate(etree.fromstring(etree.tostring(part), etree.XMLParser(huge_tree=True))):
            return str(schema.error_log.last_error)
    return ""


def answer_to(operation: str, inner: str, fault: Fault | None = None) -> str:
    """The answer with its one message: `inner`, or a refusal."""
    empty = {"GetFolder": "<m:Folders/>", "CreateItem": "<m:Items/>", "FindItem": ""}[operation]
    said = "<m:ResponseCode>NoError</m:ResponseCode>" + inner
    if fault:
        words = f"<m:MessageText>{escape(fault.text)}</m:MessageText>"
        said = f"{words}<m:ResponseCode>{fault.code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{empty}"
    result, name = "Error" if fault else "Success", f"m:{operation}ResponseMessage"
    message = f'<{name} ResponseClass="{result}">{said}</{name}>'
    return f"<m:{operation}Response><m:ResponseMessages>{message}</m:ResponseMessages></m:{operation}Response>"


def whole_refusal(fault: Fault) -> str:
    """A refusal of the request, whatever it was."""
    wait = (
        f'<t:MessageXml><t:Value Name="BackOffMilliseconds">{fault.back_off}</t:Value></t:MessageXml>' if fault.back_off else ""
    )
    said = f"<e:ResponseCode>{fault.code}</e:ResponseCode><e:Message>{escape(fault.text)}</e:Message>{wait}"
    words = f'<faultstring xml:lang="en-US">{escape(fault.text)}</faultstring>'
    return f'<s:Fault><faultcode>t:{fault.code}</faultcode>{words}<detail xmlns:e="{E}">{said}</detail></s:Fault>'


def soap(inner: str, *, valid: bool = True) -> bytes:
    """The whole envelope; a stand-in that says what the schema forbids has a bug."""
    build = 'MajorVersion="15" MinorVersion="2" MajorBuildNumber="1544" MinorBuildNumber="4"'
    header = f'<s:Header><t:ServerVersionInfo {build} Version="V2017_07_11"/></s:Header>'
    spaces = f'xmlns:s="{S}" xmlns:m="{M}" xmlns:t="{T}"'
    whole = f"<s:Envelope {spaces}>{header}<s:Body>{inner}</s:Body></s:Envelope>".encode()
    if valid and (fault := misfit([etree.fromstring(whole).find("s:Body", NS)[0]])):
        raise AssertionError(f"the stand-in says what no server may say: {fault}")
    return b'<?xml version="1.0" encoding="utf-8"?>' + whole


@cache
def _schema() -> Any:
    """Microsoft's, None where EWS_SCHEMA_DIR is not set; it imports a namespace without saying from where."""
    if not SCHEMA_DIR:
        return None
    folder, parser = Path(SCHEMA_DIR), etree.XMLParser()
    types = re.sub(
        rb'(<xs:import namespace="http://www.w3.org/XML/1998/namespace")\s*/>',
        rb'\1 schemaLocation="xml.xsd"/>',
        (folder / "types.xsd").read_bytes(),
    )

    class Types(etree.Resolver):  # type: ignore[misc]  # lxml ships no types
        def resolve(self, system_url: str, public_id: str, context: Any) -> Any:
            if system_url.endswith("types.xsd"):
                return self.resolve_string(types, context, base_url=str(folder / "types.xsd"))
            return None

    parser.resolvers.add(Types())
    return etree.XMLSchema(etree.parse(str(folder / "messages.xsd"), parser))

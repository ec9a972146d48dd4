"""Whom to ask for an access token, and for what: the addresses and scopes of Microsoft 365 and Google (RFC 6749)."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

MICROSOFT: Final = "https://login.microsoftonline.com"
GOOGLE: Final = "https://accounts.google.com"
ANY_ORGANISATION: Final = "organizations"  # Microsoft's name for "whichever the mailbox belongs to"

# National clouds have their own Exchange Online: authority → the resource whose SMTP permissions are meant; programs and
# mailboxes name the worldwide one differently.
# https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth
_WORLDWIDE: Final = "https://outlook.office365.com"
_OUTLOOK = MappingProxyType(
    {
        "login.microsoftonline.com": _WORLDWIDE,
        "login.microsoftonline.us": "https://outlook.office365.us",
        "login.partner.microsoftonline.cn": "https://partner.outlook.cn",
        "login.chinacloudapi.cn": "https://partner.outlook.cn",
    }
)
# What a consent asks for beside the permission to send: to be told whose mailbox it is, and to last.
_LASTING = "openid email offline_access"


@dataclass(frozen=True, slots=True)
class Authority:
    """Where people give their consent and where tokens are issued. `programs`: whether a program may log in as itself with a
    secret; Google lets it only with a signed key.
    """

    authorize_url: str
    token_url: str
    google: bool = False

    @property
    def programs(self) -> bool:
        return not self.google


def authority_of(authority: str, tenant: str) -> Authority:
    """The addresses of an authority; empty is Microsoft's. `tenant` is the directory at Microsoft, and nothing at Google."""
    if _host(authority) == _host(GOOGLE):
        return Authority(f"{GOOGLE}/o/oauth2/v2/auth", "https://oauth2.googleapis.com/token", google=True)
    base = f"{(authority or MICROSOFT).rstrip('/')}/{tenant or ANY_ORGANISATION}/oauth2/v2.0"
    return Authority(f"{base}/authorize", f"{base}/token")


def program_scope(authority: str, graph_url: str) -> str:
    """What a program asks for that logs in as itself: all that the administrator has granted it, over Graph or (no url) SMTP."""
    return f"{_resource(authority, graph_url)}/.default"


def mailbox_scope(authority: str, graph_url: str, *, imap: bool = False) -> str:
    """What a token of a consenting mailbox is for: Graph, or where there is no url SMTP, with `imap` that too."""
    if _host(authority) == _host(GOOGLE):
        return "https://mail.google.com/"
    resource = _resource(authority, graph_url)
    if resource == _WORLDWIDE:
        resource = "https://outlook.office.com"
    over_smtp = ("SMTP.Send", "IMAP.AccessAsUser.All") if imap else ("SMTP.Send",)
    permissions = ("Mail.Send", "Mail.ReadWrite") if graph_url else over_smtp
    return " ".join(f"{resource}/{permission}" for permission in permissions)


def consent_scope(authority: str, graph_url: str, *, imap: bool = False) -> str:
    """What the mailbox is asked to consent to, once."""
    lasting = "openid email" if _host(authority) == _host(GOOGLE) else _LASTING
    return f"{lasting} {mailbox_scope(authority, graph_url, imap=imap)}"


def _resource(authority: str, graph_url: str) -> str:
    if graph_url:
        parts = urlsplit(graph_url)
        return f"{parts.scheme}://{parts.netloc}"
    return _OUTLOOK.get(_host(authority or MICROSOFT), _WORLDWIDE)


def _host(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""

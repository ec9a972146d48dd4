"""What mail set-ups rest on and is about to end (S6): dates as data, each with where it is announced."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from mailsettings.core.send_systems import SEND_SYSTEMS, Credentials, Over

CERTIFICATE_WARNING = timedelta(days=60)
SECRET_WARNING = timedelta(days=30)
_EXCHANGE_BLOG = "https://techcommunity.microsoft.com/blog/exchange"
_SUBMISSION = frozenset({"smtp.office365.com", "outlook.office365.com"})  # Exchange Online's own
_EWS = frozenset({"outlook.office365.com", "outlook.office.com"})


class Retiring(StrEnum):
    """What ends."""

    SMTP_BASIC = "smtp_basic"  # log-in with user and password to SMTP of Exchange Online
    EWS_ONLINE = "ews_online"  # Exchange Web Services of Exchange Online; Exchange in the house keeps them
    NTLM = "ntlm"
    CLIENT_CERTIFICATE = "client_certificate"
    CLIENT_SECRET = "client_secret"  # noqa: S105 (a kind); of an app registration


@dataclass(frozen=True, slots=True)
class Deadline:
    """`off`: from when it does not work by default; `ends`: from when it works for nobody; None: not announced."""

    what: Retiring
    off: date | None = None
    ends: date | None = None
    source: str = ""

    def days_left(self, today: date) -> int | None:
        """Until the next of the two dates; negative when both have passed, None where there is none."""
        dates = sorted(day for day in (self.off, self.ends) if day is not None)
        if not dates:
            return None
        return (next((day for day in dates if day >= today), dates[-1]) - today).days


_SMTP_BASIC = Deadline(
    Retiring.SMTP_BASIC,
    off=date(2026, 12, 31),
    source=f"{_EXCHANGE_BLOG}/updated-exchange-online-smtp-auth-basic-authentication-deprecation-timeline/4489835",
)
_EWS_ONLINE = Deadline(
    Retiring.EWS_ONLINE,
    off=date(2026, 10, 1),
    ends=date(2027, 4, 1),
    source="https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/deprecation-of-ews-exchange-online",
)
_NTLM = Deadline(Retiring.NTLM, source="https://learn.microsoft.com/windows/whats-new/deprecated-features")


def deadlines_of(
    send_system: int,
    host: str,
    *,
    ews_auth: str = "",
    certificate_ends: date | None = None,
    secret_ends: date | None = None,
    today: date,
) -> Sequence[Deadline]:
    """What ends of a connection to this host (without port, any case); `certificate_ends`: of its client certificate,
    `secret_ends`: of the client secret by which it gets its tokens.
    """
    system, name = SEND_SYSTEMS[send_system], host.lower().rstrip(".")
    found = []
    if system.over is Over.SMTP and system.credentials is Credentials.PASSWORD and name in _SUBMISSION:
        found.append(_SMTP_BASIC)
    if system.over is Over.EWS and name in _EWS:
        found.append(_EWS_ONLINE)
    if system.credentials is Credentials.NTLM or (system.over is Over.EWS and ews_auth == "ntlm"):
        found.append(_NTLM)
    if certificate_ends is not None and certificate_ends - today <= CERTIFICATE_WARNING:
        found.append(Deadline(Retiring.CLIENT_CERTIFICATE, ends=certificate_ends))
    if secret_ends is not None and secret_ends - today <= SECRET_WARNING:
        found.append(Deadline(Retiring.CLIENT_SECRET, ends=secret_ends))
    return found

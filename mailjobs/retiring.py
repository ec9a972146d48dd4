"""What ends of the connections that somebody administers, in words: what, when, how many mails go that way, what to do (S6)."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlsplit

from cryptography.x509 import load_pem_x509_certificate
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from mailjobs.core.envelope import TransportError
from mailjobs.core.retirements import Deadline, Retiring, deadlines_of
from mailjobs.models import LogOutcome
from mailjobs.remedies import say_error
from mailjobs.selectors import log_visible_to
from mailjobs.transports import kerberos
from mailjobs.waiting import say_time
from mailsettings.core.relay import OAUTH_CONSENT, OAUTH_SECRET, Connection
from mailsettings.core.send_systems import Credentials, Over
from mailsettings.models import User

DAYS = 30
NEAR_END = 2 * 3600  # seconds that a ticket lasts yet when it is shown
TICKET_SECONDS = 2.0  # that a page waits for a KDC
LOOKED_AT = 20_000  # of the latest lines of the log, for how many mails go a way
WORDS = {
    Retiring.SMTP_BASIC: gettext_lazy(
        "Microsoft switches the log-in to SMTP with user and password off at %(host)s, by default from %(off)s, for everybody "
        "from a day that is still to be announced. Change to send system 9 or 11 (OAuth 2.0) before."
    ),
    Retiring.EWS_ONLINE: gettext_lazy(
        "Microsoft has blocked EWS at %(host)s since %(off)s for everybody who is not on its allow list, and ends it on "
        "%(ends)s. Change to send system 11 (Microsoft Graph)."
    ),
    Retiring.NTLM: gettext_lazy(
        "Microsoft has declared NTLM obsolete. Where %(host)s offers Kerberos, change to send system 2 or 3."
    ),
    Retiring.CLIENT_CERTIFICATE: gettext_lazy(
        "The client certificate for %(host)s ends on %(ends)s. Enter a new one with its key before."
    ),
    Retiring.CLIENT_SECRET: gettext_lazy(
        "The OAuth client secret for %(host)s ends on %(ends)s; after that nothing goes out. Make a new one in the app "
        "registration and enter it with its date."
    ),
}


@dataclass(frozen=True, slots=True)
class Ending:
    """One deadline of one connection. `key`: the connection's, `days`: until it bites, None where no day is known."""

    key: str
    text: str
    days: int | None
    source: str
    what: Retiring | None = None  # None: a ticket
    owner: str = ""  # the row whose login it is (`account:7`)

    @property
    def place(self) -> tuple[str, str] | None:
        """(kind, primary key) of whose settings can be moved to OAuth, where that is the remedy."""
        kind, _colon, pk = self.owner.partition(":")
        return (kind, pk) if pk and self.what in {Retiring.SMTP_BASIC, Retiring.EWS_ONLINE} else None

    @property
    def left(self) -> str:
        """The days left in words, empty where none are known."""
        if self.days is None:
            return ""
        if self.days < 0:
            return _("It has ended.")
        return ngettext("%(days)s day left:", "%(days)s days left:", self.days) % {"days": self.days}


def endings_of(connections: Iterable[Connection]) -> list[Ending]:
    """The deadlines of these connections, the nearest first."""
    today = timezone.localdate()
    found = []
    for connection in connections:
        host = _host(connection)
        for deadline in deadlines_of(
            connection.send_system,
            host,
            ews_auth=connection.ews_auth,
            certificate_ends=_certificate_end(connection),
            secret_ends=_secret_end(connection),
            today=today,
        ):
            days, text = deadline.days_left(today), _say(deadline, host)
            found.append(Ending(connection.key, text, days, deadline.source, deadline.what, connection.login.owner))
    return sorted(found, key=lambda ending: (ending.days is None, ending.days or 0))


def ticket_ending(connection: Connection) -> Ending | None:
    """What is wrong, or soon will be, with the Kerberos ticket of this process, where the connection logs in with it (S1).

    Workers have environments of their own: their log says the same of theirs.
    """
    if connection.system.credentials is not Credentials.PROCESS:
        return None
    try:
        identity = asyncio.run(kerberos.identity(timeout=TICKET_SECONDS))
    except TransportError as error:
        return Ending(connection.key, f"{say_error(str(error))}.", None, "")
    if identity.renews_itself or identity.seconds > NEAR_END:
        return None
    ends = say_time(timezone.now() + timedelta(seconds=identity.seconds))
    words = {"principal": identity.principal, "time": ends}
    text = _("The portal's Kerberos ticket for %(principal)s ends at %(time)s, and nothing renews it by itself.") % words
    return Ending(connection.key, text, None, "")


def mails_over(reader: User, connection: Connection) -> str:
    """How many of the reader's mails went over a connection's server in the last 30 days, in words; empty for none."""
    host = _host(connection)
    latest = log_visible_to(reader).order_by("-pk").values("pk")[:LOOKED_AT]
    pair = (connection.send_system - connection.send_system % 2, connection.send_system - connection.send_system % 2 + 1)
    sent = log_visible_to(reader).filter(pk__in=latest, at__gt=Now() - timedelta(days=DAYS), send_system__in=pair)
    sent = sent.filter(server__istartswith=host, outcome__in=(LogOutcome.HANDED_OVER, LogOutcome.PARTLY))
    count = sent.count()
    if not count:
        return ""
    text = ngettext(
        "%(count)s mail went this way in the last 30 days.", "%(count)s mails went this way in the last 30 days.", count
    )
    return text % {"count": count}


def _say(deadline: Deadline, host: str) -> str:
    words = {"host": host, "off": _day(deadline.off), "ends": _day(deadline.ends)}
    return str(WORDS[deadline.what]) % words


def _day(day: date | None) -> str:
    return date_format(day, "DATE_FORMAT") if day else ""


def _host(connection: Connection) -> str:
    if connection.system.over is Over.SMTP:
        return connection.host
    try:
        return urlsplit(connection.web_address).hostname or ""
    except ValueError:
        return ""


def _secret_end(connection: Connection) -> date | None:
    by_token = connection.secret is not None and connection.secret.key in {OAUTH_SECRET, OAUTH_CONSENT}
    day = connection.login.text("oauth_secret_expires") if by_token else ""
    return date.fromisoformat(day) if day else None


def _certificate_end(connection: Connection) -> date | None:
    pem = connection.server.text("client_certificate")
    try:
        return load_pem_x509_certificate(pem.encode()).not_valid_after_utc.date() if pem else None
    except ValueError:
        return None

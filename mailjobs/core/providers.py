"""What providers take, as they say it themselves: presets for connections where nobody set limits (delivery contract 4).

A limit by the hour has no place here: it differs by the age of a contract, and when it is met the reply says so (`reply.QUOTA`).
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

GRAPH: Final = (10, 11)
SMTP_SESSIONS = 3
GRAPH_SESSIONS = 4
UNKNOWN_SESSIONS = 1  # of a hoster that no row knows


@dataclass(frozen=True, slots=True)
class Preset:
    """Limits of one provider; None: it names none. `source`: where that is said; `as_of`: when it was, as far as known."""

    name: str
    sessions: int
    per_minute: int | None = None
    recipients_per_day: int | None = None
    source: str = ""
    as_of: str = ""


MICROSOFT_GRAPH: Final = Preset(
    "Microsoft Graph",
    GRAPH_SESSIONS,  # at once for one mailbox; 10,000 requests in 10 minutes are more than anybody sends
    recipients_per_day=10_000,  # of the mailbox, as for Exchange Online
    source="https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits",
    as_of="2025-04",
)
EXCHANGE_ONLINE: Final = Preset(
    "Exchange Online",
    3,
    30,
    10_000,
    "https://learn.microsoft.com/exchange/troubleshoot/send-emails/smtp-submission-improvements",
    "2025-04",
)
# A server's whole name. First match wins.
_BY_NAME: Final = tuple(
    (re.compile(rf"(?:{pattern})\Z"), preset)
    for pattern, preset in (
        # A connector takes mail for a whole firm: Microsoft names no number for it.
        (r".+\.mail\.protection\.outlook\.com", Preset("Exchange Online (connector)", SMTP_SESSIONS)),
        (r"(?:.+\.)?(?:office365|office|outlook)\.com", EXCHANGE_ONLINE),
        (
            # 10,000 recipients a day for each user.
            r"smtp-relay\.gmail\.com",
            Preset(
                "Google Workspace (relay)", SMTP_SESSIONS, None, 10_000, "https://support.google.com/a/answer/2956491", "2025-05"
            ),
        ),
        (
            # Workspace: 2,000 mails a day, mostly with one recipient; a private mailbox has 500, and then its reply says so.
            r"smtp\.(?:gmail|googlemail)\.com",
            Preset("Gmail", SMTP_SESSIONS, None, 2_000, "https://support.google.com/a/answer/166852", "2025-05"),
        ),
        (
            # Ten a minute for contracts older than 30 days, and 16,000 recipients a day.
            r"(?:.+\.)?exchange\d*\.(?:ionos|1und1|1and1)\.[a-z.]+",
            Preset("IONOS Exchange", SMTP_SESSIONS, 10, 16_000, "https://www.ionos.de/hilfe/index.php?id=17026"),
        ),
        (
            # 50 to 5,000 recipients an hour by the age of the contract.
            r"(?:.+\.)?(?:ionos|1und1|1and1|kundenserver)\.[a-z.]+",
            Preset("IONOS", SMTP_SESSIONS, source="https://www.ionos.de/hilfe/index.php?id=17026"),
        ),
        (
            # Three connections at once, 1,000 mails in 10 minutes.
            r".+\.kasserver\.com",
            Preset(
                "ALL-INKL.COM", 3, 100, None, "https://herbrand.org/wordpress/newsletter/limitierung-beim-versand/", "2020-12"
            ),
        ),
        (
            # 1,440 recipients in any 24 hours for each paid address.
            r"mail\.infomaniak\.(?:com|ch)",
            Preset("Infomaniak", SMTP_SESSIONS, None, 1_440, "https://www.infomaniak.com/de/support/faq/2065"),
        ),
        # Well known, but they publish no limit that holds for all of their customers.
        (r"(?:mail|smtp)\.gmx\.[a-z.]+", Preset("GMX", SMTP_SESSIONS)),
        (r"smtp\.web\.de", Preset("WEB.DE", SMTP_SESSIONS)),
        (r"(?:.+\.)?t-online\.de", Preset("Telekom", SMTP_SESSIONS)),
        (r"(?:.+\.)?strato\.(?:de|com)", Preset("STRATO", SMTP_SESSIONS)),
        (r"(?:.+\.)?your-server\.de", Preset("Hetzner", SMTP_SESSIONS)),
        (r"(?:.+\.)?(?:a1\.net|aon\.at)", Preset("A1", SMTP_SESSIONS)),
        (r"(?:.+\.)?world4you\.com", Preset("World4You", SMTP_SESSIONS)),
        # Services for sending have limits by contract.
        (r"email-smtp(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com", Preset("Amazon SES", SMTP_SESSIONS)),
        (r"smtp\.(?:eu\.)?sendgrid\.net", Preset("SendGrid", SMTP_SESSIONS)),
        (r"in(?:-v3)?\.mailjet\.com", Preset("Mailjet", SMTP_SESSIONS)),
        (r"smtp(?:\.eu)?\.mailgun\.org", Preset("Mailgun", SMTP_SESSIONS)),
        (r"smtp-relay\.(?:brevo|sendinblue)\.com", Preset("Brevo", SMTP_SESSIONS)),
        (r"smtp(?:-broadcasts)?\.postmarkapp\.com", Preset("Postmark", SMTP_SESSIONS)),
    )
)
_HOUSE: Final = (".local", ".lan", ".internal", ".intern", ".localhost", ".home.arpa", ".localdomain")


def preset_of(host: str, send_system: int) -> Preset:
    """The preset of a server: 4 sessions for Graph, a provider's own; 3 in the house, 1 at a hoster that nobody knows.

    `host` may be the address of a web service. In the house is a name without a dot or under an ending that is nobody's, and an
    address of a private network; any other name that no row knows may be a shared server.
    """
    if send_system in GRAPH:
        return MICROSOFT_GRAPH
    name = _name_of(host)
    for pattern, preset in _BY_NAME:
        if pattern.match(name):
            return preset
    return Preset("", SMTP_SESSIONS if _in_the_house(name) else UNKNOWN_SESSIONS)


def _name_of(host: str) -> str:
    """The name in lower case, without scheme, port, path and final dot."""
    name = host.strip().lower().rpartition("://")[2].partition("/")[0]
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return (name.partition(":")[0] if name.count(":") == 1 else name).rstrip(".")


def _in_the_house(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(_HOUSE)
    return address.is_private or address.is_loopback or address.is_link_local

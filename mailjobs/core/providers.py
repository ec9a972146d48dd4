"""What providers take, as they say it themselves: presets for connections where nobody set limits (delivery contract 4)."""

import ipaddress
from dataclasses import dataclass
from typing import Final

GRAPH: Final = (10, 11)
SMTP_SESSIONS = 3
GRAPH_SESSIONS = 4
UNKNOWN_SESSIONS = 1  # of a hoster that no row knows


@dataclass(frozen=True, slots=True)
class Preset:
    """Limits of one provider; None: it names none. `source`: where it says so."""

    name: str
    sessions: int
    per_minute: int | None = None
    recipients_per_day: int | None = None
    source: str = ""


_EXCHANGE_ONLINE = Preset(
    "Exchange Online",
    3,
    30,
    10_000,
    "https://learn.microsoft.com/en-us/office365/servicedescriptions/exchange-online-service-description/exchange-online-limits",
)
_BY_ENDING: Final = {
    "office365.com": _EXCHANGE_ONLINE,
    "outlook.com": _EXCHANGE_ONLINE,
}


def preset_of(host: str, send_system: int) -> Preset:
    """The preset of a server: a provider's own; 3 sessions in the house, 1 at a hoster nobody knows, 4 for Graph."""
    name = host.lower().rstrip(".")
    for ending, preset in _BY_ENDING.items():
        if name == ending or name.endswith(f".{ending}"):
            return preset
    if send_system in GRAPH:
        return Preset("Microsoft Graph", GRAPH_SESSIONS)
    return Preset("", SMTP_SESSIONS if _in_the_house(name) else UNKNOWN_SESSIONS)


def _in_the_house(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return "." not in name or name.endswith((".local", ".lan", ".internal", ".intern", ".localhost", ".home.arpa"))
    return address.is_private or address.is_loopback

"""Which server takes the mail of a domain? The table of well-known providers, SRV records (RFC 6186, RFC 8314), MX records."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import dns.exception
import dns.resolver
import yaml
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from mailsettings.core.addresses import AddressInvalid, parse_sender

TABLE = Path(__file__).parent / "data" / "mail_providers.yaml"
SECONDS = 2.0  # that all answers of one question may take
_SERVICES = (("_submissions._tcp", "implicit"), ("_submission._tcp", "starttls"))

ADVICE = {
    "microsoft": _(
        "Microsoft ends the log-in with user and password. It works only where the administrator of Microsoft 365 still allows "
        "“Authenticated SMTP” for this mailbox; send system 9 or 11 (OAuth 2.0) lasts."
    ),
    "google": _("Google takes an app password here, not the usual one; it is made in the account under “Security”."),
    "allow_programs": _("Sending by programs must first be allowed in the settings of the mailbox (“POP3/IMAP”)."),
    "mail_password": _("This provider takes a mail password of its own, not the one of its web pages."),
    "app_password": _("This provider takes an app password, not the usual one."),
}


class How(StrEnum):
    """What a guess rests on."""

    TABLE = "table"  # the provider's own domain
    SRV = "srv"  # what the domain itself says
    MX = "mx"  # where its mail arrives


@dataclass(frozen=True, slots=True)
class Provider:
    """One row of the table."""

    name: str
    domains: tuple[str, ...]
    mx: tuple[str, ...]
    server: str
    port: int
    tls: str
    advice: str
    source: str


@dataclass(frozen=True, slots=True)
class Guess:
    """Server, port and TLS (`starttls`, `implicit`) for a domain; `provider` where the table knows it."""

    how: How
    server: str
    port: int
    tls: str
    provider: Provider | None = None


@cache
def providers() -> tuple[Provider, ...]:
    """The table. Raises ValueError or KeyError for what is no such table."""
    rows: list[Mapping[str, Any]] = yaml.safe_load(TABLE.read_text())
    return tuple(
        Provider(
            row["name"],
            tuple(row["domains"]),
            tuple(row["mx"]),
            row["server"],
            int(row["port"]),
            row["tls"],
            row.get("advice", ""),
            row["source"],
        )
        for row in rows
    )


def guess_for(address: str) -> Guess | None:
    """The best guess for a sender address, None where nothing is known."""
    try:
        domain = parse_sender(address).domain.lower()
    except AddressInvalid:
        return None
    known = next((row for row in providers() if _is_under(domain, row.domains)), None)
    if known is not None:
        return _of(known, How.TABLE)
    return _by_srv(domain) or _by_mx(domain)


def _by_srv(domain: str) -> Guess | None:
    for service, tls in _SERVICES:
        found = sorted((row.priority, -row.weight, str(row.target), row.port) for row in _ask(f"{service}.{domain}", "SRV"))
        for _priority, _weight, target, port in found:
            if server := target.rstrip(".").lower():  # a lone dot says: no such service
                return Guess(How.SRV, server, port, tls)
    return None


def _by_mx(domain: str) -> Guess | None:
    for _preference, host in sorted((row.preference, str(row.exchange).rstrip(".").lower()) for row in _ask(domain, "MX")):
        rows = [row for row in providers() if _is_under(host, row.mx)]
        if rows:
            longest = max(rows, key=lambda row: max(len(end) for end in row.mx if _is_under(host, (end,))))
            return _of(longest, How.MX)
    return None


def _of(row: Provider, how: How) -> Guess:
    return Guess(how, row.server, row.port, row.tls, row)


def _ask(name: str, kind: str) -> Iterable[Any]:
    """The records; none where the name server knows none or does not answer."""
    resolver = dns.resolver.Resolver(configure=not settings.DNS_RESOLVER)
    if settings.DNS_RESOLVER:
        host, _colon, port = settings.DNS_RESOLVER.rpartition(":")
        resolver.nameservers, resolver.port = [host.strip("[]")], int(port)
    try:
        return list(resolver.resolve(name, kind, lifetime=SECONDS, search=False))
    except (dns.exception.DNSException, OSError, ValueError):
        return []


def _is_under(name: str, ends: Iterable[str]) -> bool:
    return any(name == end or name.endswith(f".{end}") for end in ends)

"""The name service as the checks of a domain ask it: bounded in questions and time, what it says made harmless (Z22)."""

import asyncio
from dataclasses import dataclass, field

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
import dns.reversename

LIFETIME = 8.0  # seconds for all questions about one domain
TIMEOUT = 2.0  # for one server to answer one question
MOST_QUESTIONS = 80
MOST_RECORDS = 20
LONGEST_TEXT = 4_096  # characters of one TXT record


class NamesUnanswered(Exception):
    """The name service gave no usable answer, or the time or number of questions is used up."""


class NameMissing(Exception):
    """There is no such name (NXDOMAIN)."""


@dataclass(slots=True)
class Names:
    """Asks one resolver. An empty list: the name is there, but has no such record; NameMissing: it is not."""

    resolver: dns.asyncresolver.Resolver
    asked: int = 0
    known: dict[tuple[str, str], list[str] | None] = field(default_factory=dict)

    @classmethod
    def of(cls, server: str = "") -> "Names":
        """`server`: host address and port of the resolver (`127.0.0.1:5353`, `[::1]:53`), empty for the machine's own."""
        resolver = dns.asyncresolver.Resolver(configure=not server)
        if server:
            host, _colon, port = server.rpartition(":") if server.count(":") == 1 or "]" in server else (server, "", "")
            resolver.nameservers = [host.strip("[]") or server]
            resolver.port = int(port) if port.isdigit() else 53
        resolver.timeout, resolver.lifetime = TIMEOUT, LIFETIME / 2
        return cls(resolver)

    async def texts(self, name: str) -> list[str]:
        return [text[:LONGEST_TEXT] for text in await self._ask(name, "TXT")]

    async def addresses(self, name: str) -> list[str]:
        """IPv4 and IPv6."""
        found = await asyncio.gather(self._ask(name, "A"), self._ask(name, "AAAA"))
        return [*found[0], *found[1]]

    async def exchanges(self, name: str) -> list[str]:
        """The hosts of the MX records, best first, without final dots; empty text: null MX (RFC 7505)."""
        return await self._ask(name, "MX")

    async def names_of(self, address: str) -> list[str]:
        """What PTR records call an address."""
        return await self._ask(str(dns.reversename.from_address(address)), "PTR")

    async def _ask(self, name: str, kind: str) -> list[str]:
        place = (name.lower().rstrip("."), kind)
        if place not in self.known:
            self.known[place] = await self._asked(*place)
        if (found := self.known[place]) is None:
            raise NameMissing(name)
        return found

    async def _asked(self, name: str, kind: str) -> list[str] | None:
        self.asked += 1
        if self.asked > MOST_QUESTIONS:
            raise NamesUnanswered(name)
        try:
            answer = await self.resolver.resolve(dns.name.from_text(name), kind, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return None
        except (dns.exception.DNSException, OSError, ValueError, UnicodeError) as error:
            raise NamesUnanswered(name) from error
        return [_harmless(text) for text in _read(answer, kind)[:MOST_RECORDS]]


def _read(answer: dns.resolver.Answer, kind: str) -> list[str]:
    records = list(answer.rrset or ())
    match kind:
        case "TXT":
            return [b"".join(record.strings).decode("ascii", "replace") for record in records]
        case "MX":
            ordered = sorted(records, key=lambda record: record.preference)
            return [record.exchange.to_text(omit_final_dot=True).removesuffix(".") for record in ordered]
        case "PTR":
            return [record.target.to_text(omit_final_dot=True) for record in records]
        case _:
            return [str(record.address) for record in records]


def _harmless(text: str) -> str:
    return "".join(character if character.isprintable() else "�" for character in text)

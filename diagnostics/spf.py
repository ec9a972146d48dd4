"""May this address send for that domain: SPF (RFC 7208), with its limits of lookups, and the way there for words."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from diagnostics.names import NameMissing, Names, NamesUnanswered

MOST_LOOKUPS = 10  # RFC 7208 4.6.4
MOST_VOID = 2
MOST_EXCHANGES = 10
_TERM = re.compile(r"(?P<sign>[+\-?~])?(?P<kind>[a-z][a-z0-9_.-]*)(?P<rest>[:/=].*)?\Z", re.IGNORECASE)
_LENGTHS = re.compile(r"(?P<name>.*?)(?:/(?P<four>\d{1,2}))?(?://(?P<six>\d{1,3}))?\Z")
_MACRO = re.compile(r"%\{(?P<letter>[slodiphcrtv])(?P<digits>\d*)(?P<turned>r?)(?P<marks>[.\-+,/_=]*)\}|%%|%_|%-", re.IGNORECASE)


class Spf(StrEnum):
    """RFC 7208 2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 (a result, no secret)
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


_SIGNS = {"+": Spf.PASS, "-": Spf.FAIL, "~": Spf.SOFTFAIL, "?": Spf.NEUTRAL}


class _Wrong(Exception):
    """A permerror; its text is a code for words: syntax, lookups, void, several, include."""


@dataclass(slots=True)
class SpfAnswer:
    """`why` of a permerror: syntax, lookups, void, several or include; `included`: the domains whose records were used."""

    result: Spf
    record: str = ""
    lookups: int = 0
    void: int = 0
    why: str = ""
    included: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Walk:
    names: Names
    sender: str
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None  # None: walk through everything
    answer: SpfAnswer


async def evaluate(names: Names, sender: str, address: str | None) -> SpfAnswer:
    """What SPF says of mail of `sender` from `address`; without an address the whole record is walked and counted, never passed.

    Raises nothing: trouble with the name service is `temperror`.
    """
    answer = SpfAnswer(Spf.NONE)
    walk = _Walk(names, sender, ipaddress.ip_address(address) if address else None, answer)
    try:
        answer.result = await _check(walk, sender.rpartition("@")[2])
    except _Wrong as wrong:
        answer.result, answer.why = Spf.PERMERROR, str(wrong)
    except NamesUnanswered:
        answer.result = Spf.TEMPERROR
    return answer


async def record_of(names: Names, domain: str) -> str | None:
    """The one SPF record; None where there is none. Raises _Wrong where there are several."""
    try:
        texts = await names.texts(domain)
    except NameMissing:
        return None
    found = [text for text in texts if re.match(r"v=spf1( |\Z)", text, re.IGNORECASE)]
    if len(found) > 1:
        raise _Wrong("several")
    return found[0] if found else None


async def _check(walk: _Walk, domain: str) -> Spf:
    record = await record_of(walk.names, domain)
    if record is None:
        return Spf.NONE
    walk.answer.record = walk.answer.record or record
    walk.answer.included.append(domain.lower().rstrip("."))
    terms = [_parsed(term) for term in record.split()[1:]]
    redirect = ""
    for sign, kind, rest in terms:
        if rest.startswith("="):
            redirect = rest[1:] if kind == "redirect" else redirect
        elif await _matches(walk, domain, kind, rest) and walk.address is not None:
            return _SIGNS[sign]
    if redirect and not any(kind == "all" for _sign, kind, _rest in terms):
        _count(walk)
        result = await _check(walk, _expanded(walk, redirect, domain))
        if result is Spf.NONE:
            raise _Wrong("include")
        return result
    return Spf.NEUTRAL


def _parsed(term: str) -> tuple[str, str, str]:
    found = _TERM.match(term)
    if found is None:
        raise _Wrong("syntax")
    sign, kind, rest = found["sign"] or "+", found["kind"].lower(), found["rest"] or ""
    if not rest.startswith("=") and kind not in {"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"}:
        raise _Wrong("syntax")
    return sign, kind, rest


async def _matches(walk: _Walk, domain: str, kind: str, rest: str) -> bool:
    match kind:
        case "all":
            return walk.address is not None
        case "ip4" | "ip6":
            return _inside(walk, rest[1:])
        case "include":
            _count(walk)
            result = await _check(walk, _expanded(walk, rest[1:], domain))
            if result is Spf.NONE:
                raise _Wrong("include")
            return result is Spf.PASS
        case "exists":
            _count(walk)
            return bool(await _addresses(walk, _expanded(walk, rest[1:], domain)))
        case "ptr":
            _count(walk)
            return False  # not to be used (RFC 7208 5.5): no server is let in by it here
        case _:
            return await _by_hosts(walk, domain, kind, rest)


async def _by_hosts(walk: _Walk, domain: str, kind: str, rest: str) -> bool:
    _count(walk)
    parts = _LENGTHS.match(rest)
    if parts is None:
        raise _Wrong("syntax")
    name = _expanded(walk, parts["name"].removeprefix(":"), domain) if parts["name"].startswith(":") else domain
    hosts = [name]
    if kind == "mx":
        try:
            hosts = await walk.names.exchanges(name)
        except NameMissing:
            hosts = []
        if not hosts:
            _count_void(walk)
        if len(hosts) > MOST_EXCHANGES:
            raise _Wrong("lookups")
    for host in hosts:
        for address in await _addresses(walk, host):
            length = parts["six"] if ":" in address else parts["four"]
            if _inside(walk, f"{address}/{length}" if length else address):
                return True
    return False


async def _addresses(walk: _Walk, name: str) -> list[str]:
    try:
        found = await walk.names.addresses(name)
    except NameMissing:
        found = []
    if not found:
        _count_void(walk)
    return found


def _inside(walk: _Walk, network: str) -> bool:
    try:
        whole = ipaddress.ip_network(network, strict=False)
    except ValueError as error:
        raise _Wrong("syntax") from error
    return walk.address is not None and walk.address in whole


def _count(walk: _Walk) -> None:
    walk.answer.lookups += 1
    if walk.answer.lookups > MOST_LOOKUPS:
        raise _Wrong("lookups")


def _count_void(walk: _Walk) -> None:
    walk.answer.void += 1
    if walk.answer.void > MOST_VOID:
        raise _Wrong("void")


def _expanded(walk: _Walk, text: str, domain: str) -> str:
    """A name with its macros filled in (RFC 7208 7)."""

    def value(found: re.Match[str]) -> str:
        if found["letter"] is None:
            return {"%%": "%", "%_": " ", "%-": "%20"}[found[0]]
        parts = re.split(f"[{re.escape(found['marks'] or '.')}]", _macro(walk, found["letter"].lower(), domain))
        parts = parts[::-1] if found["turned"] else parts
        return ".".join(parts[-int(found["digits"]) :] if found["digits"] else parts)

    name = _MACRO.sub(value, text)
    if not name or "%" in name:
        raise _Wrong("syntax")
    return name[-253:].lstrip(".")


def _macro(walk: _Walk, letter: str, domain: str) -> str:
    local, _at, whole = walk.sender.rpartition("@")
    address = walk.address or ipaddress.ip_address("192.0.2.0")
    dotted = str(address) if address.version == 4 else ".".join(address.exploded.replace(":", ""))
    values = {"s": walk.sender, "l": local or "postmaster", "o": whole, "d": domain, "h": whole, "i": dotted, "c": str(address)}
    return values.get(letter, {"v": "in-addr" if address.version == 4 else "ip6", "p": "unknown"}.get(letter, ""))


def network_says(addresses: Sequence[SpfAnswer]) -> SpfAnswer:
    """Of one server's addresses the answer that counts: the best of them."""
    order = [Spf.PASS, Spf.NEUTRAL, Spf.SOFTFAIL, Spf.NONE, Spf.FAIL, Spf.TEMPERROR, Spf.PERMERROR]
    return min(addresses, key=lambda answer: order.index(answer.result))

"""The sender's domain as receivers see it (D4): SPF, DKIM, DMARC, MX, MTA-STS, the server's reverse name.

Only the name service is asked; nothing is fetched and no server is connected to (Z6). Whose addresses may not be looked at
(private ones that no setting allows) are left out as if they were unknown.
"""

import asyncio
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from diagnostics.names import LIFETIME, NameMissing, Names, NamesUnanswered
from diagnostics.spf import Spf, SpfAnswer, evaluate, network_says
from mailjobs.transports.network import ascii_host, is_allowed

LOOKUPS_NEAR: Final = 9  # of ten: the next include breaks it
MOST_SERVERS: Final = 8
# What a provider has its customers include: its sending addresses are others than those of its door.
_INCLUDES: Final = (
    (
        r"(.+\.)?(office365|outlook|office)\.com|.+\.mail\.protection\.outlook\.com|graph\.microsoft\.com",
        "spf.protection.outlook.com",
    ),
    (r"smtp(-relay)?\.(gmail|googlemail)\.com", "_spf.google.com"),
    (r"(.+\.)?(ionos|1und1|1and1|kundenserver)\.[a-z.]+", "_spf-eu.ionos.com"),
    (r"email-smtp.*\.amazonaws\.com", "amazonses.com"),
    (r"smtp\.(eu\.)?sendgrid\.net", "sendgrid.net"),
    (r"in(-v3)?\.mailjet\.com", "spf.mailjet.com"),
    (r"smtp(\.eu)?\.mailgun\.org", "mailgun.org"),
    (r"smtp(-broadcasts)?\.postmarkapp\.com", "spf.mtasv.net"),
)
SELECTORS: Final = (
    "selector1",
    "selector2",
    "google",
    "default",
    "dkim",
    "mail",
    "s1",
    "s2",
    "k1",
    "s1-ionos",
    "strato-dkim-0002",
)
_HOUSE: Final = tuple(
    ipaddress.ip_network(text) for text in ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
_ANSWERS: Final = {
    Spf.PASS: ("passed", "spf_pass"),
    Spf.FAIL: ("failed", "spf_fail"),
    Spf.SOFTFAIL: ("warned", "spf_softfail"),
    Spf.NEUTRAL: ("warned", "spf_neutral"),
    Spf.NONE: ("warned", "spf_none"),
    Spf.TEMPERROR: ("not_reached", "unanswered"),
}


class Check(StrEnum):
    """What is looked at, in this order."""

    MX = "mx"
    SPF = "spf"
    DKIM = "dkim"
    DMARC = "dmarc"
    MTA_STS = "mta_sts"
    REVERSE_NAME = "reverse_name"


@dataclass(frozen=True, slots=True)
class DomainFinding:
    """One check. `verdict`: passed, warned, failed or not_reached; `code` and `facts` are for `domain_wording.say`, all JSON."""

    check: Check
    verdict: str
    code: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DomainReport:
    """The step `domain` of a diagnosis: `cause` is spf, dkim, dmarc or mx, empty where all is well."""

    domain: str
    verdict: str
    cause: str
    findings: tuple[DomainFinding, ...]


def check_domain(
    sender: str, *, server: str, resolver: str = "", selectors: Sequence[str] = (), allowed_networks: Sequence[str] = ()
) -> DomainReport:
    """`look_at` for those without a loop."""
    return asyncio.run(look_at(sender, server=server, resolver=resolver, selectors=selectors, allowed_networks=allowed_networks))


async def look_at(
    sender: str, *, server: str, resolver: str = "", selectors: Sequence[str] = (), allowed_networks: Sequence[str] = ()
) -> DomainReport:
    """All checks of the domain of `sender` (`a@b.example`), for mail that goes out over `server` (a host name or address).

    Within `names.LIFETIME` seconds, whatever the name service does, and without raising: what it did not answer is not reached.
    `selectors`: the DKIM selectors that are known to sign; without any, the usual ones are tried. `resolver`: `host:port`.
    """
    domain = ascii_host(sender.rpartition("@")[2])
    if domain is None or _is_address(domain):
        return _summed(sender.rpartition("@")[2][:253], [DomainFinding(Check.MX, "failed", "no_domain")])
    names = Names.of(resolver)
    work = {
        Check.MX: _mx(names, domain),
        Check.SPF: _spf(names, f"{sender.rpartition('@')[0]}@{domain}", server, allowed_networks),
        Check.DKIM: _dkim(names, domain, selectors),
        Check.DMARC: _dmarc(names, domain),
        Check.MTA_STS: _mta_sts(names, domain),
        Check.REVERSE_NAME: _reverse_name(names, server, allowed_networks),
    }
    tasks = {check: asyncio.ensure_future(_guarded(check, each)) for check, each in work.items()}
    done, late = await asyncio.wait(tasks.values(), timeout=LIFETIME)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    findings = [
        task.result() if task in done else DomainFinding(check, "not_reached", "unanswered") for check, task in tasks.items()
    ]
    return _summed(domain, _with_alignment(findings))


async def _guarded(check: Check, work: Any) -> DomainFinding:
    try:
        found: DomainFinding = await work
    except NamesUnanswered:
        return DomainFinding(check, "not_reached", "unanswered")
    return found


def _summed(domain: str, findings: Sequence[DomainFinding]) -> DomainReport:
    """The worst counts; what comes first of the worst is the cause."""
    for verdict in ("failed", "warned"):
        worst = next((found for found in findings if found.verdict == verdict), None)
        if worst is not None:
            return DomainReport(domain, verdict, _cause(worst.check), tuple(findings))
    reached = any(found.verdict == "passed" for found in findings)
    return DomainReport(domain, "passed" if reached else "not_reached", "" if reached else "dns_failure", tuple(findings))


def _cause(check: Check) -> str:
    return check.value if check not in {Check.MTA_STS, Check.REVERSE_NAME} else "other"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


async def _mx(names: Names, domain: str) -> DomainFinding:
    try:
        hosts = await names.exchanges(domain)
    except NameMissing:
        return DomainFinding(Check.MX, "failed", "no_domain")
    if hosts in ([""], ["."]):
        return DomainFinding(Check.MX, "failed", "null_mx")
    if not hosts:
        found = await names.addresses(domain)
        return DomainFinding(Check.MX, "warned" if found else "failed", "mx_implicit" if found else "no_mx")
    for host in hosts:
        try:
            if await names.addresses(host):
                return DomainFinding(Check.MX, "passed", "mx_found", {"host": host})
        except NameMissing:
            continue
    return DomainFinding(Check.MX, "failed", "mx_dead", {"host": hosts[0]})


async def _servers(names: Names, server: str, allowed_networks: Sequence[str]) -> list[str]:
    """The public addresses of the server; those of the house are not what receivers see."""
    host = ascii_host(server)
    if host is None:
        return []
    try:
        found = [host] if _is_address(host) else await names.addresses(host)
    except NameMissing:
        return []
    return [each for each in found if is_allowed(each, allowed_networks)][:MOST_SERVERS]


async def _spf(names: Names, sender: str, server: str, allowed_networks: Sequence[str]) -> DomainFinding:
    whole = await evaluate(names, sender, None)
    facts: dict[str, Any] = {"record": whole.record[:500], "lookups": whole.lookups, "server": server}
    if whole.result is Spf.PERMERROR:
        return DomainFinding(Check.SPF, "failed", f"spf_{whole.why}", facts)
    if whole.result is Spf.TEMPERROR:
        return DomainFinding(Check.SPF, "not_reached", "unanswered", facts)
    if not whole.record:
        return DomainFinding(Check.SPF, "warned", "spf_none", facts)
    wanted = next((include for pattern, include in _INCLUDES if re.fullmatch(pattern, server.lower().rstrip("."))), "")
    if wanted:
        verdict, code = ("passed", "spf_pass") if wanted in whole.included else ("failed", "spf_include_missing")
        return _near_limit(DomainFinding(Check.SPF, verdict, code, {**facts, "include": wanted}))
    addresses = [each for each in await _servers(names, server, allowed_networks) if not _in_house(each)]
    if not addresses:
        return _near_limit(DomainFinding(Check.SPF, "passed", "spf_server_unknown", facts))
    said: SpfAnswer = network_says([await evaluate(names, sender, address) for address in addresses])
    verdict, code = _ANSWERS.get(said.result, ("failed", f"spf_{said.why}"))
    return _near_limit(DomainFinding(Check.SPF, verdict, code, facts))


def _in_house(address: str) -> bool:
    """A private address that a setting allows: towards receivers the mail leaves by another one."""
    found = ipaddress.ip_address(address)
    return any(found.version == network.version and found in network for network in _HOUSE)


def _near_limit(found: DomainFinding) -> DomainFinding:
    if found.verdict == "passed" and found.facts["lookups"] >= LOOKUPS_NEAR:
        return DomainFinding(found.check, "warned", "spf_near", found.facts)
    return found


async def _dkim(names: Names, domain: str, selectors: Sequence[str]) -> DomainFinding:
    missing: list[str] = []
    for selector in selectors or SELECTORS:
        try:
            records = await names.texts(f"{selector}._domainkey.{domain}")
        except NameMissing:
            records = []
        key = next((found[1] for text in records if (found := re.search(r"(?:^|;)\s*p\s*=\s*([^;]*)", text))), None)
        if key:
            return DomainFinding(Check.DKIM, "passed", "dkim_found", {"selector": selector})
        missing.append(selector)
        if key == "" and selectors:
            return DomainFinding(Check.DKIM, "failed", "dkim_revoked", {"selector": selector})
    if selectors:
        return DomainFinding(Check.DKIM, "failed", "dkim_missing", {"selector": missing[0]})
    try:  # a name above others is there, even without records of its own (RFC 8020)
        await names.texts(f"_domainkey.{domain}")
    except NameMissing:
        return DomainFinding(Check.DKIM, "warned", "dkim_none")
    return DomainFinding(Check.DKIM, "passed", "dkim_unknown")


async def _dmarc(names: Names, domain: str) -> DomainFinding:
    """The record of the domain or of one above it; a walk up the tree needs no list of public suffixes."""
    labels = domain.split(".")
    for index in range(min(len(labels) - 1, 8)):
        place = ".".join(labels[index:])
        try:
            texts = await names.texts(f"_dmarc.{place}")
        except NameMissing:
            texts = []
        records = [text for text in texts if re.match(r"v\s*=\s*DMARC1\s*(;|\Z)", text)]
        if len(records) > 1:
            return DomainFinding(Check.DMARC, "warned", "dmarc_several", {"place": place})
        if records:
            return _dmarc_record(records[0], place, above=index > 0)
    return DomainFinding(Check.DMARC, "warned", "dmarc_none")


def _dmarc_record(record: str, place: str, *, above: bool) -> DomainFinding:
    tags = {key.strip().lower(): value.strip() for key, _is, value in (part.partition("=") for part in record.split(";"))}
    policy = (tags.get("sp") if above else None) or tags.get("p", "")
    facts = {"place": place, "policy": policy.lower(), "above": above, "reports": "rua" in tags}
    if policy.lower() not in {"none", "quarantine", "reject"}:
        return DomainFinding(Check.DMARC, "warned", "dmarc_wrong", facts)
    return DomainFinding(Check.DMARC, "passed", "dmarc_found", facts)


def _with_alignment(findings: Sequence[DomainFinding]) -> list[DomainFinding]:
    """Whether mail passes DMARC: envelope and From are one address here, so SPF is aligned where it passes, else DKIM must be."""
    by_check = {found.check: found for found in findings}
    dmarc, spf, dkim = by_check[Check.DMARC], by_check[Check.SPF], by_check[Check.DKIM]
    if dmarc.code != "dmarc_found" or spf.verdict in {"passed", "not_reached"} or spf.code == "spf_near":
        return list(findings)
    strict = dmarc.facts["policy"] != "none"
    if dkim.code in {"dkim_found", "dkim_unknown"}:
        instead = DomainFinding(Check.DMARC, "warned" if strict else "passed", "dmarc_by_dkim", dmarc.facts)
    else:
        instead = DomainFinding(Check.DMARC, "failed" if strict else "warned", "dmarc_not_passed", dmarc.facts)
    return [instead if found is dmarc else found for found in findings]


async def _mta_sts(names: Names, domain: str) -> DomainFinding:
    """For mail to the domain, so never a fault of what is sent."""
    try:
        texts = await names.texts(f"_mta-sts.{domain}")
    except NameMissing:
        texts = []
    there = any(text.startswith("v=STSv1") for text in texts)
    return DomainFinding(Check.MTA_STS, "passed", "mta_sts_found" if there else "mta_sts_none")


async def _reverse_name(names: Names, server: str, allowed_networks: Sequence[str]) -> DomainFinding:
    for address in await _servers(names, server, allowed_networks):
        try:
            called = await names.names_of(address)
        except NameMissing:
            called = []
        for name in called:
            try:
                if address in await names.addresses(name):
                    return DomainFinding(Check.REVERSE_NAME, "passed", "reverse_found", {"name": name})
            except NameMissing:
                continue
        return DomainFinding(Check.REVERSE_NAME, "warned", "reverse_wrong" if called else "reverse_none", {"server": server})
    return DomainFinding(Check.REVERSE_NAME, "passed", "reverse_unknown")

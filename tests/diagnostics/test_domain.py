"""D4: what the name service says of the sender's domain, against a real one on loopback."""

import time

import pytest
from django.utils import translation

from diagnostics.domain import DomainReport, check_domain
from diagnostics.domain_wording import CHECKS, say
from tests.peers.names import Records, name_server

SENDER, SERVER = "office@kanzlei.example", "mail.kanzlei.example"
NETWORKS = ("203.0.113.0/24",)
GOOD = {
    ("kanzlei.example", "MX"): ["10 mail.kanzlei.example."],
    ("mail.kanzlei.example", "A"): ["203.0.113.7"],
    ("7.113.0.203.in-addr.arpa", "PTR"): ["mail.kanzlei.example."],
    ("kanzlei.example", "TXT"): ['"v=spf1 a:mail.kanzlei.example -all"', '"other=1"'],
    ("selector1._domainkey.kanzlei.example", "TXT"): ['"v=DKIM1; k=rsa; p=MIIB"'],
    ("_dmarc.kanzlei.example", "TXT"): ['"v=DMARC1; p=reject; rua=mailto:d@kanzlei.example"'],
    ("_mta-sts.kanzlei.example", "TXT"): ['"v=STSv1; id=1"'],
}


def look(
    changes: Records | None = None, *, server: str = SERVER, sender: str = SENDER, selectors: tuple[str, ...] = ()
) -> DomainReport:
    """The report on a domain in order, with some of its records changed (empty: taken away)."""
    records = {key: data for key, data in {**GOOD, **(changes or {})}.items() if data}
    with name_server(records) as resolver:
        report = check_domain(sender, server=server, resolver=resolver, selectors=selectors, allowed_networks=NETWORKS)
    for found in report.findings:
        assert str(CHECKS[found.check])
        assert say(found)
        with translation.override("de"):
            assert say(found)
    return report


def codes(report: DomainReport) -> dict[str, str]:
    return {found.check.value: found.code for found in report.findings}


def spf(record: str) -> Records:
    return {("kanzlei.example", "TXT"): [f'"{record}"']}


def test_d4_a_domain_in_order_passes() -> None:
    report = look()
    assert (report.verdict, report.cause) == ("passed", "")
    assert codes(report) == {
        "mx": "mx_found",
        "spf": "spf_pass",
        "dkim": "dkim_found",
        "dmarc": "dmarc_found",
        "mta_sts": "mta_sts_found",
        "reverse_name": "reverse_found",
    }


CHAIN = {(f"s{number}.example", "TXT"): [f'"v=spf1 include:s{number + 1}.example -all"'] for number in range(1, 13)}
CASES: dict[str, tuple[Records, str, str, str]] = {
    "excluded": (spf("v=spf1 ip4:198.51.100.0/24 -all"), "failed", "spf", "spf_fail"),
    "soft": (spf("v=spf1 ip4:198.51.100.0/24 ~all"), "warned", "spf", "spf_softfail"),
    "neutral": (spf("v=spf1 ?all"), "warned", "spf", "spf_neutral"),
    "none": (spf("nothing"), "warned", "spf", "spf_none"),
    "syntax": (spf("v=spf1 ipv4:203.0.113.7 -all"), "failed", "spf", "spf_syntax"),
    "network": (spf("v=spf1 ip4:203.0.113.0/33 -all"), "failed", "spf", "spf_syntax"),
    "twice": ({("kanzlei.example", "TXT"): ['"v=spf1 mx -all"', '"v=spf1 a -all"']}, "failed", "spf", "spf_several"),
    "circle": (spf("v=spf1 include:kanzlei.example -all"), "failed", "spf", "spf_lookups"),
    "eleven": ({**spf("v=spf1 mx include:s1.example -all"), **CHAIN}, "failed", "spf", "spf_lookups"),
    "void": (spf("v=spf1 a:x1.example a:x2.example a:x3.example mx -all"), "failed", "spf", "spf_void"),
    "include": (spf("v=spf1 mx include:nowhere.example -all"), "failed", "spf", "spf_include"),
    "no dmarc": ({("_dmarc.kanzlei.example", "TXT"): []}, "warned", "dmarc", "dmarc_none"),
    "dmarc twice": (
        {("_dmarc.kanzlei.example", "TXT"): ['"v=DMARC1; p=none"'] * 1 + ['"v=DMARC1; p=reject"']},
        "warned",
        "dmarc",
        "dmarc_several",
    ),
    "dmarc wrong": ({("_dmarc.kanzlei.example", "TXT"): ['"v=DMARC1; p=maybe"']}, "warned", "dmarc", "dmarc_wrong"),
    "no dkim": ({("selector1._domainkey.kanzlei.example", "TXT"): []}, "warned", "dkim", "dkim_none"),
    "no mx": ({("kanzlei.example", "MX"): []}, "failed", "mx", "no_mx"),
    "null mx": ({("kanzlei.example", "MX"): ["0 ."]}, "failed", "mx", "null_mx"),
    "dead mx": ({("kanzlei.example", "MX"): ["10 gone.example."]}, "failed", "mx", "mx_dead"),
    "web only": ({("kanzlei.example", "MX"): [], ("kanzlei.example", "A"): ["203.0.113.9"]}, "warned", "mx", "mx_implicit"),
    "no ptr": ({("7.113.0.203.in-addr.arpa", "PTR"): []}, "warned", "other", "reverse_none"),
    "wrong ptr": ({("7.113.0.203.in-addr.arpa", "PTR"): ["host-7.isp.example."]}, "warned", "other", "reverse_wrong"),
}


@pytest.mark.parametrize(("changes", "verdict", "cause", "code"), CASES.values(), ids=CASES)
def test_d4_a_fault_is_named(changes: Records, verdict: str, cause: str, code: str) -> None:
    report = look(changes)
    assert (report.verdict, report.cause) == (verdict, cause)
    assert code in codes(report).values()


def test_d4_ways_by_which_spf_lets_a_server_in() -> None:
    more = {("in.example", "TXT"): ['"v=spf1 ip4:203.0.113.7 ~all"'], ("yes.kanzlei.example", "A"): ["127.0.0.2"]}
    for record in (
        "v=spf1 mx -all",
        "v=spf1 a:mail.kanzlei.example/24 -all",
        "v=spf1 ip4:203.0.113.0/28 -all",
        "v=spf1 include:in.example -all",
        "v=spf1 redirect=in.example",
        "v=spf1 exists:yes.%{d} -all",
        "V=SPF1 +IP4:203.0.113.7 -ALL",
    ):
        assert codes(look({**more, **spf(record)}))["spf"] == "spf_pass", record
    assert codes(look({**more, **spf("v=spf1 include:in.example exists:no.%{d} -all")}))["spf"] == "spf_pass"


def test_d4_nine_lookups_of_ten_are_said_before_the_tenth_breaks_it() -> None:
    chain = {(f"t{number}.example", "TXT"): ['"v=spf1 ip4:192.0.2.1 -all"'] for number in range(1, 9)}
    record = "v=spf1 mx " + " ".join(f"include:t{number}.example" for number in range(1, 9)) + " -all"
    assert codes(look({**chain, **spf(record)}))["spf"] == "spf_near"


def test_d4_a_provider_is_known_by_what_its_customers_include() -> None:
    outlook = {("spf.protection.outlook.com", "TXT"): ['"v=spf1 ip4:203.0.113.0/24 -all"']}
    there = look({**outlook, **spf("v=spf1 include:spf.protection.outlook.com -all")}, server="smtp.office365.com")
    missing = look(spf("v=spf1 mx -all"), server="smtp.office365.com")
    assert codes(there)["spf"] == "spf_pass"
    assert (codes(missing)["spf"], missing.verdict, missing.cause) == ("spf_include_missing", "failed", "spf")


def test_d4_dkim_with_a_selector_that_is_known_and_one_that_is_not() -> None:
    assert codes(look(selectors=("selector1",)))["dkim"] == "dkim_found"
    assert codes(look(selectors=("k7",)))["dkim"] == "dkim_missing"
    revoked = {("k7._domainkey.kanzlei.example", "TXT"): ['"v=DKIM1; p="']}
    assert codes(look(revoked, selectors=("k7",)))["dkim"] == "dkim_revoked"
    odd = {("selector1._domainkey.kanzlei.example", "TXT"): [], ("x9._domainkey.kanzlei.example", "TXT"): ['"v=DKIM1; p=MIIB"']}
    assert codes(look(odd))["dkim"] == "dkim_unknown"


def test_d4_dmarc_counts_for_names_below_and_looks_at_alignment() -> None:
    below = {
        ("post.kanzlei.example", "MX"): ["10 mail.kanzlei.example."],
        ("post.kanzlei.example", "TXT"): ['"v=spf1 a:mail.kanzlei.example -all"'],
        ("_dmarc.kanzlei.example", "TXT"): ['"v=DMARC1; p=reject; sp=quarantine"'],
    }
    found = next(each for each in look(below, sender="a@post.kanzlei.example").findings if each.check == "dmarc")
    assert found.code == "dmarc_found"
    assert found.facts["policy"] == "quarantine"
    assert found.facts["place"] == "kanzlei.example"
    no_spf = spf("v=spf1 ?all")
    assert codes(look(no_spf))["dmarc"] == "dmarc_by_dkim"
    neither = look({**no_spf, ("selector1._domainkey.kanzlei.example", "TXT"): []})
    assert (codes(neither)["dmarc"], neither.verdict, neither.cause) == ("dmarc_not_passed", "failed", "dmarc")


def test_z6_private_addresses_of_a_server_are_not_looked_at() -> None:
    private = {("mail.kanzlei.example", "A"): ["10.0.0.7"], ("7.0.0.10.in-addr.arpa", "PTR"): ["secret.kanzlei.example."]}
    report = look({**private, **spf("v=spf1 ip4:10.0.0.0/8 -all")})
    assert codes(report)["reverse_name"] == "reverse_unknown"
    assert codes(report)["spf"] == "spf_server_unknown"
    assert "secret" not in repr(report)


def test_z22_what_records_say_is_harmless_and_bounded() -> None:
    long = " ".join(f'"{"x" * 200}"' for _each in range(60))
    report = look({("kanzlei.example", "TXT"): ['"v=spf1 \\027[31m -all"'], ("_dmarc.kanzlei.example", "TXT"): [long]})
    assert codes(report)["spf"] == "spf_syntax"
    assert "\x1b" not in repr(report)
    assert len(repr(report)) < 4_000


def test_d4_names_that_are_none_and_silence_end_in_time() -> None:
    for sender in ("a@127.0.0.1", "a@", "a@-x-.example", "a@gone.example"):
        assert look(sender=sender).cause in {"mx"}, sender
    begun = time.monotonic()
    with name_server({}, silent=True) as resolver:
        report = check_domain(SENDER, server=SERVER, resolver=resolver)
    assert time.monotonic() - begun < 10
    assert (report.verdict, report.cause) == ("not_reached", "dns_failure")

"""What the checks of a domain found, in the reader's words."""

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from diagnostics.domain import Check, DomainFinding

CHECKS: Mapping[Check, object] = {
    Check.MX: gettext_lazy("Takes mail (MX)"),
    Check.SPF: gettext_lazy("Server may send (SPF)"),
    Check.DKIM: gettext_lazy("Signature (DKIM)"),
    Check.DMARC: gettext_lazy("Policy (DMARC)"),
    Check.MTA_STS: gettext_lazy("Encrypted reception (MTA-STS)"),
    Check.REVERSE_NAME: gettext_lazy("The server's reverse name"),
}
_WORDS: Mapping[str, object] = {
    "unanswered": gettext_lazy("The name service did not answer."),
    "no_domain": gettext_lazy("There is no such domain."),
    "null_mx": gettext_lazy("The domain says that it takes no mail (null MX); many receivers refuse such a sender."),
    "no_mx": gettext_lazy("The domain has neither MX nor address records: answers find nobody."),
    "mx_implicit": gettext_lazy("The domain has no MX record; only its web address takes mail, if at all."),
    "mx_dead": gettext_lazy("The MX record names %(host)s, which does not exist."),
    "mx_found": gettext_lazy("Mail to the domain goes to %(host)s."),
    "spf_pass": gettext_lazy("%(server)s may send for this domain (%(lookups)s of 10 lookups)."),
    "spf_fail": gettext_lazy("The SPF record excludes %(server)s: receivers refuse the mail. Add the server before “-all”."),
    "spf_softfail": gettext_lazy(
        "The SPF record does not name %(server)s: the mail looks doubtful. Add the server before “~all”."
    ),
    "spf_neutral": gettext_lazy("The SPF record says nothing of %(server)s. Add the server."),
    "spf_none": gettext_lazy(
        "The domain has no SPF record: large providers refuse or sort out such mail. Add a TXT record v=spf1."
    ),
    "spf_include_missing": gettext_lazy("The SPF record lacks include:%(include)s, which the provider of %(server)s asks for."),
    "spf_server_unknown": gettext_lazy(
        "The SPF record is in order; whether it names the public address by which %(server)s sends cannot be told from here."
    ),
    "spf_near": gettext_lazy(
        "The SPF record needs %(lookups)s of 10 lookups: the next include breaks it. Remove what is not used."
    ),
    "spf_lookups": gettext_lazy(
        "The SPF record needs more than 10 lookups and counts as broken. Remove includes that are not used."
    ),
    "spf_void": gettext_lazy("The SPF record names more than two hosts that do not exist and counts as broken. Remove them."),
    "spf_several": gettext_lazy("The domain has several SPF records and none counts. Join them into one."),
    "spf_syntax": gettext_lazy("The SPF record has a mistake in it and counts as broken: %(record)s"),
    "spf_include": gettext_lazy("The SPF record includes a domain without SPF and counts as broken. Remove that include."),
    "dkim_found": gettext_lazy("A key is published under the selector %(selector)s."),
    "dkim_missing": gettext_lazy("Under the selector %(selector)s no key is published."),
    "dkim_revoked": gettext_lazy("The key under the selector %(selector)s has been withdrawn."),
    "dkim_none": gettext_lazy("The domain publishes no keys at all. Switch DKIM on at the mail server or provider."),
    "dkim_unknown": gettext_lazy("The domain publishes keys, but under none of the usual selectors."),
    "dmarc_found": gettext_lazy("A policy is published at %(place)s: %(policy)s."),
    "dmarc_none": gettext_lazy("The domain has no DMARC record. Add a TXT record _dmarc with v=DMARC1; p=none."),
    "dmarc_several": gettext_lazy("%(place)s has several DMARC records and none counts. Leave one."),
    "dmarc_wrong": gettext_lazy("The DMARC record of %(place)s has no valid policy (p=)."),
    "dmarc_by_dkim": gettext_lazy(
        "SPF does not vouch for the mail, so it passes DMARC (%(policy)s) only with a signature of this domain."
    ),
    "dmarc_not_passed": gettext_lazy("Neither SPF nor DKIM vouch for the mail, and %(place)s asks receivers for: %(policy)s."),
    "mta_sts_found": gettext_lazy("The domain asks for encryption of mail to it."),
    "mta_sts_none": gettext_lazy("The domain does not ask for encryption of mail to it; that does not touch what you send."),
    "reverse_found": gettext_lazy("The server's address is called %(name)s and leads back."),
    "reverse_none": gettext_lazy("The address of %(server)s has no name; if it hands over to others itself, they may refuse it."),
    "reverse_wrong": gettext_lazy("The name of the address of %(server)s does not lead back to it."),
    "reverse_unknown": gettext_lazy("The public address of the server is not known here."),
}


def say(found: DomainFinding) -> str:
    """One finding as a sentence."""
    words = _WORDS.get(found.code)
    if words is None:
        return _("The name service said something unexpected.")
    return str(words) % {"server": "", "host": "", **{key: str(value) for key, value in found.facts.items()}}

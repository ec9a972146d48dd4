"""A diagnosis in words, as pages and the report show it."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from diagnostics.models import Diagnosis
from diagnostics.wording import CAUSES, STEPS, VERDICTS, WHO, say_day
from mailjobs.remedies import say_error
from mailsettings.wording import LEVEL_LABELS


def subject_of(row: Diagnosis) -> str:
    """What was diagnosed."""
    words = {"user": row.user.name or row.user.login}
    if row.job_id:
        subject = row.job.subject if row.job else ""
        return _("Mail job of %(user)s: %(subject)s") % {**words, "subject": subject or _("(no subject)")}
    if row.account:
        return _("Account %(account)s, mail of %(user)s") % {**words, "account": row.account.slug}
    if row.print_model:
        return _("Print model %(model)s, mail of %(user)s") % {**words, "model": row.print_model.slug}
    return _("Mail of %(user)s") % words


def lines_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each step in words; while it runs, those that are known."""
    return [_line(step) for step in document["steps"]]


def _line(step: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "step": step["step"],
        "kind": step["verdict"],
        "verdict": step["verdict"],
        "title": str(STEPS[step["step"]]),
        "label": str(VERDICTS[step["verdict"]]),
        "cause": str(CAUSES.get(step["cause"] or "", "")),
        "meaning": step["meaning"] or "",
        "who": str(WHO.get(step["who"] or "", "")),
        "remedy": step["remedy"] or "",
        "reply": say_error(step["reply"] or ""),
        "found": list(_found(step["step"], step["facts"])),
        "dialogue": "\n".join(step["dialogue"]),
        "time": _time(step) if step["verdict"] != "not_reached" else "",
    }


def _time(step: Mapping[str, Any]) -> str:
    milliseconds = int(step["milliseconds"])
    return _("%(n)s ms") % {"n": milliseconds} if milliseconds < 10_000 else _("%(n)s s") % {"n": round(milliseconds / 1000)}


def _found(step: str, facts: Mapping[str, Any]) -> Sequence[str]:
    """What was found, in a few words."""
    match step:
        case "configuration":
            return [each for each in (facts.get("server", ""), facts.get("login", "")) if each]
        case "sender":
            level = str(LEVEL_LABELS.get(facts.get("level", ""), ""))
            return [each for each in (facts.get("address", ""), level) if each]
        case "redirect":
            return list(facts.get("to", []))
        case "name_resolution":
            return list(facts.get("addresses", []))
        case "connection":
            return [f"{facts['address']}:{facts['port']}"] if facts.get("address") else []
        case "ehlo":
            return [each.upper() for each in facts.get("capabilities", [])]
        case "tls":
            return _found_of_tls(facts)
        case "authentication":
            return [facts["mechanism"] or _("without log-in")] if "mechanism" in facts else []
        case "size":
            return (
                [_("up to %(size)s") % {"size": filesizeformat(facts["limit"])}]
                if facts.get("limit") not in (None, "", "0")
                else []
            )
        case _:
            return []


def _found_of_tls(facts: Mapping[str, Any]) -> list[str]:
    if "version" in facts and not facts["version"]:
        return [_("without TLS")]
    named = [str(facts.get(name, "")) for name in ("version", "cipher", "subject", "issuer")]
    until = [_("valid until %(day)s") % {"day": say_day(facts["until"])}] if facts.get("until") else []
    return [each for each in (*named, *until) if each]

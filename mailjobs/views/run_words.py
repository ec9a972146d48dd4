"""What the checks of a print run found, in words."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailjobs.discretion import discretion_for
from mailjobs.run_checks import FAULTS, LABELS, Checks, SenderShare
from mailjobs.views.explained import facts_of_plan
from mailjobs.wording import say_hold
from mailsettings.models import User


def findings_of(checks: Checks) -> list[dict[str, Any]]:
    """Each kind of finding with its number of rows; faults keep a row from being sent."""
    return [{"label": LABELS[finding], "count": count, "fault": finding in FAULTS} for finding, count in checks.counts.items()]


def senders_of(checks: Checks, reader: User) -> list[dict[str, Any]]:
    """Who would send how many, the most first; what stands in the way, or is to be known."""
    discretion = discretion_for(reader)
    shares = sorted(checks.senders.values(), key=lambda share: -share.mails)
    return [
        {
            "address": (share.document["sender"] or {}).get("address", ""),
            "mails": share.mails,
            "refused": share.document["refused"]["message"] if share.document["refused"] else "",
            "held": _hold_of(share),
            "redirect": ", ".join(share.plan.redirect.addresses) if share.plan.redirect.active else "",
            **facts_of_plan(share.document, discretion),
        }
        for share in shares
    ]


def say_duration(checks: Checks) -> str:
    """How long it would take at least, and because of which limit."""
    if checks.duration is None:
        return ""
    minutes = max(round(checks.duration.total_seconds() / 60), 1)
    if minutes >= 120:
        hours = round(minutes / 60)
        time = ngettext("about %(count)s hour", "about %(count)s hours", hours) % {"count": hours}
    else:
        time = ngettext("about %(count)s minute", "about %(count)s minutes", minutes) % {"count": minutes}
    match checks.limit:
        case "per_minute":
            return _("%(time)s, because of the limit of mails per minute") % {"time": time}
        case "per_day":
            return _("%(time)s, because of the limit of recipients per day") % {"time": time}
        case _:
            return time


def _hold_of(share: SenderShare) -> str:
    if share.document["refused"]:
        return ""
    if share.plan.held:
        return say_hold(share.plan.held, (share.document["sender"] or {}).get("address", ""))
    return say_hold("by_client") if share.plan.channel.by_client else ""

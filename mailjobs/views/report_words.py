"""What servers reported of recipients after the hand-over, and of addresses at which mail came back before, in words (J6)."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailjobs import bounces
from mailjobs.discretion import Discretion
from mailjobs.models import OPEN_STATES, JobRecipient, MailJob, MailLogEntry, RecipientReport, RecipientStateChoices
from mailjobs.remedies import say_error
from mailjobs.tables import few
from mailjobs.waiting import say_time

_Fate = RecipientReport.Fate
_STAMPS = {_Fate.DELIVERED: "sent", _Fate.RELAYED: "sent", _Fate.DELAYED: "deferred", _Fate.FAILED: "failed"}
_SENTENCES = {
    _Fate.DELIVERED: gettext_lazy("Reported as delivered by the recipient's server (%(time)s)."),
    _Fate.RELAYED: gettext_lazy("Passed on to a server that reports nothing more (%(time)s)."),
    _Fate.DELAYED: gettext_lazy("Reported as delayed (%(time)s); the server keeps trying. %(reason)s"),
    _Fate.FAILED: gettext_lazy("The mail came back (%(time)s). %(reason)s"),
}
_TO_KNOW = {_Fate.FAILED: gettext_lazy("It came back."), _Fate.DELAYED: gettext_lazy("It was reported as delayed.")}
_STILL_OPEN = (RecipientStateChoices.PENDING, RecipientStateChoices.DEFERRED, RecipientStateChoices.REFUSED)


def report_of(recipient: JobRecipient) -> RecipientReport | None:
    """The report on a recipient; lists select it with `report`."""
    return getattr(recipient, "report", None)


def say_report(job: MailJob, report: RecipientReport, discretion: Discretion) -> dict[str, Any]:
    """Stamp and words of a report. It is "delivered" only where a server has said so."""
    fate, reason = _Fate(report.fate), say_error(discretion.text(job.plan, report.reason)) or report.status
    words = {"time": say_time(report.at), "reason": reason}
    text = str(_SENTENCES[fate]) % words
    return {"state": _STAMPS[fate], "label": fate.label, "report": text.strip()}


def say_returned(job: MailJob) -> str:
    """That a mail which was handed over came back, in a sentence; empty where nothing of the kind was reported."""
    failed = RecipientReport.objects.filter(recipient__job=job, fate=_Fate.FAILED).order_by("pk")
    addresses = list(failed.values_list("recipient__address", flat=True))
    if not addresses:
        return ""
    return _("The mail server took it over, but it came back from %(addresses)s.") % {"addresses": few(addresses)}


def came_of(entries: Iterable[MailLogEntry]) -> dict[int, str]:
    """Job → the worst that was reported of its recipients, of those that somebody should know of."""
    jobs = {entry.job_id for entry in entries if entry.job_id}
    rows = RecipientReport.objects.filter(recipient__job__in=jobs, fate__in=_TO_KNOW).values_list("recipient__job", "fate")
    found: dict[int, list[str]] = defaultdict(list)
    for job, fate in rows:
        found[job].append(fate)
    return {job: str(_TO_KNOW[_Fate.FAILED if _Fate.FAILED in fates else _Fate.DELAYED]) for job, fates in found.items()}


def hints_of(job: MailJob) -> dict[str, str]:
    """Address → that mail to it came back before; of recipients who have not got this mail yet."""
    if job.state not in OPEN_STATES:
        return {}
    addresses = [each.address for each in job.recipients.all() if each.state in _STILL_OPEN]
    return {address: say_dead(report) for address, report in bounces.dead_addresses(job.tenant, addresses).items()}


def say_dead(report: RecipientReport) -> str:
    """The warning before the next mail."""
    return _("Mail to this address came back (%(time)s). Check it before you send. %(reason)s") % {
        "time": say_time(report.at),
        "reason": say_error(report.reason) or report.status,
    }

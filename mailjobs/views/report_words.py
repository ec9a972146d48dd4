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
# RFC 3463: what the detail of a status code means for people, whether it is for good (5) or for now (4).
_PLAIN = {
    "1.1": gettext_lazy("The address does not exist there."),
    "1.10": gettext_lazy("The address does not exist there."),
    "1.2": gettext_lazy("The domain of the address does not exist or takes no mail."),
    "2.1": gettext_lazy("The mailbox is closed."),
    "2.2": gettext_lazy("The mailbox is full."),
    "2.3": gettext_lazy("The mail is too large for the mailbox."),
    "3.4": gettext_lazy("The mail is too large for the recipient's server."),
    "4.1": gettext_lazy("The recipient's server cannot be reached."),
    "4.6": gettext_lazy("The recipient's servers pass the mail round in a circle."),
    "4.7": gettext_lazy("The recipient's server did not take it in time."),
    "7.1": gettext_lazy("The recipient's server refuses the mail by a filter or a rule."),
}
_TO_KNOW = {_Fate.FAILED: gettext_lazy("It came back."), _Fate.DELAYED: gettext_lazy("It was reported as delayed.")}
_STILL_OPEN = (RecipientStateChoices.PENDING, RecipientStateChoices.DEFERRED, RecipientStateChoices.REFUSED)


def report_of(recipient: JobRecipient) -> RecipientReport | None:
    """The report on a recipient; lists select it with `report`."""
    return getattr(recipient, "report", None)


def say_report(job: MailJob, report: RecipientReport, discretion: Discretion) -> dict[str, Any]:
    """Stamp and words of a report. It is "delivered" only where a server has said so."""
    fate = _Fate(report.fate)
    words = {"time": say_time(report.at), "reason": _why(report, discretion.text(job.plan, report.reason))}
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
        "reason": _why(report, report.reason),
    }


def _why(report: RecipientReport, reason: str) -> str:
    """The reason in plain words, as far as the status code tells, and as the server wrote it."""
    plain = str(_PLAIN.get(report.status.partition(".")[2], ""))
    written = say_error(reason) or report.status
    return f"{plain} {written}".strip()

"""The lists of mail jobs and of the e-mail log."""

from collections.abc import Mapping
from typing import Any

import django_tables2 as tables
from django.template.loader import get_template
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from mailjobs.discretion import Discretion
from mailjobs.models import LogOutcome, MailJob, MailLogEntry, StateChoices
from mailjobs.remedies import say_error
from mailjobs.waiting import say_wait
from mailjobs.wording import HOLDS, say_hold

# How the stamp of a log line looks.
OUTCOME_STAMPS: Mapping[str, str] = {
    LogOutcome.HANDED_OVER: "sent",
    LogOutcome.PARTLY: "partly_sent",
    LogOutcome.FAILED: "failed",
    LogOutcome.UNKNOWN: "unknown",
    LogOutcome.TAKEN_AS_SENT: "unknown",
    LogOutcome.REFUSED: "refused",
    LogOutcome.CANCELLED: "cancelled",
}


def _column(label: object, *classes: str, **more: Any) -> tables.Column:
    names = " ".join(classes)
    head = " ".join(name for name in classes if name in {"cell-state", "cell-time", "cell-wide", "number"})
    return tables.Column(verbose_name=label, attrs={"td": {"class": names}, "th": {"class": head}}, **more)


class JobTable(tables.Table):  # type: ignore[misc]
    """Mail jobs, newest first."""

    select = tables.Column(accessor="pk", orderable=False)
    state = _column(gettext_lazy("Status"), "cell-state")
    subject = _column(gettext_lazy("Subject"), "cell-primary", empty_values=())
    recipients = _column(gettext_lazy("Recipients"), "cell-clip", empty_values=(), accessor="pk")
    sender_address = _column(gettext_lazy("Sender"), "cell-clip", "cell-wide", default="")
    user = _column(gettext_lazy("Acting user"), "cell-clip", "cell-wide")
    attempts = _column(gettext_lazy("Attempts"), "number", "cell-wide", "cell-fit")
    created_at = _column(gettext_lazy("Created"), "cell-time")

    class Meta:
        orderable = False
        row_attrs = {"data-state": lambda record: record.state}

    def __init__(self, rows: list[MailJob], *, discretion: Discretion, everybody: bool) -> None:
        self.discretion = discretion
        super().__init__(rows, exclude=() if everybody else ("user",))
        self.caption = _("Mail jobs")

    def render_state(self, record: MailJob) -> str:
        return stamp(record.state, record.state_choice.label)

    def render_subject(self, record: MailJob) -> SafeString:
        note = note_of(record, self.discretion)
        bad = record.state in {StateChoices.FAILED, StateChoices.PARTLY_SENT}
        return linked(reverse("job", args=[record.pk]), record.subject, note, bad=bad)

    def render_recipients(self, record: MailJob) -> str:
        return few([recipient.address for recipient in record.recipients.all()])

    def render_created_at(self, record: MailJob) -> str:
        return moment(record.created_at)


class LogTable(tables.Table):  # type: ignore[misc]
    """Lines of the e-mail log, newest first."""

    outcome = _column(gettext_lazy("Result"), "cell-state")
    subject = _column(gettext_lazy("Subject"), "cell-primary", empty_values=())
    recipients = _column(gettext_lazy("Recipients"), "cell-clip", empty_values=())
    sender_address = _column(gettext_lazy("Sender"), "cell-clip", "cell-wide", default="")
    server = _column(gettext_lazy("Mail server"), "cell-clip", "cell-wide", default="")
    at = _column(gettext_lazy("Time"), "cell-time")

    class Meta:
        orderable = False
        row_attrs = {"data-state": lambda record: OUTCOME_STAMPS[record.outcome]}

    def __init__(self, rows: list[MailLogEntry], *, discretion: Discretion) -> None:
        self.discretion = discretion
        super().__init__(rows)
        self.caption = _("E-mail log")

    def render_outcome(self, record: MailLogEntry) -> str:
        return stamp(OUTCOME_STAMPS[record.outcome], LogOutcome(record.outcome).label)

    def render_subject(self, record: MailLogEntry) -> SafeString:
        where = reverse("job", args=[record.job_id]) if record.job_id else reverse("log_entry", args=[record.pk])
        note = say_error(self.discretion.text(plan_of(record), record.error, record.server))
        return linked(where, record.subject, note, bad=True)

    def render_recipients(self, record: MailLogEntry) -> str:
        return few(record.recipients)

    def render_server(self, record: MailLogEntry) -> str:
        return self.discretion.server(plan_of(record), record.server)

    def render_at(self, record: MailLogEntry) -> str:
        return moment(record.at)


def plan_of(entry: MailLogEntry) -> dict[str, Any]:
    """The explanation of a log line: its own, else its job's."""
    plan: dict[str, Any] = entry.plan or (entry.job.plan if entry.job else {})
    return plan


def note_of(job: MailJob, discretion: Discretion) -> str:
    """The line below the subject: the last error, or what the mail waits for."""
    if job.state == StateChoices.HELD and job.held_reason in HOLDS:
        return say_hold(job.held_reason, job.sender_address)
    if wait := say_wait(job):
        return wait
    error = say_error(discretion.text(job.plan, job.last_error))
    if job.state == StateChoices.DEFERRED:
        again = _("next try %(time)s") % {"time": moment(job.due_at)}
        return f"{error} – {again}" if error else again
    return error


def stamp(state: str, label: object) -> str:
    """The word for a state, as a stamp."""
    return get_template("components/state.html").render({"state": state, "label": label})


def linked(where: str, subject: str, note: str, *, bad: bool) -> SafeString:
    """The cell that names a mail, with a line below."""
    link = format_html('<a class="row-link" href="{}">{}</a>', where, subject or _("(no subject)"))
    if not note:
        return link
    return format_html('{}<span class="cell-note{}">{}</span>', link, " is-error" if bad else "", note)


def few(addresses: list[str]) -> str:
    """The first recipient, and how many more."""
    if len(addresses) < 2:
        return "".join(addresses)
    more = len(addresses) - 1
    return ngettext("%(first)s and %(more)s more", "%(first)s and %(more)s more", more) % {"first": addresses[0], "more": more}


def moment(when: Any) -> str:
    """A time in a list: today's without the day."""
    local = localtime(when)
    if local.date() == localtime().date():
        return str(date_format(local, "TIME_FORMAT"))
    return str(date_format(local, "SHORT_DATETIME_FORMAT"))

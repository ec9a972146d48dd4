"""The lists of mail jobs and of the e-mail log."""

from collections.abc import Mapping
from typing import Any

import django_tables2 as tables
from django.template.loader import get_template
from django.urls import reverse
from django.utils.formats import date_format, localize
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from mailjobs import runs
from mailjobs.discretion import Discretion
from mailjobs.models import LogOutcome, MailJob, MailLogEntry, PrintRun, PrintRunRow, StateChoices
from mailjobs.remedies import say_error
from mailjobs.run_checks import Checks
from mailjobs.run_messages import letter_of
from mailjobs.waiting import say_wait
from mailjobs.wording import HOLDS, say_hold

# How the stamp of a log line looks.
_HANDED_OVER = frozenset({LogOutcome.HANDED_OVER, LogOutcome.PARTLY, LogOutcome.TAKEN_AS_SENT})
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

    def __init__(self, rows: list[MailLogEntry], *, discretion: Discretion, came_of: Mapping[int, str]) -> None:
        """`came_of`: job → what was reported of it after the hand-over."""
        self.discretion, self.came_of = discretion, came_of
        super().__init__(rows)
        self.caption = _("E-mail log")

    def render_outcome(self, record: MailLogEntry) -> str:
        return stamp(OUTCOME_STAMPS[record.outcome], LogOutcome(record.outcome).label)

    def render_subject(self, record: MailLogEntry) -> SafeString:
        where = reverse("job", args=[record.job_id]) if record.job_id else reverse("log_entry", args=[record.pk])
        note = say_error(self.discretion.text(plan_of(record), record.error, record.server))
        if record.outcome in _HANDED_OVER and (came := self.came_of.get(record.job_id or 0)):
            note = f"{note} {came}".strip()
        return linked(where, record.subject, note, bad=True)

    def render_recipients(self, record: MailLogEntry) -> str:
        return few(record.recipients)

    def render_server(self, record: MailLogEntry) -> str:
        return self.discretion.server(plan_of(record), record.server)

    def render_at(self, record: MailLogEntry) -> str:
        return moment(record.at)


# How the stamp of what became of a row looks.
FATE_STAMPS: Mapping[str, str] = {
    runs.SENT: "sent",
    runs.PARTLY: "partly_sent",
    runs.WAITING: "sending",
    runs.HELD: "held",
    runs.FAILED: "failed",
    runs.UNKNOWN: "unknown",
    runs.CANCELLED: "cancelled",
    runs.REFUSED: "refused",
    runs.LEFT_OUT: "cancelled",
    runs.OPEN: "pending",
}
_RUN_STAMPS: Mapping[str, str] = {
    PrintRun.State.DRAFT: "pending",
    PrintRun.State.TRYING: "sending",
    PrintRun.State.RUNNING: "sending",
    PrintRun.State.PAUSED: "held",
    PrintRun.State.CANCELLED: "cancelled",
}


def run_stamp(run: PrintRun, standing: runs.Standing) -> tuple[str, str]:
    """(word, state of the stamp) for how a run stands; one that is handed in is done when all its mails are."""
    if run.state in _RUN_STAMPS:
        return str(PrintRun.State(run.state).label), _RUN_STAMPS[run.state]
    if standing.fates.get(runs.WAITING) or standing.fates.get(runs.OPEN):
        return _("Under way"), "sending"
    bad = any(standing.fates.get(fate) for fate in (runs.FAILED, runs.UNKNOWN, runs.PARTLY, runs.REFUSED, runs.HELD))
    return (_("Finished, look at it"), "warned") if bad else (_("Finished"), "sent")


class RunTable(tables.Table):  # type: ignore[misc]
    """Print runs, newest first."""

    state = _column(gettext_lazy("Status"), "cell-state")
    name = _column(gettext_lazy("Print run"), "cell-primary", empty_values=())
    rows = _column(gettext_lazy("Mails"), "number", "cell-fit", empty_values=(), accessor="pk")
    user = _column(gettext_lazy("Acting user"), "cell-clip", "cell-wide")
    created_at = _column(gettext_lazy("Created"), "cell-time")

    class Meta:
        orderable = False

    def __init__(self, rows: list[PrintRun], standings: Mapping[int, runs.Standing], *, everybody: bool) -> None:
        self.standings = standings
        super().__init__(rows, exclude=() if everybody else ("user",))
        self.caption = _("Print runs")

    def render_state(self, record: PrintRun) -> str:
        label, state = run_stamp(record, self.standings[record.pk])
        return stamp(state, label)

    def render_name(self, record: PrintRun) -> SafeString:
        fates = self.standings[record.pk].fates
        note = ", ".join(f"{runs.FATES[fate]} {localize(count, use_l10n=True)}" for fate, count in fates.items())
        return linked(reverse("run", args=[record.pk]), record.name, note, bad=False)

    def render_rows(self, record: PrintRun) -> str:
        return str(localize(self.standings[record.pk].rows, use_l10n=True))

    def render_created_at(self, record: PrintRun) -> str:
        return moment(record.created_at)


class RunRowTable(tables.Table):  # type: ignore[misc]
    """Lines of a print run in the order of the file."""

    state = _column(gettext_lazy("Status"), "cell-state", empty_values=())
    recipients = _column(gettext_lazy("Recipients"), "cell-primary", empty_values=(), accessor="pk")
    document = _column(gettext_lazy("Document"), "cell-clip", empty_values=(), accessor="pk")
    line = _column(gettext_lazy("Line"), "number", "cell-fit")

    class Meta:
        orderable = False

    def __init__(self, run: PrintRun, rows: list[PrintRunRow], checks: Checks | None, discretion: Discretion) -> None:
        self.run, self.checks, self.discretion = run, checks, discretion
        self.letters = {row.line: letter_of(run, row.line, row.cells) for row in rows}
        super().__init__(rows)
        self.caption = _("Lines of the print run")

    def render_state(self, record: PrintRunRow) -> str:
        if self.checks is not None:
            if self.checks.faults_of(record.line):
                return stamp("failed", _("With errors"))
            said = self.checks.said.get(record.line)
            return stamp("warned", _("Look at it")) if said else stamp("accepted", _("Ready"))
        fate = runs.fate_of(record.state, record.job.state if record.job else None)
        return stamp(FATE_STAMPS[fate], runs.FATES[fate])

    def render_recipients(self, record: PrintRunRow) -> SafeString:
        where = reverse("job", args=[record.job_id]) if record.job_id else reverse("run_row", args=[self.run.pk, record.line])
        letter = self.letters[record.line]
        note = note_of(record.job, self.discretion) if record.job else self._said(record)
        faults = self.checks.faults_of(record.line) if self.checks else [record.message]
        bad = bool(faults) if record.job is None else record.job.state == StateChoices.FAILED
        return linked(where, few(list(letter.addresses)) or _("(no recipient)"), note, bad=bad)

    def render_document(self, record: PrintRunRow) -> str:
        return self.letters[record.line].document

    def _said(self, record: PrintRunRow) -> str:
        said = [each.text for each in self.checks.said.get(record.line, ())] if self.checks else []
        if said or self.checks is None or not record.message:
            return " ".join(said) or record.message
        return _("Dry run: %(text)s") % {"text": record.message}


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

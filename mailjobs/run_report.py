"""What became of each row of a print run, as lines of a file (Z12 is for who writes it)."""

from collections.abc import Iterator

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from mailjobs.discretion import Discretion
from mailjobs.models import MailJob, PrintRun, PrintRunRow
from mailjobs.remedies import say_error
from mailjobs.run_messages import letter_of
from mailjobs.runs import FATES, fate_of
from mailjobs.selectors import jobs_of_run


def report_lines(run: PrintRun, discretion: Discretion) -> Iterator[list[str]]:
    """The head, then a line for each row; of a run that a program handed in, for each mail."""
    yield [
        _("Line"),
        _("Status"),
        _("Recipients"),
        _("Document"),
        _("Subject"),
        _("Finished"),
        _("Error"),
        _("Message-ID"),
        _("Mail job"),
    ]
    if run.state == PrintRun.State.OUTSIDE:
        jobs = jobs_of_run(run).select_related("decision").prefetch_related("recipients").order_by("pk")
        for number, job in enumerate(jobs.iterator(500), 1):
            recipients = ", ".join(recipient.address for recipient in job.recipients.all())
            begin = [str(number), str(FATES[fate_of("", job.state)]), recipients, job.document_key]
            yield _line(begin, job, "", discretion)
        return
    rows = PrintRunRow.objects.filter(run=run).select_related("job__decision").order_by("line")
    for row in rows.iterator(500):
        letter = letter_of(run, row.line, row.cells)
        fate = str(FATES[fate_of(row.state, row.job.state if row.job else None)])
        begin = [str(row.line), fate, ", ".join(letter.addresses), letter.document]
        yield _line(begin, row.job, row.message, discretion)


def _line(begin: list[str], job: MailJob | None, message: str, discretion: Discretion) -> list[str]:
    if job is None:
        return [*begin, "", "", message, "", ""]
    finished = str(date_format(localtime(job.finished_at), "SHORT_DATETIME_FORMAT")) if job.finished_at else ""
    error = message or say_error(discretion.text(job.plan, job.last_error))
    return [*begin, job.subject, finished, error, job.message_id, str(job.pk)]

"""What people do with print runs: bring one, choose its columns, try it, start it, pause it, withdraw the rest of it.

Each change is judged and made under the lock of the run's row, which `feeding` takes for each chunk too: what is withdrawn
was not handed in, and the other way round.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Count
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailjobs import contents, holds, submission
from mailjobs.bell import ring_on_commit
from mailjobs.models import WAITING_STATES, MailJob, PrintRun, PrintRunFile, PrintRunRow, StateChoices
from mailjobs.run_checks import check
from mailjobs.run_columns import guess, head_of, needs_of
from mailjobs.run_files import Pdf, key_of
from mailjobs.selectors import jobs_of_run
from mailsettings.changes import audit
from mailsettings.models import PrintModel, User
from mailsettings.spreadsheet import Table, Unreadable

FILES_AT_ONCE = 16 * 2**20  # octets stored in one transaction
DRAFTS_KEPT = timedelta(days=7)
State, RowState = PrintRun.State, PrintRunRow.State
# What becomes of rows, in the order in which a report says it; together they are all rows.
SENT, PARTLY, WAITING, HELD, FAILED, UNKNOWN = "sent", "partly_sent", "waiting", "held", "failed", "unknown"
CANCELLED, REFUSED, LEFT_OUT, OPEN = "cancelled", "refused", "left_out", "open"
FATES: Mapping[str, object] = {
    SENT: gettext_lazy("Handed over"),
    PARTLY: gettext_lazy("Partly handed over"),
    WAITING: gettext_lazy("Under way"),
    HELD: gettext_lazy("Held"),
    FAILED: gettext_lazy("Failed"),
    UNKNOWN: gettext_lazy("Uncertain"),
    CANCELLED: gettext_lazy("Withdrawn"),
    REFUSED: gettext_lazy("Refused"),
    LEFT_OUT: gettext_lazy("Left out"),
    OPEN: gettext_lazy("Not handed in"),
}
_OF_JOBS = {state.value: state.value for state in StateChoices} | dict.fromkeys(
    (StateChoices.NEW.value, StateChoices.DEFERRED.value, StateChoices.SENDING.value), WAITING
)
_OF_ROWS = {
    RowState.OPEN.value: OPEN,
    RowState.REFUSED.value: REFUSED,
    RowState.LEFT_OUT.value: LEFT_OUT,
    RowState.WITHDRAWN.value: CANCELLED,
}


class NotPossible(Exception):
    """What was asked for cannot be done with the run as it stands; the text is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a run stands: what became of how many of its rows."""

    rows: int
    fates: Mapping[str, int]

    @property
    def done(self) -> int:
        """Rows of which nothing more is to be expected but by somebody's hand."""
        return self.rows - self.fates.get(OPEN, 0) - self.fates.get(WAITING, 0)


def fate_of(row_state: str, job_state: str | None) -> str:
    """What became of a row."""
    return _OF_ROWS.get(row_state) or _OF_JOBS.get(job_state or "", CANCELLED)


def standings(runs: Iterable[PrintRun]) -> dict[int, Standing]:
    """Run → how it stands; one query for uploaded ones, one for those that programs have handed in."""
    known = list(runs)
    found: dict[int, Counter[str]] = {run.pk: Counter() for run in known}
    uploaded = [run.pk for run in known if run.state != State.OUTSIDE]
    rows = PrintRunRow.objects.filter(run__in=uploaded).order_by().values_list("run", "state", "job__state")
    for pk, row_state, job_state, number in rows.annotate(Count("pk")):
        found[pk][fate_of(row_state, job_state)] += number
    outside = {(run.user_id, run.name): run.pk for run in known if run.state == State.OUTSIDE}
    if outside:
        jobs = MailJob.objects.filter(tenant__in={run.tenant_id for run in known}, run__in={name for _user, name in outside})
        counted = jobs.exclude(run="").order_by().values_list("user", "run", "state").annotate(Count("pk"))
        for user, name, state, number in counted:
            if (user, name) in outside:
                found[outside[user, name]][_OF_JOBS[state]] += number
    return {
        pk: Standing(sum(fates.values()), {fate: fates[fate] for fate in FATES if fates[fate]}) for pk, fates in found.items()
    }


# ---- Bring one


def create(user: User, model: PrintModel, *, name: str, filename: str, table: Table, pdfs: Iterable[Pdf]) -> PrintRun:
    """A run of this acting user from what was uploaded, as a draft. Raises Unreadable; then nothing of it stays."""
    if user.tenant is None:
        raise ValueError("an operator sends no mail")
    headings, lines = head_of(table)
    if not lines:
        raise Unreadable(_("Below the headings there is no line."))
    needs = needs_of(model)
    with transaction.atomic():
        run = PrintRun.objects.create(
            tenant=user.tenant,
            user=user,
            name=_free_name(user, name),
            state=State.DRAFT,
            print_model=model,
            filename=filename[-200:],
            sheet=table.sheet[:100],
            headings=headings,
            columns=guess(headings, lines, needs),
            rows_total=len(lines),
        )
        rows = [PrintRunRow(run=run, line=line.number, cells=list(line.cells)) for line in lines]
        PrintRunRow.objects.bulk_create(rows, batch_size=500)
    try:
        _keep_files(run, pdfs)
    except BaseException:
        _drop(run)
        raise
    return run


def _free_name(user: User, wanted: str) -> str:
    wanted = wanted[:180]
    taken = set(PrintRun.objects.filter(user=user, name__startswith=wanted).values_list("name", flat=True))
    names = (wanted, *(f"{wanted} ({number})" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def _keep_files(run: PrintRun, pdfs: Iterable[Pdf]) -> None:
    some: list[Pdf] = []
    octets = 0
    for pdf in pdfs:
        some.append(pdf)
        octets += len(pdf.data)
        if octets >= FILES_AT_ONCE:
            _keep_some(run, some)
            some, octets = [], 0
    _keep_some(run, some)


def _keep_some(run: PrintRun, pdfs: Sequence[Pdf], *, again: bool = True) -> None:
    named = [(pdf, hashlib.sha256(pdf.data).hexdigest()) for pdf in pdfs]
    try:
        with transaction.atomic():
            known = contents.keep({sha256: pdf.data for pdf, sha256 in named})
            rows = [
                PrintRunFile(run=run, name=key_of(pdf.filename), filename=pdf.filename, content_id=known[sha256])
                for pdf, sha256 in named
            ]
            PrintRunFile.objects.bulk_create(rows, batch_size=500)
    except IntegrityError:  # somebody else has stored one of the contents just now, or the last mail with it has gone
        if not again:
            raise
        _keep_some(run, pdfs, again=False)


# ---- Choose, try, start


def choose_columns(run: PrintRun, columns: Mapping[str, int]) -> None:
    """Say which column is what; of a run that has not been started. Raises NotPossible."""
    if not PrintRun.objects.filter(pk=run.pk, state=State.DRAFT).update(columns=dict(columns), tried_at=None):
        raise NotPossible(_("The print run has been started already."))
    run.columns = dict(columns)
    PrintRunRow.objects.filter(run=run, state=RowState.OPEN).exclude(message="").update(code="", message="")


def try_out(run: PrintRun) -> None:
    """A dry run: every row goes through the front door and is taken back; a worker does it. Raises NotPossible."""
    with transaction.atomic():
        _locked(run, {State.DRAFT})
        PrintRunRow.objects.filter(run=run).exclude(message="").update(code="", message="")
        PrintRun.objects.filter(pk=run.pk).update(state=State.TRYING, place=0, tried_at=None)
        ring_on_commit()


def start(user: User, run: PrintRun, *, only_good: bool) -> int:
    """Hand the good rows in from now on; returns how many. Rows with faults are left out if `only_good`. Raises NotPossible."""
    with transaction.atomic():
        current = _locked(run, {State.DRAFT})
        checks = check(current)
        bad = checks.bad
        if bad and not only_good:
            raise NotPossible(_("There are rows with errors. Correct the file, or tick that the others are sent without them."))
        if not checks.good:
            raise NotPossible(_("There is no row that could be sent."))
        faults = {line: checks.faults_of(line) for line in bad}
        rows = list(PrintRunRow.objects.filter(run=run, line__in=bad)) if bad else []
        for row in rows:
            row.state, row.code = RowState.LEFT_OUT, faults[row.line][0].finding.value
            row.message = " ".join(said.text for said in faults[row.line])
        PrintRunRow.objects.bulk_update(rows, ["state", "code", "message"], batch_size=200)
        PrintRunRow.objects.filter(run=run, state=RowState.OPEN).exclude(message="").update(code="", message="")
        PrintRun.objects.filter(pk=run.pk).update(state=State.RUNNING, place=0, started_at=Now())
        audit(user.login, run.tenant, "print_run_start", run.name, {"run": run.pk, "rows": checks.good, "left_out": len(bad)})
    return checks.good


# ---- Pause, resume, withdraw


def pause(user: User, run: PrintRun) -> int:
    """Nothing more is handed in, what was and still waits is held; returns how many mails were. Raises NotPossible."""
    with transaction.atomic():
        _locked(run, {State.RUNNING, State.HANDED_IN})
        PrintRun.objects.filter(pk=run.pk).update(state=State.PAUSED)
        held = holds.pause_run(run)
        audit(user.login, run.tenant, "print_run_pause", run.name, {"run": run.pk, "held": held})
    return held


def resume(user: User, run: PrintRun) -> int:
    """It goes on; returns how many held mails do. Raises NotPossible."""
    with transaction.atomic():
        _locked(run, {State.PAUSED})
        PrintRun.objects.filter(pk=run.pk).update(state=State.RUNNING)
        released = holds.resume_run(run)
        audit(user.login, run.tenant, "print_run_resume", run.name, {"run": run.pk, "released": released})
        ring_on_commit()
    return released


def cancel_rest(user: User, run: PrintRun) -> int:
    """Withdraw what has not been handed in, and the mails that no worker has taken yet; returns how many. Raises NotPossible."""
    with transaction.atomic():
        _locked(run, {State.RUNNING, State.PAUSED, State.HANDED_IN})
        withdrawn = PrintRunRow.objects.filter(run=run, state=RowState.OPEN).update(state=RowState.WITHDRAWN)
        PrintRun.objects.filter(pk=run.pk).update(state=State.CANCELLED, ended_at=Now())
        waiting = jobs_of_run(run).filter(state__in=(*WAITING_STATES, StateChoices.HELD))
        cancelled = submission.cancel(user, list(waiting.values_list("pk", flat=True)))
        audit(user.login, run.tenant, "print_run_cancel", run.name, {"run": run.pk, "rows": withdrawn, "mails": cancelled})
        contents_of_run = _file_contents(run)
        PrintRunFile.objects.filter(run=run).delete()
        contents.drop_unused(contents_of_run)
    return withdrawn + cancelled


def discard(run: PrintRun) -> None:
    """Forget a run that was never started, with all that was uploaded. Raises NotPossible."""
    with transaction.atomic():
        _locked(run, {State.DRAFT, State.TRYING})
        _drop(run)


def forget_old() -> None:
    """Drafts that nobody has started for a week."""
    for run in PrintRun.objects.filter(state=State.DRAFT, created_at__lt=Now() - DRAFTS_KEPT):
        with transaction.atomic():
            _drop(run)


def _locked(run: PrintRun, states: Collection[PrintRun.State]) -> PrintRun:
    """The row as it is now, nobody else's until the transaction ends. Raises NotPossible in another state."""
    rows = PrintRun.objects.select_for_update(of=("self",)).select_related("print_model", "tenant__firm", "user__tenant__firm")
    current = rows.get(pk=run.pk)
    if current.state not in states:
        raise NotPossible(_("The print run is no longer as you saw it. Look again."))
    return current


def _drop(run: PrintRun) -> None:
    used = _file_contents(run)
    PrintRun.objects.filter(pk=run.pk).delete()
    contents.drop_unused(used)


def _file_contents(run: PrintRun) -> list[int]:
    return list(PrintRunFile.objects.filter(run=run).values_list("content", flat=True))

"""Hands the rows of print runs in, chunk by chunk, in every worker process; tries them where a dry run was asked for.

A chunk's mails and what became of its rows are one transaction under the lock of the run: whatever dies in between, a row is
either open or has its mail. The idempotency key of each row holds even if that were not so.
"""

import threading
import time

import structlog
from django.conf import settings
from django.db import close_old_connections, connection, transaction
from django.db.models.functions import Now

from mailjobs import backpressure, contents, delivery, search_terms
from mailjobs.core.message import Message, MessageInvalid, parse_message
from mailjobs.models import MailJob, PrintRun, PrintRunFile, PrintRunRow, StateChoices
from mailjobs.run_files import key_of
from mailjobs.run_messages import Letter, letter_of, raw_message
from mailjobs.submission import Result, submit_many
from mailsettings.installation import copied_from

log = structlog.get_logger(__name__)
ROWS = 100  # of a chunk
OCTETS = 16 * 2**20  # of the PDFs of a chunk, more only for a single row
LOOK_SECONDS = 1.0
State, RowState = PrintRun.State, PrintRunRow.State


class Feeder:
    """A thread that looks for runs to hand in, and writes search words meanwhile; it survives a database that goes away."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="print-runs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the chunk at hand."""
        self._stop.set()
        self._thread.join(timeout=settings.LEASE_SECONDS)

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                fed = feed_once() or search_terms.index_more()
            except Exception:
                log.exception("print runs could not be handed in and are looked at again")
                close_old_connections()
                fed = False
            if not fed:
                self._stop.wait(LOOK_SECONDS)
        connection.close()


def feed_once() -> bool:
    """One chunk of each run that is to be handed in or tried; whether there was one."""
    if copied_from() is not None:
        return False
    waiting = PrintRun.objects.filter(state__in=(State.TRYING, State.RUNNING)).order_by("id").values_list("pk", "state")
    fed = [_try_chunk(pk) if state == State.TRYING else _feed_chunk(pk) for pk, state in waiting]
    return any(fed)


def feed_all(*, seconds: float = 3600.0) -> None:
    """All that can be handed in now."""
    end = time.monotonic() + seconds
    while feed_once() and time.monotonic() < end:
        pass


def _feed_chunk(pk: int) -> bool:
    """Hand one chunk of a run in; False where somebody else does, or its tenant has too much waiting."""
    with transaction.atomic():
        run = _locked(pk, State.RUNNING)
        if run is None:
            return False
        rows = list(PrintRunRow.objects.filter(run=run, state=RowState.OPEN).order_by("line")[:ROWS])
        if not rows:
            _end(run)
            return True
        rows = rows[: max(backpressure.room_for(run.tenant).left, 0)]
        rows, messages = _messages(run, rows)
        if not rows:
            return False
        results = submit_many(run.user, messages, run=run.name)
        for row, result in zip(rows, results, strict=True):
            _record(row, result)
        PrintRunRow.objects.bulk_update(rows, ["state", "job", "code", "message"], batch_size=100)
    _deliver_direct([result.id for result in results if result.id is not None])
    return True


def _deliver_direct(ids: list[int]) -> None:
    """Direct mails go out now, as in every other door (S2); were this process to die, a worker takes them over."""
    direct = MailJob.objects.filter(pk__in=ids, direct=True, state=StateChoices.NEW, attempts=0)
    if waiting := list(direct.values_list("pk", flat=True)):
        delivery.deliver_now(waiting)


def _try_chunk(pk: int) -> bool:
    """Hand one chunk in and take it back, and write down what was said."""
    with transaction.atomic():
        run = _locked(pk, State.TRYING)
        if run is None:
            return False
        rows = list(PrintRunRow.objects.filter(run=run, state=RowState.OPEN, line__gte=run.place).order_by("line")[:ROWS])
        rows, messages = _messages(run, rows)
        results = submit_many(run.user, messages, run=run.name) if rows else []
        transaction.set_rollback(True)
    with transaction.atomic():
        run = _locked(pk, State.TRYING)
        if run is None:
            return False
        if not rows:
            PrintRun.objects.filter(pk=pk).update(state=State.DRAFT, place=0, tried_at=Now())
            return True
        for row, result in zip(rows, results, strict=True):
            row.code, row.message = result.code if result.id is None else "", result.message if result.id is None else ""
        PrintRunRow.objects.bulk_update(rows, ["code", "message"], batch_size=100)
        PrintRun.objects.filter(pk=pk).update(place=rows[-1].line + 1)
    return True


def _locked(pk: int, state: PrintRun.State) -> PrintRun | None:
    """The run as it is now, if it is in this state and nobody else's at the moment."""
    rows = PrintRun.objects.select_for_update(of=("self",), skip_locked=True).filter(pk=pk, state=state)
    return rows.select_related("print_model", "tenant__firm", "user__tenant__firm").first()


def _messages(run: PrintRun, rows: list[PrintRunRow]) -> tuple[list[PrintRunRow], list[Message | MessageInvalid]]:
    """As many of the rows as their PDFs let through at once, with the message of each."""
    letters = [letter_of(run, row.line, row.cells) for row in rows]
    names = {key for letter in letters for key in letter.keys}
    files = {
        name: (filename, content, size)
        for name, filename, content, size in PrintRunFile.objects.filter(run=run, name__in=names).values_list(
            "name", "filename", "content", "content__size"
        )
    }
    count, octets = 0, 0
    for letter in letters:
        octets += sum(files[key][2] for key in letter.keys if key in files)
        if count and octets > OCTETS:
            break
        count += 1
    wanted = {files[key][1] for letter in letters[:count] for key in letter.keys if key in files}
    data = contents.octets_of(wanted)
    known = {name: (filename, data[content]) for name, (filename, content, _size) in files.items() if content in data}
    return rows[:count], [_message(run, letter, known) for letter in letters[:count]]


def _message(run: PrintRun, letter: Letter, files: dict[str, tuple[str, bytes]]) -> Message | MessageInvalid:
    try:
        return parse_message(raw_message(run, letter, files))
    except KeyError as missing:
        return MessageInvalid(f"attachments[{key_of(str(missing.args[0]))}]"[:200], "file_unreadable")
    except MessageInvalid as invalid:
        return invalid


def _record(row: PrintRunRow, result: Result) -> None:
    if result.id is not None:
        row.state, row.job_id = RowState.HANDED_IN, result.id
    elif result.code != backpressure.QUEUE_FULL:  # too much waits since it was asked: then the row stays open
        row.state, row.code, row.message = RowState.REFUSED, result.code[:40], result.message


def _end(run: PrintRun) -> None:
    """Everything is handed in; the mails carry the PDFs now."""
    PrintRun.objects.filter(pk=run.pk).update(state=State.HANDED_IN, ended_at=Now())
    carried = list(PrintRunFile.objects.filter(run=run).values_list("content", flat=True))
    PrintRunFile.objects.filter(run=run).delete()
    contents.drop_unused(carried)

"""One mail of a print run before it is sent: as its recipient would see it, in the frame in which mails are shown (Z9, Z10)."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from mailjobs.models import PrintRun, PrintRunFile, PrintRunRow
from mailjobs.preview import harmless
from mailjobs.run_checks import check
from mailjobs.run_messages import Letter, letter_of
from mailjobs.views.run import BEFORE, RunPage
from mailjobs.views.run_words import senders_of
from mailjobs.views.sandbox import framed
from mailsettings.core.placeholders import TemplateTooLarge, VariableMissing, render


class RunRow(RunPage):
    """The page of one row; once it is a mail job, that one's page."""

    template_name = "mailjobs/run_row.html"

    def get(self, request: HttpRequest, pk: int, line: int) -> HttpResponse:
        run, row = self.row(pk, line)
        if row.job_id:
            return redirect(reverse("job", args=[row.job_id]))
        letter = letter_of(run, row.line, row.cells)
        checks = check(run, row.line) if run.state in BEFORE else None
        shown = PrintRunRow.objects.filter(run=run)
        return self.show(
            run=run,
            row=row,
            letter=letter,
            said=checks.said.get(row.line, []) if checks else [],
            sender=next(iter(senders_of(checks, self.reader)), None) if checks else None,
            files=PrintRunFile.objects.filter(run=run, name__in=letter.keys).select_related("content").defer("content__data"),
            before=shown.filter(line__lt=row.line).order_by("-line").values_list("line", flat=True).first(),
            after=shown.filter(line__gt=row.line).order_by("line").values_list("line", flat=True).first(),
            **_texts(run, letter),
        )

    def row(self, pk: int, line: int) -> tuple[PrintRun, PrintRunRow]:
        """The row and its run, else 404."""
        run = self.run(pk)
        row = PrintRunRow.objects.filter(run=run, line=line).first() if line < 2**31 else None
        if row is None:
            raise Http404
        return run, row


class RunRowFrame(RunRow):
    """The HTML of the mail; there is none where it is empty or cannot be filled in."""

    def get(self, request: HttpRequest, pk: int, line: int) -> HttpResponse:
        run, row = self.row(pk, line)
        html = _texts(run, letter_of(run, row.line, row.cells))["html"]
        if not html:
            raise Http404
        return framed(harmless(html))


def _texts(run: PrintRun, letter: Letter) -> dict[str, Any]:
    """Subject, text and HTML as they would go out; `broken` where a placeholder has no value."""
    found: dict[str, Any] = {"broken": False}
    for name in ("subject", "text", "html"):
        try:
            found[name] = render(getattr(run.print_model, name, ""), letter.variables or {}, html=name == "html")
        except (VariableMissing, TemplateTooLarge):
            found |= {name: "", "broken": True}
    return found

"""What an import of employees does, line by line, in words: new, changed, unchanged or refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext_lazy

from mailsettings.employee_columns import Column, heading_of


class Status(StrEnum):
    """What becomes of a line."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


STATUS_LABELS = {
    Status.NEW: pgettext_lazy("line of an import", "New"),
    Status.CHANGED: pgettext_lazy("line of an import", "Changed"),
    Status.UNCHANGED: pgettext_lazy("line of an import", "Unchanged"),
    Status.REFUSED: pgettext_lazy("line of an import", "Refused"),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of an employee that changes, as people read it."""

    column: Column
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Result:
    """What becomes of one line; objections, warnings and consequences are sentences."""

    line: int
    number: str
    name: str
    status: Status
    differences: tuple[Difference, ...] = ()
    objections: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    consequences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What becomes of all lines, in the order of the file."""

    results: tuple[Result, ...]

    def count(self, *statuses: Status) -> int:
        return sum(result.status in statuses for result in self.results)

    @property
    def changing(self) -> int:
        """How many employees the import writes."""
        return self.count(Status.NEW, Status.CHANGED)

    def sentences(self) -> Iterator[str]:
        """The report for people: the sums, then each line that is not unchanged."""
        yield ", ".join(f"{STATUS_LABELS[status]}: {self.count(status)}" for status in Status)
        for result in self.results:
            if result.status is not Status.UNCHANGED:
                yield say_line(result)


def say_line(result: Result) -> str:
    """One line of the report: `Line 7, 17 Anna Huber: Changed. E-Mail: a@x.example → b@x.example.`"""
    words = {"line": result.line, "who": f"{result.number} {result.name}".strip(), "status": STATUS_LABELS[result.status]}
    head = _("Line %(line)s, %(who)s: %(status)s") % words
    changed = [f"{heading_of(row.column)}: {row.before} → {row.after}" for row in result.differences]
    return ". ".join(
        [head, *changed, *(text.rstrip(".") for text in (*result.objections, *result.warnings, *result.consequences))]
    )


def say_refusal(report: Report) -> str:
    """Why nothing is imported."""
    refused = report.count(Status.REFUSED)
    message = ngettext(
        "Nothing is imported, because %(count)s line is refused. Correct it, or import only the lines without errors.",
        "Nothing is imported, because %(count)s lines are refused. Correct them, or import only the lines without errors.",
        refused,
    )
    return message % {"count": refused}

"""Numbers → rectangles of an SVG picture, drawn by `components/chart.html`; colours and letters are the style sheet's (CSP)."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.formats import localize

WIDTH, HEIGHT, FOOT, LEFT = 720, 180, 20, 44  # of a picture of columns, in its own units
BAR, NAME = 26, 240  # height of a bar; room for its name
_LABELS = 8  # below the columns at most


@dataclass(frozen=True, slots=True)
class Line:
    """One row of numbers; `kind` decides its colour."""

    kind: str
    label: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, and what it stands for."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A word beside the picture's rectangles, `anchor` as SVG has it."""

    x: float
    y: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture with its table: `head` and `rows`; `empty`: all is zero."""

    name: str
    title: str
    width: int
    height: int
    boxes: Sequence[Box]
    marks: Sequence[Mark]
    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[str, float]]]]  # (name, (head, value) for each column)
    lines: Sequence[Line]
    empty: bool


def columns(name: str, title: str, labels: Sequence[str], lines: Sequence[Line]) -> Chart:
    """The lines stacked upon each other, a column for each label."""
    totals = [sum(values) for values in zip(*(line.values for line in lines), strict=True)]
    top = max(totals, default=0) or 1
    wide = (WIDTH - LEFT) / max(len(labels), 1)
    boxes = []
    for place, label in enumerate(labels):
        foot = float(HEIGHT - FOOT)
        for line in lines:
            value = line.values[place]
            tall = max((HEIGHT - FOOT - 12) * value / top, 1.5 if value else 0)
            foot -= tall
            if value:
                x = LEFT + place * wide + wide * 0.12
                boxes.append(
                    Box(
                        line.kind,
                        round(x, 1),
                        round(foot, 1),
                        round(wide * 0.76, 1),
                        round(tall, 1),
                        f"{label}: {line.label} {localize(value)}",
                    )
                )
    every = -(-len(labels) // _LABELS)
    marks = [
        Mark(round(LEFT + (place + 0.5) * wide, 1), HEIGHT - 5, label)
        for place, label in enumerate(labels)
        if (len(labels) - 1 - place) % every == 0
    ]
    marks += [Mark(LEFT - 6, 16, localize(top), "end"), Mark(LEFT - 6, HEIGHT - FOOT, "0", "end")]
    rows = [(label, [(line.label, line.values[place]) for line in lines]) for place, label in enumerate(labels)]
    return Chart(name, title, WIDTH, HEIGHT, boxes, marks, [line.label for line in lines], rows, lines, not any(totals))


def bars(name: str, title: str, values: Sequence[tuple[str, float]]) -> Chart:
    """A bar for each name, the longest as wide as the picture lets it."""
    top = max((value for _name, value in values), default=0) or 1
    boxes, marks = [], []
    for place, (label, value) in enumerate(values):
        y = place * BAR
        wide = (WIDTH - NAME - 60) * value / top
        boxes.append(Box(name, NAME, y + 4, round(max(wide, 1.5 if value else 0), 1), BAR - 8, f"{label}: {localize(value)}"))
        marks.append(Mark(NAME - 8, y + BAR - 8, label, "end"))
        marks.append(Mark(round(NAME + wide + 8, 1), y + BAR - 8, localize(value), "start"))
    rows = [(label, [(title, value)]) for label, value in values]
    empty = not any(value for _name, value in values)
    return Chart(name, title, WIDTH, max(len(values), 1) * BAR, boxes, marks, [title], rows, [], empty)

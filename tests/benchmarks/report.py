"""What was measured, beside what should have been: medians over the rounds, ratios within each round, targets, the machine."""

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.harness import Stand, sink_program

PACKAGES = ("Django", "psycopg", "celery", "aiosmtplib", "django-post-office", "django-mailer")


@dataclass(frozen=True)
class Reading:
    """One figure of one round, and what else was seen with it."""

    value: float
    more: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """What a row must reach and should aim for: a ratio to the baseline of the same round or, without one, the figure itself."""

    must: float
    aim: float
    at_most: bool = False

    def verdict(self, value: float) -> str:
        def reaches(wanted: float) -> bool:
            return value <= wanted if self.at_most else value >= wanted

        return "aim reached" if reaches(self.aim) else "reached" if reaches(self.must) else "not reached"

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return f"{sign} {self.must:g} / {self.aim:g}"


@dataclass(frozen=True)
class Row:
    """A contender over all rounds."""

    name: str
    value: float
    ratio: float | None
    more: Mapping[str, float]
    target: Target | None

    @property
    def verdict(self) -> str:
        judged = self.value if self.ratio is None else self.ratio
        return self.target.verdict(judged) if self.target else ""

    def document(self) -> dict[str, Any]:
        target = {"must": self.target.must, "aim": self.target.aim, "verdict": self.verdict} if self.target else {}
        ratio = {} if self.ratio is None else {"ratio": round(self.ratio, 3)}
        return {"name": self.name, "value": round(self.value, 2), **ratio, **rounded(self.more), **target}


def rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in figures.items()}


def rows_of(
    rounds: Sequence[Mapping[str, Reading]], baseline: Sequence[str], targets: Mapping[str, Target], *, least: bool = False
) -> list[Row]:
    """One row for each contender. The baseline is the best of those named in the same round, the least where less is better."""
    best = min if least else max
    bases = [best((readings[name].value for name in baseline), default=None) for readings in rounds]
    rows = []
    for name in rounds[0]:
        readings = [each[name] for each in rounds]
        ratios = [reading.value / base for reading, base in zip(readings, bases, strict=True) if base]
        more = {key: median(reading.more[key] for reading in readings) for key in readings[0].more}
        ratio = median(ratios) if ratios else None
        rows.append(Row(name, median(reading.value for reading in readings), ratio, more, targets.get(name)))
    return rows


def table(title: str, unit: str, rows: Sequence[Row]) -> str:
    """As text, for a terminal."""
    extra = list(dict.fromkeys(key for row in rows for key in row.more))
    head = ["", unit, "ratio", "must / aim", "", *extra]
    lines = [
        [
            row.name,
            _figure(row.value),
            "" if row.ratio is None else f"{row.ratio:.2f}",
            str(row.target or ""),
            row.verdict,
            *(_figure(row.more[key]) if key in row.more else "" for key in extra),
        ]
        for row in rows
    ]
    widths = [max(len(line[n]) for line in [head, *lines]) for n in range(len(head))]
    text = [_line(line, widths) for line in [head, *lines]]
    return "\n".join([title, "-" * len(title), *text, ""])


def _line(cells: Iterable[str], widths: Sequence[int]) -> str:
    padded = [
        cell.ljust(width) if n in {0, 4} else cell.rjust(width) for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def _figure(value: float) -> str:
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def machine(stand: Stand) -> dict[str, str]:
    """On what this was measured."""
    with stand.database(stand.postgres.url()) as database:
        names = ("server_version", "fsync", "synchronous_commit", "shared_buffers")
        said = {name: str((database.execute("SELECT current_setting(%s)", [name]).fetchone() or ("?",))[0]) for name in names}
    with stand.redis.server.client() as client:
        redis = client.info("server")
    return {
        "CPU": f"{_cpu()}, {len(os.sched_getaffinity(0))} cores",
        "Linux": platform.release(),
        "Python": platform.python_version(),
        "PostgreSQL": f"{said.pop('server_version')} ({', '.join(f'{name} {value}' for name, value in said.items())})",
        "Redis": str(redis.get("valkey_version") or redis["redis_version"]),
        "smtp-sink": f"Postfix {_postfix()}",
        **{name: version(name) for name in PACKAGES},
    }


def _cpu() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _postfix() -> str:
    """The version of the package that smtp-sink belongs to."""
    postconf = Path(sink_program()).with_name("postconf")
    done = subprocess.run([str(postconf), "-dh", "mail_version"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "?"

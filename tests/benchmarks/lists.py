"""Whether the pages of the lists answer as quickly over very many mails as over few."""

from typing import Any

from tests.benchmarks.benchmark import Benchmark, Round, Task
from tests.benchmarks.harness import Stand
from tests.benchmarks.report import Reading, Target

PAGES_CHILD = "tests.benchmarks.children.pages"
FEW = 1_000
VISITS = 40
# What an administrator opens; {job}, {entry}, {letter}, {number} and {day} lie in the middle of what there is.
PAGES = {
    "jobs": "/jobs/",
    "jobs, deep": "/jobs/?before={job}",
    "jobs, failed": "/jobs/?state=failed",
    "jobs, waiting": "/jobs/?state=new",
    "jobs, a recipient": "/jobs/?q=klient{number}%40kunde",
    "jobs, a common word": "/jobs/?q=Rechnung",
    "jobs, a word not there": "/jobs/?q=zzzzqq",
    "jobs, an error": "/jobs/?error=550+5.1.1",
    "jobs, a user": "/jobs/?user=bernd",
    "jobs, a document": "/jobs/?document=invoice+2026-{number}",
    "jobs, a day": "/jobs/?from={day}&to={day}",
    "log": "/log/",
    "log, deep": "/log/?before={entry}",
    "log, failed": "/log/?state=failed",
    "log, none such": "/log/?state=partly",
    "log, a recipient": "/log/?q=klient{number}%40kunde",
    "log, a word not there": "/log/?q=zzzzqq",
    "log, a user": "/log/?user=bernd",
    "log, a document": "/log/?document=invoice+2026-{number}",
    "log, a day": "/log/?from={day}&to={day}",
    "print runs": "/runs/",
    "inbox": "/inbox/",
    "inbox, all": "/inbox/?show=all",
    "inbox, deep": "/inbox/?show=all&before={letter}",
    "release queue": "/com-customers/releases/",
}


def lists(task: Task) -> Round:
    """The 95th percentile of each page over so many mails, in times of what it takes over a thousand."""
    visits = VISITS if task.size > FEW else 2
    few, many = (_times(task.stand, count, visits) for count in (min(FEW, task.size), task.size))
    return {
        name: Reading(many[name]["p95"] / few[name]["p95"], {"p95 ms": many[name]["p95"], "of few, ms": few[name]["p95"]})
        for name in PAGES
    }


def _times(stand: Stand, count: int, visits: int) -> dict[str, Any]:
    """No worker is alive, so that the banner asks how long the oldest due mail waits."""
    with stand.copy_of(stand.portal_template) as url:
        env = stand.environment(url, "config.settings", ALLOWED_HOSTS="testserver", PENDING_CAP=str(10 * count))
        with stand.child(PAGES_CHILD, env) as child:
            child.ask("fill", count=count)
            times: dict[str, Any] = child.ask("measure", login="anna", pages=PAGES, times=visits)
            return times


BENCHMARKS = (
    Benchmark(
        name="lists",
        title=f"Pages of the lists, 95th percentile in times of that over {FEW:,} mails",
        unit="×",
        size=1_000_000,
        smallest=300,
        run=lists,
        targets={name: Target(2.0, 1.2, at_most=True) for name in PAGES},
        less_is_better=True,
        rounds=1,
    ),
)

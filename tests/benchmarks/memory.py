"""How much memory a worker takes while very many, or very large, mails go through it."""

import subprocess
import threading
from functools import partial

from tests.benchmarks.benchmark import Benchmark, Round, Task
from tests.benchmarks.contenders import portal
from tests.benchmarks.harness import Sink, peak_mb, rss_mb, wait_for
from tests.benchmarks.mails import LARGE, PDF, SAME_PDF, Load
from tests.benchmarks.report import Reading, Target

PEAK, GROWTH = "peak MB of a worker", "growth after the first mails, %"
WARM_UP = 25  # the first 1/25th, 2,000 of 50,000 mails
SESSIONS_LARGE = 4


def many(load: Load, task: Task) -> Round:
    """Two workers; the one that takes more counts."""
    with task.stand.sink() as sink, portal(task.stand, sink) as ours:
        ours.hand_in(load, task.size, do="fill")
        with ours.workers(2) as workers:
            wait_for(lambda: sink.taken() >= task.size // WARM_UP, "the first mails", every=0.05)
            warm = [rss_mb(worker) for worker in workers]
            with _Watch(workers) as watch:
                ours.finish(sink, task.size)
            ours.check(sink, task.size)
            peaks = [peak_mb(worker) for worker in workers]
    grown = max((most / before - 1) * 100 for most, before in zip(watch.most, warm, strict=True))
    return {PEAK: Reading(max(peaks), {"warm MB": max(warm), "end MB": max(watch.last)}), GROWTH: Reading(grown)}


def large(task: Task) -> Round:
    """One worker, a few sessions, mails of 25 MB."""
    with task.stand.sink() as sink, portal(task.stand, sink, connections=SESSIONS_LARGE) as ours:
        ours.hand_in(LARGE, task.size, do="fill", at_once=1)
        with ours.workers(1) as workers:
            idle = rss_mb(workers[0])
            _finish(sink, task.size)
            ours.finish(sink, task.size)
            ours.check(sink, task.size)
            return {PEAK: Reading(peak_mb(workers[0]), {"idle MB": idle})}


def _finish(sink: Sink, count: int) -> None:
    wait_for(lambda: sink.taken() >= count, f"{count} large mails", every=0.1)


class _Watch:
    """Looks at the memory of processes a few times a second: the `most` each had, and what it had `last`."""

    def __init__(self, processes: list[subprocess.Popen[str]]) -> None:
        self.processes = processes
        self.last = [rss_mb(process) for process in processes]
        self.most = list(self.last)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.25):
            self.last = [rss_mb(process) for process in self.processes]
            self.most = [max(pair) for pair in zip(self.most, self.last, strict=True)]


def _many(name: str, load: Load, what: str) -> Benchmark:
    return Benchmark(
        name=name,
        title=f"Memory of a worker while mails with 60 KB attachments leave, {what}",
        unit="",
        size=50_000,
        smallest=50,
        run=partial(many, load),
        targets={PEAK: Target(150, 100, at_most=True), GROWTH: Target(10, 5, at_most=True)},
        rounds=1,
    )


BENCHMARKS = (
    _many("memory", PDF, "each with another file"),
    _many("memory-same-file", SAME_PDF, "all with the same file"),
    Benchmark(
        name="memory-large",
        title=f"Memory of a worker while mails of 25 MB leave over {SESSIONS_LARGE} sessions",
        unit="",
        size=200,
        smallest=1,
        run=large,
        targets={PEAK: Target(400, 300, at_most=True)},
        rounds=1,
    ),
)

"""Whether a long queue is drained as quickly as a short one."""

import time
from collections.abc import Callable
from statistics import median

from tests.benchmarks.benchmark import Benchmark, Round, Task
from tests.benchmarks.contenders import Portal, TooLate, portal, stop
from tests.benchmarks.harness import Sink, Stand, wait_for
from tests.benchmarks.mails import SMALL
from tests.benchmarks.report import Reading, Target

SHORT, LONG = "{0:,} queued", "the first {1:,} of {0:,} queued"
BATCHES = 5  # queues of the short kind that are drained one after the other
_LOOK = 0.005


def growth(task: Task) -> Round:
    """The rate at which mails arrive, from when all connections are open to when the short queue thins out."""
    short = max(task.size // 100, 10)
    first = short * 5
    return {
        "a short queue": _again_if_late(task.stand, lambda: _short(task.stand, short)),
        "a long queue": _again_if_late(task.stand, lambda: _long(task.stand, task.size, first)),
    }


def _again_if_late(stand: Stand, measure: Callable[[], Reading]) -> Reading:
    while True:
        try:
            return measure()
        except TooLate:
            continue


def _short(stand: Stand, count: int) -> Reading:
    with stand.sink() as sink, portal(stand, sink) as ours, ours.workers(2):
        rates, began = [], 0
        for batch in range(BATCHES):
            ours.hand_in_due_at_once(SMALL, count, first=batch * count + 1)
            rates.append(_rate(sink, began + count // 10, began + count * 7 // 10))
            began += count
            ours.finish(sink, began)
        ours.check(sink, began)
    return Reading(median(rates), {"queued": count, "drained": began})


def _long(stand: Stand, count: int, first: int) -> Reading:
    with stand.sink() as sink, portal(stand, sink) as ours, ours.workers(2) as workers:
        ours.hand_in_due_at_once(SMALL, count, do="fill")
        rate = _rate(sink, first // 50, first)
        for worker in workers:
            stop(worker)
        _nothing_lost(ours, sink)
        drained = sink.taken()
    return Reading(rate, {"queued": count, "drained": drained})


def _nothing_lost(ours: Portal, sink: Sink) -> None:
    ours.check(sink, sink.taken())


def _rate(sink: Sink, begin: int, end: int) -> float:
    """Mails per second between the arrival of one and of another."""
    first, last = (_moment(sink, number) for number in (begin, end))
    return (last[0] - first[0]) / max(last[1] - first[1], _LOOK)


def _moment(sink: Sink, number: int) -> tuple[int, float]:
    """The first look at which so many have arrived: how many then had, and when that was."""
    wait_for(lambda: sink.taken() >= number, f"mail {number}", every=_LOOK)
    return sink.taken(), time.monotonic()


BENCHMARKS = (
    Benchmark(
        name="growth",
        title="The rate of a long queue against a short one, small, 2 processes",
        unit="mails/s",
        size=100_000,
        smallest=100,
        run=growth,
        baseline=("a short queue",),
        targets={"a long queue": Target(0.95, 1)},
    ),
)

"""How long it takes from handing in one small mail until the server has taken it, while the worker has nothing else to do."""

import random
import time
from statistics import median, quantiles
from typing import Any

from tests.benchmarks.benchmark import Benchmark, Round, Task
from tests.benchmarks.contenders import PEER_CELERY, celery_worker, peers, portal
from tests.benchmarks.harness import Child, Sink, wait_for
from tests.benchmarks.report import Reading, Target

OURS = "Postausgang, Celery worker"
CELERY = "Celery send_mail"
WARM_UP = 5  # mails that do not count


def latency(task: Task) -> Round:
    """One mail at a time, each after a short rest."""
    with task.stand.late_sink(0) as sink, portal(task.stand, sink) as ours, ours.celery_worker():
        mine = _measure(ours.feeder, "hand_one_in", sink, task.size)
        ours.finish(sink, WARM_UP + task.size)
        ours.check(sink, WARM_UP + task.size)
    with (
        task.stand.late_sink(0) as sink,
        peers(task.stand, sink) as (env, child),
        celery_worker(task.stand, PEER_CELERY, env, "-P", "prefork"),
    ):
        theirs = _measure(child, "celery_one", sink, task.size)
    return {OURS: mine, CELERY: theirs}


def _measure(feeder: Child, do: str, sink: Sink, size: int) -> Reading:
    taken = [_one(feeder, do, sink, number) for number in range(1, WARM_UP + size + 1)][WARM_UP:]
    return Reading(quantiles(taken, n=20, method="inclusive")[-1], {"p50": median(taken), "largest": max(taken)})


def _one(feeder: Child, do: str, sink: Sink, number: int) -> float:
    """Milliseconds for one mail."""
    times: dict[str, Any] = feeder.ask(do)
    wait_for(lambda: sink.taken() >= number, "one mail", seconds=30, every=0.002)
    time.sleep(random.uniform(0.05, 0.15))
    return float(sink.arrivals()[times["number"]] - times["began"]) * 1000


BENCHMARKS = (
    Benchmark(
        name="latency",
        title="From handing in to taken by the server, small, worker idle (ratio to Celery send_mail)",
        unit="p95 ms",
        size=150,
        smallest=5,
        run=latency,
        baseline=(CELERY,),
        targets={OURS: Target(2, 1, at_most=True)},
        less_is_better=True,
    ),
)

"""How many mails a second leave a full queue, against a sender that has no queue."""

from functools import partial

from tests.benchmarks import contenders
from tests.benchmarks.benchmark import Benchmark, Round, Task
from tests.benchmarks.contenders import POST_OFFICE_DEFAULTS, POST_OFFICE_TUNED, Drain
from tests.benchmarks.mails import PDF, SMALL, Load
from tests.benchmarks.report import Reading, Target

LATE = 0.01  # seconds
RAW = f"raw, {contenders.RAW_CONNECTIONS} connections"
OURS_8 = "Postausgang, 2 processes, 8 connections"
OURS_16 = "Postausgang, 2 processes, 16 connections"
POST_OFFICE = "django-post-office, defaults"
POST_OFFICE_2 = "django-post-office, tuned, 2 processes"
CELERY_2 = "Celery with Django's mail, 2 processes"
OURS_LATE = "Postausgang, 1 process, 16 connections"


def drain(load: Load, task: Task) -> Round:
    """Everybody drains a queue of the same mails."""
    stand, size = task.stand, task.size
    readings = {RAW: contenders.drain_raw(stand, load, size)}
    if task.variants:
        readings[OURS_8] = contenders.drain_portal(stand, load, size, connections=8)
    readings[OURS_16] = contenders.drain_portal(stand, load, size, connections=16)
    if task.peers and task.variants:
        readings[POST_OFFICE] = contenders.drain_post_office(stand, load, size, POST_OFFICE_DEFAULTS, processes=1)
    if task.peers:
        readings[POST_OFFICE_2] = contenders.drain_post_office(stand, load, size, POST_OFFICE_TUNED, processes=2)
        readings[CELERY_2] = contenders.drain_celery(stand, load, size)
    return {name: _reading(done) for name, done in readings.items()}


def drain_late(task: Task) -> Round:
    """The server answers each command late: what counts is how many connections work at once, and how often each waits."""
    return {
        RAW: _reading(contenders.drain_raw(task.stand, PDF, task.size, late=LATE)),
        OURS_LATE: _reading(contenders.drain_portal(task.stand, PDF, task.size, processes=1, connections=16, late=LATE)),
    }


def _reading(done: Drain) -> Reading:
    more = {"seconds": done.seconds, "peak MB": done.peak_mb, "first mail after s": done.first, "CPU s": done.cpu}
    return Reading(done.rate, {name: figure for name, figure in more.items() if figure})


def _benchmark(load: Load, size: int) -> Benchmark:
    target = Target(1.5, 2.5)
    return Benchmark(
        name=f"drain-{load.name}",
        title=f"Draining a full queue, {load.name}",
        unit="mails/s",
        size=size,
        smallest=20,
        run=partial(drain, load),
        baseline=(RAW,),
        targets={OURS_8: target, OURS_16: target},
    )


BENCHMARKS = (
    _benchmark(PDF, 3_000),
    _benchmark(SMALL, 10_000),
    Benchmark(
        name="late",
        title=f"Draining a full queue while each reply is {LATE * 1000:.0f} ms late, pdf",
        unit="mails/s",
        size=1_500,
        smallest=20,
        run=drain_late,
        baseline=(RAW,),
        targets={OURS_LATE: Target(2, 5)},
    ),
)

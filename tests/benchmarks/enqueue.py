"""How many mails a second are taken into the queue."""

from functools import partial

from tests.benchmarks.benchmark import Benchmark, Round, Task
from tests.benchmarks.contenders import peers, portal
from tests.benchmarks.harness import Stand
from tests.benchmarks.mails import PDF, SMALL, Load
from tests.benchmarks.report import Reading, Target

OURS = "Postausgang, submit_many"
OURS_DOCUMENTS = "Postausgang, submit_many of JSON documents"
ONE_BY_ONE = {
    "django-post-office, one by one": "post_office_one_by_one",
    "Celery send_mail, one by one": "celery_one_by_one",
}
IN_BULK = {
    "django-post-office, in bulk": "post_office_in_bulk",  # takes no attachments
    "django-mailer, in bulk": "mailer_in_bulk",
}


def enqueue(load: Load, task: Task) -> Round:
    """Everybody takes in the same mails."""
    ways = ONE_BY_ONE | {name: do for name, do in IN_BULK.items() if name in _peers(load)}
    return {
        OURS: _ours(task.stand, load, task.size, "hand_in"),
        OURS_DOCUMENTS: _ours(task.stand, load, task.size, "hand_in_documents"),
        **{name: _peer(task.stand, load, task.size, do) for name, do in ways.items()},
    }


def _peers(load: Load) -> tuple[str, ...]:
    return tuple(name for name in {**ONE_BY_ONE, **IN_BULK} if not (load.file_octets and name == "django-post-office, in bulk"))


def _ours(stand: Stand, load: Load, count: int, do: str) -> Reading:
    with portal(stand, None) as ours:
        times = ours.hand_in(load, count, do=do)
        if ours.count("new") != count:
            raise AssertionError("not all mails were stored")
    return Reading(count / times["seconds"], {"seconds": times["seconds"]})


def _peer(stand: Stand, load: Load, count: int, do: str) -> Reading:
    with peers(stand) as (_env, child):
        times = child.ask(do, load=load.name, count=count)
    stand.redis.flush()
    return Reading(count / times["seconds"], {"seconds": times["seconds"]})


def _benchmark(load: Load, baseline: tuple[str, ...], target: Target) -> Benchmark:
    return Benchmark(
        name=f"enqueue-{load.name}",
        title=f"Taking mails into the queue, {load.name} (ratio to the best peer)",
        unit="mails/s",
        size=2_000,
        smallest=20,
        run=partial(enqueue, load),
        baseline=baseline,
        targets={OURS: target},
    )


BENCHMARKS = (
    _benchmark(PDF, _peers(PDF), Target(2, 5)),
    _benchmark(SMALL, _peers(SMALL), Target(1, 3)),
)

"""Mails that wait for a person: held, held for somebody else first, held after a restore, released (delivery contract 2, 10).

Guarded statements like those of `queue`. `approved` remembers each hold that somebody has ended, so that the next one can apply.
"""

from collections import defaultdict
from collections.abc import Sequence

from django.db import transaction
from django.db.models.functions import Greatest, Now

from mailjobs import draft_queue
from mailjobs.core.plan import Channel, Hold
from mailjobs.models import WAITING_STATES, MailJob, PrintRun, StateChoices
from mailjobs.notices import tell_held
from mailjobs.selectors import jobs_of_run

_PENDING = (*WAITING_STATES, StateChoices.SENDING)


def hold(held: Sequence[tuple[MailJob, Hold]]) -> int:
    """Leased jobs that may not leave now wait for a person, who is told; returns how many (U6, P8, ladder)."""
    with transaction.atomic():
        waiting = [(job, why) for job, why in held if _hold(job, why)]
        tell_held(waiting)
        draft_queue.want(job.pk for job, why in waiting if why is Hold.BY_CLIENT and job.channel == Channel.DRAFT)
    return len(waiting)


def hold_instead(job: MailJob, why: Hold) -> None:
    """A held job waits for somebody else first; who is told."""
    with transaction.atomic():
        if MailJob.objects.filter(pk=job.pk, state=StateChoices.HELD, held_reason=job.held_reason).update(**_names(why)):
            tell_held([(job, why)])


def hold_restored() -> int:
    """Pending jobs of a restored database wait for the operator: they may have been sent since (U5); returns how many.

    What waits for somebody else already does so, and for the operator after that.
    """
    with transaction.atomic():
        MailJob.objects.filter(state=StateChoices.HELD).update(restored=True)
        PrintRun.objects.filter(state=PrintRun.State.RUNNING).update(state=PrintRun.State.PAUSED)  # the rest may have gone too
        return MailJob.objects.filter(state__in=_PENDING).update(
            state=StateChoices.HELD,
            restored=True,
            lease_until=None,
            leased_by="",
            on_wire_at=None,
            **_names(Hold.RESTORED),
        )


def pending() -> int:
    """How many jobs wait for nobody but a worker."""
    return MailJob.objects.filter(state__in=_PENDING).count()


def release(jobs: Sequence[MailJob]) -> list[int]:
    """`held` → `new`, where still held for the same reason; it holds the job no more. Who may do it, `submission` has judged."""
    groups: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
    for job in jobs:
        groups[job.held_reason, tuple(job.approved)].append(job.pk)
    done: list[int] = []
    for (reason, approved), ids in groups.items():
        held = MailJob.objects.filter(pk__in=ids, state=StateChoices.HELD, held_reason=reason)
        still = list(held.select_for_update().values_list("pk", flat=True))
        MailJob.objects.filter(pk__in=still).update(
            state=StateChoices.NEW,
            held_reason="",
            held_for="",
            approved=sorted({*approved, reason}),
            due_at=Greatest("due_at", Now()),
            first_due_at=Greatest("due_at", Now()),
            direct=False,
        )
        done.extend(still)
    return done


def pause_run(run: PrintRun) -> int:
    """The waiting mails of a print run wait until it goes on; what a worker has taken already still goes; returns how many."""
    waiting = jobs_of_run(run).filter(state__in=WAITING_STATES)
    return waiting.update(state=StateChoices.HELD, **_names(Hold.RUN_PAUSED))


def resume_run(run: PrintRun) -> int:
    """They go on; returns how many."""
    held = jobs_of_run(run).filter(state=StateChoices.HELD, held_reason=Hold.RUN_PAUSED)
    again = Greatest("due_at", Now())
    return held.update(state=StateChoices.NEW, held_reason="", held_for="", due_at=again, first_due_at=again, direct=False)


def _hold(job: MailJob, why: Hold) -> bool:
    leased = MailJob.objects.filter(pk=job.pk, epoch=job.epoch, state=StateChoices.SENDING, on_wire_at__isnull=True)
    return leased.update(state=StateChoices.HELD, lease_until=None, leased_by="", **_names(why)) == 1


def _names(why: Hold) -> dict[str, str]:
    return {"held_reason": why.value, "held_for": why.held_for}

"""Mails that wait for a person's word (P8, ladder): how many wait for whom, the firm's queue, and rejecting from it.

Releasing is `submission.release`, as for every hold.
"""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from mailjobs import notices, queue
from mailjobs.core.plan import Hold
from mailjobs.models import MailJob, StateChoices
from mailjobs.selectors import jobs_visible_to
from mailsettings.access import Right, may
from mailsettings.changes import audit
from mailsettings.deputies import passed_on_to
from mailsettings.models import User

REASON_LENGTH = 1_000


def held_for_firm(user: User) -> QuerySet[MailJob]:
    """The mails of Com customers that wait for this administrator of their firm; nobody else has any."""
    if not (may(user, Right.MANAGE_COM_CUSTOMERS) and user.tenant_id):
        return MailJob.objects.none()
    return MailJob.objects.filter(tenant__firm=user.tenant_id, state=StateChoices.HELD, held_for="firm")


def reject(user: User, job_ids: Sequence[int], reason: str) -> int:
    """Withdraw mails that wait for the firm; their users read why (P8). Audited; returns how many.

    What somebody else has released or withdrawn in the meantime stays as it is.
    """
    with transaction.atomic():
        waiting = held_for_firm(user).filter(pk__in=job_ids).select_for_update(of=("self",)).only("pk")
        jobs = queue.cancel(MailJob.objects.filter(pk__in=[job.pk for job in waiting]))
        notices.log_rejected(jobs, reason)
        ids = [job.pk for job in jobs]
        if ids:
            audit(user.login, user.tenant, "reject", ",".join(map(str, ids)), {"jobs": ids, "reason": reason})
    return len(jobs)


def rejection_of(job: MailJob) -> str | None:
    """Why the firm did not release a mail; None where it is not so, or no longer the last word about it."""
    if job.state != StateChoices.CANCELLED:
        return None
    last = job.log.first()
    return last.error if last is not None and last.error_code == notices.REJECTED else None


def waiting_for(user: User) -> dict[Hold, int]:
    """How many held mails this user can let go, by hold (delivery contract 2, 10); those for the mail client do not count."""
    holds = Q(held_reason=Hold.HELD_BY_FIRM, pk__in=held_for_firm(user).values("pk"))
    mine = Q(user=user) | Q(user__in=passed_on_to(user))
    if user.role_enum.administers and user.tenant_id:
        mine |= Q(tenant=user.tenant_id)
        of_mine = Q(tenant=user.tenant_id) | Q(tenant__firm=user.tenant_id)
        holds |= Q(held_reason=Hold.STAGE_HELD) & of_mine
    holds |= Q(held_reason=Hold.CONFIRM_SENDS_AS_FIRM) & mine
    rows = jobs_visible_to(user).filter(holds, state=StateChoices.HELD)
    counts = rows.order_by().values_list("held_reason").annotate(Count("pk", distinct=True))
    return {Hold(reason): count for reason, count in counts}

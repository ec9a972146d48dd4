"""Answers of people about uncertain mails (delivery contract 2, 9): it arrived, so it is sent, but never as handed over."""

from collections.abc import Collection, Sequence

from django.db import transaction
from django.db.models import F, TextField, Value
from django.db.models.functions import Concat, Now

from mailjobs import incidents
from mailjobs.models import InternalMessage, JobRecipient, MailJob, RecipientStateChoices, StateChoices
from mailjobs.notices import Settled, mark_read, record
from mailjobs.rows import update_returning
from mailjobs.selectors import jobs_visible_to
from mailsettings.changes import audit
from mailsettings.models import User


def take_as_sent(user: User, job_ids: Sequence[int]) -> int:
    """`unknown` → `sent` for those of these mails that this user may answer for (J3), audited; returns how many.

    `partly_sent` where a recipient was refused (J7). The log says by whom. To send again is the other answer:
    `submission.requeue` with `confirm_unknown`.
    """
    rows = jobs_visible_to(user).filter(pk__in=job_ids, state=StateChoices.UNKNOWN)
    with transaction.atomic():
        ids = set(rows.values_list("pk", flat=True))
        refused = JobRecipient.objects.filter(job__in=ids, state=RecipientStateChoices.REFUSED).values_list("job", flat=True)
        partly = set(refused)
        done = sorted([*_settle(ids - partly, StateChoices.SENT, user), *_settle(partly, StateChoices.PARTLY_SENT, user)])
        mark_read(InternalMessage.objects.filter(job__in=done, kind=InternalMessage.Kind.UNKNOWN))
        incidents.close_where_settled(done)
        audit(user.login, user.tenant, "take_as_sent", ",".join(map(str, done)), {"jobs": done})
    return len(done)


def _settle(ids: Collection[int], state: StateChoices, user: User) -> list[int]:
    """Those of the mails that were still uncertain."""
    answer = f"taken as sent by {user.login}"
    uncertain = MailJob.objects.filter(pk__in=ids, state=StateChoices.UNKNOWN)
    said = Concat(F("last_error"), Value(f"; {answer}"), output_field=TextField())
    done = update_returning(uncertain, state=state, last_error=said, finished_at=Now(), on_wire_at=None)
    open_ones = JobRecipient.objects.filter(job__in=done, state=RecipientStateChoices.UNKNOWN)
    open_ones.update(state=RecipientStateChoices.ACCEPTED, reply=answer)
    jobs = MailJob.objects.filter(pk__in=done).select_related("user__deputy", "user__tenant__firm")
    record(Settled(job, state, job.last_error, _server_of(job)) for job in jobs.order_by("pk"))
    return done


def _server_of(job: MailJob) -> str:
    last = job.tries.last()
    return last.server if last else ""

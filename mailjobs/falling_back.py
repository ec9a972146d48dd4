"""X2: a mail that was to be sent directly and was not handed over is offered to the user's own mail client instead."""

from django.db import transaction
from django.db.models import QuerySet

from mailjobs import incidents
from mailjobs.core.plan import Channel, Hold
from mailjobs.models import JobRecipient, MailJob, RecipientStateChoices, StateChoices
from mailjobs.selectors import jobs_visible_to
from mailsettings.changes import audit
from mailsettings.core.send_systems import DeliveryMode
from mailsettings.models import User


def offers_client(job: MailJob) -> bool:
    """Whether a failed mail may go through the mail client: sent directly, by a person, with nobody having got it.

    Never what went through the queue, or was reset into it, or whose print model wants the send system (M2).
    """
    as_parameters = job.plan.get("delivery_mode") == DeliveryMode.AS_PARAMETERS
    return as_parameters and _offered().filter(pk=job.pk).exists()


def give_to_client(user: User, job_id: int) -> bool:
    """The mail waits for its sender's mail client from now on; audited. False where it is not offered any more."""
    with transaction.atomic():
        job = jobs_visible_to(user).select_related("decision", "tenant").get(pk=job_id)
        if not offers_client(job):
            return False
        hold = {"held_reason": Hold.BY_CLIENT.value, "held_for": Hold.BY_CLIENT.held_for}
        waits = {"state": StateChoices.HELD, "channel": Channel.CLIENT.value, "finished_at": None, **hold}
        if not MailJob.objects.filter(pk=job.pk, epoch=job.epoch, state=StateChoices.FAILED).update(**waits):
            return False
        JobRecipient.objects.filter(job=job).update(state=RecipientStateChoices.PENDING, reply="")
        incidents.close_where_settled([job.pk])
        audit(user.login, job.tenant, "to_client", str(job.pk), {"jobs": [job.pk]})
    return True


def _offered() -> QuerySet[MailJob]:
    taken = JobRecipient.objects.filter(state__in=(RecipientStateChoices.ACCEPTED, RecipientStateChoices.UNKNOWN))
    failed = MailJob.objects.filter(state=StateChoices.FAILED, direct=True, unattended=False, possible_duplicate=False)
    return failed.exclude(recipients__in=taken)

"""What the pages about one mail have in common."""

from django.http import Http404

from mailjobs.models import MailJob
from mailjobs.selectors import jobs_visible_to
from mailsettings.access import Right, may, sees_whole_tenant
from mailsettings.context_processors import url_of
from mailsettings.models import User


def job_for(reader: User, pk: int) -> MailJob:
    """A job this reader may see, else 404."""
    rows = jobs_visible_to(reader).select_related("tenant__firm", "user__tenant__firm", "print_model", "decision", "connection")
    job = rows.filter(pk=pk).first()
    if job is None:
        raise Http404
    return job


def diagnosis_of(reader: User, job: MailJob) -> str:
    """Where this reader finds out why a visible mail does not go (J9); empty where the diagnosis would not take it."""
    mine = job.user_id == reader.pk or sees_whole_tenant(reader)
    url = url_of("diagnosis") if mine and job.user.is_active and may(reader, Right.SUBMIT) else ""
    return f"{url}?job={job.pk}" if url else ""

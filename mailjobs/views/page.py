"""What the pages about one mail have in common."""

from django.http import Http404

from mailjobs.models import MailJob
from mailjobs.selectors import jobs_visible_to
from mailsettings.models import User


def job_for(reader: User, pk: int) -> MailJob:
    """A job this reader may see, else 404."""
    rows = jobs_visible_to(reader).select_related("tenant__firm", "user__tenant__firm", "print_model", "decision", "connection")
    job = rows.filter(pk=pk).first()
    if job is None:
        raise Http404
    return job

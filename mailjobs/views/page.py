"""What all pages have in common: who is not logged in logs in first, and a reader is a user."""

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import Http404, HttpResponse
from django.views.generic.base import ContextMixin, TemplateResponseMixin, View

from mailjobs.models import MailJob
from mailjobs.selectors import jobs_visible_to
from mailsettings.models import User


class ReaderMixin(LoginRequiredMixin, View):
    """A view for logged-in users."""

    @property
    def reader(self) -> User:
        user = self.request.user
        if not isinstance(user, User):
            raise Http404
        return user


class Page(ReaderMixin, TemplateResponseMixin, ContextMixin):
    """A page: a template and what it shows."""

    def show(self, status: int = 200, **shown: object) -> HttpResponse:
        return self.render_to_response(self.get_context_data(**shown), status=status)


def job_for(reader: User, pk: int) -> MailJob:
    """A job this reader may see, else 404."""
    rows = jobs_visible_to(reader).select_related("tenant__firm", "user__tenant__firm", "print_model")
    job = rows.filter(pk=pk).first()
    if job is None:
        raise Http404
    return job

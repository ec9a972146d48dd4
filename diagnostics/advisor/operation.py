"""Checks of how it runs: incidents, mails that wait for somebody, workers, copies."""

from collections.abc import Iterable
from datetime import timedelta

from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from diagnostics.advisor.ground import Ground
from diagnostics.advisor.registry import Place, Severity, check
from mailjobs.incidents import kind_of
from mailjobs.models import WAITING_STATES, Incident, MailJob, StateChoices
from mailjobs.remedies import say_error
from mailjobs.selectors import closed, worker_alive
from mailsettings.installation import copied_from

OLD = timedelta(days=1)
FORGOTTEN = timedelta(days=2)


@check(
    "incident_open",
    Severity.ERROR,
    _("Failures that nobody has settled for a day"),
    _("Mails of this cause have not gone out. Look at the incident, remove the cause, then send them again."),
    "inbox",
)
def incident_open(ground: Ground) -> Iterable[Place]:
    rows = Incident.objects.filter(tenant=ground.tenant, closed_at=None, first_at__lt=Now() - OLD)[:20]
    return [
        Place(str(kind_of(row).label) if ground.tenant.is_com_customer else say_error(row.error), "incident", row.pk)
        for row in rows
    ]


@check(
    "mails_forgotten",
    Severity.WARNING,
    _("Mails have been waiting for somebody for two days"),
    _("They go out only when somebody releases, confirms or opens them. Decide, or withdraw them."),
    "jobs",
)
def mails_forgotten(ground: Ground) -> Iterable[Place]:
    held = MailJob.objects.filter(tenant=ground.tenant, state=StateChoices.HELD, created_at__lt=Now() - FORGOTTEN)
    if held.exists():
        yield Place(ground.tenant.name, "jobs")


@check(
    "no_worker",
    Severity.ERROR,
    _("No delivery worker is running, and mail is due"),
    _("Nothing goes out. The operator starts the workers; what waits then goes by itself."),
    "jobs",
)
def no_worker(ground: Ground) -> Iterable[Place]:
    due = MailJob.objects.filter(tenant=ground.tenant, state__in=WAITING_STATES, due_at__lte=Now())
    if not worker_alive() and due.exclude(connection__in=closed().values("pk")).exists():
        yield Place(ground.tenant.name, "jobs")


@check(
    "database_copied",
    Severity.WARNING,
    _("This database is a copy"),
    _("Nothing is delivered to real recipients. The operator ends this with “manage.py adopt”."),
    "dashboard",
)
def database_copied(ground: Ground) -> Iterable[Place]:
    if original := copied_from():
        yield Place(str(original), "dashboard")

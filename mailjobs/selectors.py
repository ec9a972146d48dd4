"""Which jobs, log lines and messages a user may see (T4, T7), and what the queue looks like."""

from datetime import datetime, timedelta

from django.db.models import Min, Q, QuerySet
from django.db.models.functions import Now

from mailjobs.models import WAITING_STATES, InternalMessage, MailJob, MailLogEntry, SharedConnection, StateChoices, WorkerSign
from mailsettings.access import sees_whole_tenant, tenants_visible_to
from mailsettings.deputies import principals_of
from mailsettings.models import User

WORKER_SILENT_AFTER = timedelta(seconds=30)


def jobs_visible_to(user: User) -> QuerySet[MailJob]:
    """The own jobs; an administrator's tenant's and, at a firm, its Com customers'; a deputy's principals'."""
    return MailJob.objects.filter(_visible(user))


def open_jobs() -> QuerySet[MailJob]:
    """The jobs that somebody or the queue still has to do something about."""
    return MailJob.objects.exclude(state__in=(StateChoices.SENT, StateChoices.CANCELLED))


def log_visible_to(user: User) -> QuerySet[MailLogEntry]:
    """The log lines of the same."""
    return MailLogEntry.objects.filter(_visible(user))


def messages_of(user: User) -> QuerySet[InternalMessage]:
    """The internal messages of one user."""
    return InternalMessage.objects.filter(user=user)


def body_visible_to(user: User, job: MailJob) -> bool:
    """Whether this user may read body and attachments: the firm not of its Com customers' mails, save of one held for it (T7)."""
    if user.is_operator:
        return False
    if job.tenant_id == user.tenant_id:
        return True
    return job.state == "held" and job.held_for == "firm"


def closed() -> QuerySet[SharedConnection]:
    """The connections by which nothing may go now: paused after a refused login, or blocked until later."""
    return SharedConnection.objects.filter(Q(paused_at__isnull=False) | Q(blocked_until__gt=Now()))


def worker_alive() -> bool:
    """Whether any delivery engine has given a sign of life lately, by the database's clock (J1)."""
    return WorkerSign.objects.filter(seen_at__gt=Now() - WORKER_SILENT_AFTER).exists()


def oldest_due(user: User | None = None) -> datetime | None:
    """Since when the oldest due mail waits, None where none is due; of what `user` may see, if given."""
    rows = MailJob.objects.all() if user is None else jobs_visible_to(user)
    due = rows.filter(state__in=WAITING_STATES, due_at__lte=Now()).exclude(connection__in=closed().values("pk"))
    oldest = due.aggregate(oldest=Min("due_at"))
    moment: datetime | None = oldest["oldest"]
    return moment


def _visible(user: User) -> Q:
    if user.is_operator:
        return Q()
    own = Q(user=user) | Q(user__deputy=user)
    if sees_whole_tenant(user):
        own |= Q(tenant__in=tenants_visible_to(user))
    elif inherited := principals_of(user):  # through deputies who have left too (T6)
        own |= Q(user__in=inherited)
    return own

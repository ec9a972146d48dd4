"""Which jobs, log lines and messages a user may see (T4, T7), and what the queue looks like."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from mailjobs.models import (
    WAITING_STATES,
    InternalMessage,
    MailJob,
    MailLogEntry,
    PrintRun,
    SavedFilter,
    SharedConnection,
    StateChoices,
    WorkerSign,
)
from mailsettings.access import sees_whole_tenant, tenants_visible_to
from mailsettings.deputies import principals_of
from mailsettings.models import Tenant, User

WORKER_SILENT_AFTER = timedelta(seconds=30)


def jobs_visible_to(user: User) -> QuerySet[MailJob]:
    """The own jobs; an administrator's tenant's and, at a firm, its Com customers'; a deputy's principals'."""
    return MailJob.objects.filter(_visible(user))


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose jobs and log lines a user may see, by primary key: all of these tenants', and of others these users'."""

    tenants: tuple[int, ...]
    users: tuple[int, ...]

    def parts(self) -> list[dict[str, int]]:
        """The same as columns of the rows, each part by itself."""
        return [*({"tenant_id": pk} for pk in self.tenants), *({"user_id": pk} for pk in self.users)]


def reach_of(user: User) -> Reach:
    """The reach of what `jobs_visible_to` and `log_visible_to` give, for lists that are read part by part.

    A page asks several times; the answer is kept as long as the request's user is.
    """
    known: Reach | None = user.__dict__.get("_reach")
    if known is None:
        known = user.__dict__["_reach"] = _reach_of(user)
    return known


def _reach_of(user: User) -> Reach:
    if user.is_operator:
        return Reach(tuple(Tenant.objects.values_list("pk", flat=True)), ())
    tenants = tuple(tenants_visible_to(user).values_list("pk", flat=True)) if sees_whole_tenant(user) else ()
    behind = Q(pk=user.pk) | Q(deputy=user)
    if not tenants:
        behind |= Q(pk__in=principals_of(user))
    return Reach(tenants, tuple(User.objects.filter(behind).exclude(tenant__in=tenants).values_list("pk", flat=True)))


def open_jobs() -> QuerySet[MailJob]:
    """The jobs that somebody or the queue still has to do something about."""
    return MailJob.objects.exclude(state__in=(StateChoices.SENT, StateChoices.CANCELLED))


def log_visible_to(user: User) -> QuerySet[MailLogEntry]:
    """The log lines of the same."""
    return MailLogEntry.objects.filter(_visible(user))


def runs_visible_to(user: User) -> QuerySet[PrintRun]:
    """The print runs of the user's own tenant: all for who sees its mails, else the own and those of whom the user stands for."""
    if user.tenant_id is None:
        return PrintRun.objects.none()
    rows = PrintRun.objects.filter(tenant=user.tenant_id)
    return rows if sees_whole_tenant(user) else rows.filter(_visible(user))


def jobs_of_run(run: PrintRun) -> QuerySet[MailJob]:
    """The mails of a print run, through an index."""
    return MailJob.objects.filter(tenant=run.tenant_id, user=run.user_id, run=run.name).exclude(run="")


def saved_filters(user: User, where: str) -> list[SavedFilter]:
    """The filters that this user keeps for a list."""
    return list(SavedFilter.objects.filter(user=user, where=where))


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
    return due.order_by("due_at").values_list("due_at", flat=True).first()


def _visible(user: User) -> Q:
    if user.is_operator:
        return Q()
    own = Q(user=user) | Q(user__in=User.objects.filter(deputy=user))
    if sees_whole_tenant(user):
        own |= Q(tenant__in=tenants_visible_to(user))
    elif inherited := principals_of(user):  # through deputies who have left too (T6)
        own |= Q(user__in=inherited)
    return own

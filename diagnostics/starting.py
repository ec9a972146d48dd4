"""A diagnosis that somebody follows on a page: who may ask for which, how often, and the thread it runs in (Z19)."""

import threading
from datetime import timedelta

import structlog
from django.db import connections, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from diagnostics.cases import Asked, AskedInvalid
from diagnostics.diagnosis import begin, perform
from diagnostics.models import Diagnosis
from mailsettings.access import sees_whole_tenant, tenants_visible_to
from mailsettings.models import User

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 3  # of one person
MOST_IN_A_MINUTE = 6
LOST_AFTER = timedelta(seconds=60)  # a diagnosis ends within 30 seconds: what runs longer has lost its process


class TooMany(ValueError):
    """Somebody asks too often; says so."""


def diagnoses_visible_to(user: User) -> QuerySet[Diagnosis]:
    """The own ones and those of the own mail; an administrator's tenant's and, at a firm, its Com customers'."""
    if user.is_operator:
        return Diagnosis.objects.all()
    seen = Q(by=user) | Q(user=user)
    if sees_whole_tenant(user):
        seen |= Q(tenant__in=tenants_visible_to(user))
    return Diagnosis.objects.filter(seen)


def users_to_diagnose(user: User) -> QuerySet[User]:
    """Whose mail this user may have diagnosed: the own, an administrator also that of the tenants he administers."""
    rows = User.objects.filter(is_active=True, tenant__isnull=False).select_related("tenant")
    if sees_whole_tenant(user):
        return rows.filter(tenant__in=tenants_visible_to(user)).order_by("tenant__firm_id", "tenant__name", "login")
    return rows.filter(pk=user.pk)


def start(asked: Asked) -> Diagnosis:
    """Begin a diagnosis once this transaction is committed. Raises TooMany."""
    _refuse_too_many(asked.asker)
    row = begin(asked)
    thread = threading.Thread(target=_run, args=(row, asked, translation.get_language()), name="diagnosis", daemon=True)
    transaction.on_commit(thread.start)
    return row


def _refuse_too_many(user: User) -> None:
    mine = Diagnosis.objects.filter(by=user)
    running = mine.filter(verdict="", started_at__gt=Now() - LOST_AFTER).count()
    if running >= MOST_AT_ONCE or mine.filter(started_at__gt=Now() - timedelta(minutes=1)).count() >= MOST_IN_A_MINUTE:
        raise TooMany(_("That is too many diagnoses in a short time: so that no account is locked, wait a minute."))


def is_lost(row: Diagnosis) -> bool:
    """Whether the process in which it ran has ended."""
    return row.running and row.started_at < timezone.now() - LOST_AFTER


def _run(row: Diagnosis, asked: Asked, language: str | None) -> None:
    try:
        with translation.override(language):
            perform(row, asked)
    except AskedInvalid as invalid:
        Diagnosis.objects.filter(pk=row.pk).update(trouble=str(invalid)[:500])
    except Exception:
        log.exception("a diagnosis broke off", diagnosis=row.pk)
    finally:
        connections.close_all()

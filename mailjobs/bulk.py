"""Reset, release, withdraw or settle many jobs or an incident; say of how many it was done and why not of the others (ui 3)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailjobs import answering, incidents, sharing, submission
from mailjobs.bell import ring_on_commit
from mailjobs.core.incidents import OF_CONNECTION
from mailjobs.models import Incident, MailJob, SharedConnection, StateChoices
from mailjobs.selectors import jobs_visible_to
from mailsettings.changes import audit
from mailsettings.models import User

ACTIONS = ("requeue", "release", "cancel", "take_as_sent")
AT_A_TIME = 2_000  # jobs of one transaction


@dataclass(frozen=True, slots=True)
class Done:
    """How many jobs were changed, and sentences about it."""

    count: int
    said: str
    skipped: str = ""


def act(user: User, action: str, ids: Sequence[int], *, confirm_unknown: bool = False) -> Done:
    """Do one of ACTIONS with these jobs; what the user may not see or the state does not allow is skipped."""
    match action:
        case "requeue":
            return _requeue(user, ids, confirm_unknown=confirm_unknown)
        case "release":
            count = sum(submission.release(user, chunk) for chunk in chunks(ids))
            said = ngettext("%(count)s mail was released.", "%(count)s mails were released.", count)
            return Done(count, said % {"count": count}, left_out(len(ids) - count, _("not held, or held for somebody else")))
        case "cancel":
            count = sum(submission.cancel(user, chunk) for chunk in chunks(ids))
            said = ngettext("%(count)s mail was withdrawn.", "%(count)s mails were withdrawn.", count)
            return Done(count, said % {"count": count}, left_out(len(ids) - count, _("already under way or finished")))
        case "take_as_sent":
            count = sum(answering.take_as_sent(user, chunk) for chunk in chunks(ids))
            said = ngettext("%(count)s mail is taken as sent.", "%(count)s mails are taken as sent.", count)
            return Done(count, said % {"count": count}, left_out(len(ids) - count, _("not uncertain")))
        case _:
            raise ValueError(action)


def resettable_of(user: User, incident: Incident) -> QuerySet[MailJob]:
    """The mails of an incident that this user may reset (J3); uncertain ones are asked for one by one."""
    failed = incidents.jobs_of(incident).exclude(state=StateChoices.UNKNOWN)
    return failed.filter(pk__in=jobs_visible_to(user).values("pk"))


def resettable_over(user: User, shared: SharedConnection) -> list[int]:
    """The mails that failed because of a connection and that this user may reset, by id."""
    opened = Incident.objects.filter(connection=shared, closed_at=None, reason__in=OF_CONNECTION)
    return sorted({pk for incident in opened for pk in resettable_of(user, incident).values_list("pk", flat=True)})


def release_incident(user: User, incident: Incident, ids: Sequence[int], *, login: bool) -> Done:
    """*Freigeben* (J8): reset failed mails of an incident; with `login`, end the pause of its connection even without any.

    One mail goes first, the others follow when it has gone through. Audited. Whether the login is one that this user may
    release, the caller has decided.
    """
    connection = incident.connection_id if login else None
    return _release(user, ids, connection, "release_incident", str(incident.pk))


def release_connection(user: User, shared: SharedConnection, ids: Sequence[int]) -> Done:
    """*Freigeben* of a connection (J8): end what stops it, and reset mails that failed because of it.

    Audited. Whether the connection is one that this user may release, the caller has decided.
    """
    return _release(user, ids, shared.pk, "release_connection", shared.key)


def _release(user: User, ids: Sequence[int], connection: int | None, action: str, subject: str) -> Done:
    done = _requeue(user, ids, confirm_unknown=False)
    with transaction.atomic():
        ended = sharing.release([connection]) if connection else 0
        what = {"jobs": done.count, "connection": connection, "pause_ended": bool(ended)}
        audit(user.login, user.tenant, action, subject, what)
        ring_on_commit()
    if done.count or not ended:
        return done
    return Done(1, _("The connection is free again: one mail goes first, the others follow when it has gone through."))


def _requeue(user: User, ids: Sequence[int], *, confirm_unknown: bool) -> Done:
    results = [submission.requeue(user, chunk, confirm_unknown=confirm_unknown) for chunk in chunks(ids)]
    count = sum(len(result.ids) for result in results)
    unknown = sum(result.skipped_unknown for result in results)
    said = ngettext(
        "%(count)s mail is new again and will be tried within a minute.",
        "%(count)s mails are new again and will be tried within a minute.",
        count,
    )
    skipped = [
        left_out(unknown, _("uncertain, and not confirmed")),
        left_out(len(ids) - count - unknown, _("in a state that needs no reset")),
    ]
    return Done(count, said % {"count": count}, " ".join(text for text in skipped if text))


def left_out(count: int, why: str) -> str:
    """That so many mails were left out, empty for none."""
    if count <= 0:
        return ""
    text = ngettext("%(count)s mail was left out: %(why)s.", "%(count)s mails were left out: %(why)s.", count)
    return text % {"count": count, "why": why}


def chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """The mails of one transaction after the other."""
    for start in range(0, len(ids), AT_A_TIME):
        yield ids[start : start + AT_A_TIME]

"""From a green diagnosis to the mails that its cause has stopped (J9)."""

from collections.abc import Sequence
from dataclasses import dataclass

from diagnostics.core.findings import Step, Verdict
from diagnostics.diagnosis import findings_of
from diagnostics.models import Diagnosis
from mailjobs.bulk import Done, act, release_connection, release_incident, resettable_of, resettable_over
from mailjobs.connections import known_to, shared_with
from mailjobs.models import Incident, InternalMessage, SharedConnection
from mailsettings.access import Right, may
from mailsettings.models import User


@dataclass(frozen=True, slots=True)
class Releasable:
    """Mails that one cause has stopped, by id, and the connection whose pause ends with them, where this reader may end it."""

    jobs: tuple[int, ...]
    incident: Incident | None = None
    connection: SharedConnection | None = None


def releasable(user: User, row: Diagnosis) -> Releasable | None:
    """What may be released after this diagnosis; None where it was not green, or nothing waits.

    Green is also where nothing but the pause itself, or a block of the connection, is left.
    """
    if row.running or row.of_prospect:
        return None
    if any(each.verdict is Verdict.FAILED and each.step is not Step.QUEUE for each in findings_of(row)):
        return None
    if not any(each.step is Step.AUTHENTICATION and each.verdict is not Verdict.NOT_REACHED for each in findings_of(row)):
        return None
    incident = _incident_of(row)
    connection = _connection(user, row)
    ids = set(resettable_over(user, connection)) if connection is not None else set()
    if incident is not None:
        ids |= set(resettable_of(user, incident).values_list("pk", flat=True))
    elif row.job is not None and row.job.state in {"failed", "partly_sent"}:
        ids.add(row.job.pk)
    if not ids and (connection is None or not _is_stopped(connection)):
        return None
    return Releasable(tuple(sorted(ids)), incident, connection if connection and _is_stopped(connection) else None)


def release(user: User, found: Releasable, ids: Sequence[int]) -> Done:
    """Reset these mails; one goes first where the login was paused (J8). Audited."""
    if found.connection is not None:
        return release_connection(user, found.connection, ids)
    if found.incident is not None:
        return release_incident(user, found.incident, ids, login=False)
    return act(user, "requeue", ids)


def _incident_of(row: Diagnosis) -> Incident | None:
    """The incident that the mail failed in last."""
    letter = InternalMessage.objects.filter(job=row.job_id, incident__isnull=False).order_by("-pk") if row.job_id else None
    found = letter.select_related("incident").first() if letter is not None else None
    return found.incident if found else None


def _connection(user: User, row: Diagnosis) -> SharedConnection | None:
    """The connection, where this user may release it."""
    if row.connection_id is None or not may(user, Right.MANAGE_SETTINGS):
        return None
    return shared_with(user, known_to(user)).filter(pk=row.connection_id).first()


def _is_stopped(connection: SharedConnection) -> bool:
    return bool(connection.paused_at or connection.paused_fingerprint or connection.blocked_until)

"""What is known of an uncertain mail, so that a person can say whether it arrived (delivery contract 2, 9)."""

from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from mailjobs.discretion import Discretion
from mailjobs.models import Attempt, MailJob, StateChoices
from mailjobs.remedies import say_taken, taken_as_sent
from mailjobs.views.sent_words import say_look

LAST_LINES = 6  # of the dialogue


def evidence_of(job: MailJob, discretion: Discretion) -> dict[str, Any] | None:
    """When the body began, over which server, what was said last and what broke off; None for mails that are not uncertain.

    The last attempt counts only where it is the one that is uncertain: a worker that was lost has written none.
    """
    if job.state != StateChoices.UNKNOWN:
        return None
    last = job.tries.order_by("-epoch").first()
    attempt = last if last is not None and last.epoch == job.epoch else None
    return {
        "began": _moment(job.on_wire_at) if job.on_wire_at else "",
        "ended": _moment(attempt.ended_at) if attempt else "",
        "server": discretion.server(job.plan, _server(job, attempt)),
        "lost": _("the connection to the mail server") if attempt else _("the delivery worker, before it wrote the answer down"),
        "message_id": job.message_id,
        "look": say_look(job),
        "lines": _last_lines(job, attempt, discretion),
    }


def say_answer(job: MailJob) -> str:
    """Who took a mail as sent of which nobody knows whether it arrived; empty for all others."""
    if job.state not in {StateChoices.SENT, StateChoices.PARTLY_SENT}:
        return ""
    who = taken_as_sent(job.last_error)
    return "" if who is None else say_taken(who)


def _server(job: MailJob, attempt: Attempt | None) -> str:
    if attempt is not None and attempt.server:
        return attempt.server
    return job.connection.key.partition("|")[0] if job.connection else ""


def _last_lines(job: MailJob, attempt: Attempt | None, discretion: Discretion) -> str:
    if attempt is None or discretion.hides(job.plan, attempt.server):
        return ""
    return "\n".join(map(str, attempt.dialogue[-LAST_LINES:]))


def _moment(when: Any) -> str:
    local = localtime(when)
    return f"{date_format(local, 'SHORT_DATE_FORMAT')} {local:%H:%M:%S}"

"""What a waiting mail waits for besides its turn: a paused login, a breaker, a pause or limit of its connection (J8)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy

from mailjobs.models import WAITING_STATES, BlockReason, MailJob, SharedConnection

LOGIN: Final = "login"  # paused after a refusal; the others are block reasons
WAITS: Mapping[str, object] = {
    LOGIN: gettext_lazy(
        "It waits: its login at the mail server was refused and is paused. It goes on when the login works again."
    ),
    BlockReason.BREAKER: gettext_lazy("It waits: the mail server could not be reached. One mail tries it again at %(time)s."),
    BlockReason.THROTTLED: gettext_lazy("It waits: the mail server asked for a pause. It goes on at %(time)s."),
    BlockReason.QUOTA: gettext_lazy("It waits: the allowance of the login is used up. It is tried again at %(time)s."),
    BlockReason.PER_MINUTE: gettext_lazy("It waits: the limit of mails per minute is reached. It goes on at %(time)s."),
    BlockReason.PER_DAY: gettext_lazy("It waits: the limit of recipients per day is reached. It goes on at %(time)s."),
}
DELAYS: Mapping[str, object] = {
    LOGIN: gettext_lazy("Mail waits: the login at the mail server was refused and is paused"),
    BlockReason.BREAKER: gettext_lazy("Mail waits: the mail server cannot be reached"),
    BlockReason.THROTTLED: gettext_lazy("Mail waits: the mail server asked for a pause"),
    BlockReason.QUOTA: gettext_lazy("Mail waits: the allowance of the login is used up"),
    BlockReason.PER_MINUTE: gettext_lazy("Mail waits: more is to be sent than the limit per minute lets through"),
    BlockReason.PER_DAY: gettext_lazy("Mail waits: the limit of recipients per day is reached"),
}


def stop_of(shared: SharedConnection | None) -> str:
    """Why nothing goes by a connection now: `LOGIN`, a block reason, or nothing."""
    if shared is None:
        return ""
    if shared.paused_at is not None:
        return LOGIN
    blocked = shared.blocked_until is not None and shared.blocked_until > timezone.now()
    return shared.block_reason if blocked and shared.block_reason in WAITS else ""


def wait_of(job: MailJob, shared: SharedConnection | None) -> str:
    """As `stop_of`, for a mail that waits for just that and not for a later time of its own."""
    stop = stop_of(shared) if job.state in WAITING_STATES else ""
    if shared is None or stop in ("", LOGIN) or shared.blocked_until is None:
        return stop
    return stop if job.due_at <= shared.blocked_until else ""


def say_wait(job: MailJob) -> str:
    """What a mail waits for, in a sentence; empty where only for its turn or its time."""
    if not (wait := wait_of(job, job.connection)):
        return ""
    until = job.connection.blocked_until if job.connection else None
    return str(WAITS[wait]) % {"time": say_time(until) if until else ""}


def say_time(when: datetime) -> str:
    """A moment soon to come or lately gone: today's without the day."""
    local = localtime(when)
    today = local.date() == localtime().date()
    return str(date_format(local, "TIME_FORMAT" if today else "SHORT_DATETIME_FORMAT"))


def reply_of(shared: SharedConnection) -> str:
    """What the server said when it was last stopped."""
    return shared.paused_reply if shared.paused_at is not None else shared.block_reply

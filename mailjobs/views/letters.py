"""Internal messages in words, and those of one kind and cause that are in no incident as one line."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from mailjobs import notices
from mailjobs.core.plan import Hold
from mailjobs.discretion import Discretion
from mailjobs.models import InternalMessage, LogOutcome, RecipientReport, StateChoices
from mailjobs.notices import cause_of_letter
from mailjobs.remedies import remedy_for, say_error
from mailjobs.tables import few, moment
from mailjobs.views.draft_words import say_failure
from mailjobs.views.sent_words import say_reason
from mailjobs.waiting import DELAYS
from mailjobs.wording import HOLDS

INSIDE = 50  # mails of one cause that are listed
STAMPS = {
    InternalMessage.Kind.FAILED: "failed",
    InternalMessage.Kind.PARTLY: "partly_sent",
    InternalMessage.Kind.UNKNOWN: "unknown",
    InternalMessage.Kind.DELAYED: "deferred",
    InternalMessage.Kind.REFUSED: "refused",
    InternalMessage.Kind.HELD: "held",
    InternalMessage.Kind.REJECTED: "refused",
    InternalMessage.Kind.BOUNCED: "failed",
    InternalMessage.Kind.PASSED_ON: "held",
}
WORDS = {**dict(StateChoices.choices), "refused": LogOutcome.REFUSED.label}
_SEVERAL_IN_ONE = frozenset(
    {
        InternalMessage.Kind.PASSED_ON,
        InternalMessage.Kind.REJECTED,
        InternalMessage.Kind.HELD,
        InternalMessage.Kind.DELAYED,
    }
)


@dataclass(slots=True)
class Letters:
    """Messages of one kind and cause, newest first."""

    kind: str
    cause: str
    title: str
    latest: datetime
    letters: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0
    unread: int = 0

    @property
    def newest(self) -> str:
        return moment(self.latest)

    @property
    def stamp(self) -> str:
        return STAMPS[InternalMessage.Kind(self.kind)]

    @property
    def label(self) -> str:
        if self.kind == InternalMessage.Kind.REJECTED:
            return pgettext("mail", "Rejected")
        if self.kind == InternalMessage.Kind.BOUNCED:
            return str(RecipientReport.Fate.FAILED.label)
        return _("Taken over") if self.passed_on else str(WORDS[self.stamp])

    @property
    def more(self) -> int:
        """How many of one message each are not listed."""
        return 0 if self.kind in _SEVERAL_IN_ONE else self.count - len(self.letters)

    @property
    def passed_on(self) -> bool:
        """Whether it tells of a leaver's mails, all of them in one message (T6)."""
        return self.kind == InternalMessage.Kind.PASSED_ON


def group(letters: Iterable[InternalMessage], discretion: Discretion) -> list[Letters]:
    """One line for each kind and cause."""
    found: dict[tuple[str, str], Letters] = {}
    for letter in letters:
        cause, shown = cause_of_letter(letter), say_letter(letter, discretion)
        if (letter.kind, cause) not in found:
            found[letter.kind, cause] = Letters(letter.kind, cause, _title(letter, shown["error"]), letter.at)
        line = found[letter.kind, cause]
        line.count += letter.mails
        line.unread += letter.read_at is None
        if len(line.letters) < INSIDE:
            line.letters.append(shown)
    return list(found.values())


def say_letter(letter: InternalMessage, discretion: Discretion) -> dict[str, Any]:
    """One message in words."""
    error = discretion.text(letter.job.plan if letter.job else {}, letter.error)
    return {
        "pk": letter.pk,
        "url": _address_of(letter),
        "subject": _subject_of(letter),
        "recipients": few(letter.recipients) if letter.mails == 1 else "",
        "error": _why(letter, error),
        "at": moment(letter.at),
        "unread": letter.read_at is None,
    }


def _why(letter: InternalMessage, error: str) -> str:
    match letter.error_code:
        case notices.UNDRAFTED:
            return say_failure(error)
        case notices.BOUNCE_BOX:
            return say_reason(error)
        case _:
            return say_error(error)


def _address_of(letter: InternalMessage) -> str:
    """Where the mail that a message tells of is looked at."""
    if letter.kind == InternalMessage.Kind.PASSED_ON:
        return f"{reverse('jobs')}?{urlencode({'user': letter.subject})}"
    if letter.mails > 1 and letter.job:
        state = letter.job.state if letter.kind == InternalMessage.Kind.DELAYED else StateChoices.HELD.value
        return f"{reverse('jobs')}?{urlencode({'state': state, 'run': letter.job.run})}"
    return reverse("job", args=[letter.job_id]) if letter.job_id else ""


def _subject_of(letter: InternalMessage) -> str:
    if letter.kind == InternalMessage.Kind.PASSED_ON:
        return _("Mail jobs of %(user)s") % {"user": letter.subject}
    if letter.error_code == notices.CHECKED:
        return _("Nightly check of the connection")
    if letter.error_code == notices.BOUNCE_BOX:
        return _("Mailbox for bounces")
    if letter.mails > 1:
        words = {"count": letter.mails, "run": letter.job.run if letter.job else ""}
        with_run = ngettext("%(count)s mail of the print run %(run)s", "%(count)s mails of the print run %(run)s", letter.mails)
        if letter.kind == InternalMessage.Kind.DELAYED and not words["run"]:
            return ngettext("%(count)s mail waits", "%(count)s mails wait", letter.mails) % words
        return (with_run if words["run"] else ngettext("%(count)s mail", "%(count)s mails", letter.mails)) % words
    return letter.subject or _("(no subject)")


def _title(letter: InternalMessage, error: str) -> str:
    """What happened, in plain words."""
    if letter.kind == InternalMessage.Kind.REFUSED:
        return error
    if letter.kind == InternalMessage.Kind.PASSED_ON:
        return _("The mails of %(user)s, who was deactivated, are now yours") % {"user": letter.subject}
    if letter.kind == InternalMessage.Kind.REJECTED:
        return _("The firm has not released a mail")
    if letter.kind == InternalMessage.Kind.BOUNCED:
        return _("A mail came back after the mail server had taken it over")
    if letter.error_code == notices.BOUNCE_BOX:
        return _("A mailbox for bounces cannot be read")
    if letter.kind == InternalMessage.Kind.HELD and letter.error_code in HOLDS:
        return str(HOLDS[Hold(letter.error_code)])
    if letter.kind == InternalMessage.Kind.HELD and letter.error_code == notices.UNDRAFTED:
        return _("A mail could not be put as a draft into the mailbox")
    if letter.kind == InternalMessage.Kind.DELAYED and letter.error_code in DELAYS:
        return str(DELAYS[letter.error_code])
    state = "unknown" if letter.kind == InternalMessage.Kind.UNKNOWN else letter.kind
    remedy = remedy_for(letter.error, state=state)
    return str(remedy.title if remedy else InternalMessage.Kind(letter.kind).label)

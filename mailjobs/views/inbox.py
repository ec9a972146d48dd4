"""The internal messages of the reader, one line for each cause (J2, J8)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from mailjobs.core.plan import Hold
from mailjobs.discretion import Discretion, discretion_for
from mailjobs.filters import address, page_of
from mailjobs.models import InternalMessage, LogOutcome, StateChoices
from mailjobs.notices import mark_read
from mailjobs.remedies import cause_of, remedy_for, say_error
from mailjobs.selectors import messages_of
from mailjobs.tables import few, moment
from mailjobs.wording import HOLDS
from mailsettings.portal import Page

TOGETHER = 500  # messages of one page, before they are grouped
INSIDE = 50  # mails of one cause that are listed
STAMPS = {
    InternalMessage.Kind.FAILED: "failed",
    InternalMessage.Kind.PARTLY: "partly_sent",
    InternalMessage.Kind.UNKNOWN: "unknown",
    InternalMessage.Kind.DELAYED: "deferred",
    InternalMessage.Kind.REFUSED: "refused",
    InternalMessage.Kind.HELD: "held",
    InternalMessage.Kind.REJECTED: "refused",
    InternalMessage.Kind.PASSED_ON: "held",
}
WORDS = {**dict(StateChoices.choices), "refused": LogOutcome.REFUSED.label}


@dataclass(slots=True)
class Incident:
    """Messages of one kind and cause, newest first."""

    kind: str
    cause: str
    title: str
    letters: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0
    unread: int = 0
    newest: str = ""

    @property
    def stamp(self) -> str:
        return STAMPS[InternalMessage.Kind(self.kind)]

    @property
    def label(self) -> str:
        if self.kind == InternalMessage.Kind.REJECTED:
            return pgettext("mail", "Rejected")
        return _("Taken over") if self.passed_on else str(WORDS[self.stamp])

    @property
    def more(self) -> int:
        """How many of one message each are not listed."""
        several_in_one = self.kind in {InternalMessage.Kind.PASSED_ON, InternalMessage.Kind.REJECTED, InternalMessage.Kind.HELD}
        return 0 if several_in_one else self.count - len(self.letters)

    @property
    def passed_on(self) -> bool:
        """Whether it tells of a leaver's mails, all of them in one message (T6)."""
        return self.kind == InternalMessage.Kind.PASSED_ON


class Inbox(Page):
    """The messages; a post takes one, one cause or all as read."""

    template_name = "mailjobs/inbox.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        mine = messages_of(self.reader)
        everything = request.GET.get("show") == "all"
        rows = mine if everything else mine.filter(read_at=None)
        page = page_of(rows.select_related("job__decision"), request.GET, TOGETHER)
        unread = mine.filter(read_at=None).count()
        return self.show(
            incidents=_incidents(page.rows, discretion_for(self.reader)),
            page=page,
            unread=unread,
            everything=everything,
            tabs=[
                {"label": _("Unread"), "url": address(request.GET, show=None), "count": unread, "active": not everything},
                {"label": _("All"), "url": address(request.GET, show="all"), "active": everything},
            ],
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        rows = messages_of(self.reader).filter(read_at=None)
        pk, cause = request.POST.get("pk", ""), request.POST.get("cause", "")
        if pk:
            rows = rows.filter(pk=pk if pk.isascii() and pk.isdigit() and len(pk) < 19 else 0)
        elif request.POST.get("kind"):
            of_cause = (
                {"error_code": cause} if request.POST["kind"] == InternalMessage.Kind.HELD else {"error__startswith": cause}
            )
            rows = rows.filter(kind=request.POST["kind"], **of_cause)
        count = rows.count()
        mark_read(rows)
        if not pk:
            said = ngettext("%(count)s message is read now.", "%(count)s messages are read now.", count)
            messages.success(request, said % {"count": count})
        return HttpResponseRedirect(f"{reverse('inbox')}?show=all" if request.POST.get("show") == "all" else reverse("inbox"))


def _incidents(letters: Iterable[InternalMessage], discretion: Discretion) -> list[Incident]:
    found: dict[tuple[str, str], Incident] = {}
    for letter in letters:
        plan = letter.job.plan if letter.job else {}
        cause = cause_of(letter.error) if letter.error else ""
        if letter.kind == InternalMessage.Kind.PASSED_ON:
            cause = letter.subject  # the leaver's user-ID
        if letter.kind == InternalMessage.Kind.HELD:
            cause = letter.error_code  # the hold
        error = say_error(discretion.text(plan, letter.error))
        if (letter.kind, cause) not in found:
            found[letter.kind, cause] = Incident(letter.kind, cause, _title(letter, error), newest=moment(letter.at))
        incident = found[letter.kind, cause]
        incident.count += letter.mails
        incident.unread += letter.read_at is None
        if len(incident.letters) < INSIDE:
            incident.letters.append(
                {
                    "pk": letter.pk,
                    "url": _address_of(letter),
                    "subject": _subject_of(letter),
                    "recipients": few(letter.recipients) if letter.mails == 1 else "",
                    "error": error,
                    "at": moment(letter.at),
                    "unread": letter.read_at is None,
                }
            )
    return list(found.values())


def _address_of(letter: InternalMessage) -> str:
    """Where the mail that a message tells of is looked at."""
    if letter.kind == InternalMessage.Kind.PASSED_ON:
        return f"{reverse('jobs')}?{urlencode({'user': letter.subject})}"
    if letter.mails > 1 and letter.job:
        return f"{reverse('jobs')}?{urlencode({'state': StateChoices.HELD.value, 'run': letter.job.run})}"
    return reverse("job", args=[letter.job_id]) if letter.job_id else ""


def _subject_of(letter: InternalMessage) -> str:
    if letter.kind == InternalMessage.Kind.PASSED_ON:
        return _("Mail jobs of %(user)s") % {"user": letter.subject}
    if letter.mails > 1:
        words = {"count": letter.mails, "run": letter.job.run if letter.job else ""}
        with_run = ngettext("%(count)s mail of the print run %(run)s", "%(count)s mails of the print run %(run)s", letter.mails)
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
    if letter.kind == InternalMessage.Kind.HELD and letter.error_code in HOLDS:
        return str(HOLDS[Hold(letter.error_code)])
    state = "unknown" if letter.kind == InternalMessage.Kind.UNKNOWN else letter.kind
    remedy = remedy_for(letter.error, state=state)
    return str(remedy.title if remedy else InternalMessage.Kind(letter.kind).label)

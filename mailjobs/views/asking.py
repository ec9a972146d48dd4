"""The question before mails go out that could arrive twice: uncertain ones, and documents that went out before (J3, J10)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.http import HttpResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailjobs.bulk import Done, act, chunks, left_out
from mailjobs.documents import Dispatch, Repeats, repeats
from mailjobs.models import REQUEUEABLE_STATES, MailJob, StateChoices
from mailjobs.selectors import jobs_visible_to
from mailjobs.tables import few
from mailsettings.models import User
from mailsettings.portal import Page

# Actions that let mails go, each with the states of the mails that it is about.
SENDS: Mapping[str, Collection[StateChoices]] = {"requeue": REQUEUEABLE_STATES, "release": (StateChoices.HELD,)}
YES, OTHERS = "unknown", "others"  # the answers: all of them; only those without a doubt
NAMED = 10  # mails that the question names
_SAID: Mapping[StateChoices, object] = {
    StateChoices.SENT: gettext_lazy("handed over on %(time)s to %(recipients)s"),
    StateChoices.UNKNOWN: gettext_lazy("perhaps handed over on %(time)s to %(recipients)s"),
    StateChoices.NEW: gettext_lazy("on its way to %(recipients)s since %(time)s"),
}


@dataclass(frozen=True, slots=True)
class _Doubts:
    """Chosen mails that could arrive twice, and how many others the action is about."""

    uncertain: frozenset[int]
    repeats: Repeats
    others: int


def ask(
    view: Page,
    action: str,
    ids: Sequence[int],
    *,
    back: str,
    beside: Mapping[str, str] | None = None,
    instead: Mapping[str, str] | None = None,
) -> HttpResponse | None:
    """The page that asks before an action; None where there is no doubt, or the answer is there.

    The form of the question posts the action with the mails, or `all_matching` in their place, and what is `beside`; or `instead`
    of all that.
    """
    if action not in SENDS or view.request.POST.get("confirm"):
        return None
    doubts = _doubts(view.reader, action, ids)
    if not doubts.uncertain and not doubts.repeats.jobs:
        return None
    matching = bool(view.request.POST.get("all_matching"))
    view.template_name = "mailjobs/jobs_confirm.html"
    return view.show(
        action=action,
        yes=YES,
        ids=[] if matching or instead else ids,
        hidden=instead or {"action": action, **({"all_matching": "1"} if matching else {}), **(beside or {})},
        uncertain=len(doubts.uncertain),
        repeated=len(doubts.repeats.known),
        named=_named(view.reader, doubts.repeats),
        more=max(len(doubts.repeats.known) - NAMED, 0),
        twins=len(doubts.repeats.twins),
        doubtful=len(doubts.repeats.jobs),
        others=doubts.others,
        action_url=view.request.get_full_path(),
        back=back,
    )


def carry_out(view: Page, action: str, ids: Sequence[int]) -> Done:
    """Do what the answer says: all of the mails, or all but those that could arrive twice."""
    doubtful = doubtful_of(view, action, ids)
    yes = view.request.POST.get("confirm") == YES
    return without(doubtful, act(view.reader, action, [pk for pk in ids if pk not in doubtful], confirm_unknown=yes))


def doubtful_of(view: Page, action: str, ids: Sequence[int]) -> frozenset[int]:
    """The mails whose documents went out before, where the answer says to leave them out."""
    wanted = action in SENDS and view.request.POST.get("confirm") == OTHERS
    return repeats(view.reader, ids, SENDS[action]).jobs if wanted else frozenset()


def without(doubtful: Collection[int], done: Done) -> Done:
    """What was done, and that these were left out."""
    said = left_out(len(doubtful), _("the document went out already or is on its way"))
    return replace(done, skipped=" ".join(text for text in (done.skipped, said) if text))


def lines_of(reader: User, dispatches: Iterable[Dispatch]) -> list[dict[str, str]]:
    """The mails that took a document out, in words; one that the reader may not see has no address and names nobody."""
    shown = list(dispatches)
    visible = set(jobs_visible_to(reader).filter(pk__in=[each.job for each in shown]).values_list("pk", flat=True))
    return [_line(each, visible=each.job in visible) for each in shown]


def _line(dispatch: Dispatch, *, visible: bool) -> dict[str, str]:
    recipients = few(dispatch.recipients) if visible else _("the recipients of a colleague's mail")
    words = {"time": date_format(localtime(dispatch.at), "SHORT_DATETIME_FORMAT"), "recipients": recipients}
    return {"text": str(_SAID[dispatch.state]) % words, "url": reverse("job", args=[dispatch.job]) if visible else ""}


def _doubts(reader: User, action: str, ids: Sequence[int]) -> _Doubts:
    states: dict[int, str] = {}
    for chunk in chunks(ids):
        rows = jobs_visible_to(reader).filter(pk__in=chunk, state__in=SENDS[action])
        states |= rows.values_list("pk", "state")
    uncertain = frozenset(pk for pk, state in states.items() if state == StateChoices.UNKNOWN)
    repeated = repeats(reader, list(states), SENDS[action])
    return _Doubts(uncertain, repeated, len(states.keys() - uncertain - repeated.jobs))


def _named(reader: User, repeated: Repeats) -> list[dict[str, object]]:
    """The first mails that would take a document out again, each with the one that did."""
    first = dict(sorted(repeated.known.items())[:NAMED])
    jobs = MailJob.objects.in_bulk(list(first))
    lines = lines_of(reader, [dispatches[0] for dispatches in first.values()])
    return [{"job": jobs[pk], "line": line} for pk, line in zip(first, lines, strict=True) if pk in jobs]

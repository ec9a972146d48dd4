"""The connections to mail servers: state in words, sessions, limits and where they come from, and *Freigeben* (J8)."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from mailjobs.bulk import release_connection, resettable_over
from mailjobs.connections import Known, known_to, open_sessions, shared_with, waiting_of
from mailjobs.core.limits import Limits, Origin, limits_of
from mailjobs.core.providers import preset_of
from mailjobs.discretion import Discretion, discretion_for
from mailjobs.models import BlockReason, SharedConnection
from mailjobs.remedies import say_error
from mailjobs.retiring import endings_of, mails_over, ticket_ending
from mailjobs.views.asking import ask, doubtful_of, without
from mailjobs.views.inbox import number_of
from mailjobs.views.jobs import tell
from mailjobs.waiting import LOGIN, reply_of, say_time, stop_of
from mailsettings.portal import SettingsPage
from mailsettings.wording import SEND_SYSTEM_LABELS

ORIGINS = {
    Origin.SET: pgettext_lazy("limit", "set"),
    Origin.PRESET: gettext_lazy("preset"),
    Origin.LEARNED: gettext_lazy("learned from the server"),
}
STATES = {
    LOGIN: gettext_lazy("Paused since %(since)s: the login was refused. Nothing tries it by itself."),
    BlockReason.BREAKER: gettext_lazy("Not reached since %(since)s. One mail tries it again at %(until)s."),
    BlockReason.THROTTLED: gettext_lazy("The server asked for a pause, until %(until)s."),
    BlockReason.QUOTA: gettext_lazy("The allowance of the login is used up; tried again at %(until)s."),
    BlockReason.PER_MINUTE: gettext_lazy("The limit per minute is reached, until %(until)s."),
    BlockReason.PER_DAY: gettext_lazy("The limit per day is reached, until %(until)s."),
}
PLACES = 3  # that one row names
PAUSED, WAITS, UNTRIED, RUNS = "failed", "deferred", "new", "sent"  # stamps, the first that need somebody
RANKS = {stamp: rank for rank, stamp in enumerate((PAUSED, WAITS, UNTRIED, RUNS))}


class Connections(SettingsPage):
    """The list; a post releases one."""

    template_name = "mailjobs/connections.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        known, discretion = known_to(self.reader), discretion_for(self.reader)
        shared = list(shared_with(self.reader, known))
        sessions, waiting = open_sessions(shared), waiting_of(self.reader, shared)
        rows = [
            {
                **_shown(row, known.get(row.key), discretion, sessions.get(row.pk, 0), waiting.get(row.pk, 0)),
                "endings": self._endings(known.get(row.key)),
            }
            for row in shared
        ]
        return self.show(
            rows=sorted(rows, key=lambda row: RANKS[row["stamp"]]), paused=any(row["stamp"] == PAUSED for row in rows)
        )

    def _endings(self, known: Known | None) -> dict[str, Any] | None:
        """What of a connection ends, and how many mails go that way (S6)."""
        if known is None:
            return None
        ticket, found = ticket_ending(known.connection), endings_of([known.connection])
        mails = mails_over(self.reader, known.connection) if found else ""
        return {"all": found, "ticket": ticket, "mails": mails}

    def post(self, request: HttpRequest) -> HttpResponse:
        if request.POST.get("action") != "release":
            return HttpResponseBadRequest()
        rows = shared_with(self.reader, known_to(self.reader))
        shared = rows.filter(pk=number_of(request.POST.get("pk", ""))).first()
        if shared is None:
            raise Http404
        ids, where = resettable_over(self.reader, shared), reverse("connections")
        instead = {"action": "release", "pk": str(shared.pk)}
        if (question := ask(self, "requeue", ids, back=where, instead=instead)) is not None:
            return question
        doubtful = doubtful_of(self, "requeue", ids)
        chosen = [pk for pk in ids if pk not in doubtful]
        tell(request, without(doubtful, release_connection(self.reader, shared, chosen)))
        return HttpResponseRedirect(where)


def _shown(shared: SharedConnection, known: Known | None, discretion: Discretion, sessions: int, waiting: int) -> dict[str, Any]:
    """One connection in words."""
    endpoint, username, system = _parts(shared)
    plan = {"connection": {"level": known.connection.level if known else "", "server": endpoint, "username": username}}
    limits = known.limits(shared) if known else _unknown_limits(shared, endpoint, system)
    stop = stop_of(shared)
    return {
        "pk": shared.pk,
        "server": discretion.server(plan, endpoint),
        "login": username or _("without log-in"),
        "system": str(SEND_SYSTEM_LABELS.get(known.connection.send_system if known else system, system)),
        "places": _places(known),
        "sessions": sessions,
        "limit": limits.sessions,
        "limits": _limits(limits),
        "waiting": waiting,
        "stamp": _stamp(shared, stop),
        "label": _label(shared, stop),
        "state": _state(shared, stop),
        "reply": say_error(discretion.text(plan, reply_of(shared), endpoint)) if stop else "",
        "action": "" if not stop else _("Release") if stop == LOGIN else _("Try now"),
    }


def _parts(shared: SharedConnection) -> tuple[str, str, int]:
    """Server, login and send system, as the key has them."""
    endpoint, _bar, rest = shared.key.partition("|")
    username, _bar, system = rest.rpartition("|")
    return endpoint, username, int(system) if system.isdigit() else 0


def _unknown_limits(shared: SharedConnection, endpoint: str, system: int) -> Limits:
    """Of a connection that no settings name any more."""
    return limits_of(
        preset=preset_of(endpoint.rpartition(":")[0] or endpoint, system),
        max_connections=None,
        per_minute=None,
        per_day=None,
        learned_sessions=shared.learned_sessions,
        learned_per_minute=shared.learned_per_minute,
    )


def _stamp(shared: SharedConnection, stop: str) -> str:
    if stop == LOGIN:
        return PAUSED
    return WAITS if stop or shared.breaker_open else RUNS if shared.proven else UNTRIED


def _label(shared: SharedConnection, stop: str) -> str:
    if stop == LOGIN:
        return _("Login paused")
    if stop == BlockReason.BREAKER or shared.breaker_open:
        return _("Not reached")
    if stop:
        return _("Waits")
    return _("In order") if shared.proven else _("Not tried yet")


def _state(shared: SharedConnection, stop: str) -> str:
    if stop:
        since = shared.paused_at if stop == LOGIN else shared.breaker_since or timezone.now()
        words = {
            "since": say_time(since) if since else "",
            "until": say_time(shared.blocked_until) if shared.blocked_until else "",
        }
        return str(STATES[stop]) % words
    if shared.breaker_open:
        return _("It was not reached; the next mail tries it again.")
    return "" if shared.proven else _("Nothing has gone out with the settings of now yet: one mail goes first.")


def _limits(limits: Limits) -> list[str]:
    """Each limit with where it comes from."""
    sessions, minute, day = limits.origins
    found = []
    if sessions:
        text = ngettext("%(count)s session", "%(count)s sessions", limits.sessions)
        found.append(_with_origin(text, limits.sessions, sessions))
    if minute and limits.per_minute:
        text = ngettext("%(count)s mail a minute", "%(count)s mails a minute", limits.per_minute)
        found.append(_with_origin(text, limits.per_minute, minute))
    if day and limits.per_day:
        text = ngettext("%(count)s recipient a day", "%(count)s recipients a day", limits.per_day)
        found.append(_with_origin(text, limits.per_day, day))
    return found


def _with_origin(text: str, count: int, origin: Origin) -> str:
    return f"{text % {'count': number_format(count, force_grouping=True)}} ({ORIGINS[origin]})"


def _places(known: Known | None) -> str:
    """Where the settings name it."""
    if known is None:
        return _("No settings name it any more.")
    named = [f"{tenant} ({place})" if place else tenant for tenant, place in known.places[:PLACES]]
    more = len(known.places) - len(named)
    text = ", ".join(named)
    return (
        ngettext("%(places)s and %(more)s more", "%(places)s and %(more)s more", more) % {"places": text, "more": more}
        if more
        else text
    )

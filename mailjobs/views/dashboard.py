"""The overview: how it stands, how my mail goes, what is left of the first hour, what went wrong last (ui 9)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy

from mailjobs.connections import known_at
from mailjobs.context_processors import MOST, redirect_of
from mailjobs.core.plan import Channel, Hazard, Hold, Refusal, make_plan
from mailjobs.discretion import Discretion, discretion_for
from mailjobs.explanation import document_of
from mailjobs.incidents import OPEN_STATES, jobs_of, kind_of
from mailjobs.models import Incident, InternalMessage, LogOutcome, MailJob, StateChoices
from mailjobs.notices import CHECKED
from mailjobs.releasing import waiting_for
from mailjobs.remedies import say_error
from mailjobs.retiring import endings_of, mails_over
from mailjobs.selectors import jobs_visible_to, log_visible_to, reach_of
from mailjobs.tables import moment
from mailjobs.views.explained import facts_of_plan, hazards_of
from mailjobs.views.incident_lines import remedy_of
from mailjobs.views.letters import STAMPS
from mailjobs.waiting import stop_of
from mailjobs.wording import say_refusal
from mailsettings.access import Right, may
from mailsettings.beforehand import said_beforehand
from mailsettings.context_processors import url_of
from mailsettings.core.facts import Request
from mailsettings.core.parameters import resolve
from mailsettings.core.send_systems import Role
from mailsettings.leavers import still_named
from mailsettings.models import Tenant, User
from mailsettings.portal import Page
from mailsettings.selectors import facts_of, general_layers

WAITING = (StateChoices.NEW, StateChoices.DEFERRED, StateChoices.SENDING, StateChoices.HELD)
INCIDENTS = 5
# Called for who reads the overview; a card has `title`, `text`, `url`, `label` and `broken`. None: no card.
cards: list[Callable[[User], Mapping[str, object] | None]] = []
LOOKED_AT = 200  # latest failed jobs whose incidents are looked at, beside those that are still open
WAITS = {
    Hold.HELD_BY_FIRM: ngettext_lazy(
        "%(count)s mail of a Com customer would carry the firm's address and waits for your release",
        "%(count)s mails of Com customers would carry the firm's address and wait for your release",
        "count",
    ),
    Hold.CONFIRM_SENDS_AS_FIRM: ngettext_lazy(
        "%(count)s mail carries the firm's address and waits for your confirmation",
        "%(count)s mails carry the firm's address and wait for your confirmation",
        "count",
    ),
    Hold.STAGE_HELD: ngettext_lazy(
        "%(count)s mail of a print model that is being introduced waits for your approval",
        "%(count)s mails of print models that are being introduced wait for your approval",
        "count",
    ),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the first hour."""

    done: bool
    text: str
    url: str = ""
    label: str = ""


class Dashboard(Page):
    """The page."""

    template_name = "mailjobs/dashboard.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        reader, discretion = self.reader, discretion_for(self.reader)
        steps = _first_hour(reader)
        return self.show(
            figures=_figures(reader),
            how=_how_mail_goes(reader, discretion),
            waiting=_waiting(reader),
            endings=_endings(reader),
            cards=[card for ask in cards if (card := ask(reader)) is not None],
            steps=steps if any(not step.done for step in steps) else [],
            incidents=_incidents(reader, discretion),
        )


def _figures(reader: User) -> dict[str, int]:
    jobs = jobs_visible_to(reader).filter(state__in=(*WAITING, StateChoices.FAILED, StateChoices.UNKNOWN))
    counts = jobs.order_by().aggregate(
        waiting=Count("pk", filter=Q(state__in=WAITING)),
        failed=Count("pk", filter=Q(state=StateChoices.FAILED)),
        unknown=Count("pk", filter=Q(state=StateChoices.UNKNOWN)),
    )
    yesterday = Now() - timedelta(hours=24)
    sent = log_visible_to(reader).filter(at__gte=yesterday, outcome__in=(LogOutcome.HANDED_OVER, LogOutcome.PARTLY))
    return {**counts, "sent": sent.count()}


def _waiting(reader: User) -> list[dict[str, str]]:
    """What waits for a word of the reader's (delivery contract 1), each with the page where it is given."""
    counts, jobs = waiting_for(reader), f"{reverse('jobs')}?{urlencode({'state': StateChoices.HELD.value})}"
    return [
        {"text": text % {"count": counts[hold]}, "url": reverse("releases") if hold is Hold.HELD_BY_FIRM else jobs}
        for hold, text in WAITS.items()
        if hold in counts
    ]


def _how_mail_goes(reader: User, discretion: Discretion) -> dict[str, object] | None:
    """The explanation of an ordinary mail of the reader's (R4); None for an operator, who sends none."""
    if reader.tenant is None:
        return None
    plan = make_plan(facts_of(reader, Request()))
    document = document_of(plan)
    facts = facts_of_plan(document, discretion)
    sender = document["sender"]
    beforehand = said_beforehand(plan.facts, reader) if plan.allowed else None
    hazards = [danger.text for danger in hazards_of(document, discretion) if danger.code != Hazard.SENDS_AS_FIRM]
    return {
        **facts,
        "hazards": hazards,
        "beforehand": beforehand,
        "beforehand_url": url_of(beforehand.page) if beforehand and beforehand.page else "",
        "sentence": _sentence(document, discretion, str(facts["server"])),
        "sender": sender,
        "refused": document["refused"],
        "redirect": document["redirect"],
    }


def _sentence(document: Mapping[str, Any], discretion: Discretion, server: str) -> str:
    words = {"server": server, "sender": document["sender"]["address"] if document["sender"] else ""}
    match Channel(document["channel"]):
        case Channel.SMTP if discretion.hides(document):
            return _("By SMTP over the mail server of the firm, as %(sender)s.") % words
        case Channel.SMTP:
            return _("By SMTP over %(server)s, as %(sender)s.") % words
        case Channel.EWS:
            return _("Over Exchange (EWS), as %(sender)s.") % words
        case Channel.GRAPH:
            return _("Over Microsoft Graph, as %(sender)s.") % words
        case Channel.CLIENT | Channel.DRAFT:
            return _("Through your own mail client.")
        case Channel.NONE:
            return _("Your mail does not go out at present.")


def _first_hour(reader: User) -> list[Step]:
    """For administrators; the list comes back when a step breaks."""
    tenant = reader.tenant
    if tenant is None or not may(reader, Right.MANAGE_SETTINGS):
        return []
    layers = general_layers(tenant)
    server = any(resolve(layers, key).value for key in ("smtp_server", "ews_url", "oauth_client_id"))
    sender = resolve(layers, "sender_address")
    own_sender = sender.layer is not None and sender.layer.source == tenant.slug
    settings, change = url_of("settings"), _("Enter")
    return [
        Step(bool(server), _("The mail server is set") if server else _("No mail server is set"), settings, change),
        Step(
            own_sender,
            _("The general sender address is set") if own_sender else _no_sender(tenant, inherited=bool(sender.value)),
            settings,
            change,
        ),
        _first_mail(reader),
        _employees(tenant),
        _leavers(tenant),
        _redirect(reader, settings),
    ]


def _no_sender(tenant: Tenant, *, inherited: bool) -> str:
    if tenant.is_com_customer and inherited:
        return _("No general sender address of your own: mail without another sender carries the firm's address")
    return _("No general sender address is set, the last fallback for everybody")


def _endings(reader: User) -> list[dict[str, object]]:
    """What the tenant's own connections rest on and is about to end (S6), for those who can change it."""
    if reader.tenant is None or not may(reader, Right.MANAGE_SETTINGS):
        return []
    known = {known.connection.key: known.connection for known in known_at(reader.tenant).values()}
    return [{"ending": ending, "mails": mails_over(reader, known[ending.key])} for ending in endings_of(known.values())]


def _first_mail(reader: User) -> Step:
    sent = log_visible_to(reader).filter(tenant=reader.tenant, outcome=LogOutcome.HANDED_OVER).exists()
    text = _("The first mail was handed over") if sent else _("No mail was handed over yet")
    return Step(sent, text, url_of("diagnosis"), _("Send a test mail"))


def _employees(tenant: Tenant) -> Step:
    people = tenant.users.filter(is_active=True).exclude(role=Role.SERVICE_USER)
    missing = people.filter(employee=None).count()
    if not missing:
        return Step(done=True, text=_("Every user is linked to an employee"))
    words = {"missing": missing, "all": people.count()}
    text = _("%(missing)s of %(all)s users are linked to no employee; “Check sender” would refuse their mail") % words
    return Step(done=False, text=text, url=url_of("employees"), label=_("Link"))


def _leavers(tenant: Tenant) -> Step:
    """T6: it comes back with everybody who leaves, until somebody has decided what becomes of what names them."""
    count = len(still_named(tenant))
    if not count:
        return Step(done=True, text=_("Nothing names a user or employee who has left"))
    text = ngettext(
        "%(count)s user or employee has left and is still named",
        "%(count)s users or employees have left and are still named",
        count,
    )
    return Step(done=False, text=text % {"count": count}, url=f"{url_of('users')}#still-named", label=_("Decide"))


def _redirect(reader: User, settings: str) -> Step:
    redirect = redirect_of(reader)
    if redirect is None or not redirect.active:
        return Step(done=True, text=_("Redirect mode is off: mail goes to its recipients"))
    text = _("Redirect mode is on: mail goes to %(addresses)s only") % {"addresses": ", ".join(redirect.addresses)}
    if not redirect.readable:
        text = say_refusal(Refusal.REDIRECT_UNREADABLE)
    return Step(done=False, text=text, url=settings, label=_("Change"))


def _incidents(reader: User, discretion: Discretion) -> list[dict[str, object]]:
    """The latest incidents with mails that still need somebody; first those that hold other mail up."""
    failed = jobs_visible_to(reader).filter(state__in=OPEN_STATES)
    latest = failed.order_by("-pk").values_list("pk", flat=True)[:LOOKED_AT]
    told = InternalMessage.objects.filter(job__in=list(latest), incident__isnull=False).values("incident")
    at_work = Q(closed_at=None, tenant__in=[*reach_of(reader).tenants, reader.tenant_id])
    rows = (
        Incident.objects.filter(at_work | Q(pk__in=told)).select_related("connection", "tenant").order_by("-last_at")[:LOOKED_AT]
    )
    stopped_first = sorted(rows, key=lambda incident: not stop_of(incident.connection))
    mails = ((incident, jobs_of(incident).filter(pk__in=failed.values("pk"))) for incident in stopped_first)
    checked = InternalMessage.objects.filter(user=reader, error_code=CHECKED, incident__closed_at=None)
    without = set(checked.values_list("incident", flat=True))  # no mail has failed yet
    shown = (
        _incident(reader, incident, inside, discretion) for incident, inside in mails if incident.pk in without or inside.exists()
    )
    return list(islice(shown, INCIDENTS))


def _incident(reader: User, incident: Incident, mails: QuerySet[MailJob], discretion: Discretion) -> dict[str, object]:
    remedy, newest = remedy_of(incident), mails.select_related("decision").order_by("-pk").first()
    return {
        "title": remedy.title if remedy else kind_of(incident).label,
        "error": say_error(discretion.text(newest.plan if newest else {}, incident.error)),
        "tenant": incident.tenant.name if incident.tenant_id != reader.tenant_id else "",
        "when": moment(incident.last_at),
        "count": mails[: MOST + 1].count(),
        "stamp": STAMPS[kind_of(incident)],
        "url": reverse("incident", args=[incident.pk]),
    }

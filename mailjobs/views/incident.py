"""One incident: cause and remedy, how many mails it stopped, each mail's own message, and *Freigeben* (J8)."""

from typing import Any

from django.contrib import messages
from django.db.models import Max, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailjobs.bulk import release_incident, resettable_of
from mailjobs.discretion import Discretion, discretion_for
from mailjobs.filters import page_of
from mailjobs.models import Incident, InternalMessage
from mailjobs.notices import mark_read
from mailjobs.remedies import ADMINISTRATOR, YOU
from mailjobs.selectors import jobs_visible_to, messages_of
from mailjobs.views.asking import ask, doubtful_of, without
from mailjobs.views.incident_lines import IncidentLine, line_of
from mailjobs.views.jobs import tell
from mailjobs.views.letters import say_letter
from mailjobs.views.page import diagnosis_of
from mailjobs.waiting import say_time
from mailsettings.access import Right, may, sees_whole_tenant
from mailsettings.context_processors import url_of
from mailsettings.portal import Page


class IncidentPage(Page):
    """For those who were told of one of its mails, and all who see one of them (J3)."""

    template_name = "mailjobs/incident.html"

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        incident, letters = self._found(pk)
        discretion = discretion_for(self.reader)
        page = page_of(letters.select_related("job__decision", "user"), request.GET)
        line = self._line(incident, letters, discretion)
        return self.show(
            incident=incident,
            line=line,
            problem=self._problem(line, letters, discretion),
            letters=[say_letter(letter, discretion) for letter in page.rows],
            page=page,
            since=say_time(incident.first_at),
            everybody=sees_whole_tenant(self.reader),
        )

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        incident, letters = self._found(pk)
        match request.POST.get("action", ""):
            case "release":
                return self._release(incident, self._line(incident, letters, discretion_for(self.reader)))
            case "read":
                count = mark_read(messages_of(self.reader).filter(incident=incident))
                said = ngettext("%(count)s message is read now.", "%(count)s messages are read now.", count)
                messages.success(request, said % {"count": count})
            case _:
                return HttpResponseBadRequest()
        return HttpResponseRedirect(reverse("incident", args=[incident.pk]))

    def _release(self, incident: Incident, line: IncidentLine) -> HttpResponse:
        """Asks first where a mail could arrive twice (J10)."""
        where = reverse("incident", args=[incident.pk])
        ids = list(resettable_of(self.reader, incident).values_list("pk", flat=True))
        if (question := ask(self, "requeue", ids, back=where, instead={"action": "release"})) is not None:
            return question
        doubtful = doubtful_of(self, "requeue", ids)
        chosen = [pk for pk in ids if pk not in doubtful]
        tell(self.request, without(doubtful, release_incident(self.reader, incident, chosen, login=line.releases)))
        return HttpResponseRedirect(where)

    def _found(self, pk: int) -> tuple[Incident, QuerySet[InternalMessage]]:
        """The incident with the reader's own messages, and one for each other mail that the reader sees; else 404."""
        incident = Incident.objects.select_related("connection", "tenant").filter(pk=pk).first()
        if incident is None:
            raise Http404
        inside = InternalMessage.objects.filter(incident=incident)
        own = inside.filter(user=self.reader)
        others = inside.filter(job__in=jobs_visible_to(self.reader)).exclude(job__in=own.values("job"))
        newest = others.order_by().values("job").annotate(newest=Max("pk")).values("newest")
        letters = inside.filter(Q(user=self.reader) | Q(pk__in=newest))
        if not letters.exists():
            raise Http404
        return incident, letters

    def _line(self, incident: Incident, letters: QuerySet[InternalMessage], discretion: Discretion) -> IncidentLine:
        newest = letters.select_related("job__decision").order_by("-pk").first()
        mails = letters.exclude(kind=InternalMessage.Kind.DELAYED).exclude(job=None).order_by().values("job").distinct().count()
        return line_of(
            self.reader,
            incident,
            newest.job if newest else None,
            discretion,
            latest=incident.last_at,
            count=mails,
            unread=letters.filter(user=self.reader, read_at=None).count(),
        )

    def _diagnosis_of(self, letters: QuerySet[InternalMessage]) -> str:
        """Of its newest mail (J9)."""
        newest = letters.exclude(job=None).select_related("job__user").order_by("-pk").first()
        return diagnosis_of(self.reader, newest.job) if newest and newest.job else ""

    def _problem(self, line: IncidentLine, letters: QuerySet[InternalMessage], discretion: Discretion) -> dict[str, Any]:
        remedy = line.remedy
        plan = next((letter.job.plan for letter in letters.select_related("job__decision")[:1] if letter.job), {})
        settings = bool(remedy and remedy.settings)
        administers = may(self.reader, Right.MANAGE_SETTINGS) and self.reader.tenant_id is not None
        who = remedy.who if remedy else ""
        if line.hidden and settings:
            who = _("The firm: its mail server is meant.")
        elif administers and who is ADMINISTRATOR:
            who = YOU
        return {
            "text": discretion.text(plan, str(remedy.text)) if remedy else "",
            "who": who,
            "reply": discretion.text(plan, line.incident.error),
            "kind": {"unknown": "unknown"}.get(line.kind, ""),
            "settings_url": url_of("settings") if settings and administers and not line.hidden else "",
            "diagnosis_url": self._diagnosis_of(letters),
            "connections_url": url_of("connections") if administers and not line.hidden and line.incident.connection_id else "",
        }

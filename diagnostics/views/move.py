"""The guided move of an account, of general or own settings from passwords or EWS to OAuth, on one page (S4, S6)."""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from diagnostics.cases import AskedInvalid
from diagnostics.core.findings import Step
from diagnostics.diagnosis import document_of
from diagnostics.models import Diagnosis, VerdictChoices
from diagnostics.move_forms import RegistrationForm, SwitchForm
from diagnostics.moving import GRAPH, Move, asked_of, judged, move_of, over_graph
from diagnostics.saying import lines_of
from diagnostics.starting import TooMany, diagnoses_visible_to, is_lost, start
from mailjobs.core.authorities import GOOGLE, consent_scope
from mailjobs.discretion import discretion_for
from mailjobs.retiring import mails_over
from mailjobs.views.mailbox import asked_at, back_to, owner_for, redirect_uri, title_of
from mailsettings.changes import Owner
from mailsettings.foresight import concerned
from mailsettings.forms.sheet import locks_on
from mailsettings.models import EmailAccount, Tenant
from mailsettings.portal import SettingsPage, write
from mailsettings.wording import SEND_SYSTEM_LABELS

_NEEDED = ("send_system", "oauth_client_id")


class MoveToOAuth(SettingsPage):
    """All steps; a post saves the registration, tries, switches over, or goes back. Who may edit these settings may move them."""

    template_name = "diagnostics/move.html"
    right = None

    @cached_property
    def owner(self) -> Owner:
        return owner_for(self.reader, self.kwargs["kind"], self.kwargs["pk"])

    @cached_property
    def move(self) -> Move:
        wanted = self.request.GET.get("to", "")
        return move_of(self.owner, int(wanted) if wanted in {"8", "9", "10", "11"} else None)

    @property
    def locked(self) -> bool:
        return any(key in locks_on(self.owner, self.reader) for key in _NEEDED)

    def get(self, request: HttpRequest, kind: str, pk: int) -> HttpResponse:
        return self._page()

    def post(self, request: HttpRequest, kind: str, pk: int) -> HttpResponse:
        move, action = self.move, request.POST.get("action", "")
        if self.locked:
            raise Http404
        match action:
            case "save" if not move.done:
                return self._saved(RegistrationForm(move, request.POST, graph=over_graph(move.target)))
            case "try":
                return self._tried()
            case "switch" if not move.done and move.green and move.would is not None:
                return self._switched(SwitchForm(move, move.prospect, request.POST))
            case "switch" if not move.done:
                messages.error(request, _("The settings have not been tried yet, or have changed since. Try them first."))
                return self._again()
            case "back" if move.back is not None:
                return self._gone_back(SwitchForm(move, move.back, request.POST))
        return HttpResponseBadRequest() if action not in {"save", "switch", "back"} else self._again()

    def _saved(self, form: RegistrationForm) -> HttpResponse:
        if write(self.request, form, concerned=self._concerned()) is None:
            return self._page(registration=form)
        return self._again("#connect")

    def _switched(self, form: SwitchForm) -> HttpResponse:
        """Then a diagnosis with a test mail says whether it holds."""
        if write(self.request, form, concerned=self._concerned()) is None:
            return self._page(switch=form)
        del self.move
        self._begin(prospect=False)
        return self._again()

    def _gone_back(self, form: SwitchForm) -> HttpResponse:
        if write(self.request, form, concerned=self._concerned()) is None:
            return self._page(back_form=form)
        return self._again()

    def _tried(self) -> HttpResponse:
        if self.move.done or self.move.would is not None:
            self._begin(prospect=not self.move.done)
        return self._again("#try")

    def _begin(self, *, prospect: bool) -> None:
        try:
            asked = asked_of(self.move, self.reader, prospect=prospect)
            if asked is None:
                messages.warning(self.request, _("Nobody's mail goes by these settings, so there is nothing to try."))
                return
            with transaction.atomic():
                start(asked)
        except (TooMany, AskedInvalid) as refused:
            messages.error(self.request, str(refused))

    def _again(self, anchor: str = "") -> HttpResponse:
        where = reverse("move", args=[self.kwargs["kind"], self.kwargs["pk"]])
        return HttpResponseRedirect(f"{where}?to={self.move.target}{anchor}")

    def _concerned(self) -> list[Tenant]:
        """Whose cells of the matrix are shown before it is saved (P9), as at the settings themselves."""
        match self.owner:
            case EmailAccount():
                return [self.owner.tenant]
            case Tenant():
                return concerned(self.owner)
            case _:
                return []

    def _page(self, **forms: Any) -> HttpResponse:
        move, request, locked = self.move, self.request, self.locked
        here = reverse("move", args=[self.kwargs["kind"], self.kwargs["pk"]])
        place, proof = move.place, self._proof()
        connects = place.ready and not locked and request.headers.get("HX-Request") != "true"  # a page may be asked once
        back = f"{here}?to={move.target}#try"
        owner = (self.kwargs["kind"], self.kwargs["pk"])
        shown = {
            "registration": RegistrationForm(move, graph=over_graph(move.target)),
            "authorize_url": asked_at(request, owner, place, back=back, system=move.target) if connects else "",
            **forms,
        }
        return self.show(
            move=move,
            locked=locked,
            title=title_of(self.owner),
            back=back_to(self.owner, self.reader),
            here=f"{here}?to={move.target}",
            now=SEND_SYSTEM_LABELS[move.number],
            target=SEND_SYSTEM_LABELS[move.target],
            old=SEND_SYSTEM_LABELS.get(move.back.send_system or 0) if move.back else "",
            server=self._server(),
            mails=mails_over(self.reader, move.connection) if move.connection else "",
            choices=[{"number": each, "label": SEND_SYSTEM_LABELS[each], "graph": each >= GRAPH} for each in move.choices],
            graph=over_graph(move.target),
            redirect_uri=redirect_uri(request),
            scopes=(consent_scope(GOOGLE, "") if move.google else place.scope).split(),
            no_address=bool(place.mailbox) and "@" not in place.mailbox,
            proof=proof,
            running=proof is not None and proof.running and not is_lost(proof),
            verdict=judged(proof) if proof else "",
            verdict_label=VerdictChoices(judged(proof)).label if proof and judged(proof) else "",
            failed=self._failed(proof),
            **shown,
        )

    def _server(self) -> str:
        """Of the firm's a Com customer reads no name (T4)."""
        connection = self.move.connection
        if connection is None:
            return ""
        host = connection.host or connection.web_address
        return discretion_for(self.reader).server({"connection": {"level": str(connection.level), "server": host}}, host)

    def _proof(self) -> Diagnosis | None:
        """The last try of the new way; when it is taken, the last diagnosis of it."""
        move = self.move
        if not move.done:
            return move.trial
        rows = diagnoses_visible_to(self.reader).filter(by=self.reader, job=None)
        tenant = self.owner if isinstance(self.owner, Tenant) else self.owner.tenant
        rows = rows.filter(tenant=tenant, account=self.owner if isinstance(self.owner, EmailAccount) else None)
        latest = rows.order_by("-pk").first()
        return latest if latest is not None and latest.send_system in {None, move.number} and not latest.of_prospect else None

    def _failed(self, row: Diagnosis | None) -> dict[str, Any] | None:
        lines = lines_of(document_of(row, self.reader)) if row is not None and not row.running else []
        return next((line for line in lines if line["verdict"] == "failed" and line["step"] != Step.DOMAIN), None)

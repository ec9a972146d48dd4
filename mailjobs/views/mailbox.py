"""A mailbox connected by consent: what was consented to and until when it holds, *Connect mailbox*, and the way back."""

import secrets
import time
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from mailjobs.consenting import NoConsent, Place, ask, consent_at, logs_in_as_program, place_of, receive, token_at, withdraw
from mailjobs.core.envelope import TransportError
from mailjobs.remedies import say_error
from mailsettings.access import Right, may, tenants_visible_to, visible_to
from mailsettings.changes import Owner
from mailsettings.forms.sheet import locks_on
from mailsettings.models import EmailAccount, Tenant, User
from mailsettings.portal import SettingsPage, book_of
from mailsettings.wording import SEND_SYSTEM_LABELS

ASKED = "mailbox_consent"  # in the session: what was asked for last
ASKED_FOR = 15 * 60.0  # seconds that somebody may take to consent
_LONGEST_CODE = 4_000


class Mailbox(SettingsPage):
    """The consent of one account, tenant or user; a post forgets it. Who may edit these settings may connect the mailbox."""

    template_name = "mailjobs/mailbox.html"
    right = None

    @cached_property
    def owner(self) -> Owner:
        return owner_for(self.reader, self.kwargs["kind"], self.kwargs["pk"])

    def get(self, request: HttpRequest, kind: str, pk: int) -> HttpResponse:
        place = place_of(self.owner)
        consent, fits = consent_at(place)
        locked = "oauth_client_id" in locks_on(self.owner, self.reader)
        url = "" if locked or not place.ready else asked_at(request, (kind, pk), place)
        token = token_at(place)
        return self.show(
            place=place,
            consent=consent,
            fits=fits,
            other=consent is not None and _is_other(consent.mailbox, place.mailbox),
            token=token,
            program=logs_in_as_program(place),
            scopes=place.scope.split(),
            refusal=say_error((consent.refusal if consent else "") or (token.refusal if token else "")),
            locked=locked,
            authorize_url=url,
            redirect_uri=redirect_uri(request),
            system=SEND_SYSTEM_LABELS[place.system.number],
            back=back_to(self.owner, self.reader),
            title=title_of(self.owner),
        )

    def post(self, request: HttpRequest, kind: str, pk: int) -> HttpResponse:
        owner = self.owner  # 404 before anything else
        if request.POST.get("action") == "forget" and "oauth_client_id" not in locks_on(owner, self.reader):
            withdraw(book_of(self.reader), place_of(owner))
            messages.success(request, _("The consent is forgotten. Withdraw it at the provider too."))
        return HttpResponseRedirect(reverse("mailbox", args=[kind, pk]))


class MailboxCallback(SettingsPage):
    """Where the authority sends the browser back to; each state serves once, in the session and for the user that asked."""

    right = None

    def get(self, request: HttpRequest) -> HttpResponse:
        asked = request.session.pop(ASKED, None)
        if not isinstance(asked, dict) or not self._is_ours(asked):
            messages.error(
                request, _("This answer was not asked for here, or it came too late. Begin again with “Connect mailbox”.")
            )
            return HttpResponseRedirect(reverse("dashboard"))
        kind, pk = asked["owner"]
        owner = owner_for(self.reader, kind, pk)
        if "oauth_client_id" in locks_on(owner, self.reader):
            raise Http404
        self._take(place_of(owner, asked.get("system")), asked)
        return HttpResponseRedirect(asked.get("back") or reverse("mailbox", args=[kind, pk]))

    def _is_ours(self, asked: dict[str, Any]) -> bool:
        same = constant_time_compare(str(asked.get("state")), self.request.GET.get("state", ""))
        return same and asked.get("user") == self.reader.pk and 0 <= time.time() - float(asked.get("at", 0)) <= ASKED_FOR

    def _take(self, place: Place, asked: dict[str, Any]) -> None:
        code, refused = self.request.GET.get("code", "")[:_LONGEST_CODE], self.request.GET.get("error", "")
        if place.source.binding != asked["binding"] or not place.ready:
            messages.error(self.request, _("The settings have changed meanwhile. Begin again with “Connect mailbox”."))
        elif refused or not code:
            message = _("The consent was not given (%(reason)s). Nothing has changed.")
            messages.error(self.request, message % {"reason": _shown(refused)})
        else:
            self._redeem(place, code, asked)

    def _redeem(self, place: Place, code: str, asked: dict[str, Any]) -> None:
        try:
            mailbox = receive(
                book_of(self.reader), place, code=code, verifier=asked["verifier"], redirect_uri=asked["redirect_uri"]
            )
        except NoConsent as refused:
            reason = refused.said or _("no lasting access was granted")
            messages.error(self.request, _("The consent was not given (%(reason)s). Nothing has changed.") % {"reason": reason})
        except TransportError as error:
            message = _("The authority cannot be reached (%(error)s). Nothing has changed.")
            messages.error(self.request, message % {"error": say_error(str(error))})
        else:
            messages.success(self.request, _("The mailbox %(mailbox)s is connected.") % {"mailbox": mailbox or "–"})


def asked_at(request: HttpRequest, owner: tuple[str, int], place: Place, *, back: str = "", system: int | None = None) -> str:
    """The address at which somebody consents, empty where there is none; `owner` as the page of its mailbox is called.

    What proves that it was asked for here, and by whom, stays in the session, with the address of the page to go `back` to.
    """
    state, where = secrets.token_urlsafe(32), redirect_uri(request)
    asked = ask(place, state=state, redirect_uri=where)
    if asked is None:
        return ""
    request.session[ASKED] = {
        "state": state,
        "verifier": asked.verifier,
        "user": request.user.pk,
        "owner": list(owner),
        "binding": place.source.binding,
        "redirect_uri": where,
        "at": time.time(),
        "system": system,
        "back": back,
    }
    return asked.url


def redirect_uri(request: HttpRequest) -> str:
    """The address of the way back, which the app registration must name."""
    return request.build_absolute_uri(reverse("mailbox_callback"))


def owner_for(reader: User, kind: str, pk: int) -> Owner:
    """The account, tenant or user whose connection settings this reader may edit, else 404."""
    owner: Owner | None = None
    manages = may(reader, Right.MANAGE_SETTINGS)
    if kind == "account" and manages:
        owner = visible_to(EmailAccount.objects.select_related("tenant__firm"), reader).filter(pk=pk).first()
    elif kind == "tenant" and manages:
        owner = tenants_visible_to(reader).select_related("firm").filter(pk=pk).first()
    elif kind == "user" and (manages or (reader.pk == pk and may(reader, Right.OWN_SERVER))):
        owner = visible_to(User.objects.select_related("tenant__firm").exclude(tenant=None), reader).filter(pk=pk).first()
    if owner is None:
        raise Http404
    return owner


def _is_other(consenting: str, named: str) -> bool:
    return bool(consenting and named) and consenting.lower() != named.lower()


def _shown(refused: str) -> str:
    """The authority's code, which came through the browser: anybody can have written it."""
    return refused if refused.isascii() and refused.replace("_", "").isalnum() and len(refused) <= 40 else "–"


def title_of(owner: Owner) -> str:
    match owner:
        case EmailAccount():
            return owner.slug
        case Tenant():
            return owner.name
        case User():
            return owner.login


def back_to(owner: Owner, reader: User) -> str:
    match owner:
        case EmailAccount():
            return reverse("account", args=[owner.pk])
        case Tenant():
            return reverse("settings") + (f"?tenant={owner.slug}" if owner.pk != reader.tenant_id else "")
        case User():
            return reverse("own_settings") if owner.pk == reader.pk else reverse("user_settings", args=[owner.pk])

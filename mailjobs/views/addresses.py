"""The sender addresses that Com customers claim: which are confirmed, asking again, confirming (T4)."""

from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.generic.base import ContextMixin, TemplateResponseMixin, View

from mailjobs.confirmation import ask
from mailsettings.access import Right, may, tenants_visible_to
from mailsettings.changes import Book, Trust
from mailsettings.changes.claims import claim_of, confirm, disown
from mailsettings.models import ClaimedAddress, User
from mailsettings.portal import SettingsPage

MAILBOX = "mailbox"  # who confirmed: the address itself


class Addresses(SettingsPage):
    """The claimed addresses of a Com customer; a firm sees those of all its Com customers."""

    template_name = "mailjobs/addresses.html"
    right = None

    def get(self, request: HttpRequest) -> HttpResponse:
        rows = list(_visible(self.reader).select_related("tenant"))
        return self.show(rows=rows, several=not self._at_com_customer, may_confirm=_vouches(self.reader))

    @property
    def _at_com_customer(self) -> bool:
        return self.reader.tenant is not None and self.reader.tenant.is_com_customer


class AddressAsk(SettingsPage):
    """One more confirmation mail, or the firm's word for it."""

    right = None
    http_method_names = ["post"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = _visible(self.reader).select_related("tenant__firm").filter(pk=pk).first()
        if row is None:
            raise Http404
        if row.confirmed_at is not None:
            messages.info(request, _("%(address)s is confirmed already.") % {"address": row.address})
        elif request.POST.get("action") == "confirm" and _vouches(self.reader):
            with transaction.atomic():
                confirm(Book(self.reader.login, trust=Trust.ADMINISTRATOR), row, by=self.reader.login)
            messages.success(request, _("%(address)s is confirmed and can be used.") % {"address": row.address})
        else:
            ask(request, [row])
        return HttpResponseRedirect(reverse("addresses"))


class AddressConfirm(TemplateResponseMixin, ContextMixin, View):
    """Where the link in the mail leads; needs no log-in. Opening it changes nothing: mail filters open links too."""

    template_name = "mailjobs/address_confirm.html"

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        return self._show(claim_of(token))

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        row = claim_of(token)
        if row is None:
            return self._show(None)
        owned = request.POST.get("action") == "confirm"
        with transaction.atomic():
            if owned:
                confirm(Book(MAILBOX), row, by=MAILBOX)
            else:
                disown(Book(MAILBOX), row)
        return self._show(row, done="confirmed" if owned else "disowned")

    def _show(self, row: ClaimedAddress | None, *, done: str = "") -> HttpResponse:
        asker = User.objects.filter(login=row.asked_by).first() if row else None
        return self.render_to_response(
            self.get_context_data(claim=row, asker=asker, done=done), status=200 if row is not None else 404
        )


def _visible(reader: User) -> QuerySet[ClaimedAddress]:
    rows = ClaimedAddress.objects.filter(tenant__in=tenants_visible_to(reader))
    return rows if may(reader, Right.MANAGE_SETTINGS) else rows.filter(asked_by=reader.login)


def _vouches(reader: User) -> bool:
    """Whether this reader's word is enough: the firm's administrator, the operator."""
    return may(reader, Right.MANAGE_COM_CUSTOMERS)

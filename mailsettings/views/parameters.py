"""General and own settings: a sheet of parameters and the form over it."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from mailsettings.access import Right, may
from mailsettings.beforehand import said_beforehand
from mailsettings.core.addresses import key_of
from mailsettings.core.facts import Request
from mailsettings.foresight import concerned
from mailsettings.forms import ParameterForm, Sheet, sheet_of_tenant, sheet_of_user
from mailsettings.models import ClaimedAddress, Tenant
from mailsettings.portal import SettingsPage, write
from mailsettings.selectors import facts_of


class ParameterPage(SettingsPage):
    """A sheet of parameters and the form over it."""

    def sheet(self) -> Sheet:
        raise NotImplementedError

    def after(self) -> str:
        raise NotImplementedError

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show(form=ParameterForm(self.sheet()))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = ParameterForm(self.sheet(), request.POST)
        return redirect(self.after()) if write(request, form, concerned=self.concerned()) else self.show(form=form)

    def concerned(self) -> list[Tenant]:
        """The tenants whose matrix a change is shown for before it is saved (P9)."""
        return []


class GeneralSettings(ParameterPage):
    """The general settings of a tenant."""

    template_name = "mailsettings/settings.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        return super().get(request) if self.tenant else self.show(form=None)

    def sheet(self) -> Sheet:
        return sheet_of_tenant(self.chosen, self.reader)

    def after(self) -> str:
        return reverse("settings") + self.elsewhere

    def concerned(self) -> list[Tenant]:
        return concerned(self.chosen)


class OwnSettings(ParameterPage):
    """The reader's own settings."""

    template_name = "mailsettings/own_settings.html"
    right = Right.OWN_PARAMETERS

    def sheet(self) -> Sheet:
        return sheet_of_user(self.reader, self.reader)

    def after(self) -> str:
        return reverse("own_settings")

    def get_context_data(self, **shown: Any) -> dict[str, Any]:
        """P4: where mail would carry the firm's address, the page says so; T4: where the own one is not confirmed yet, too."""
        layers = shown["form"].sheet.layers
        unconfirmed = None
        if len(layers) > 2 and (key := key_of(str(layers[0].holder.values.get("sender_address", "")))):
            unconfirmed = ClaimedAddress.objects.filter(tenant=self.reader.tenant, key=key, confirmed_at=None).first()
        shown |= {"beforehand": said_beforehand(facts_of(self.reader, Request()), self.reader), "unconfirmed": unconfirmed}
        shown["connects"] = may(self.reader, Right.OWN_SERVER) or may(self.reader, Right.MANAGE_SETTINGS)  # a mailbox (OAuth)
        return super().get_context_data(**shown)

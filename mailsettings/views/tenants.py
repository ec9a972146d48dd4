"""Com customers and firms: a new one, and the form over one (T1, P8)."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from mailsettings.access import Right
from mailsettings.changes import Book
from mailsettings.forms.tenants import ComCustomerForm, FirmForm, FirmViewForm, NewFirmForm
from mailsettings.models import Tenant
from mailsettings.portal import SettingsPage, write


class ComCustomerNew(SettingsPage):
    """A new Com customer; an operator says of which firm."""

    template_name = "mailsettings/tenant_new.html"
    right = Right.MANAGE_COM_CUSTOMERS

    def get(self, request: HttpRequest) -> HttpResponse:
        firm = self.chosen
        if firm.is_com_customer:
            raise Http404
        form = ComCustomerForm(firm, None, request.POST if request.method == "POST" else None)
        if form.is_bound and write(request, form):
            made = Tenant.objects.get(slug=form.cleaned_data["slug"])
            messages.info(request, _("Next: an administrator of %(name)s, and a sender address of their own.") % {"name": made})
            return redirect("com_customer", made.pk)
        return self.show(form=form, firm=firm, back=reverse("com_customers") + self.elsewhere)

    post = get


class FirmNew(SettingsPage):
    """A new firm with its first administrator; the operator's."""

    template_name = "mailsettings/tenant_new.html"
    right = Right.OPERATE

    def get(self, request: HttpRequest) -> HttpResponse:
        form = NewFirmForm(None, request.POST if request.method == "POST" else None)
        if form.is_bound and write(request, form):
            return redirect(f"{reverse('com_customers')}?tenant={form.cleaned_data['slug']}")
        return self.show(form=form, firm=None, back=reverse("com_customers"))

    post = get


class FirmView(SettingsPage):
    """What a Com customer's firm sees of its mails, and whether it may read the letters: its own administrators say so (T7)."""

    template_name = "mailsettings/firm_view.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        tenant = self._own()
        initial = {"firm_reads_letters": tenant.firm_reads_letters}
        form = FirmViewForm(tenant, request.POST if request.method == "POST" else None, initial=initial)
        if form.is_bound and write(request, form):
            return redirect("firm_view")
        return self.show(form=form, own=tenant)

    post = get

    def _own(self) -> Tenant:
        """The reader's own Com customer; the firm's people and the operator have no say in it."""
        tenant = self.reader.tenant
        if tenant is None or not tenant.is_com_customer:
            raise Http404
        return tenant


class TenantEdit(SettingsPage):
    """An existing Com customer; the operator edits firms too. What else its page shows, another app adds."""

    right = Right.MANAGE_COM_CUSTOMERS

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        tenant = self._tenant(pk)
        data = request.POST if request.method == "POST" else None
        form = ComCustomerForm(tenant.firm, tenant, data) if tenant.firm else FirmForm(tenant, data)
        if form.is_bound and (book := write(request, form, concerned=self.concerned(tenant))):
            self.saved(tenant, book)
            return redirect("com_customer", tenant.pk)
        back = reverse("com_customers")
        firm = tenant.firm or tenant
        if firm.pk != self.reader.tenant_id:
            back += f"?tenant={firm.slug}"
        return self.show(form=form, tenant_shown=tenant, back=back, **self.more(tenant))

    post = get

    def concerned(self, tenant: Tenant) -> Sequence[Tenant]:
        """The tenants whose matrix a change is shown for before it is saved (P9); the name of a firm moves no cell."""
        return [tenant] if tenant.is_com_customer else []

    def more(self, tenant: Tenant) -> dict[str, Any]:
        """What else the page shows."""
        return {}

    def saved(self, tenant: Tenant, book: Book) -> None:
        """Called when a change was saved."""

    def _tenant(self, pk: int) -> Tenant:
        """A Com customer that this reader manages, for the operator a firm too, else 404."""
        rows = [row for row in self.tenants if row.pk == pk and (row.is_com_customer or self.reader.is_operator)]
        if not rows:
            raise Http404
        return rows[0]

"""Settings, e-mail accounts and employees: read, offer a form, hand it to `changes`."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django_tables2 import RequestConfig

from mailsettings.access import Right
from mailsettings.core.parameters import ParameterLevel, resolve
from mailsettings.forms import AccountForm, EmployeeForm, ParameterForm, Sheet, sheet_of_tenant, sheet_of_user
from mailsettings.models import EmailAccount, Employee, PrintModelAccount, Tenant
from mailsettings.portal import SettingsPage, write
from mailsettings.tables import AccountTable, EmployeeTable

ROWS = 25


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
        return redirect(self.after()) if write(request, form) else self.show(form=form)


class GeneralSettings(ParameterPage):
    """The general settings of a tenant."""

    template_name = "mailsettings/settings.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        return super().get(request) if self.tenant else self.show(form=None)

    def sheet(self) -> Sheet:
        return sheet_of_tenant(self.chosen, self.reader)

    def after(self) -> str:
        return reverse("settings") + self.elsewhere


class OwnSettings(ParameterPage):
    """The reader's own settings."""

    template_name = "mailsettings/own_settings.html"
    right = Right.OWN_PARAMETERS

    def sheet(self) -> Sheet:
        return sheet_of_user(self.reader)

    def after(self) -> str:
        return reverse("own_settings")

    def get_context_data(self, **shown: Any) -> dict[str, Any]:
        """P4: where mail would carry the firm's address, the page says so."""
        layers = shown["form"].sheet.layers
        origin = resolve(layers, "sender_address")
        of_firm = len(layers) > 2 and origin.layer is not None and origin.layer.level is ParameterLevel.FIRM
        return super().get_context_data(**shown, address_of_firm=origin.value if of_firm else None)


class Accounts(SettingsPage):
    """The e-mail accounts of a tenant."""

    template_name = "mailsettings/accounts.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        rows = EmailAccount.objects.filter(tenant=self.tenant).select_related("user").prefetch_related("print_models")
        table = AccountTable(rows)
        RequestConfig(request, paginate={"per_page": ROWS}).configure(table)
        return self.show(table=table if rows else None)


class AccountPage(SettingsPage):
    """One account and the form over it."""

    template_name = "mailsettings/account.html"

    def answer(self, tenant: Tenant, account: EmailAccount | None) -> HttpResponse:
        form = AccountForm(tenant, self.reader, account, self.request.POST if self.request.method == "POST" else None)
        if form.is_bound and write(self.request, form):
            return redirect(_list("accounts", tenant, self))
        models = account.print_models.order_by("slug") if account else ()
        own = PrintModelAccount.objects.filter(account=account).select_related("print_model", "user") if account else ()
        back = _list("accounts", tenant, self)
        return self.show(form=form, tenant=tenant, account=account, print_models=models, user_accounts=own, back=back)


class AccountNew(AccountPage):
    """A new account."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.answer(self.chosen, None)

    post = get


class Account(AccountPage):
    """An existing account."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        account = self.one_of(EmailAccount.objects.select_related("tenant__firm", "user"), pk)
        return self.answer(account.tenant, account)

    post = get


class Employees(SettingsPage):
    """The employees of a tenant, searched by name, address or user-ID."""

    template_name = "mailsettings/employees.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        query = request.GET.get("q", "").strip()
        rows = Employee.objects.filter(tenant=self.tenant).select_related("user")
        table = EmployeeTable(_search(rows, query))
        RequestConfig(request, paginate={"per_page": ROWS}).configure(table)
        keep = [("tenant", self.chosen.slug)] if self.tenant and self.elsewhere else []
        return self.show(table=table, query=query, total=rows.count(), found=len(table.data), keep=keep)


class EmployeePage(SettingsPage):
    """One employee and the form over it."""

    template_name = "mailsettings/employee.html"

    def answer(self, tenant: Tenant, employee: Employee | None) -> HttpResponse:
        form = EmployeeForm(tenant, employee, self.request.POST if self.request.method == "POST" else None)
        if form.is_bound and write(self.request, form):
            return redirect(_list("employees", tenant, self))
        return self.show(form=form, tenant=tenant, employee=employee, back=_list("employees", tenant, self))


class EmployeeNew(EmployeePage):
    """A new employee."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.answer(self.chosen, None)

    post = get


class EmployeeEdit(EmployeePage):
    """An existing employee."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        employee = self.one_of(Employee.objects.select_related("tenant__firm", "user"), pk)
        return self.answer(employee.tenant, employee)

    post = get


def _search(rows: QuerySet[Employee], query: str) -> list[Employee]:
    """Employees with all words in name, addresses or user-ID; in Python, as the further addresses are a list in one column."""
    words = query.casefold().split()
    return [row for row in rows if all(word in _text_of(row) for word in words)]


def _text_of(employee: Employee) -> str:
    login = employee.user.login if employee.user else ""
    return " ".join((employee.number, employee.name, *employee.addresses, login)).casefold()


def _list(name: str, tenant: Tenant, page: SettingsPage) -> str:
    """The address of the list that a row of this tenant stands in."""
    return reverse(name) + (f"?tenant={tenant.slug}" if tenant.pk != page.reader.tenant_id else "")

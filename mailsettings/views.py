"""The settings pages: general and own parameters, e-mail accounts, employees."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.db import transaction
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.generic.base import View

from mailsettings import changes
from mailsettings.access import Right, may, tenants_visible_to, visible_to
from mailsettings.changes import Book, Refused
from mailsettings.core.parameters import SECRET_KEYS
from mailsettings.forms import AccountForm, EmployeeForm, Form, ParameterForm, without
from mailsettings.models import EmailAccount, Employee, Tenant, User
from mailsettings.portal import sheet_of
from mailsettings.tables import AccountTable, EmployeeTable


class SettingsView(LoginRequiredMixin, View):
    """A settings page: 404 for whom its right is missing; `tenant` is the reader's own, or the visible one of `?tenant=`."""

    right = Right.MANAGE_SETTINGS
    reader: User

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not isinstance(request.user, User):
            return self.handle_no_permission()
        self.reader = request.user
        if not may(self.reader, self.right):
            raise Http404
        response: HttpResponse = super().dispatch(request, *args, **kwargs)  # type: ignore[assignment]
        return response

    def tenant(self) -> Tenant:
        asked = self.request.GET.get("tenant")
        found = tenants_visible_to(self.reader).select_related("firm")
        tenant = found.filter(slug=asked).first() if asked else found.filter(pk=self.reader.tenant_id or 0).first()
        if tenant is None and asked is None and self.reader.is_operator:
            tenant = found.order_by("kind", "name").first()
        if tenant is None:
            raise Http404
        return tenant

    def show(self, template: str, status: int = 200, **shown: object) -> HttpResponse:
        return render(self.request, template, shown, status=status)

    def save(self, form: Form, change: Callable[[Book], object]) -> bool:
        """Carry a change out in one transaction; what is refused becomes errors of the form, what is unwise a message."""
        book = Book(self.reader.login)
        try:
            with transaction.atomic():
                change(book)
        except Refused as refused:
            form.object(refused)
            return False
        for warning in dict.fromkeys(book.warnings):
            messages.warning(self.request, warning)
        messages.success(self.request, _("Saved.") if book.records else _("Nothing has changed."))
        return True


class ParametersView(SettingsView):
    """A form of parameters; what it saves is named by the subclass."""

    def owner(self) -> Tenant | User:
        raise NotImplementedError

    def get(self, request: HttpRequest) -> HttpResponse:
        owner = self.owner()
        return self._page(owner, ParameterForm(None, sheet=sheet_of(owner, self.reader), reader=self.reader))

    def post(self, request: HttpRequest) -> HttpResponse:
        owner = self.owner()
        inherit = request.POST.get("inherit", "")
        data = without(request.POST, inherit) if inherit else request.POST
        form = ParameterForm(data, sheet=sheet_of(owner, self.reader), reader=self.reader)
        if form.is_valid() and self.save(form, lambda book: _save_parameters(book, owner, form, inherit)):
            return HttpResponseRedirect(request.get_full_path())
        return self._page(owner, form, status=422)

    def _page(self, owner: Tenant | User, form: ParameterForm, status: int = 200) -> HttpResponse:
        others = tenants_visible_to(self.reader).order_by("kind", "name") if isinstance(owner, Tenant) else []
        return self.show("mailsettings/parameters.html", status, form=form, owner=owner, tenants=others)


class GeneralSettings(ParametersView):
    """*Allgemeine Einstellungen* of a tenant."""

    def owner(self) -> Tenant:
        return self.tenant()


class OwnSettings(ParametersView):
    """*Eigene Einstellungen* of the reader."""

    right = Right.OWN_PARAMETERS

    def owner(self) -> User:
        return self.reader


def _save_parameters(book: Book, owner: Tenant | User, form: ParameterForm, inherit: str) -> None:
    own = changes.own_values(owner)
    values = {**own, **form.values}
    if isinstance(owner, User) and values.get("sender_address") != own.get("sender_address"):
        changes.refuse_own_sender(owner, str(values.get("sender_address") or ""))
    changes.save_parameters(book, owner, values)
    for key, secret in form.entered_secrets().items():
        changes.save_secret(book, owner, key, secret)
    if inherit in SECRET_KEYS:
        changes.forget_secret(book, owner, inherit)


class Accounts(SettingsView):
    """The list of e-mail accounts."""

    def get(self, request: HttpRequest) -> HttpResponse:
        rows = visible_to(EmailAccount.objects.all(), self.reader).filter(tenant=self.tenant())
        found = _searched(rows, request, "slug", "sender_address", "user__login")
        table = AccountTable(found.select_related("user").prefetch_related("print_models"))
        return self.show("mailsettings/accounts.html", table=table, count=len(table.data), query=request.GET.get("q", ""))


class AccountPage(SettingsView):
    """One e-mail account, or a new one."""

    def get(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        account, tenant = self._account(pk)
        return self._page(AccountForm(None, tenant=tenant, account=account), account)

    def post(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        account, tenant = self._account(pk)
        form = AccountForm(request.POST, tenant=tenant, account=account)
        if form.is_valid() and self.save(form, lambda book: self._save(book, form, tenant)):
            return HttpResponseRedirect(reverse("accounts"))
        return self._page(form, account, status=422)

    def _account(self, pk: int | None) -> tuple[EmailAccount | None, Tenant]:
        if pk is None:
            return None, self.tenant()
        account = visible_to(EmailAccount.objects.select_related("tenant__firm"), self.reader).filter(pk=pk).first()
        if account is None:
            raise Http404
        return account, account.tenant

    def _save(self, book: Book, form: AccountForm, tenant: Tenant) -> None:
        data = form.cleaned_data
        account = changes.save_account(
            book,
            tenant=tenant,
            slug=data["slug"],
            sender_address=data["sender_address"],
            values=form.values,
            user=data["user"],
            active=data["active"],
        )
        for key, secret in form.entered_secrets().items():
            changes.save_secret(book, account, key, secret)

    def _page(self, form: AccountForm, account: EmailAccount | None, status: int = 200) -> HttpResponse:
        return self.show("mailsettings/account.html", status, form=form, account=account)


class Employees(SettingsView):
    """The list of employees."""

    def get(self, request: HttpRequest) -> HttpResponse:
        rows = visible_to(Employee.objects.all(), self.reader).filter(tenant=self.tenant())
        found = _searched(rows, request, "name", "email", "additional_emails", "user__login")
        table = EmployeeTable(found.select_related("user"))
        return self.show("mailsettings/employees.html", table=table, count=len(table.data), query=request.GET.get("q", ""))


class EmployeePage(SettingsView):
    """One employee, or a new one."""

    def get(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        employee, tenant = self._employee(pk)
        return self._page(EmployeeForm(None, tenant=tenant, employee=employee), employee)

    def post(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        employee, tenant = self._employee(pk)
        form = EmployeeForm(request.POST, tenant=tenant, employee=employee)
        if form.is_valid() and self.save(form, lambda book: self._save(book, form, tenant, employee)):
            return HttpResponseRedirect(reverse("employees"))
        return self._page(form, employee, status=422)

    def _employee(self, pk: int | None) -> tuple[Employee | None, Tenant]:
        if pk is None:
            return None, self.tenant()
        employee = (
            visible_to(Employee.objects.select_related("tenant__firm", "user__tenant__firm"), self.reader).filter(pk=pk).first()
        )
        if employee is None:
            raise Http404
        return employee, employee.tenant

    def _save(self, book: Book, form: EmployeeForm, tenant: Tenant, employee: Employee | None) -> None:
        data = form.cleaned_data
        before = employee.addresses if employee else []
        saved = changes.save_employee(
            book,
            tenant=tenant,
            number=data["number"],
            name=data["name"],
            email=data["email"],
            additional_emails=form.further,
            user=data["user"],
            active=data["active"],
        )
        changes.refuse_vanishing_address(saved, before)
        if any(record.action == "parameters" for record in book.records):
            message = _("The e-mail is now the own sender address of the user %(user)s, too.")
            messages.info(self.request, message % {"user": data["user"]})

    def _page(self, form: EmployeeForm, employee: Employee | None, status: int = 200) -> HttpResponse:
        return self.show("mailsettings/employee.html", status, form=form, employee=employee)


def _searched(rows: Any, request: HttpRequest, *names: str) -> Any:
    text = request.GET.get("q", "").strip()
    if not text:
        return rows
    found = Q()
    for name in names:
        found |= Q(**{f"{name}__icontains": text})
    return rows.filter(found)

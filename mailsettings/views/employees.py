"""Employees: the list, searched, and the form over one."""

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django_tables2 import RequestConfig

from mailsettings.forms import EmployeeForm
from mailsettings.leavers import mentions_of
from mailsettings.models import Employee, Tenant
from mailsettings.portal import ROWS, SettingsPage, list_url, write
from mailsettings.tables import EmployeeTable


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
            return redirect(list_url("employees", tenant, self))
        mentions = mentions_of(employee) if employee is not None and not employee.is_active else ()
        back = list_url("employees", tenant, self)
        return self.show(form=form, tenant=tenant, employee=employee, mentions=mentions, back=back)


class EmployeeNew(EmployeePage):
    """A new employee."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.answer(self.chosen, None)

    post = get


class EmployeeEdit(EmployeePage):
    """An existing employee."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        employee = self.one_of(Employee.objects.select_related("tenant__firm", "user__tenant__firm", "user__deputy"), pk)
        return self.answer(employee.tenant, employee)

    post = get


def _search(rows: QuerySet[Employee], query: str) -> list[Employee]:
    """Employees with all words in name, addresses or user-ID; in Python, as the further addresses are a list in one column."""
    words = query.casefold().split()
    return [row for row in rows if all(word in _text_of(row) for word in words)]


def _text_of(employee: Employee) -> str:
    login = employee.user.login if employee.user else ""
    return " ".join((employee.number, employee.name, *employee.addresses, login)).casefold()

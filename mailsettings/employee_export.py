"""Employees as a spreadsheet that imports to the same, and the empty form of it (Z12)."""

from collections.abc import Iterable

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from mailsettings.employee_columns import EXPORTED, heading_of, join_addresses
from mailsettings.models import Employee, Tenant
from mailsettings.spreadsheet import write_table

# Data, as the headings are: every import understands both languages.
_WORDS = {True: {True: "ja", False: "nein"}, False: {True: "yes", False: "no"}}


def export_employees(tenant: Tenant, kind: str) -> bytes:
    """All employees of a tenant as a CSV or XLSX file."""
    return _file(kind, Employee.objects.filter(tenant=tenant).select_related("user").order_by("number"))


def template(kind: str) -> bytes:
    """A file with nothing but the headings."""
    return _file(kind, ())


def _file(kind: str, employees: Iterable[Employee]) -> bytes:
    """As spreadsheets of the reader's language expect it."""
    german = (get_language() or "").startswith("de")
    rows = [
        [
            employee.number,
            employee.name,
            employee.email,
            join_addresses(employee.additional_emails),
            employee.user.login if employee.user else "",
            _WORDS[german][employee.is_active],
        ]
        for employee in employees
    ]
    head = [heading_of(column) for column in EXPORTED]
    return write_table(kind, [head, *rows], title=_("Employees"), delimiter=";" if german else ",")

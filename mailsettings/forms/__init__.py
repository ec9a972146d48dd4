"""The forms of the settings pages."""

from mailsettings.forms.accounts import AccountForm
from mailsettings.forms.employees import EmployeeForm
from mailsettings.forms.parameters import ParameterForm
from mailsettings.forms.sheet import Sheet, sheet_of_tenant, sheet_of_user
from mailsettings.forms.users import UserForm

__all__ = ["AccountForm", "EmployeeForm", "ParameterForm", "Sheet", "UserForm", "sheet_of_tenant", "sheet_of_user"]

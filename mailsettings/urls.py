"""Addresses of the settings pages."""

from django.urls import path

from mailsettings.views import accounts, employees, parameters

urlpatterns = [
    path("settings/", parameters.GeneralSettings.as_view(), name="settings"),
    path("settings/own/", parameters.OwnSettings.as_view(), name="own_settings"),
    path("email-accounts/", accounts.Accounts.as_view(), name="accounts"),
    path("email-accounts/new/", accounts.AccountNew.as_view(), name="account_new"),
    path("email-accounts/<int:pk>/", accounts.Account.as_view(), name="account"),
    path("employees/", employees.Employees.as_view(), name="employees"),
    path("employees/new/", employees.EmployeeNew.as_view(), name="employee_new"),
    path("employees/<int:pk>/", employees.EmployeeEdit.as_view(), name="employee"),
]

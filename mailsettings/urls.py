"""Addresses of the settings pages."""

from django.urls import path

from mailsettings import views

urlpatterns = [
    path("settings/", views.GeneralSettings.as_view(), name="settings"),
    path("settings/own/", views.OwnSettings.as_view(), name="own_settings"),
    path("email-accounts/", views.Accounts.as_view(), name="accounts"),
    path("email-accounts/new/", views.AccountNew.as_view(), name="account_new"),
    path("email-accounts/<int:pk>/", views.Account.as_view(), name="account"),
    path("employees/", views.Employees.as_view(), name="employees"),
    path("employees/new/", views.EmployeeNew.as_view(), name="employee_new"),
    path("employees/<int:pk>/", views.EmployeeEdit.as_view(), name="employee"),
]

"""Addresses of the settings pages."""

from django.urls import path

from mailsettings.views import accounts, employee_import, employees, locks, parameters, print_models, tenants, users

urlpatterns = [
    path("settings/", parameters.GeneralSettings.as_view(), name="settings"),
    path("settings/own/", parameters.OwnSettings.as_view(), name="own_settings"),
    path("settings/firm-view/", tenants.FirmView.as_view(), name="firm_view"),
    path("settings/locks/", locks.Locks.as_view(), name="locks"),
    path("com-customers/new/", tenants.ComCustomerNew.as_view(), name="com_customer_new"),
    path("com-customers/firms/new/", tenants.FirmNew.as_view(), name="firm_new"),
    path("email-accounts/", accounts.Accounts.as_view(), name="accounts"),
    path("email-accounts/new/", accounts.AccountNew.as_view(), name="account_new"),
    path("email-accounts/<int:pk>/", accounts.Account.as_view(), name="account"),
    path("print-models/", print_models.PrintModels.as_view(), name="print_models"),
    path("print-models/new/", print_models.PrintModelNew.as_view(), name="print_model_new"),
    path("print-models/<int:pk>/", print_models.PrintModelEdit.as_view(), name="print_model"),
    path("print-models/<int:pk>/stage/", print_models.PrintModelStage.as_view(), name="print_model_stage"),
    path("employees/", employees.Employees.as_view(), name="employees"),
    path("employees/new/", employees.EmployeeNew.as_view(), name="employee_new"),
    path("employees/export/", employee_import.EmployeeExport.as_view(), name="employee_export"),
    path("employees/import/", employee_import.EmployeeUpload.as_view(), name="employee_upload"),
    path("employees/import/template/", employee_import.EmployeeTemplate.as_view(), name="employee_template"),
    path("employees/import/<slug:key>/", employee_import.EmployeeImport.as_view(), name="employee_import"),
    path("employees/<int:pk>/", employees.EmployeeEdit.as_view(), name="employee"),
    path("users/", users.Users.as_view(), name="users"),
    path("users/new/", users.UserNew.as_view(), name="user_new"),
    path("users/<int:pk>/", users.UserEdit.as_view(), name="user"),
    path("users/<int:pk>/settings/", users.UserSettings.as_view(), name="user_settings"),
]

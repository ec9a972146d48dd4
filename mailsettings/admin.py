"""The operator's view of the settings: everything to read, nothing to write, no secret in sight."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from mailsettings.models import AuditEvent, ClaimedAddress, EmailAccount, Employee, ParameterSet, PrintModel, Tenant, User

if isinstance(admin.site.get_model_admin(Group), GroupAdmin):  # registered by the import above; the portal has no groups
    admin.site.unregister(Group)
admin.site.site_header = admin.site.site_title = "Postausgang"


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Lists and details; changes go through the portal, the import and the command line, which know their consequences.

    `portal_page`: the URL name of the page that changes such a row; *View on site* leads there.
    """

    portal_page = ""

    def get_view_on_site_url(self, obj: Model | None = None) -> str | None:
        return reverse(self.portal_page, args=[obj.pk]) if obj is not None and self.portal_page else None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Tenant)
class TenantAdmin(ReadOnlyAdmin):
    list_display = ("slug", "name", "kind", "firm", "sends_as_firm")
    list_filter = ("kind",)
    search_fields = ("slug", "name")


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    list_display = ("login", "name", "role", "tenant", "is_active", "last_login")
    list_filter = ("role", "is_active")
    search_fields = ("login", "name", "email")
    exclude = ("password",)


@admin.register(Employee)
class EmployeeAdmin(ReadOnlyAdmin):
    portal_page = "employee"
    list_display = ("name", "tenant", "email", "user", "is_active")
    search_fields = ("name", "email")


@admin.register(EmailAccount)
class EmailAccountAdmin(ReadOnlyAdmin):
    portal_page = "account"
    list_display = ("slug", "tenant", "sender_address", "user", "is_active")
    search_fields = ("slug", "sender_address")


@admin.register(PrintModel)
class PrintModelAdmin(ReadOnlyAdmin):
    portal_page = "print_model"
    list_display = ("slug", "tenant", "context", "account", "delivery_mode", "stage", "is_active")
    list_filter = ("stage", "delivery_mode")
    exclude = ("text", "html")  # bodies are the tenants' own


@admin.register(ParameterSet)
class ParameterSetAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "tenant", "user")


@admin.register(ClaimedAddress)
class ClaimedAddressAdmin(ReadOnlyAdmin):
    list_display = ("address", "tenant", "confirmed_at", "confirmed_by", "disowned_at")
    search_fields = ("key",)
    exclude = ("token_digest",)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor", "tenant", "action", "subject")
    list_filter = ("action",)
    exclude = ("before", "after", "digest")  # texts among them; the portal's audit log shows what the operator may read
    search_fields = ("actor", "subject")

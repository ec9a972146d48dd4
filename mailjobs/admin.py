"""The operator's view of the mail: states, errors and workers to read; bodies are never shown."""

from django.contrib import admin

from mailjobs.models import InternalMessage, LoginPause, MailJob, MailLogEntry, WorkerSign
from mailsettings.admin import ReadOnlyAdmin


@admin.register(MailJob)
class MailJobAdmin(ReadOnlyAdmin):
    list_display = ("id", "state", "tenant", "user", "sender_address", "created_at", "attempts", "last_error")
    list_filter = ("state",)
    search_fields = ("message_id", "last_error")


@admin.register(MailLogEntry)
class MailLogEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "outcome", "tenant", "user", "sender_address", "server", "error")
    list_filter = ("outcome",)


@admin.register(InternalMessage)
class InternalMessageAdmin(ReadOnlyAdmin):
    list_display = ("at", "kind", "user", "error", "read_at")
    list_filter = ("kind",)


@admin.register(LoginPause)
class LoginPauseAdmin(ReadOnlyAdmin):
    list_display = ("login", "since", "reply")
    exclude = ("fingerprint",)


@admin.register(WorkerSign)
class WorkerSignAdmin(ReadOnlyAdmin):
    list_display = ("name", "seen_at")

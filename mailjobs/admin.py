"""The operator's view of the mail: states, errors and workers to read; bodies are never shown."""

from django.contrib import admin

from mailjobs.models import Incident, InternalMessage, MailJob, MailLogEntry, SharedConnection, WorkerSign
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


@admin.register(Incident)
class IncidentAdmin(ReadOnlyAdmin):
    list_display = ("tenant", "reason", "failures", "first_at", "last_at", "closed_at", "error")
    list_filter = ("reason",)


@admin.register(SharedConnection)
class SharedConnectionAdmin(ReadOnlyAdmin):
    list_display = ("key", "sessions", "paused_at", "paused_reply", "blocked_until", "block_reason", "block_reply")
    exclude = ("proven", "paused_fingerprint")


@admin.register(WorkerSign)
class WorkerSignAdmin(ReadOnlyAdmin):
    list_display = ("name", "seen_at")

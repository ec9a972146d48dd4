"""What people read: the log, internal messages, incidents (J2, J4, J8)."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from mailjobs.models.jobs import MailJob
from mailjobs.models.sharing import SharedConnection
from mailsettings.models import Tenant, User


class LogOutcome(models.TextChoices):
    """What a line of the log says; *SMTP OK* means handed over, nothing more (J4)."""

    HANDED_OVER = "handed_over", _("SMTP OK")
    PARTLY = "partly", _("Partly handed over")
    FAILED = "failed", _("Failed")
    UNKNOWN = "unknown", _("Uncertain")
    TAKEN_AS_SENT = "taken_as_sent", _("Taken as sent")  # nobody knows it: a person or the account's policy said so
    REFUSED = "refused", _("Refused")
    CANCELLED = "cancelled", _("Withdrawn")


class MailLogEntry(models.Model):
    """One line per mail and one per failure (J4).

    What it names was there a moment ago, in the same transaction: the database need not lock tenant and user for each line.
    """

    tenant = models.ForeignKey(
        Tenant, models.PROTECT, related_name="mail_log", db_index=False, db_constraint=False, verbose_name=_("tenant")
    )
    user = models.ForeignKey(
        User, models.PROTECT, related_name="mail_log", db_index=False, db_constraint=False, verbose_name=_("acting user")
    )
    job = models.ForeignKey(MailJob, models.SET_NULL, null=True, blank=True, related_name="log")
    at = models.DateTimeField(_("at"), db_default=Now())
    outcome = models.CharField(_("result"), max_length=16, choices=LogOutcome)
    subject = models.TextField(_("subject"), blank=True)
    sender_address = models.CharField(_("sender"), max_length=400, blank=True)
    recipients = models.JSONField(_("recipients"), default=list)
    error = models.TextField(_("error"), blank=True)
    error_code = models.CharField(max_length=40, blank=True)  # of a refusal
    server = models.CharField(_("mail server"), max_length=300, blank=True)
    send_system = models.PositiveSmallIntegerField(_("send system"), null=True, blank=True)
    redirected_to = models.JSONField(null=True, blank=True)
    message_id = models.CharField(max_length=320, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    plan = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("log entry")
        verbose_name_plural = _("e-mail log")
        ordering: ClassVar[list[str]] = ["-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant", "outcome", "id"], name="mail_log_of_tenant"),
            models.Index(fields=["user", "outcome", "id"], name="mail_log_of_user"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.outcome}"


class Incident(models.Model):
    """Failures of one cause at one tenant, counted (J8); a new one begins when they come again after it was closed."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="incidents", verbose_name=_("tenant"))
    cause = models.CharField(max_length=200)  # what makes two failures the same, as `core.incidents` writes it
    reason = models.CharField(max_length=32)  # a `ReplyClass`
    connection = models.ForeignKey(SharedConnection, models.SET_NULL, null=True, blank=True, related_name="incidents")
    error = models.TextField(_("error"), blank=True)  # of the latest failure
    failures = models.PositiveIntegerField(_("failures"), default=0)
    first_at = models.DateTimeField(_("first"), db_default=Now())
    last_at = models.DateTimeField(_("last"), db_default=Now())
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)

    class Meta:
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        ordering: ClassVar[list[str]] = ["-last_at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("tenant", "cause", name="incident_once_while_open", condition=Q(closed_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.tenant_id}: {self.cause}"


class SavedFilter(models.Model):
    """What a list was narrowed to, under a name that its reader has given."""

    class List(models.TextChoices):
        JOBS = "jobs", _("Mail jobs")
        LOG = "log", _("E-mail log")

    user = models.ForeignKey(User, models.CASCADE, related_name="saved_filters", db_index=False)
    where = models.CharField(max_length=8, choices=List)
    name = models.CharField(_("name"), max_length=60)
    query = models.TextField()  # of the address, as `filters.kept_of` writes it

    class Meta:
        verbose_name = _("saved filter")
        verbose_name_plural = _("saved filters")
        ordering: ClassVar[list[str]] = ["name", "id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("user", "where", "name", name="saved_filter_once_per_name"),
        ]

    def __str__(self) -> str:
        return self.name


class InternalMessage(models.Model):
    """A notice to a user inside the portal (*interne Nachricht*, J2); the words are made when it is shown."""

    class Kind(models.TextChoices):
        FAILED = "failed", _("A mail failed")
        PARTLY = "partly", _("A mail reached some recipients only")
        UNKNOWN = "unknown", _("It is uncertain whether a mail went out")
        DELAYED = "delayed", _("A mail is delayed")
        REFUSED = "refused", _("A mail was refused")
        HELD = "held", _("A mail waits for you")
        REJECTED = "rejected", _("The firm has not released a mail")
        BOUNCED = "bounced", _("A mail came back")
        PASSED_ON = "passed_on", _("Mails of a deactivated user are now yours")

    user = models.ForeignKey(User, models.CASCADE, related_name="internal_messages", db_index=False, verbose_name=_("for"))
    job = models.ForeignKey(MailJob, models.CASCADE, null=True, blank=True, related_name="internal_messages")
    kind = models.CharField(max_length=16, choices=Kind)
    subject = models.TextField(blank=True)
    recipients = models.JSONField(default=list)
    error = models.TextField(blank=True)
    error_code = models.CharField(max_length=40, blank=True)  # of a refusal or a hold
    incident = models.ForeignKey(Incident, models.SET_NULL, null=True, blank=True, related_name="messages")
    mails = models.PositiveIntegerField(default=1)  # how many mails it tells of; `job` is the first of them
    at = models.DateTimeField(_("at"), db_default=Now())
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("internal message")
        verbose_name_plural = _("internal messages")
        ordering: ClassVar[list[str]] = ["-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["user", "-id"], name="internal_message_by_user"),
            models.Index(fields=["user", "-id"], name="internal_message_unread", condition=Q(read_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"

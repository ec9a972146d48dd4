"""Mail jobs, their recipients and attempts, the log, internal messages: what a mail promises (delivery contract).

Nothing but `submission`, `queue` and `notices` writes these tables.
"""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from mailsettings.models import EmailAccount, PrintModel, Tenant, User


class StateChoices(models.TextChoices):
    """The states of delivery contract 1, with the words people see."""

    NEW = "new", _("New")
    HELD = "held", _("Held")
    SENDING = "sending", _("Being sent")
    DEFERRED = "deferred", _("Delayed")
    SENT = "sent", _("Handed over")
    PARTLY_SENT = "partly_sent", _("Partly handed over")
    FAILED = "failed", _("Failed")
    UNKNOWN = "unknown", _("Uncertain")
    CANCELLED = "cancelled", _("Withdrawn")


class RecipientStateChoices(models.TextChoices):
    PENDING = "pending", _("Waiting")
    ACCEPTED = "accepted", _("Accepted by the server")
    REFUSED = "refused", _("Refused")
    DEFERRED = "deferred", _("Delayed")
    UNKNOWN = "unknown", _("Uncertain")


WAITING_STATES = (StateChoices.NEW, StateChoices.DEFERRED)
FINAL_STATES = (
    StateChoices.SENT,
    StateChoices.PARTLY_SENT,
    StateChoices.FAILED,
    StateChoices.UNKNOWN,
    StateChoices.CANCELLED,
)
REQUEUEABLE_STATES = (StateChoices.FAILED, StateChoices.PARTLY_SENT, StateChoices.UNKNOWN, StateChoices.CANCELLED)


class MailJob(models.Model):
    """One stored mail to be sent: frozen when it is made, but for server and credentials (J10)."""

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="mail_jobs", verbose_name=_("tenant"))
    user = models.ForeignKey(User, models.PROTECT, related_name="mail_jobs", verbose_name=_("acting user"))
    print_model = models.ForeignKey(
        PrintModel, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("print model")
    )
    account = models.ForeignKey(
        EmailAccount, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("e-mail account")
    )
    run = models.CharField(_("print run"), max_length=200, blank=True)
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)
    request_digest = models.CharField(max_length=64, blank=True)
    document_key = models.CharField(_("document"), max_length=300, blank=True)

    state = models.CharField(_("status"), max_length=16, choices=StateChoices, default=StateChoices.NEW)
    epoch = models.PositiveIntegerField(default=0)
    leased_by = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    on_wire_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(_("due"), db_default=Now())
    held_reason = models.CharField(max_length=32, blank=True)
    held_for = models.CharField(max_length=16, blank=True)
    approved = models.JSONField(default=list)  # the holds (`plan.Hold`) that a person has ended: they stop it no more
    restored = models.BooleanField(default=False)  # waited in a database that was restored: it may have been sent since (U5)
    waiting_login = models.CharField(max_length=400, blank=True)  # key of the paused login it waits for (J8)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    lost_leases = models.PositiveSmallIntegerField(default=0)
    possible_duplicate = models.BooleanField(default=False)
    delay_notified = models.BooleanField(default=False)
    direct = models.BooleanField(default=False)
    unattended = models.BooleanField(default=False)

    created_at = models.DateTimeField(_("created"), db_default=Now())
    first_due_at = models.DateTimeField(db_default=Now())  # the retry clock starts here, anew after a reset
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    channel = models.CharField(max_length=8)
    send_system = models.PositiveSmallIntegerField(null=True, blank=True)
    sender_address = models.CharField(_("sender"), max_length=320)
    sender_level = models.CharField(max_length=32)
    sender_origin = models.CharField(max_length=8, blank=True)  # `sender.Origin`: whose address it is (P8)
    message_id = models.CharField(_("Message-ID"), max_length=320)
    subject = models.TextField(_("subject"), blank=True)
    size = models.PositiveIntegerField(default=0)
    sha256 = models.CharField(max_length=64)
    plan = models.JSONField(default=dict)  # the explanation as it was when the mail was made (R4)
    redirected_then = models.JSONField(null=True, blank=True)  # the redirect addresses in force when it was queued (U4)
    captured_then = models.BooleanField(default=False)  # whether the redirect then only captured (U4, U6)
    last_error = models.TextField(_("last error"), blank=True)

    class Meta:
        verbose_name = _("mail job")
        verbose_name_plural = _("mail jobs")
        ordering: ClassVar[list[str]] = ["-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("tenant", "idempotency_key", name="mail_job_once_per_key"),
            models.CheckConstraint(name="mail_job_state_known", condition=Q(state__in=StateChoices.values)),
            models.CheckConstraint(
                name="mail_job_lease_only_while_sending",
                condition=Q(state="sending", lease_until__isnull=False) | (~Q(state="sending") & Q(lease_until__isnull=True)),
            ),
            models.CheckConstraint(name="mail_job_hold_names_a_person", condition=~Q(state="held") | ~Q(held_for="")),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["due_at", "id"], name="mail_job_due", condition=Q(state__in=("new", "deferred"))),
            models.Index(fields=["lease_until"], name="mail_job_leased", condition=Q(state="sending")),
            models.Index(fields=["tenant", "state", "-id"], name="mail_job_by_tenant_state"),
            models.Index(fields=["user", "-id"], name="mail_job_by_user"),
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.subject}"

    @property
    def state_choice(self) -> StateChoices:
        return StateChoices(self.state)


class FrozenMail(models.Model):
    """The bytes of a job: header block and body, ready for the wire; erased after the retention time."""

    job = models.OneToOneField(MailJob, models.CASCADE, primary_key=True, related_name="frozen")
    headers = models.BinaryField()
    body = models.BinaryField()

    class Meta:
        verbose_name = _("frozen mail")
        verbose_name_plural = _("frozen mails")

    def __str__(self) -> str:
        return str(self.pk)


class JobRecipient(models.Model):
    """One envelope recipient of a job, with a result of its own (J7)."""

    class Kind(models.TextChoices):
        TO = "to", _("To")
        CC = "cc", _("Cc")
        BCC = "bcc", _("Bcc")

    job = models.ForeignKey(MailJob, models.CASCADE, related_name="recipients")
    kind = models.CharField(max_length=3, choices=Kind)
    address = models.CharField(max_length=320)
    state = models.CharField(max_length=16, choices=RecipientStateChoices, default=RecipientStateChoices.PENDING)
    reply = models.TextField(blank=True)

    class Meta:
        verbose_name = _("recipient")
        verbose_name_plural = _("recipients")
        ordering: ClassVar[list[str]] = ["id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("job", "address", name="recipient_once_per_job"),
        ]

    def __str__(self) -> str:
        return self.address


class Attempt(models.Model):
    """One try to hand a job over: where, what was said, what came of it."""

    job = models.ForeignKey(MailJob, models.CASCADE, related_name="tries")
    epoch = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    outcome = models.CharField(max_length=16, choices=StateChoices)
    reply = models.TextField(blank=True)
    server = models.CharField(max_length=300, blank=True)
    send_system = models.PositiveSmallIntegerField(null=True, blank=True)
    redirected_to = models.JSONField(null=True, blank=True)
    dialogue = models.JSONField(default=list)
    worker = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering: ClassVar[list[str]] = ["id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("job", "epoch", name="attempt_once_per_epoch"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}/{self.epoch}"


class LogOutcome(models.TextChoices):
    """What a line of the log says; *SMTP OK* means handed over, nothing more (J4)."""

    HANDED_OVER = "handed_over", _("SMTP OK")
    PARTLY = "partly", _("Partly handed over")
    FAILED = "failed", _("Failed")
    UNKNOWN = "unknown", _("Uncertain")
    REFUSED = "refused", _("Refused")
    CANCELLED = "cancelled", _("Withdrawn")


class MailLogEntry(models.Model):
    """One line per mail and one per failure (J4)."""

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="mail_log", verbose_name=_("tenant"))
    user = models.ForeignKey(User, models.PROTECT, related_name="mail_log", verbose_name=_("acting user"))
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
            models.Index(fields=["tenant", "-id"], name="mail_log_by_tenant"),
            models.Index(fields=["user", "-id"], name="mail_log_by_user"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.outcome}"


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
        PASSED_ON = "passed_on", _("Mails of a deactivated user are now yours")

    user = models.ForeignKey(User, models.CASCADE, related_name="internal_messages", verbose_name=_("for"))
    job = models.ForeignKey(MailJob, models.CASCADE, null=True, blank=True, related_name="internal_messages")
    kind = models.CharField(max_length=16, choices=Kind)
    subject = models.TextField(blank=True)
    recipients = models.JSONField(default=list)
    error = models.TextField(blank=True)
    error_code = models.CharField(max_length=40, blank=True)  # of a refusal or a hold
    mails = models.PositiveIntegerField(default=1)  # how many mails it tells of; `job` is the first of them
    at = models.DateTimeField(_("at"), db_default=Now())
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("internal message")
        verbose_name_plural = _("internal messages")
        ordering: ClassVar[list[str]] = ["-id"]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["user", "-id"], name="internal_message_by_user")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class LoginPause(models.Model):
    """A login that was refused: its other mails wait until the settings change or a person releases it (J8)."""

    login = models.CharField(max_length=400, unique=True)  # `Connection.key`
    fingerprint = models.CharField(max_length=64)  # of the settings that were refused, the password among them
    reply = models.TextField(blank=True)
    since = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("paused login")
        verbose_name_plural = _("paused logins")

    def __str__(self) -> str:
        return self.login


class WorkerSign(models.Model):
    """A delivery engine's sign of life, so that every page can say when none is left (J1)."""

    name = models.CharField(max_length=64, unique=True)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("sign of life")
        verbose_name_plural = _("signs of life")

    def __str__(self) -> str:
        return self.name

"""Mail jobs with their bytes, recipients and attempts: what a mail promises (delivery contract)."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _

from mailjobs.models.sharing import SharedConnection
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


# What needs somebody or is under way; what was handed over or withdrawn is in the log (ui 2).
OPEN_STATES = (
    StateChoices.FAILED,
    StateChoices.UNKNOWN,
    StateChoices.PARTLY_SENT,
    StateChoices.HELD,
    StateChoices.DEFERRED,
    StateChoices.SENDING,
    StateChoices.NEW,
)
WAITING_STATES = (StateChoices.NEW, StateChoices.DEFERRED)
FINAL_STATES = (
    StateChoices.SENT,
    StateChoices.PARTLY_SENT,
    StateChoices.FAILED,
    StateChoices.UNKNOWN,
    StateChoices.CANCELLED,
)
REQUEUEABLE_STATES = (StateChoices.FAILED, StateChoices.PARTLY_SENT, StateChoices.UNKNOWN, StateChoices.CANCELLED)


class LaneChoices(models.IntegerChoices):
    """Mail that somebody waits for goes before what comes in bulk, 4:1 (delivery contract 4)."""

    INTERACTIVE = 0, _("Interactive")
    BULK = 1, _("Bulk")
    DIAGNOSIS = 2, _("Diagnosis")


class Decision(models.Model):
    """An explanation as it was when mails were made under it, once for all of them (R4)."""

    digest = models.CharField(max_length=64, unique=True)
    document = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("explanation")
        verbose_name_plural = _("explanations")

    def __str__(self) -> str:
        return self.digest


class MailJob(models.Model):
    """One stored mail to be sent: frozen when it is made, but for server and credentials (J10).

    Every try rewrites its row a few times, so it has few indexes: those of `Meta`, none for the foreign keys alone.
    """

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="mail_jobs", db_index=False, verbose_name=_("tenant"))
    user = models.ForeignKey(User, models.PROTECT, related_name="mail_jobs", db_index=False, verbose_name=_("acting user"))
    print_model = models.ForeignKey(
        PrintModel, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False, verbose_name=_("print model")
    )
    account = models.ForeignKey(
        EmailAccount, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False, verbose_name=_("e-mail account")
    )
    run = models.CharField(_("print run"), max_length=200, blank=True)
    connection = models.ForeignKey(  # by which it would go as far as is known: what the queue shares and the pages say
        SharedConnection,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="jobs",
        db_index=False,
        verbose_name=_("connection"),
    )
    lane = models.PositiveSmallIntegerField(_("lane"), choices=LaneChoices, default=LaneChoices.INTERACTIVE)
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
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    lost_leases = models.PositiveSmallIntegerField(default=0)
    possible_duplicate = models.BooleanField(default=False)
    unknown_policy = models.CharField(
        max_length=12, blank=True
    )  # of the account it went on the wire by, for when it gets lost there
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
    decision = models.ForeignKey(Decision, models.PROTECT, null=True, related_name="jobs", db_index=False)
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
            models.Index(  # what the queue shares out: one entry point for each tenant, connection and lane
                "tenant",
                Coalesce("connection", Value(0)),
                "lane",
                "due_at",
                "id",
                name="mail_job_turns",
                condition=Q(state__in=("new", "deferred")),
            ),
            models.Index(fields=["lease_until"], name="mail_job_leased", condition=Q(state="sending")),
            # The lists of what is under way or needs somebody; a mail that was handed over leaves them, and these indexes.
            models.Index(fields=["tenant", "state", "id"], name="mail_job_open_of_tenant", condition=Q(state__in=OPEN_STATES)),
            models.Index(fields=["user", "state", "id"], name="mail_job_open_of_user", condition=Q(state__in=OPEN_STATES)),
            models.Index(fields=["tenant", "id"], name="mail_job_for_firm", condition=Q(state="held", held_for="firm")),
            models.Index(fields=["tenant", "run", "id"], name="mail_job_of_run", condition=~Q(run="")),
            models.Index(fields=["tenant", "document_key", "id"], name="mail_job_of_document", condition=~Q(document_key="")),
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.subject}"

    @property
    def state_choice(self) -> StateChoices:
        return StateChoices(self.state)

    @property
    def plan(self) -> dict[str, Any]:
        """The explanation as it was when the mail was made (R4); lists select it with `decision`."""
        return self.decision.document if self.decision else {}


class FrozenMail(models.Model):
    """The bytes of a job, ready for the wire; erased after the retention time.

    `body` lacks the encoded attachments, which `FrozenAttachment` puts in where its `offset` says.
    """

    job = models.OneToOneField(MailJob, models.CASCADE, primary_key=True, related_name="frozen")
    headers = models.BinaryField()
    body = models.BinaryField()

    class Meta:
        verbose_name = _("frozen mail")
        verbose_name_plural = _("frozen mails")

    def __str__(self) -> str:
        return str(self.pk)


class Content(models.Model):
    """The octets of an attachment, once for all mails that carry it (delivery contract 5)."""

    sha256 = models.CharField(max_length=64, unique=True)
    size = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        verbose_name = _("attachment's content")
        verbose_name_plural = _("attachments' contents")

    def __str__(self) -> str:
        return self.sha256


class FrozenAttachment(models.Model):
    """One attachment of a job; what is left when the bytes are erased is its name, size and hash (J10)."""

    job = models.ForeignKey(MailJob, models.CASCADE, related_name="attachments", db_index=False)
    position = models.PositiveSmallIntegerField()
    offset = models.PositiveIntegerField()  # octets of the stored body that come before it
    filename = models.TextField()
    content_type = models.CharField(max_length=200)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    content = models.ForeignKey(Content, models.SET_NULL, null=True, related_name="attachments")

    class Meta:
        verbose_name = _("attachment")
        verbose_name_plural = _("attachments")
        ordering: ClassVar[list[str]] = ["position"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("job", "position", name="attachment_once_per_position"),
        ]

    def __str__(self) -> str:
        return self.filename


class JobRecipient(models.Model):
    """One envelope recipient of a job, with a result of its own (J7)."""

    class Kind(models.TextChoices):
        TO = "to", _("To")
        CC = "cc", _("Cc")
        BCC = "bcc", _("Bcc")

    job = models.ForeignKey(MailJob, models.CASCADE, related_name="recipients", db_index=False)
    kind = models.CharField(max_length=3, choices=Kind)
    address = models.CharField(max_length=320)
    state = models.CharField(max_length=16, choices=RecipientStateChoices, default=RecipientStateChoices.PENDING)
    reply = models.TextField(blank=True)
    accepted_epoch = models.PositiveIntegerField(
        null=True, blank=True
    )  # of the attempt in which the server's reply took it (J10)

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

    job = models.ForeignKey(MailJob, models.CASCADE, related_name="tries", db_index=False, db_constraint=False)
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

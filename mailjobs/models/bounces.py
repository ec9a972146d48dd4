"""What came back: up to where each mailbox is read, and what servers said of recipients after the hand-over (J6)."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from mailjobs.models.jobs import JobRecipient
from mailsettings.models import EmailAccount, Tenant


class BounceBox(models.Model):
    """A mailbox that is read for bounces: the one that a tenant's general parameters name, or an account's."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="bounce_boxes")
    account = models.ForeignKey(EmailAccount, models.CASCADE, null=True, blank=True, related_name="bounce_boxes")
    place = models.TextField(blank=True, db_default="")  # server, user and folder that the position below is of
    uid_validity = models.BigIntegerField(db_default=0)  # RFC 3501 2.3.1.1; 0: not read yet
    last_uid = models.BigIntegerField(db_default=0)
    epoch = models.PositiveIntegerField(db_default=0)
    tries = models.PositiveIntegerField(db_default=0)  # in a row that failed
    due_at = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, db_default="")

    class Meta:
        verbose_name = _("mailbox for bounces")
        verbose_name_plural = _("mailboxes for bounces")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("tenant", name="bounce_box_of_tenant", condition=Q(account=None)),
            models.UniqueConstraint("account", name="bounce_box_of_account"),
        ]

    def __str__(self) -> str:
        return f"{self.tenant_id}/{self.account_id or ''}: {self.place}"


class RecipientReport(models.Model):
    """What a server reported last of a mail for one recipient, after it was handed over."""

    class Fate(models.TextChoices):
        """As `core.bounces.Fate`."""

        DELIVERED = "delivered", _("Delivered")
        RELAYED = "relayed", _("Passed on")
        DELAYED = "delayed", _("Delayed")
        FAILED = "failed", _("Came back")

    recipient = models.OneToOneField(JobRecipient, models.CASCADE, primary_key=True, related_name="report")
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=320)  # canonical, of the recipient's address
    fate = models.CharField(max_length=9, choices=Fate)
    status = models.CharField(max_length=11, blank=True)  # RFC 3463
    reason = models.TextField(blank=True)
    at = models.DateTimeField(db_default=Now())  # when it was read

    class Meta:
        verbose_name = _("report on a recipient")
        verbose_name_plural = _("reports on recipients")
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant", "key", "-at"], name="recipient_report_of_address"),
        ]

    def __str__(self) -> str:
        return f"{self.recipient_id}: {self.fate}"

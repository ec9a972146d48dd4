"""What became of mails that were to be put as drafts into somebody's mailbox (X1, M2)."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from mailjobs.models.jobs import MailJob


class MailDraft(models.Model):
    """The draft of a mail that is held for the mail client: wanted by its delivery mode or by somebody, or where it lies.

    Never a word about whether it was sent: that happens in the mailbox, and nobody tells the portal.
    """

    class State(models.TextChoices):
        WANTED = "wanted", _("To be put into the mailbox")
        PLACING = "placing", _("Is being put into the mailbox")
        PLACED = "placed", _("Lies in the mailbox as a draft")
        FAILED = "failed", _("Could not be put into the mailbox")

    job = models.OneToOneField(MailJob, models.CASCADE, primary_key=True, related_name="draft")
    state = models.CharField(max_length=8, choices=State, default=State.WANTED)
    epoch = models.PositiveIntegerField(default=0)
    tries = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(db_default=Now())
    wanted_at = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True, blank=True)
    on_wire = models.BooleanField(default=False)  # its octets go over or have gone, and no answer is recorded
    uncertain = models.BooleanField(default=False)  # an earlier try may have put it there
    mailbox = models.CharField(max_length=320, blank=True)
    folder = models.CharField(max_length=300, blank=True)
    redirected_to = models.JSONField(null=True, blank=True)
    error = models.TextField(blank=True)
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("draft")
        verbose_name_plural = _("drafts")
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["due_at"], name="mail_draft_due", condition=Q(state="wanted")),
            models.Index(fields=["lease_until"], name="mail_draft_leased", condition=Q(state="placing")),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}: {self.state}"

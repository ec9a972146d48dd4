"""What is to be done in the Sent folder of the mailbox that a mail was sent from (X3, delivery contract 2, 9)."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from mailjobs.models.jobs import MailJob


class SentErrand(models.Model):
    """A copy to be put there, or a look whether an uncertain mail lies there. Whatever comes of it, it fails no mail."""

    class Kind(models.TextChoices):
        COPY = "copy", _("Put a copy into the Sent folder")
        LOOK = "look", _("Look for an uncertain mail")

    class State(models.TextChoices):
        WANTED = "wanted", _("To be done")
        UNDER_WAY = "under_way", _("Is being done")
        DONE = "done", _("Done")
        FAILED = "failed", _("Not done")

    job = models.ForeignKey(MailJob, models.CASCADE, related_name="errands", db_index=False)
    kind = models.CharField(max_length=4, choices=Kind)
    state = models.CharField(max_length=9, choices=State, db_default=State.WANTED)
    epoch = models.PositiveIntegerField(db_default=0)
    tries = models.PositiveIntegerField(db_default=0)
    due_at = models.DateTimeField(db_default=Now())
    wanted_at = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True, blank=True)
    forget = models.BooleanField(db_default=False)  # the bytes of the mail are kept for the copy alone (J4)
    mailbox = models.CharField(max_length=320, blank=True, db_default="")
    folder = models.CharField(max_length=300, blank=True, db_default="")
    error = models.TextField(blank=True, db_default="")
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("errand in a mailbox")
        verbose_name_plural = _("errands in mailboxes")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("job", "kind", name="sent_errand_once_per_kind"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["due_at"], name="sent_errand_due", condition=Q(state="wanted")),
            models.Index(fields=["lease_until"], name="sent_errand_leased", condition=Q(state="under_way")),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}: {self.kind} {self.state}"

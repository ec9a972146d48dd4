"""Diagnoses as they were made (D2)."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from mailjobs.models import MailJob, SharedConnection
from mailsettings.models import EmailAccount, PrintModel, Tenant, User

PROSPECT = "prospect "  # begins `alike` where settings were tried that were not in force


class VerdictChoices(models.TextChoices):
    """What a diagnosis or a step of it came to, with the words people see."""

    PASSED = "passed", _("In order")
    WARNED = "warned", _("With a note")
    FAILED = "failed", _("Not in order")
    NOT_REACHED = "not_reached", _("Not reached")


class Diagnosis(models.Model):
    """One diagnosis; `steps` are findings without words, which are said in the reader's language when they are shown."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="diagnoses", verbose_name=_("tenant"))
    by = models.ForeignKey(User, models.CASCADE, related_name="+", verbose_name=_("asked by"))
    user = models.ForeignKey(User, models.CASCADE, related_name="diagnoses", verbose_name=_("acting user"))
    account = models.ForeignKey(EmailAccount, models.SET_NULL, null=True, blank=True, related_name="+")
    print_model = models.ForeignKey(PrintModel, models.SET_NULL, null=True, blank=True, related_name="+")
    job = models.ForeignKey(MailJob, models.SET_NULL, null=True, blank=True, related_name="diagnoses")
    connection = models.ForeignKey(SharedConnection, models.SET_NULL, null=True, blank=True, related_name="+")
    alike = models.CharField(max_length=200)  # what two diagnoses that can be compared have in common
    to = models.CharField(_("recipient"), max_length=320, blank=True)
    wanted_mode = models.CharField(max_length=8, blank=True)
    test_mail = models.BooleanField(default=True)
    mode = models.CharField(max_length=8, blank=True)
    send_system = models.PositiveSmallIntegerField(_("send system"), null=True, blank=True)
    sender = models.CharField(_("sender"), max_length=400, blank=True)
    used_account = models.CharField(max_length=64, blank=True)
    level = models.CharField(max_length=32, blank=True)  # where the login stands (R3)
    server = models.CharField(max_length=300, blank=True)
    login = models.CharField(max_length=300, blank=True)
    verdict = models.CharField(max_length=16, choices=VerdictChoices, blank=True)  # empty while it runs
    steps = models.JSONField(default=list)
    trouble = models.TextField(blank=True)  # why it could not be made
    started_at = models.DateTimeField(_("started"), db_default=Now())
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("diagnosis")
        verbose_name_plural = _("diagnoses")
        ordering: ClassVar[list[str]] = ["-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["alike", "verdict", "-id"], name="diagnosis_like_it"),
            models.Index(fields=["tenant", "-id"], name="diagnosis_of_tenant"),
            models.Index(fields=["by", "-id"], name="diagnosis_by_user"),
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.alike} {self.verdict}"

    @property
    def running(self) -> bool:
        return not self.verdict

    @property
    def of_prospect(self) -> bool:
        """Whether it tried settings that were not in force."""
        return self.alike.startswith(PROSPECT)

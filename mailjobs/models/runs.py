"""Print runs: what somebody has uploaded, row by row, and how far it was handed in (J1, security Z11)."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from mailjobs.models.jobs import Content, MailJob
from mailsettings.models import PrintModel, Tenant, User


class PrintRun(models.Model):
    """Mails that belong together. `name` is `MailJob.run` of its mails; the acting user of all of them is `user`.

    `columns`: what the mails need → place of the column in the file; `place` is the next line to be handed in or tried.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("Not started")
        TRYING = "trying", _("Dry run under way")
        RUNNING = "running", _("Being handed in")
        PAUSED = "paused", _("Paused")
        HANDED_IN = "handed_in", _("Handed in")
        CANCELLED = "cancelled", _("Rest withdrawn")
        OUTSIDE = "outside", _("Handed in by a program")

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="print_runs", db_index=False, verbose_name=_("tenant"))
    user = models.ForeignKey(User, models.PROTECT, related_name="print_runs", db_index=False, verbose_name=_("acting user"))
    name = models.CharField(_("name"), max_length=200)
    state = models.CharField(_("status"), max_length=12, choices=State, default=State.OUTSIDE)
    print_model = models.ForeignKey(
        PrintModel, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("print model")
    )
    filename = models.CharField(max_length=200, blank=True)
    sheet = models.CharField(max_length=100, blank=True)
    headings = models.JSONField(default=list)
    columns = models.JSONField(default=dict)
    rows_total = models.PositiveIntegerField(default=0)
    place = models.PositiveIntegerField(default=0)
    tried_at = models.DateTimeField(null=True, blank=True)  # when the last dry run ended
    created_at = models.DateTimeField(_("created"), db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)  # everything was handed in, or the rest was withdrawn

    class Meta:
        verbose_name = _("print run")
        verbose_name_plural = _("print runs")
        ordering: ClassVar[list[str]] = ["-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("user", "name", name="print_run_once_per_name"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant", "-id"], name="print_run_of_tenant"),
            models.Index(fields=["id"], name="print_run_to_feed", condition=Q(state__in=("trying", "running"))),
        ]

    def __str__(self) -> str:
        return self.name


class PrintRunRow(models.Model):
    """One line of the file: its cells, and what became of it before it was a mail job."""

    class State(models.TextChoices):
        OPEN = "open", _("Not handed in")
        HANDED_IN = "handed_in", _("Handed in")
        REFUSED = "refused", _("Refused")
        LEFT_OUT = "left_out", _("Left out")
        WITHDRAWN = "withdrawn", _("Withdrawn before it was handed in")

    run = models.ForeignKey(PrintRun, models.CASCADE, related_name="rows", db_index=False)
    line = models.PositiveIntegerField()
    cells = models.JSONField(default=list)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    job = models.ForeignKey(MailJob, models.SET_NULL, null=True, blank=True, related_name="run_rows")
    code = models.CharField(max_length=40, blank=True)
    message = models.TextField(blank=True)  # why it was refused or left out; while it is open, what the dry run said

    class Meta:
        verbose_name = _("line of a print run")
        verbose_name_plural = _("lines of print runs")
        ordering: ClassVar[list[str]] = ["line"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("run", "line", name="print_run_row_once"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.line}"


class PrintRunFile(models.Model):
    """A file of a run until its mails carry it; `name` as it is compared, `filename` as people wrote it."""

    run = models.ForeignKey(PrintRun, models.CASCADE, related_name="files", db_index=False)
    name = models.CharField(max_length=200)
    filename = models.CharField(max_length=200)
    content = models.ForeignKey(Content, models.PROTECT, related_name="run_files")

    class Meta:
        verbose_name = _("file of a print run")
        verbose_name_plural = _("files of print runs")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("run", "name", name="print_run_file_once"),
        ]

    def __str__(self) -> str:
        return self.filename

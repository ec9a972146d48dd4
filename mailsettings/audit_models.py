"""Who changed what: events that are only ever added, and the chain that shows whether one was touched (Z16)."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class AuditEvent(models.Model):
    """Who changed what, when; secrets never stand here. Written by `audit_chain.record`, never changed or deleted."""

    at = models.DateTimeField(_("at"))
    actor = models.CharField(_("by"), max_length=64)
    tenant = models.ForeignKey("mailsettings.Tenant", models.PROTECT, null=True, related_name="+", verbose_name=_("tenant"))
    action = models.CharField(_("action"), max_length=64)
    subject = models.CharField(_("subject"), max_length=200)
    before = models.JSONField(_("before"), default=dict)
    after = models.JSONField(_("after"), default=dict)
    digest = models.CharField(max_length=64, editable=False)  # SHA-256 of `audit_chain.canonical`

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        ordering: ClassVar[list[str]] = ["-id"]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["tenant", "-id"], name="audit_event_of_tenant")]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.subject}"


class AuditLink(models.Model):
    """The place of an event in the chain: positions count from 1 without a gap, in the order of commits.

    `hash` is SHA-256 of the hash before, the position, the event's id and its digest (`audit_chain.hash_of`).
    """

    position = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(AuditEvent, models.DO_NOTHING, related_name="link", db_constraint=False)
    hash = models.CharField(max_length=64)

    class Meta:
        verbose_name = _("link of the audit chain")
        verbose_name_plural = _("links of the audit chain")
        ordering: ClassVar[list[str]] = ["position"]

    def __str__(self) -> str:
        return f"{self.position}: {self.event_id}"

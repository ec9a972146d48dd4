"""Keys of programs that use the API or the SMTP door (Z15), and how often each was used in this minute."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from mailsettings.models import User


class ApiKey(models.Model):
    """A key belongs to one user, as whom its program acts; of the key itself only a digest is kept."""

    user = models.ForeignKey(User, models.CASCADE, related_name="api_keys", verbose_name=_("acting user"))
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("begins with"), max_length=16)
    digest = models.CharField(max_length=64, unique=True)  # SHA-256; 256 random bits need no slow hash
    scopes = models.JSONField(_("may"), default=list)
    made_by = models.CharField(_("made by"), max_length=64)
    made_at = models.DateTimeField(_("made on"), db_default=Now())
    expires_at = models.DateTimeField(_("valid until"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked on"), null=True, blank=True)
    revoked_by = models.CharField(_("revoked by"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering: ClassVar[list[str]] = ["-id"]

    def __str__(self) -> str:
        return f"{self.prefix}…"


class ApiUse(models.Model):
    """How often somebody came in the minute that is counted; one row for each key, tenant or login, written over and over."""

    bucket = models.CharField(max_length=100, primary_key=True)
    minute = models.BigIntegerField()  # since 1970, by the database's clock
    used = models.PositiveIntegerField()

    class Meta:
        verbose_name = _("use of the API")
        verbose_name_plural = _("uses of the API")

    def __str__(self) -> str:
        return self.bucket

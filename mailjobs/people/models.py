"""How people log in: where they are logged in, second factors, passkeys, links by mail, failed tries, and what they are told."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class SignIn(models.Model):
    """One browser in which a user is logged in; ends with its session."""

    class How(models.TextChoices):
        PASSWORD = "password", _("Password")
        SECOND = "second", _("Password and second step")
        PASSKEY = "passkey", _("Passkey")
        OPENID = "openid", _("OpenID Connect")
        LINK = "link", _("Link by mail")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="sign_ins")
    session_key = models.CharField(max_length=40, unique=True)
    how = models.CharField(max_length=16, choices=How)
    address = models.CharField(max_length=64, blank=True)
    browser = models.CharField(max_length=300, blank=True)  # as it names itself
    at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("log-in")
        verbose_name_plural = _("log-ins")
        ordering: ClassVar[list[str]] = ["-seen_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.user_id} {self.how}"


class Link(models.Model):
    """A link sent by mail, or printed for the first operator; it serves once, and of its token only a digest is stored."""

    class Kind(models.TextChoices):
        INVITATION = "invitation", _("Invitation")
        RESET = "reset", _("Password reset")
        FIRST = "first", _("First operator")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="links")
    kind = models.CharField(max_length=16, choices=Kind)
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of the token
    until = models.DateTimeField()
    made_at = models.DateTimeField(auto_now_add=True)
    made_by = models.CharField(max_length=64, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)  # why its mail could not be sent

    class Meta:
        verbose_name = _("link")
        verbose_name_plural = _("links")
        ordering: ClassVar[list[str]] = ["-pk"]

    def __str__(self) -> str:
        return f"{self.kind} {self.user_id}"


class Authenticator(models.Model):
    """An authenticator app (TOTP, RFC 6238); its secret is sealed to its user."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="authenticator")
    sealed = models.BinaryField()
    made_at = models.DateTimeField(auto_now_add=True)
    last_step = models.BigIntegerField(default=0)  # of the last code that was taken: each serves once

    class Meta:
        verbose_name = _("authenticator app")
        verbose_name_plural = _("authenticator apps")

    def __str__(self) -> str:
        return str(self.user_id)


class RecoveryCode(models.Model):
    """A code that replaces the second factor once; stored as a digest."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)

    class Meta:
        verbose_name = _("recovery code")
        verbose_name_plural = _("recovery codes")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("user", "digest", name="recovery_code_once_per_user"),
        ]

    def __str__(self) -> str:
        return str(self.user_id)


class Passkey(models.Model):
    """A passkey (WebAuthn): its public key, and how often it was used where it counts that."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="passkeys")
    name = models.CharField(_("name"), max_length=100)
    key = models.CharField(max_length=1400, unique=True)  # the credential's ID in base64url
    credential = models.BinaryField()  # attested credential data (WebAuthn 6.5.2)
    counter = models.BigIntegerField(default=0)
    made_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("passkey")
        verbose_name_plural = _("passkeys")
        ordering: ClassVar[list[str]] = ["pk"]

    def __str__(self) -> str:
        return self.name


class Identity(models.Model):
    """Who somebody is at an OpenID Connect provider."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=300)
    subject = models.CharField(max_length=255)
    label = models.CharField(max_length=320, blank=True)  # as the provider names the person
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("identity")
        verbose_name_plural = _("identities")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("issuer", "subject", name="identity_once"),
        ]

    def __str__(self) -> str:
        return self.label or self.subject


class FailedTry(models.Model):
    """One failed log-in; what was typed as the user ID is stored as a digest, for it may have been a password."""

    at = models.DateTimeField(auto_now_add=True)
    login = models.CharField(max_length=64)
    address = models.CharField(max_length=64)
    browser = models.CharField(max_length=64, blank=True)  # one in which this user has logged in before

    class Meta:
        verbose_name = _("failed log-in")
        verbose_name_plural = _("failed log-ins")
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["login", "at"], name="failed_try_by_login"),
            models.Index(fields=["address", "at"], name="failed_try_by_address"),
        ]

    def __str__(self) -> str:
        return f"{self.at}"


class Preference(models.Model):
    """How a user wants to hear of their internal messages, beside the portal itself."""

    class Digest(models.TextChoices):
        NEVER = "never", _("No mail")
        HOURLY = "hourly", _("By mail, at most once an hour")
        DAILY = "daily", _("By mail, once a day")
        WEEKLY = "weekly", _("By mail, once a week")

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="preference")
    digest = models.CharField(_("digest"), max_length=8, choices=Digest, default=Digest.NEVER)
    told_at = models.DateTimeField(auto_now_add=True)  # what came before was told, or was there before somebody wanted to know
    told_until = models.BigIntegerField(default=0)  # the last internal message that was told

    class Meta:
        verbose_name = _("preference")
        verbose_name_plural = _("preferences")

    def __str__(self) -> str:
        return f"{self.user_id} {self.digest}"

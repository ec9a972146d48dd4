"""What the workers share: connections with their limits, pauses and breakers, and who is alive (delivery contract 4, J1, J8)."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class BlockReason(models.TextChoices):
    """Why nothing is taken for a connection until a time."""

    BREAKER = "breaker", _("The server could not be reached")
    THROTTLED = "throttled", _("The server asked for a pause")
    QUOTA = "quota", _("The allowance of the login is used up")
    PER_MINUTE = "per_minute", _("The limit per minute is reached")
    PER_DAY = "per_day", _("The limit per day is reached")


class SharedConnection(models.Model):
    """A server with a login, whichever accounts and parameters name it: what sessions, throttles and breaker are shared by."""

    key = models.CharField(max_length=400, unique=True)  # `relay.Connection.key`
    sessions = models.PositiveSmallIntegerField(default=1)  # at once, over all workers, as the settings had it last
    proven = models.CharField(max_length=64, blank=True)  # fingerprint of the settings that have logged in (J8)

    paused_at = models.DateTimeField(null=True, blank=True)  # the login was refused
    paused_fingerprint = models.CharField(max_length=64, blank=True)  # of the settings that were refused
    paused_reply = models.TextField(blank=True)

    blocked_until = models.DateTimeField(null=True, blank=True)
    block_reason = models.CharField(max_length=16, choices=BlockReason, blank=True)
    block_reply = models.TextField(blank=True)
    connect_errors = models.PositiveSmallIntegerField(default=0)  # in a row
    tls_errors = models.PositiveSmallIntegerField(default=0)
    breaker_open = models.BooleanField(default=False)
    breaker_since = models.DateTimeField(null=True, blank=True)
    probes = models.PositiveSmallIntegerField(default=0)  # that have failed since it opened
    throttles = models.PositiveSmallIntegerField(default=0)  # in a row

    learned_sessions = models.PositiveSmallIntegerField(null=True, blank=True)  # what the server was found to take
    learned_per_minute = models.PositiveIntegerField(null=True, blank=True)
    learned_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)  # when the nightly check last had an answer

    class Meta:
        verbose_name = _("connection")
        verbose_name_plural = _("connections")

    def __str__(self) -> str:
        return self.key


class AccessToken(models.Model):
    """The access token that all workers log in with at one place, and which of them is fetching the next one (OAuth 2.0)."""

    place = models.CharField(max_length=64, unique=True)  # digest of the `TokenSource`
    owner = models.CharField(max_length=40)  # whose settings it belongs to: `account:7`
    sealed = models.BinaryField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    fetching_until = models.DateTimeField(null=True, blank=True)
    refusal = models.TextField(blank=True)  # what the authority said last, where it gave none
    refused_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("access token")
        verbose_name_plural = _("access tokens")

    def __str__(self) -> str:
        return self.owner


class SessionLease(models.Model):
    """One open session of one worker; it ends with the worker's signs of life."""

    connection = models.ForeignKey(SharedConnection, models.CASCADE, related_name="leases")
    worker = models.CharField(max_length=64)
    until = models.DateTimeField()

    class Meta:
        verbose_name = _("open session")
        verbose_name_plural = _("open sessions")

    def __str__(self) -> str:
        return f"{self.connection_id} {self.worker}"


class ConnectionUse(models.Model):
    """One mail on a connection that has a limit per minute or day; it counts from its begin until long enough after its end."""

    connection = models.ForeignKey(SharedConnection, models.CASCADE, related_name="uses")
    worker = models.CharField(max_length=64)
    recipients = models.PositiveIntegerField()
    at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("use of a connection")
        verbose_name_plural = _("uses of connections")
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["connection", "at"], name="connection_use_by_time")]

    def __str__(self) -> str:
        return f"{self.connection_id} {self.at}"


class WorkerSign(models.Model):
    """A delivery engine's sign of life, so that every page can say when none is left (J1)."""

    name = models.CharField(max_length=64, unique=True)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("sign of life")
        verbose_name_plural = _("signs of life")

    def __str__(self) -> str:
        return self.name

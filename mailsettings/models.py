"""Tenants, users, employees, parameters, accounts, print models: who may send as whom (rules T, P, A, M as data).

Nothing but `changes` writes these tables, and nothing reads them without `access` or `selectors`.
"""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from mailsettings.audit_models import AuditEvent as AuditEvent  # noqa: PLC0414 (one place to import tables from)
from mailsettings.audit_models import AuditLink as AuditLink  # noqa: PLC0414
from mailsettings.core.send_systems import DeliveryMode, Role, SendsAsFirm, Stage, TenantKind

USER_ID = r"[a-z0-9][a-z0-9._-]{0,63}"
KEY = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
user_id_validator = RegexValidator(
    rf"^{USER_ID}\Z", _("A user ID has small letters, digits, dots, hyphens and underscores, and begins with a letter or digit.")
)
key_validator = RegexValidator(rf"^{KEY}\Z", _("An ID has letters, digits, dots, hyphens and underscores."))


class RoleChoices(models.TextChoices):
    OPERATOR = Role.OPERATOR, _("Operator")
    FIRM_ADMIN = Role.FIRM_ADMIN, _("Firm administrator")
    FIRM_USER = Role.FIRM_USER, _("Firm user")
    COM_ADMIN = Role.COM_ADMIN, _("Com administrator")
    COM_USER = Role.COM_USER, _("Com user")
    SERVICE_USER = Role.SERVICE_USER, _("Batch user")


class TenantKindChoices(models.TextChoices):
    FIRM = TenantKind.FIRM, _("Firm")
    COM_CUSTOMER = TenantKind.COM_CUSTOMER, _("Com customer")


class SendsAsFirmChoices(models.TextChoices):
    ALLOW = SendsAsFirm.ALLOW, _("Allow")
    WARN = SendsAsFirm.WARN, _("Ask the sender")
    HOLD = SendsAsFirm.HOLD, _("Hold for release by the firm")


class StageChoices(models.TextChoices):
    DRAFT = Stage.DRAFT, _("Drafts only")
    REDIRECTED = Stage.REDIRECTED, _("Redirected")
    HELD = Stage.HELD, _("Held for approval")
    LIVE = Stage.LIVE, _("Live")


class DeliveryModeChoices(models.TextChoices):
    AS_PARAMETERS = DeliveryMode.AS_PARAMETERS, _("As the parameters say")
    BACKGROUND_SMTP = DeliveryMode.BACKGROUND_SMTP, _("In the background by the send system")
    BACKGROUND_CLIENT = DeliveryMode.BACKGROUND_CLIENT, _("In the background through the mail client")
    BACKGROUND_DRAFT = DeliveryMode.BACKGROUND_DRAFT, _("In the background through the mail client, as a draft")
    FOREGROUND_MODAL = DeliveryMode.FOREGROUND_MODAL, _("In the foreground through the mail client, modal")
    FOREGROUND = DeliveryMode.FOREGROUND, _("In the foreground through the mail client, not modal")


class Tenant(models.Model):
    """A firm, or a Com customer of exactly one firm (T1)."""

    slug = models.CharField(_("ID"), max_length=64, unique=True, validators=[user_id_validator])
    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(_("kind"), max_length=16, choices=TenantKindChoices)
    firm = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="com_customers", verbose_name=_("firm"))
    sends_as_firm = models.CharField(
        _("mail that carries the firm's address"), max_length=8, choices=SendsAsFirmChoices, default=SendsAsFirm.ALLOW
    )
    # A Com customer's own word: whether its firm may read body and attachments of its mails (T7).
    firm_reads_letters = models.BooleanField(_("the firm may read the letters"), default=False)
    locked = models.JSONField(_("locked for everything below"), default=list, blank=True)
    locked_by_operator = models.JSONField(_("locked by the operator"), default=list, blank=True)
    # Raised whenever redirect or check sender changes here or above; the wire compares it just before the first body byte (U2).
    policy_epoch = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = _("tenant")
        verbose_name_plural = _("tenants")
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="tenant_com_customer_has_firm",
                condition=Q(kind=TenantKind.FIRM, firm__isnull=True) | Q(kind=TenantKind.COM_CUSTOMER, firm__isnull=False),
            ),
            models.CheckConstraint(name="tenant_is_not_its_own_firm", condition=Q(firm__isnull=True) | ~Q(firm=F("id"))),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_com_customer(self) -> bool:
        return self.kind == TenantKind.COM_CUSTOMER


class UserManager(BaseUserManager["User"]):
    """Makes users; the portal's own doors use `changes`."""

    def create_superuser(self, login: str, password: str | None = None, **more: Any) -> "User":
        user = self.model(login=login, role=Role.OPERATOR, **more)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(login=username)


class User(AbstractBaseUser):
    """A login (*User-ID*) of one tenant; an operator belongs to none (T2)."""

    login = models.CharField(_("user ID"), max_length=64, unique=True, validators=[user_id_validator])
    name = models.CharField(_("name"), max_length=200)
    email = models.CharField(_("e-mail"), max_length=254, blank=True)
    role = models.CharField(_("role"), max_length=16, choices=RoleChoices)
    tenant = models.ForeignKey(Tenant, models.PROTECT, null=True, blank=True, related_name="users", verbose_name=_("tenant"))
    is_active = models.BooleanField(_("active"), default=True)
    deputy = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("deputy"))
    language = models.CharField(_("language"), max_length=8, blank=True)
    theme = models.CharField(_("colour scheme"), max_length=8, blank=True)

    objects: ClassVar[UserManager] = UserManager()
    USERNAME_FIELD = "login"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        ordering: ClassVar[list[str]] = ["login"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="user_operator_has_no_tenant",
                condition=Q(role=Role.OPERATOR, tenant__isnull=True) | (~Q(role=Role.OPERATOR) & Q(tenant__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return self.login

    @property
    def role_enum(self) -> Role:
        return Role(self.role)

    @property
    def is_operator(self) -> bool:
        return self.role == Role.OPERATOR

    @property
    def is_staff(self) -> bool:
        """Whether the Django admin opens: it is the operator's."""
        return self.is_operator

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return self.is_active and self.is_operator

    def has_perms(self, perm_list: list[str], obj: object = None) -> bool:
        return self.is_active and self.is_operator

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and self.is_operator


class Employee(models.Model):
    """A person with e-mail addresses, linked to at most one user-ID of the same tenant (T3)."""

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="employees", verbose_name=_("tenant"))
    number = models.CharField(_("ID"), max_length=64, validators=[key_validator])
    name = models.CharField(_("name"), max_length=200)
    email = models.CharField(_("e-mail"), max_length=400, blank=True)
    additional_emails = models.JSONField(_("further e-mail addresses"), default=list, blank=True)
    user = models.OneToOneField(
        User, models.SET_NULL, null=True, blank=True, related_name="employee", verbose_name=_("linked user ID")
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("employee")
        verbose_name_plural = _("employees")
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("tenant", "number", name="employee_number_once_per_tenant"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def addresses(self) -> list[str]:
        return [address for address in (self.email, *self.additional_emails) if address]


class EmailAccount(models.Model):
    """A sender address with, optionally, its own connection and the user it belongs to (A1)."""

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="email_accounts", verbose_name=_("tenant"))
    slug = models.CharField(_("ID"), max_length=64, validators=[key_validator])
    sender_address = models.CharField(_("sender address"), max_length=400)
    values = models.JSONField(_("connection"), default=dict, blank=True)
    user = models.OneToOneField(
        User, models.SET_NULL, null=True, blank=True, related_name="email_account", verbose_name=_("belongs to user ID")
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("e-mail account")
        verbose_name_plural = _("e-mail accounts")
        ordering: ClassVar[list[str]] = ["slug"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("tenant", "slug", name="account_id_once_per_tenant"),
            models.CheckConstraint(name="account_has_sender_address", condition=~Q(sender_address="")),
        ]

    def __str__(self) -> str:
        return self.slug


class PrintModel(models.Model):
    """Context, templates, accounts and delivery mode of one kind of mail (M1, M2)."""

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="print_models", verbose_name=_("tenant"))
    slug = models.CharField(_("ID"), max_length=64, validators=[key_validator])
    context = models.CharField(_("context"), max_length=64, blank=True)
    account = models.ForeignKey(
        EmailAccount, models.PROTECT, null=True, blank=True, related_name="print_models", verbose_name=_("e-mail account")
    )
    stage = models.CharField(_("stage"), max_length=16, choices=StageChoices, default=Stage.LIVE)
    delivery_mode = models.CharField(
        _("delivery mode"), max_length=24, choices=DeliveryModeChoices, default=DeliveryMode.AS_PARAMETERS
    )
    subject = models.TextField(_("subject"), blank=True)
    text = models.TextField(_("text"), blank=True)
    html = models.TextField(_("HTML"), blank=True)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("print model")
        verbose_name_plural = _("print models")
        ordering: ClassVar[list[str]] = ["slug"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("tenant", "slug", name="print_model_id_once_per_tenant"),
        ]

    def __str__(self) -> str:
        return self.slug


class PrintModelAccount(models.Model):
    """A user's own account for one print model (R1, level 1)."""

    print_model = models.ForeignKey(PrintModel, models.CASCADE, related_name="user_accounts", verbose_name=_("print model"))
    user = models.ForeignKey(User, models.CASCADE, related_name="+", verbose_name=_("user"))
    account = models.ForeignKey(EmailAccount, models.PROTECT, related_name="+", verbose_name=_("e-mail account"))

    class Meta:
        verbose_name = _("account of a user for a print model")
        verbose_name_plural = _("accounts of users for print models")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("print_model", "user", name="print_model_account_once_per_user"),
        ]

    def __str__(self) -> str:
        return f"{self.print_model_id}/{self.user_id}"


class ParameterSet(models.Model):
    """The parameters that one tenant (general) or one user (own) sets (rules P); secrets stand beside it."""

    tenant = models.OneToOneField(
        Tenant, models.CASCADE, null=True, blank=True, related_name="parameter_set", verbose_name=_("tenant")
    )
    user = models.OneToOneField(User, models.CASCADE, null=True, blank=True, related_name="parameter_set", verbose_name=_("user"))
    values = models.JSONField(_("values"), default=dict, blank=True)

    class Meta:
        verbose_name = _("parameters")
        verbose_name_plural = _("parameters")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="parameters_of_tenant_or_user",
                condition=Q(tenant__isnull=False, user__isnull=True) | Q(tenant__isnull=True, user__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"tenant {self.tenant_id}" if self.tenant_id else f"user {self.user_id}"


class Secret(models.Model):
    """A sealed secret of a parameter set or an account, and in clear what it is bound to (P5, Z7, Z8)."""

    parameter_set = models.ForeignKey(ParameterSet, models.CASCADE, null=True, blank=True, related_name="secrets")
    account = models.ForeignKey(EmailAccount, models.CASCADE, null=True, blank=True, related_name="secrets")
    key = models.CharField(max_length=32)
    sealed = models.BinaryField()
    binding = models.TextField()
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("secret")
        verbose_name_plural = _("secrets")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="secret_of_parameters_or_account",
                condition=Q(parameter_set__isnull=False, account__isnull=True)
                | Q(parameter_set__isnull=True, account__isnull=False),
            ),
            models.UniqueConstraint(
                "parameter_set", "key", name="secret_once_per_parameters", condition=Q(parameter_set__isnull=False)
            ),
            models.UniqueConstraint("account", "key", name="secret_once_per_account", condition=Q(account__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.key


class Consent(models.Model):
    """Which mailbox lets the portal send in its name, and who brought that about; its refresh token is the secret (OAuth 2.0)."""

    secret = models.OneToOneField(Secret, models.CASCADE, related_name="consent")
    mailbox = models.CharField(_("mailbox"), max_length=320, blank=True)  # as the authority names it
    given_by = models.CharField(_("connected by"), max_length=64)
    given_at = models.DateTimeField(_("connected on"))
    renewed_at = models.DateTimeField(_("last renewed on"))  # when the authority last gave a token by it
    refusal = models.TextField(_("last refusal"), blank=True)  # what the authority said when it no longer did

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")

    def __str__(self) -> str:
        return self.mailbox


class ClaimedAddress(models.Model):
    """A sender address that a Com customer uses, and whether its mailbox, or somebody trusted, has confirmed it (T4, P8)."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="claimed_addresses", verbose_name=_("tenant"))
    key = models.CharField(max_length=320)  # canonical (C4)
    address = models.CharField(_("address"), max_length=400)
    asked_by = models.CharField(_("entered by"), max_length=64)
    asked_at = models.DateTimeField(_("asked on"), null=True, blank=True)  # when the last confirmation mail was handed over
    token_digest = models.CharField(max_length=64, blank=True)  # SHA-256 of the token in that mail
    token_until = models.DateTimeField(null=True, blank=True)
    mails = models.PositiveSmallIntegerField(default=0)  # confirmation mails so far
    error = models.TextField(blank=True)  # why the last one could not be sent
    confirmed_at = models.DateTimeField(_("confirmed on"), null=True, blank=True)
    confirmed_by = models.CharField(_("confirmed by"), max_length=64, blank=True)
    disowned_at = models.DateTimeField(_("disowned on"), null=True, blank=True)  # the mailbox said: not by us

    class Meta:
        verbose_name = _("claimed address")
        verbose_name_plural = _("claimed addresses")
        ordering: ClassVar[list[str]] = ["key"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("tenant", "key", name="claimed_address_once_per_tenant"),
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["token_digest"], name="claimed_address_by_token")]

    def __str__(self) -> str:
        return self.address


class Installation(models.Model):
    """The environment this database belongs to: one row, made at the first start (U5)."""

    name = models.CharField(max_length=200)
    since = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("installation")
        verbose_name_plural = _("installations")

    def __str__(self) -> str:
        return self.name

"""The only writer of settings: every change with its consequences (P3, P5, P6, C2, S3, S7, T2, U2), audited.

Forms, admin, API and import call it. A value that cannot be is `Refused`; what is allowed but unwise comes back as a warning.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from mailsettings.core.addresses import AddressInvalid, key_of, parse_recipient, parse_sender
from mailsettings.core.parameters import (
    CONNECTION_KEYS,
    PARAMETERS,
    SECRET_KEYS,
    Holder,
    Kind,
    Layer,
    ParameterInvalid,
    ParameterLevel,
    on_anywhere,
    parse_value,
    switched_on,
)
from mailsettings.core.relay import SMTP_PASSWORD, Level, binding, oauth_binding
from mailsettings.core.send_systems import SEND_SYSTEMS, Credentials, Role, TenantKind
from mailsettings.models import (
    AuditEvent,
    EmailAccount,
    Employee,
    ParameterSet,
    PrintModel,
    PrintModelAccount,
    Secret,
    Tenant,
    User,
)
from mailsettings.selectors import general_layers, layers_of, owner_of
from mailsettings.vault import SecretUnreadable, seal, unseal
from mailsettings.wording import say_address_fault, say_parameter_fault

POLICY_KEYS = frozenset({"redirect_enabled", "redirect_addresses", "redirect_capture_only", "check_sender"})
FIRM_ROLES = frozenset({Role.FIRM_ADMIN, Role.FIRM_USER, Role.SERVICE_USER})
COM_ROLES = frozenset({Role.COM_ADMIN, Role.COM_USER, Role.SERVICE_USER})
Owner = Tenant | User | EmailAccount

# Called with the ids of the tenants whose policies became stricter, after COMMIT; returns when no mail under the old policies is
# still on the wire (U2). The app that sends mail adds its own.
after_tightening: list[Callable[[Sequence[int]], None]] = []


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a change is refused: where, a code, and a sentence in the reader's language."""

    field: str
    code: str
    message: str


class Refused(Exception):
    """The change may not be made like this; nothing was written."""

    def __init__(self, objections: Iterable[Objection]) -> None:
        self.objections = tuple(objections)
        super().__init__("; ".join(f"{objection.field}: {objection.message}" for objection in self.objections))


@dataclass(frozen=True, slots=True)
class Record:
    """One change as it was made; `before` is empty for what was created."""

    action: str
    subject: str
    before: Mapping[str, object]
    after: Mapping[str, object]


@dataclass(slots=True)
class Book:
    """Who changes, what was changed so far, and what is to be said about it."""

    actor: str
    records: list[Record] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tightened: set[int] = field(default_factory=set)

    def note(self, tenant: Tenant | None, action: str, subject: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Record and audit a change, if it is one."""
        changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
        if not changed:
            return
        old = {key: before[key] for key in sorted(changed) if key in before}
        new = {key: after[key] for key in sorted(changed) if key in after}
        self.records.append(Record(action, subject, old, new))
        AuditEvent.objects.create(actor=self.actor, tenant=tenant, action=action, subject=subject, before=old, after=new)

    def policy_changed(self, tenant: Tenant) -> None:
        """Make every mail that is about to go look again (U2)."""
        if tenant.pk not in self.tightened:
            self.tightened.add(tenant.pk)
            Tenant.objects.filter(pk=tenant.pk).update(policy_epoch=F("policy_epoch") + 1)
            transaction.on_commit(lambda: _settle_policies([tenant.pk]))


def audit(actor: str, tenant: Tenant | None, action: str, subject: str, after: Mapping[str, Any]) -> None:
    """Write down what somebody did that is no change of settings (Z16)."""
    AuditEvent.objects.create(actor=actor, tenant=tenant, action=action, subject=subject[:200], after=dict(after))


def _settle_policies(tenants: Sequence[int]) -> None:
    for wait in after_tightening:
        wait(tenants)


def save_tenant(
    book: Book,
    *,
    slug: str,
    name: str,
    kind: TenantKind,
    firm: Tenant | None = None,
    sends_as_firm: str = "allow",
    locked: Sequence[str] = (),
    locked_by_operator: Sequence[str] | None = None,
) -> Tenant:
    """Create or update a tenant by its id. Raises Refused."""
    tenant = Tenant.objects.filter(slug=slug).first() or Tenant(slug=slug, kind=kind, firm=firm)
    if tenant.kind != kind or tenant.firm_id != (firm.pk if firm else None):
        raise Refused(
            [Objection("id", "tenant_elsewhere", _("The tenant %(id)s exists already in another place.") % {"id": slug})]
        )
    for key in [*locked, *(locked_by_operator or ())]:
        if key not in PARAMETERS:
            raise Refused([Objection("locked", "unknown_parameter", _("There is no parameter %(key)s.") % {"key": key})])
    before = _picture(tenant, "name", "sends_as_firm", "locked", "locked_by_operator")
    locks_before = {*tenant.locked, *tenant.locked_by_operator}
    tenant.name, tenant.sends_as_firm, tenant.locked = name, sends_as_firm, sorted(set(locked))
    if locked_by_operator is not None:
        tenant.locked_by_operator = sorted(set(locked_by_operator))
    _store(tenant)
    book.note(tenant, "tenant", slug, before, _picture(tenant, *before))
    if (locks_before ^ {*tenant.locked, *tenant.locked_by_operator}) & POLICY_KEYS:
        book.policy_changed(tenant)
    return tenant


def save_user(
    book: Book,
    *,
    login: str,
    name: str,
    role: Role,
    tenant: Tenant | None,
    email: str = "",
    active: bool | None = None,
    password: str | None = None,
) -> User:
    """Create or update a user by its user-ID; `password` counts only where the user is made. Raises Refused."""
    user = User.objects.filter(login=login).first()
    created = user is None
    user = user or User(login=login, tenant=tenant, role=role)
    if user.tenant_id != (tenant.pk if tenant else None):
        raise Refused(
            [Objection("id", "user_elsewhere", _("The user ID %(id)s exists already at another tenant.") % {"id": login})]
        )
    _check_role(role, tenant)
    before = {} if created else _picture(user, "name", "email", "role", "is_active")
    user.name, user.email, user.role = name, _plain_address("email", email), role
    user.is_active = user.is_active if active is None else active
    if created:
        if password:
            user.set_password(password)
        else:
            user.set_unusable_password()
    _store(user)
    book.note(tenant, "user", login, before, _picture(user, "name", "email", "role", "is_active"))
    return user


def set_deputy(book: Book, user: User, deputy: User | None) -> None:
    """Name who takes a user's jobs over when they leave (T6). Raises Refused."""
    _check_deputy(user, deputy)
    before = _picture(user, "deputy_id")
    user.deputy = deputy
    user.save(update_fields=["deputy"])
    book.note(user.tenant, "user", user.login, before, _picture(user, "deputy_id"))


def save_employee(
    book: Book,
    *,
    tenant: Tenant,
    number: str,
    name: str,
    email: str = "",
    additional_emails: Sequence[str] = (),
    user: User | None = None,
    active: bool | None = None,
    sync: bool = True,
) -> Employee:
    """Create or update an employee; `sync` carries the e-mail into the linked user's own sender address (P6). Raises Refused."""
    employee = Employee.objects.filter(tenant=tenant, number=number).first() or Employee(tenant=tenant, number=number)
    _check_link(employee, user, tenant)
    before = _picture(employee, "name", "email", "additional_emails", "user_id", "is_active") if employee.pk else {}
    employee.name, employee.user = name, user
    employee.email = _checked_sender("email", email)
    employee.additional_emails = [
        _checked_sender("additional_emails", address) for address in additional_emails if address.strip()
    ]
    employee.is_active = employee.is_active if active is None else active
    _store(employee)
    after = _picture(employee, "name", "email", "additional_emails", "user_id", "is_active")
    book.note(tenant, "employee", f"{tenant.slug}/{number}", before, after)
    if before != after:
        book.policy_changed(tenant)
        if sync:
            sync_sender(book, employee)
    return employee


def sync_sender(book: Book, employee: Employee) -> None:
    """P6: write the employee's e-mail into the linked user's own sender address, where the parameter says so."""
    if employee.user is None:
        return
    own = own_values(employee.user)
    derived = sender_from_employee(employee.user, own)
    if derived and own.get("sender_address") != derived:
        save_parameters(book, employee.user, {**own, "sender_address": derived})


def sender_from_employee(user: User, own: Mapping[str, Any]) -> str:
    """What P6 makes of a user's own sender address, given the own values; empty where it has nothing to say."""
    employee = Employee.objects.filter(user=user, is_active=True).first()
    if employee is None or not employee.email or user.tenant is None:
        return ""
    return employee.email if switched_on(layers_of(user, own), "update_sender_from_employee") else ""


def refuse_own_sender(user: User, sender: str) -> None:
    """C2: at firms, a user's own sender address is one of the linked employee's. Forms and API call it, an import only warns.

    Raises Refused.
    """
    employee = _employee_at_firm(user)
    if sender and employee and key_of(sender) not in map(key_of, employee.addresses):
        message = _("%(sender)s is none of the e-mail addresses of the linked employee %(employee)s.")
        words = {"sender": sender, "employee": employee.name}
        raise Refused([Objection("sender_address", "not_on_employee", message % words)])


def refuse_vanishing_address(employee: Employee, before: Iterable[str]) -> None:
    """C2: none of the addresses an employee had `before` vanishes while the linked user sends with it.

    Forms and API call it inside the change, when P6 has had its say; an import only warns.
    Raises Refused, naming what depends on it.
    """
    user = employee.user
    if user is None or _employee_at_firm(user) is None:
        return
    vanished = set(map(key_of, before)) - set(map(key_of, employee.addresses))
    own = str(own_values(user).get("sender_address", ""))
    if own and key_of(own) in vanished:
        message = _("The own settings of the user %(user)s still send as %(sender)s.") % {"user": user.login, "sender": own}
        raise Refused([Objection("email", "address_in_use", message)])
    account = EmailAccount.objects.filter(user=user, is_active=True).first()
    if account and key_of(account.sender_address) in vanished and _checks_sender(user):
        message = _("The e-mail account %(account)s of the user %(user)s still sends as %(sender)s, and “Check sender” is on.")
        words = {"account": account.slug, "user": user.login, "sender": account.sender_address}
        raise Refused([Objection("email", "address_in_use", message % words)])


def refuse_shared_identity(owner: Owner, values: Mapping[str, Any]) -> None:
    """S3: the process's identity only where *Absender prüfen* is on or an administrator confirms. Forms and API call it.

    Raises Refused.
    """
    if not _shares_identity(values):
        return
    tenant = _tenant_of(owner)
    if tenant.is_com_customer:
        message = _("This send system needs a user and a password at a Com customer.")
        raise Refused([Objection("send_system", "shared_identity", message)])
    confirmed = values.get("confirm_shared_identity")
    if confirmed is None:
        confirmed = own_values(tenant).get("confirm_shared_identity")
    checked = values.get("check_sender") is True or own_values(tenant).get("check_sender") is True
    if not checked and confirmed is not True:
        message = _("Switch “Check sender” on, or confirm below that the shared identity is meant.")
        raise Refused([Objection("send_system", "shared_identity", f"{_shared_identity_warning()} {message}")])


def own_values(owner: Tenant | User) -> dict[str, Any]:
    """The parameters that a tenant or user sets itself."""
    parameter_set = ParameterSet.objects.filter(**_owner_filter(owner)).first()
    return dict(parameter_set.values) if parameter_set else {}


def save_parameters(book: Book, owner: Tenant | User, values: Mapping[str, object]) -> ParameterSet:
    """Replace what a tenant or user sets itself; secrets stay, and hold while their endpoint does. Raises Refused."""
    tenant = owner if isinstance(owner, Tenant) else owner.tenant
    if tenant is None:
        raise Refused([Objection("parameters", "operator", _("An operator sends no mail and has no parameters."))])
    cleaned = clean_values(values, of_firm=isinstance(owner, Tenant) and not owner.is_com_customer)
    parameter_set = ParameterSet.objects.filter(**_owner_filter(owner)).first() or ParameterSet(**_owner_filter(owner))
    before = dict(parameter_set.values)
    parameter_set.values = cleaned
    if parameter_set._state.adding or before != cleaned:
        parameter_set.save()
    book.note(tenant, "parameters", _name_of(owner), before, cleaned)
    if any(before.get(key) != cleaned.get(key) for key in POLICY_KEYS):
        book.policy_changed(tenant)
    book.warnings.extend(_parameter_warnings(owner, cleaned))
    if cleaned.get("update_sender_from_employee") is True and before.get("update_sender_from_employee") is not True:
        _sync_all(book, owner)
    return parameter_set


def clean_values(values: Mapping[str, object], *, of_firm: bool, of_account: bool = False) -> dict[str, Any]:
    """The stored form of parameters, without secrets and empty ones. Raises Refused with one objection per bad value."""
    objections, cleaned = [], {}
    for key, raw in values.items():
        try:
            value = parse_value(key, raw)
            _check_place(key, of_firm=of_firm, of_account=of_account)
        except ParameterInvalid as invalid:
            objections.append(Objection(key, invalid.code, say_parameter_fault(invalid)))
            continue
        if value is not None and PARAMETERS[key].kind is not Kind.SECRET:
            cleaned[key] = list(value) if isinstance(value, tuple) else value
    if objections:
        raise Refused(objections)
    return cleaned


def save_account(
    book: Book,
    *,
    tenant: Tenant,
    slug: str,
    sender_address: str,
    values: Mapping[str, object],
    user: User | None = None,
    active: bool | None = None,
) -> EmailAccount:
    """Create or update an e-mail account (A1). Raises Refused."""
    account = EmailAccount.objects.filter(tenant=tenant, slug=slug).first() or EmailAccount(tenant=tenant, slug=slug)
    _check_same_tenant("user", user, tenant)
    other = EmailAccount.objects.filter(user=user).exclude(pk=account.pk).first() if user else None
    if other:
        message = _("The user ID %(user)s already has the account %(account)s.") % {"user": user, "account": other.slug}
        raise Refused([Objection("user", "user_has_account", message)])
    before = _picture(account, "sender_address", "values", "user_id", "is_active") if account.pk else {}
    account.sender_address = _checked_sender("sender_address", sender_address, required=True)
    account.values = clean_values(values, of_firm=False, of_account=True)
    account.user = user
    account.is_active = account.is_active if active is None else active
    _store(account)
    after = _picture(account, "sender_address", "values", "user_id", "is_active")
    book.note(tenant, "email_account", f"{tenant.slug}/{slug}", before, after)
    book.warnings.extend(_connection_warnings(_name_of(account), account.values))
    return account


def save_print_model(
    book: Book,
    *,
    tenant: Tenant,
    slug: str,
    account: EmailAccount | None,
    user_accounts: Mapping[User, EmailAccount],
    context: str = "",
    stage: str = "live",
    delivery_mode: str = "as_parameters",
    subject: str = "",
    text: str = "",
    html: str = "",
    active: bool | None = None,
) -> PrintModel:
    """Create or update a print model with the accounts of users for it (M1, A2). Raises Refused."""
    model = PrintModel.objects.filter(tenant=tenant, slug=slug).first() or PrintModel(tenant=tenant, slug=slug)
    for chosen in [account, *user_accounts.values()]:
        _check_same_tenant("account", chosen, tenant)
    fields = ("context", "account_id", "stage", "delivery_mode", "subject", "text", "html", "is_active")
    before = {**_picture(model, *fields), "user_accounts": _user_accounts(model)} if model.pk else {}
    model.context, model.account, model.stage, model.delivery_mode = context, account, stage, delivery_mode
    model.subject, model.text, model.html = subject, text, html
    model.is_active = model.is_active if active is None else active
    _store(model)
    wanted = {user.login: chosen.slug for user, chosen in user_accounts.items()}
    if _user_accounts(model) != wanted:
        model.user_accounts.all().delete()
        PrintModelAccount.objects.bulk_create(
            PrintModelAccount(print_model=model, user=user, account=chosen) for user, chosen in user_accounts.items()
        )
    book.note(tenant, "print_model", f"{tenant.slug}/{slug}", before, {**_picture(model, *fields), "user_accounts": wanted})
    if before.get("stage", stage) != stage:
        book.policy_changed(tenant)
    return model


def save_secret(book: Book, owner: Owner, key: str, secret: str) -> None:
    """Seal a secret to the endpoint that is in force now (P5); call it after everything that decides the endpoint is saved."""
    level = _level_of(owner)
    bound = _binding_of(level, key)
    place: dict[str, Any] = {"account": owner} if isinstance(owner, EmailAccount) else {"parameter_set": _set_of(owner)}
    known = Secret.objects.filter(**place, key=key, binding=bound).first()
    if known and _same_secret(known, secret, owner=level.holder.owner):
        return
    sealed = seal(secret, owner=level.holder.owner, key=key, binding=bound)
    Secret.objects.update_or_create(**place, key=key, defaults={"sealed": sealed, "binding": bound})
    book.note(_tenant_of(owner), "secret", f"{_name_of(owner)}/{key}", {}, {"entered": True})


def forget_secret(book: Book, owner: Owner, key: str) -> None:
    """Delete a stored secret, if there is one."""
    secrets = secrets_of(owner).filter(key=key)
    if secrets:
        secrets.delete()
        book.note(_tenant_of(owner), "secret", f"{_name_of(owner)}/{key}", {"entered": True}, {})


def secrets_of(owner: Owner) -> QuerySet[Secret]:
    """The sealed secrets of an owner."""
    if isinstance(owner, EmailAccount):
        return owner.secrets.all()
    return Secret.objects.filter(**{f"parameter_set__{name}": value for name, value in _owner_filter(owner).items()})


def secret_fits(owner: Owner, secret: Secret) -> bool:
    """Whether a stored secret may still be offered: server, port, user and TLS are those it was entered for (P5)."""
    return secret.binding == _binding_of(_level_of(owner), secret.key)


def warn_of_stale_secrets(book: Book, owner: Owner) -> None:
    """P5: say whose secrets no longer fit, at this owner and below; pages call it after a connection has changed."""
    for secret in _secrets_at_and_below(owner):
        holder = _owner_of_secret(secret)
        if holder is not None and not secret_fits(holder, secret):
            message = _("%(name)s: the password must be entered again, because server, port, user or TLS have changed.")
            book.warnings.append(message % {"name": _name_of(holder)})


def set_password(book: Book, user: User, password: str) -> None:
    """Set a user's log-in password."""
    user.set_password(password)
    user.save(update_fields=["password"])
    book.note(user.tenant, "log-in password", user.login, {}, {"changed": True})


def save_appearance(user: User, *, language: str | None = None, theme: str | None = None) -> None:
    """Remember the language and colour scheme a user chose; a matter of taste, not audited."""
    if language is not None:
        user.language = language
    if theme is not None:
        user.theme = theme
    user.save(update_fields=["language", "theme"])


def _employee_at_firm(user: User) -> Employee | None:
    """The linked employee of a firm's user, about whom C2 speaks."""
    if user.tenant is None or user.tenant.is_com_customer:
        return None
    return Employee.objects.filter(user=user).first()


def _checks_sender(user: User) -> bool:
    return own_values(user).get("check_sender") is True or on_anywhere(general_layers(_tenant_of(user)), "check_sender")


def _shared_identity_warning() -> str:
    return _("With this setting any employee can send with any sender address, the managing director's included.")


def _shares_identity(values: Mapping[str, Any]) -> bool:
    system = SEND_SYSTEMS.get(values.get("send_system", 0))
    if system is None:
        return False
    without_login = system.credentials is Credentials.NTLM and not values.get("smtp_user")
    return system.credentials is Credentials.PROCESS or without_login


def _binding_of(level: Level, key: str) -> str:
    return binding(level) if key == SMTP_PASSWORD else oauth_binding(level)


def _secrets_at_and_below(owner: Owner) -> QuerySet[Secret]:
    rows = secrets_of(owner)
    if isinstance(owner, Tenant):
        accounts = EmailAccount.objects.filter(Q(tenant=owner) | Q(tenant__firm=owner))
        sets = ParameterSet.objects.filter(
            Q(tenant=owner) | Q(tenant__firm=owner) | Q(user__tenant=owner) | Q(user__tenant__firm=owner)
        )
        rows = Secret.objects.filter(Q(account__in=accounts) | Q(parameter_set__in=sets))
    return rows.select_related("account__tenant__firm", "parameter_set__tenant__firm", "parameter_set__user__tenant__firm")


def _owner_of_secret(secret: Secret) -> Owner | None:
    if secret.account:
        return secret.account
    return (secret.parameter_set.tenant or secret.parameter_set.user) if secret.parameter_set else None


def _same_secret(known: Secret, secret: str, *, owner: str) -> bool:
    try:
        return unseal(bytes(known.sealed), owner=owner, key=known.key, binding=known.binding) == secret
    except SecretUnreadable:
        return False


def _level_of(owner: Owner) -> Level:
    """Where a secret stands, with what its level may borrow a server from (R3)."""
    if isinstance(owner, EmailAccount):
        generals = general_layers(owner.tenant)
        return Level("", owner.slug, _account_holder(owner), tuple(layer.holder for layer in generals))
    tenant = _tenant_of(owner)
    layers: Sequence[Layer] = general_layers(tenant)
    if isinstance(owner, Tenant):
        return Level(layers[0].level, owner.slug, _raw_holder(owner), tuple(layer.holder for layer in layers[1:]))
    return Level(ParameterLevel.USER, owner.login, _raw_holder(owner), tuple(layer.holder for layer in layers))


def _raw_holder(owner: Tenant | User) -> Holder:
    return Holder(owner_of(_set_of(owner)), own_values(owner))


def _account_holder(account: EmailAccount) -> Holder:
    return Holder(f"account:{account.pk}", dict(account.values))


def _set_of(owner: Tenant | User) -> ParameterSet:
    return ParameterSet.objects.get_or_create(**_owner_filter(owner))[0]


def _tenant_of(owner: Owner) -> Tenant:
    tenant = owner if isinstance(owner, Tenant) else owner.tenant
    if tenant is None:
        raise ValueError("an operator has no settings")
    return tenant


def _owner_filter(owner: Tenant | User) -> dict[str, Any]:
    return {"tenant": owner} if isinstance(owner, Tenant) else {"user": owner}


def _name_of(owner: Owner) -> str:
    if isinstance(owner, EmailAccount):
        return f"{owner.tenant.slug}/{owner.slug}"
    return owner.slug if isinstance(owner, Tenant) else owner.login


def _picture(row: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _user_accounts(model: PrintModel) -> dict[str, str]:
    return dict(model.user_accounts.values_list("user__login", "account__slug"))


def _store(row: Any) -> None:
    """Save a row after its own validators and constraints have spoken. Raises Refused."""
    try:
        row.full_clean()
    except ValidationError as invalid:
        raise Refused(
            Objection(name, error.code or "invalid", " ".join(error.messages))
            for name, errors in invalid.error_dict.items()
            for error in errors
        ) from invalid
    row.save()


def _check_place(key: str, *, of_firm: bool, of_account: bool) -> None:
    if of_account and key not in CONNECTION_KEYS:
        raise ParameterInvalid(key, "not_for_accounts")
    if PARAMETERS[key].firm_only and not of_firm:
        raise ParameterInvalid(key, "firm_only")


def _check_role(role: Role, tenant: Tenant | None) -> None:
    possible = {Role.OPERATOR} if tenant is None else COM_ROLES if tenant.is_com_customer else FIRM_ROLES
    if role not in possible:
        message = _("The role %(role)s is not possible here; possible are: %(possible)s.")
        raise Refused([Objection("role", "role", message % {"role": role, "possible": ", ".join(sorted(possible))})])


def _check_deputy(user: User, deputy: User | None) -> None:
    if deputy is not None and (deputy.tenant_id != user.tenant_id or deputy.login == user.login):
        raise Refused([Objection("deputy", "deputy", _("A deputy is another user of the same tenant."))])


def _check_link(employee: Employee, user: User | None, tenant: Tenant) -> None:
    _check_same_tenant("user", user, tenant)
    other = Employee.objects.filter(user=user).exclude(pk=employee.pk).first() if user else None
    if other:
        message = _("The user ID %(user)s is already linked to the employee %(name)s.") % {"user": user, "name": other.name}
        raise Refused([Objection("user", "user_linked", message)])


def _check_same_tenant(name: str, row: User | EmailAccount | None, tenant: Tenant) -> None:
    if row is not None and row.tenant_id != tenant.pk:
        raise Refused([Objection(name, "other_tenant", _("%(row)s belongs to another tenant.") % {"row": row})])


def _checked_sender(name: str, text: str, *, required: bool = False) -> str:
    if not text.strip() and not required:
        return ""
    try:
        return str(parse_sender(text))
    except AddressInvalid as invalid:
        raise Refused([Objection(name, "address_invalid", say_address_fault(invalid.code))]) from invalid


def _plain_address(name: str, text: str) -> str:
    if not text.strip():
        return ""
    try:
        return parse_recipient(text).readable
    except AddressInvalid as invalid:
        raise Refused([Objection(name, "address_invalid", say_address_fault(invalid.code))]) from invalid


def _sync_all(book: Book, owner: Tenant | User) -> None:
    """P6, when the parameter is switched on: every linked employee below it."""
    employees = Employee.objects.select_related("user__tenant").filter(user__isnull=False)
    if isinstance(owner, User):
        employees = employees.filter(user=owner)
    else:
        employees = employees.filter(tenant=owner) | employees.filter(tenant__firm=owner)
    for employee in employees:
        sync_sender(book, employee)


def _parameter_warnings(owner: Tenant | User, values: Mapping[str, Any]) -> list[str]:
    name = _name_of(owner)
    warnings = _connection_warnings(name, values)
    if isinstance(owner, Tenant) and not owner.is_com_customer and values.get("smtp_server") and not values.get("sender_address"):
        warnings.append(_("%(name)s: an SMTP server is set, but no general sender address, the last fallback.") % {"name": name})
    if isinstance(owner, User) and (sender := values.get("sender_address")):
        employee = Employee.objects.filter(user=owner).first()
        if (
            employee
            and owner.tenant
            and not owner.tenant.is_com_customer
            and key_of(sender) not in map(key_of, employee.addresses)
        ):
            message = _("%(name)s: the own sender address %(sender)s is none of the linked employee's addresses.")
            warnings.append(message % {"name": name, "sender": sender})
    return warnings


def _connection_warnings(name: str, values: Mapping[str, Any]) -> list[str]:
    warnings = []
    if _shares_identity(values):
        warnings.append(f"{name}: {_shared_identity_warning()}")
    if values.get("smtp_tls") == "off" and values.get("smtp_user") and not values.get("allow_plain_auth"):
        warnings.append(_("%(name)s: a password is never sent without TLS, save to this machine itself.") % {"name": name})
    return warnings


assert set(SECRET_KEYS) == {"smtp_password", "oauth_client_secret"}  # noqa: S101 (`save_secret` knows these two)

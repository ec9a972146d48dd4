"""YAML → changes: the whole configuration as one document, all-or-nothing and idempotent; `export` is the way back."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import yaml
from django.db import transaction
from django.utils.translation import gettext as _

from mailsettings import changes
from mailsettings.changes import Book, Objection, Owner, Refused
from mailsettings.core.parameters import CONNECTION_KEYS, SECRET_KEYS
from mailsettings.core.send_systems import DeliveryMode, Role, SendsAsFirm, Stage, TenantKind
from mailsettings.models import EmailAccount, Employee, Tenant, User

VERSION = 1
MAX_OCTETS = 50_000_000
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

_TENANT_KEYS = {
    "id",
    "name",
    "parameters",
    "locked",
    "locked_by_operator",
    "users",
    "employees",
    "email_accounts",
    "print_models",
}
_FIRM_KEYS = _TENANT_KEYS | {"com_customers"}
_COM_KEYS = _TENANT_KEYS | {"sends_as_firm"}
_USER_KEYS = {"id", "name", "email", "role", "parameters", "password", "active", "deputy"}
_OPERATOR_KEYS = {"id", "name", "email", "password", "active"}
_EMPLOYEE_KEYS = {"id", "name", "email", "additional_emails", "user", "active"}
_ACCOUNT_KEYS = {"id", "sender_address", "user", "active"} | CONNECTION_KEYS
_PRINT_MODEL_KEYS = {
    "id", "context", "account", "user_accounts", "stage", "delivery_mode", "subject", "text", "html", "active",
}  # fmt: skip


class ConfigurationInvalid(Exception):
    """The document cannot be imported; `faults` are sentences that begin with the place, as `firms[0].users[2].role: ...`."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


@dataclass(slots=True)
class _Import:
    """One import under way: what was found wrong, and the secrets to seal when everything else is saved."""

    book: Book
    environment: Mapping[str, str]
    faults: list[str] = field(default_factory=list)
    secrets: list[tuple[str, Owner, str, str]] = field(default_factory=list)
    parameters: list[tuple[str, Tenant | User, dict[str, Any]]] = field(default_factory=list)
    explicit_senders: set[str] = field(default_factory=set)

    def object(self, place: str, faults: Refused) -> None:
        self.faults.extend(_sentence(place, objection) for objection in faults.objections)


def _sentence(place: str, objection: Objection) -> str:
    return f"{place}.{objection.field}: {objection.message}"


def load(text: str) -> dict[str, Any]:
    """The YAML document as a mapping. Raises ConfigurationInvalid."""
    if len(text) > MAX_OCTETS:
        raise ConfigurationInvalid([_("The file is too large.")])
    try:
        document = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 (a SafeLoader that refuses double keys)
    except (yaml.YAMLError, RecursionError, ValueError) as invalid:
        raise ConfigurationInvalid(
            [_("The file is not valid YAML: %(why)s") % {"why": " ".join(str(invalid).split())}]
        ) from invalid
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ConfigurationInvalid([_("The file must be a mapping with “version: 1”.")])
    return cast("dict[str, Any]", document)


def import_document(document: Mapping[str, Any], *, actor: str, environment: Mapping[str, str] | None = None) -> Book:
    """Bring the database to what the document says, in one transaction. Raises ConfigurationInvalid; then nothing was changed."""
    work = _Import(Book(actor), os.environ if environment is None else environment)
    with transaction.atomic():
        _import_all(work, document)
        if work.faults:
            transaction.set_rollback(True)
    if work.faults:
        raise ConfigurationInvalid(work.faults)
    return work.book


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, which YAML forbids and PyYAML lets pass."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _value in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key_node.value!r} stands twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def _import_all(work: _Import, document: Mapping[str, Any]) -> None:
    """Tenants and users first, since all else names them; secrets last, since they are sealed to what is then in force (P5)."""
    _known_keys(work, "document", document, {"version", "operators", "firms"})
    for place, entry in _entries(work, "operators", document.get("operators"), _OPERATOR_KEYS):
        _import_user(work, place, {**entry, "role": Role.OPERATOR.value}, None)
    tenants = list(_import_tenants(work, document))
    for place, tenant, entry in tenants:
        _import_users(work, place, entry, tenant)
    for place, tenant, entry in tenants:
        _import_employees(work, place, entry, tenant)
    _save_parameters(work)
    for place, tenant, entry in tenants:
        _import_accounts(work, place, entry, tenant)
        _import_print_models(work, place, entry, tenant)
    _sync_senders(work, [tenant for _place, tenant, _entry in tenants])
    _seal_secrets(work)
    _warn_of_ignored(work, [tenant for _place, tenant, _entry in tenants])


def _import_tenants(work: _Import, document: Mapping[str, Any]) -> Iterator[tuple[str, Tenant, Mapping[str, Any]]]:
    for place, entry in _entries(work, "firms", document.get("firms"), _FIRM_KEYS):
        firm = _import_tenant(work, place, entry, None)
        if firm is None:
            continue
        yield place, firm, entry
        for com_place, com_entry in _entries(work, f"{place}.com_customers", entry.get("com_customers"), _COM_KEYS):
            if customer := _import_tenant(work, com_place, com_entry, firm):
                yield com_place, customer, com_entry


def _seal_secrets(work: _Import) -> None:
    for place, holder, key, secret in [] if work.faults else work.secrets:
        with _guarded(work, place):
            changes.save_secret(work.book, holder, key, secret)


def _warn_of_ignored(work: _Import, tenants: list[Tenant]) -> None:
    """T5: what is stored but locked above; whoever reads the warnings knows who has locked it."""
    owners: list[Owner] = [owner for _place, owner, _values in work.parameters]
    accounts = EmailAccount.objects.filter(tenant__in=tenants).select_related("tenant__firm").order_by("tenant__slug", "slug")
    for owner in [*owners, *accounts]:
        changes.warn_of_ignored(work.book, owner)


def _save_parameters(work: _Import) -> None:
    """Tenants first, then users, since an own sender address may come from the employee (P6)."""
    for place, owner, values in sorted(work.parameters, key=lambda item: isinstance(item[1], User)):
        if (
            isinstance(owner, User)
            and not values.get("sender_address")
            and (derived := changes.sender_from_employee(owner, values))
        ):
            values["sender_address"] = derived
        with _guarded(work, f"{place}.parameters"):
            explicit = isinstance(owner, User) and owner.login in work.explicit_senders
            changes.save_parameters(work.book, owner, values, sync=not explicit)


@contextmanager
def _guarded(work: _Import, place: str) -> Iterator[None]:
    """What is refused inside is a fault at that place; the import goes on to find the others."""
    try:
        with transaction.atomic():
            yield
    except Refused as refused:
        work.object(place, refused)


def _import_tenant(work: _Import, place: str, entry: Mapping[str, Any], firm: Tenant | None) -> Tenant | None:
    tenant = None
    with _guarded(work, place):
        tenant = changes.save_tenant(
            work.book,
            slug=_identifier(entry),
            name=_text(entry, "name", required=True),
            kind=TenantKind.COM_CUSTOMER if firm else TenantKind.FIRM,
            firm=firm,
            sends_as_firm=_choice(entry, "sends_as_firm", SendsAsFirm, SendsAsFirm.ALLOW),
            locked=_texts(entry, "locked"),
            locked_by_operator=_texts(entry, "locked_by_operator") if "locked_by_operator" in entry else None,
        )
        work.parameters.append((place, tenant, _parameters(work, place, entry.get("parameters"), tenant)))
    return tenant


def _import_users(work: _Import, place: str, entry: Mapping[str, Any], tenant: Tenant) -> None:
    entries = list(_entries(work, f"{place}.users", entry.get("users"), _USER_KEYS))
    users = {user_place: _import_user(work, user_place, user_entry, tenant) for user_place, user_entry in entries}
    for user_place, user_entry in entries:
        user = users[user_place]
        if user is None:
            continue
        values = _parameters(work, user_place, user_entry.get("parameters"), user)
        work.parameters.append((user_place, user, values))
        if values.get("sender_address"):
            work.explicit_senders.add(user.login)
        with _guarded(work, user_place):
            changes.set_deputy(work.book, user, _reference(work, user_place, user_entry, "deputy", User, tenant))


def _import_user(work: _Import, place: str, entry: Mapping[str, Any], tenant: Tenant | None) -> User | None:
    user = None
    with _guarded(work, place):
        login = _identifier(entry)
        password = None if User.objects.filter(login=login).exists() else entry.get("password")
        user = changes.save_user(
            work.book,
            login=login,
            name=_text(entry, "name") or login,
            email=_text(entry, "email"),
            role=Role(_choice(entry, "role", Role, None)),
            tenant=tenant,
            active=_switch(entry, "active"),
            password=_secret(work, f"{place}.password", password) if password is not None else None,
        )
    return user


def _import_employees(work: _Import, place: str, entry: Mapping[str, Any], tenant: Tenant) -> None:
    for employee_place, employee in _entries(work, f"{place}.employees", entry.get("employees"), _EMPLOYEE_KEYS):
        with _guarded(work, employee_place):
            changes.save_employee(
                work.book,
                tenant=tenant,
                number=_identifier(employee),
                name=_text(employee, "name", required=True),
                email=_text(employee, "email"),
                additional_emails=_texts(employee, "additional_emails"),
                user=_reference(work, employee_place, employee, "user", User, tenant),
                active=_switch(employee, "active"),
                sync=False,
            )


def _import_accounts(work: _Import, place: str, entry: Mapping[str, Any], tenant: Tenant) -> None:
    for account_place, account in _entries(work, f"{place}.email_accounts", entry.get("email_accounts"), _ACCOUNT_KEYS):
        with _guarded(work, account_place):
            saved = changes.save_account(
                work.book,
                tenant=tenant,
                slug=_identifier(account),
                sender_address=_text(account, "sender_address", required=True),
                values={key: value for key, value in account.items() if key in CONNECTION_KEYS and key not in SECRET_KEYS},
                user=_reference(work, account_place, account, "user", User, tenant),
                active=_switch(account, "active"),
            )
            _collect_secrets(work, account_place, account, saved)


def _import_print_models(work: _Import, place: str, entry: Mapping[str, Any], tenant: Tenant) -> None:
    for model_place, model in _entries(work, f"{place}.print_models", entry.get("print_models"), _PRINT_MODEL_KEYS):
        with _guarded(work, model_place):
            changes.save_print_model(
                work.book,
                tenant=tenant,
                slug=_identifier(model),
                context=_text(model, "context"),
                account=_reference(work, model_place, model, "account", EmailAccount, tenant),
                user_accounts=_user_accounts(work, model_place, model, tenant),
                stage=_choice(model, "stage", Stage, Stage.LIVE),
                delivery_mode=_choice(model, "delivery_mode", DeliveryMode, DeliveryMode.AS_PARAMETERS),
                subject=_text(model, "subject", strip=False),
                text=_text(model, "text", strip=False),
                html=_text(model, "html", strip=False),
                active=_switch(model, "active"),
            )


def _user_accounts(work: _Import, place: str, model: Mapping[str, Any], tenant: Tenant) -> dict[User, EmailAccount]:
    named = model.get("user_accounts") or {}
    if not isinstance(named, dict):
        work.faults.append(f"{place}.user_accounts: " + _("The value must be a mapping of user IDs to accounts."))
        return {}
    found = {}
    for login, slug in named.items():
        pair = {"user": login, "account": slug}
        user = _reference(work, f"{place}.user_accounts", pair, "user", User, tenant)
        account = _reference(work, f"{place}.user_accounts", pair, "account", EmailAccount, tenant)
        if user and account:
            found[user] = account
    return found


def _sync_senders(work: _Import, tenants: list[Tenant]) -> None:
    """P6 for the employees whose e-mail or link the import changes; an explicit own sender address wins."""
    records = work.book.records
    moved = {row.subject for row in records if row.action == "employee" and changes.moves_sender(row.before, row.after)}
    employees = Employee.objects.filter(tenant__in=tenants, user__isnull=False).select_related("user__tenant__firm", "tenant")
    for employee in employees:
        explicit = employee.user is None or employee.user.login in work.explicit_senders
        if not explicit and f"{employee.tenant.slug}/{employee.number}" in moved:
            changes.sync_sender(work.book, employee)


def _parameters(work: _Import, place: str, raw: object, owner: Tenant | User) -> dict[str, Any]:
    """The parameters without their secrets, which are kept for later."""
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        work.faults.append(f"{place}.parameters: " + _("The value must be a mapping of parameters."))
        return {}
    _collect_secrets(work, f"{place}.parameters", raw, owner)
    return {str(key): value for key, value in raw.items() if key not in SECRET_KEYS}


def _collect_secrets(work: _Import, place: str, entry: Mapping[str, Any], owner: Owner) -> None:
    for key in SECRET_KEYS:
        if entry.get(key) not in (None, ""):
            secret = _secret(work, f"{place}.{key}", entry[key])
            if secret:
                work.secrets.append((f"{place}.{key}", owner, key, secret))


def _secret(work: _Import, place: str, raw: object) -> str:
    text = str(raw)
    reference = _REFERENCE.fullmatch(text)
    if reference is None:
        return text
    value = work.environment.get(reference[1], "")
    if not value:
        work.faults.append(f"{place}: " + _("The environment variable %(name)s is not set.") % {"name": reference[1]})
    return value


def _entries(work: _Import, place: str, raw: object, known: set[str] | frozenset[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if raw is None:
        return
    if not isinstance(raw, list):
        work.faults.append(f"{place}: " + _("The value must be a list."))
        return
    seen: set[str] = set()
    for index, entry in enumerate(raw):
        here = f"{place}[{index}]"
        if not isinstance(entry, dict):
            work.faults.append(f"{here}: " + _("The entry must be a mapping."))
            continue
        _known_keys(work, here, entry, known)
        identifier = str(entry.get("id", ""))
        if identifier in seen:
            work.faults.append(f"{here}.id: " + _("The ID %(id)s stands twice in this list.") % {"id": identifier})
            continue
        seen.add(identifier)
        yield here, entry


def _known_keys(work: _Import, place: str, entry: Mapping[str, Any], known: set[str] | frozenset[str]) -> None:
    for key in entry:
        if key not in known:
            work.faults.append(f"{place}.{key}: " + _("There is no such key here."))


def _identifier(entry: Mapping[str, Any]) -> str:
    raw = entry.get("id")
    if isinstance(raw, bool) or not isinstance(raw, (str, int)) or raw == "":
        raise Refused([Objection("id", "required", _("An ID is needed."))])
    return str(raw)


def _text(entry: Mapping[str, Any], key: str, *, required: bool = False, strip: bool = True) -> str:
    raw = entry.get(key)
    if isinstance(raw, (dict, list, bool)):
        raise Refused([Objection(key, "not_a_text", _("The value must be a text."))])
    text = "" if raw is None else str(raw)
    text = text.strip() if strip else text
    if required and not text:
        raise Refused([Objection(key, "required", _("A value is needed."))])
    return text


def _texts(entry: Mapping[str, Any], key: str) -> list[str]:
    raw = entry.get(key) or []
    if not isinstance(raw, list) or not all(isinstance(item, str) for item in raw):
        raise Refused([Objection(key, "not_a_list", _("The value must be a list of texts."))])
    return raw


def _switch(entry: Mapping[str, Any], key: str) -> bool | None:
    raw = entry.get(key)
    if raw is not None and not isinstance(raw, bool):
        raise Refused([Objection(key, "not_a_switch", _("The value must be true or false."))])
    return raw


def _choice(entry: Mapping[str, Any], key: str, kind: Any, default: Any) -> str:
    raw = entry.get(key)
    if raw is None and default is not None:
        return str(default.value)
    possible = [member.value for member in kind]
    if raw not in possible:
        message = _("The value must be one of: %(possible)s.") % {"possible": ", ".join(possible)}
        raise Refused([Objection(key, "not_a_choice", message)])
    return str(raw)


def _reference(work: _Import, place: str, entry: Mapping[str, Any], key: str, model: Any, tenant: Tenant) -> Any:  # noqa: PLR0917 (private)
    raw = entry.get(key)
    if raw is None or raw == "":
        return None
    name = "login" if model is User else "slug"
    found = model.objects.filter(**{name: str(raw)}, tenant=tenant).first()
    if found is None:
        work.faults.append(f"{place}.{key}: " + _("%(id)s is not known at this tenant.") % {"id": raw})
    return found

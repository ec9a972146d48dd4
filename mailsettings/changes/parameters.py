"""The parameters of tenants and users, with what follows from them (P3, P6, S3, S7, U2)."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from mailsettings.changes.book import POLICY_KEYS, Book, Objection, Owner, Refused, name_of, own_values, owner_filter, tenant_of
from mailsettings.changes.claims import claim
from mailsettings.core.addresses import key_of, parse_sender
from mailsettings.core.parameters import (
    CONNECTION_KEYS,
    PARAMETERS,
    Kind,
    ParameterInvalid,
    locked_keys,
    parse_value,
    switched_on,
)
from mailsettings.core.send_systems import SEND_SYSTEMS, Credentials
from mailsettings.models import Employee, ParameterSet, Tenant, User
from mailsettings.selectors import layers_of
from mailsettings.wording import say_parameter_fault

UPDATES_SENDER = "update_sender_from_employee"


def save_parameters(book: Book, owner: Tenant | User, values: Mapping[str, object], *, sync: bool = True) -> ParameterSet:
    """Replace what a tenant or user sets itself; secrets stay, and hold while their endpoint does.

    `sync` False: the sender address among the values goes before what P6 would write. Raises Refused.
    """
    tenant = owner if isinstance(owner, Tenant) else owner.tenant
    if tenant is None:
        raise Refused([Objection("parameters", "operator", _("An operator sends no mail and has no parameters."))])
    cleaned = clean_values(values, of_firm=isinstance(owner, Tenant) and not owner.is_com_customer)
    parameter_set = ParameterSet.objects.filter(**owner_filter(owner)).first() or ParameterSet(**owner_filter(owner))
    before = dict(parameter_set.values)
    moved = sync and before.get(UPDATES_SENDER) != cleaned.get(UPDATES_SENDER)
    updated_before = {employee.pk for employee in linked_below(owner) if updates_sender(employee)} if moved else set()
    parameter_set.values = cleaned
    if parameter_set._state.adding or before != cleaned:
        parameter_set.save()
    book.note(tenant, "parameters", name_of(owner), before, cleaned)
    claim(book, tenant, "sender_address", [cleaned.get("sender_address", "")], [before.get("sender_address", "")])
    if any(before.get(key) != cleaned.get(key) for key in POLICY_KEYS):
        book.policy_changed(tenant)
    book.warnings.extend(_parameter_warnings(owner, cleaned))
    for employee in linked_below(owner) if moved else ():
        if employee.pk not in updated_before:  # P6, where the parameter has just been switched on
            sync_sender(book, employee)
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


def sync_sender(book: Book, employee: Employee) -> None:
    """P6: write the employee's e-mail into the linked user's own sender address, where the parameter says so."""
    if employee.user is None:
        return
    own = own_values(employee.user)
    derived = sender_from_employee(employee.user, own)
    if derived and own.get("sender_address") != derived:
        save_parameters(book, employee.user, {**own, "sender_address": derived})


def sender_from_employee(user: User, own: Mapping[str, Any]) -> str:
    """What P6 makes of a user's own sender address, given the own values; empty where it has nothing to say.

    It says nothing where a level above has locked the address (T5). A display name stays while the mailbox is the same.
    """
    employee = Employee.objects.filter(user=user, is_active=True).first()
    if employee is None or not employee.email or user.tenant is None:
        return ""
    layers = layers_of(user, own)
    if not switched_on(layers, UPDATES_SENDER) or any("sender_address" in locked_keys(layer.locked) for layer in layers):
        return ""
    known = str(own.get("sender_address") or "")
    if known and key_of(known) == key_of(employee.email) and not parse_sender(employee.email).name:
        return known
    return employee.email


def refuse_shared_identity(owner: Owner, values: Mapping[str, Any]) -> None:
    """S3: the process's identity only where *Absender prüfen* is on or an administrator confirms. Forms and API call it.

    Raises Refused.
    """
    if not _shares_identity(values):
        return
    tenant = tenant_of(owner)
    if tenant.is_com_customer:
        message = _("This send system needs a user and a password at a Com customer.")
        raise Refused([Objection("send_system", "shared_identity", message)])
    confirmed = values.get("confirm_shared_identity")
    if confirmed is None:
        confirmed = own_values(tenant).get("confirm_shared_identity")
    checked = values.get("check_sender") is True or own_values(tenant).get("check_sender") is True
    if not checked and confirmed is not True:
        message = _("Switch “Check sender” on, or confirm below that the shared identity is meant.")
        raise Refused([Objection("send_system", "shared_identity", f"{shared_identity_warning()} {message}")])


def linked_below(owner: Tenant | User) -> QuerySet[Employee]:
    """The employees with a user whom a parameter of this owner can concern."""
    employees = Employee.objects.select_related("user__tenant__firm").filter(user__isnull=False)
    if isinstance(owner, User):
        return employees.filter(user=owner)
    return employees.filter(Q(tenant=owner) | Q(tenant__firm=owner))


def updates_sender(employee: Employee) -> bool:
    """Whether P6 keeps the linked user's own sender address in step."""
    return employee.user is not None and switched_on(layers_of(employee.user), UPDATES_SENDER)


def _check_place(key: str, *, of_firm: bool, of_account: bool) -> None:
    if of_account and key not in CONNECTION_KEYS:
        raise ParameterInvalid(key, "not_for_accounts")
    if PARAMETERS[key].firm_only and not of_firm:
        raise ParameterInvalid(key, "firm_only")


def _parameter_warnings(owner: Tenant | User, values: Mapping[str, Any]) -> list[str]:
    name = name_of(owner)
    warnings = connection_warnings(name, values)
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


def connection_warnings(name: str, values: Mapping[str, Any]) -> list[str]:
    warnings = []
    if _shares_identity(values):
        warnings.append(f"{name}: {shared_identity_warning()}")
    if values.get("smtp_tls") == "off" and values.get("smtp_user") and not values.get("allow_plain_auth"):
        warnings.append(_("%(name)s: a password is never sent without TLS, save to this machine itself.") % {"name": name})
    return warnings


def _shares_identity(values: Mapping[str, Any]) -> bool:
    system = SEND_SYSTEMS.get(values.get("send_system", 0))
    if system is None:
        return False
    without_login = system.credentials is Credentials.NTLM and not values.get("smtp_user")
    return system.credentials is Credentials.PROCESS or without_login


def shared_identity_warning() -> str:
    return _("With this setting any employee can send with any sender address, the managing director's included.")

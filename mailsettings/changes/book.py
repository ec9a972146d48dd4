"""Who changes, what was changed so far, what is refused: what every change of settings stands on."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from mailsettings import audit_chain, policy_lock
from mailsettings.core.addresses import AddressInvalid, parse_recipient, parse_sender
from mailsettings.core.send_systems import Role
from mailsettings.models import ClaimedAddress, EmailAccount, ParameterSet, Tenant, User
from mailsettings.scope import all_tenants
from mailsettings.wording import say_address_fault

POLICY_KEYS = frozenset({"redirect_enabled", "redirect_addresses", "redirect_capture_only", "check_sender"})
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


class Trust(StrEnum):
    """Whether the sender addresses that somebody enters for a Com customer count as confirmed (T4)."""

    IMPORT = "import"  # all that are named
    ADMINISTRATOR = "administrator"  # of the firm, or the operator: those that are new
    CLAIMANT = "claimant"  # the Com customer's own people: none, a mail to the address asks


@dataclass(slots=True)
class Book:
    """Who changes, what was changed so far, and what is to be said about it; `claims` wait for a confirmation mail."""

    actor: str
    trust: Trust = Trust.IMPORT
    claims: list[ClaimedAddress] = field(default_factory=list)
    foreign: frozenset[str] | None = None  # other tenants' addresses, read once for all that a Com customer claims in this book
    records: list[Record] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tightened: set[int] = field(default_factory=set)
    invited: list[User] = field(default_factory=list)  # who is to get an invitation by mail

    def note(self, tenant: Tenant | None, action: str, subject: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Record and audit a change, if it is one."""
        changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
        if not changed:
            return
        old = {key: before[key] for key in sorted(changed) if key in before}
        new = {key: after[key] for key in sorted(changed) if key in after}
        self.records.append(Record(action, subject, old, new))
        audit_chain.record(self.actor, tenant, action, subject, before=old, after=new)

    def policy_changed(self, tenant: Tenant) -> None:
        """Make every mail that is about to go, or to be queued, look again (U2, U4)."""
        if tenant.pk not in self.tightened:
            self.tightened.add(tenant.pk)
            with transaction.atomic():
                policy_lock.hold_alone(tenant.firm_id or tenant.pk)
                Tenant.objects.filter(pk=tenant.pk).update(policy_epoch=F("policy_epoch") + 1)
            transaction.on_commit(lambda: _settle_policies([tenant.pk]))


def audit(actor: str, tenant: Tenant | None, action: str, subject: str, after: Mapping[str, Any]) -> None:
    """Write down what somebody did that is no change of settings (Z16)."""
    audit_chain.record(actor, tenant, action, subject, before={}, after=after)


def is_sensitive(book: Book) -> bool:
    """Whether a book holds what asks for the password again (Z13): secrets, roles, log-ins.

    Redirect off asks for it each time, at its own field.
    """
    return any(_is_sensitive(record) for record in book.records)


def _is_sensitive(record: Record) -> bool:
    match record.action:
        case "secret" | "consent" | "log-in password":
            return True
        case "user":
            return "role" in record.after and (bool(record.before) or Role(str(record.after["role"])).administers)
        case _:
            return False


def _settle_policies(tenants: Sequence[int]) -> None:
    for wait in after_tightening:
        wait(tenants)


def own_values(owner: Tenant | User) -> dict[str, Any]:
    """The parameters that a tenant or user sets itself."""
    parameter_set = ParameterSet.objects.filter(**owner_filter(owner)).first()
    return dict(parameter_set.values) if parameter_set else {}


def tenant_of(owner: Owner) -> Tenant:
    tenant = owner if isinstance(owner, Tenant) else owner.tenant
    if tenant is None:
        raise ValueError("an operator has no settings")
    return tenant


def owner_filter(owner: Tenant | User) -> dict[str, Any]:
    return {"tenant": owner} if isinstance(owner, Tenant) else {"user": owner}


def set_of(owner: Tenant | User) -> ParameterSet:
    return ParameterSet.objects.get_or_create(**owner_filter(owner))[0]


def name_of(owner: Owner) -> str:
    if isinstance(owner, EmailAccount):
        return f"{owner.tenant.slug}/{owner.slug}"
    return owner.slug if isinstance(owner, Tenant) else owner.login


def picture(row: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def store(row: Any) -> None:
    """Save a row after its own validators and constraints have spoken. Raises Refused."""
    try:
        with all_tenants():  # an ID may be taken by another tenant
            row.full_clean()
    except ValidationError as invalid:
        raise Refused(
            Objection(name, error.code or "invalid", " ".join(error.messages))
            for name, errors in invalid.error_dict.items()
            for error in errors
        ) from invalid
    row.save()


def check_same_tenant(name: str, row: User | EmailAccount | None, tenant: Tenant) -> None:
    if row is not None and row.tenant_id != tenant.pk:
        raise Refused([Objection(name, "other_tenant", _("%(row)s belongs to another tenant.") % {"row": row})])


def checked_sender(name: str, text: str, *, required: bool = False) -> str:
    if not text.strip() and not required:
        return ""
    try:
        return str(parse_sender(text))
    except AddressInvalid as invalid:
        raise Refused([Objection(name, "address_invalid", say_address_fault(invalid.code))]) from invalid


def plain_address(name: str, text: str) -> str:
    if not text.strip():
        return ""
    try:
        return parse_recipient(text).readable
    except AddressInvalid as invalid:
        raise Refused([Objection(name, "address_invalid", say_address_fault(invalid.code))]) from invalid

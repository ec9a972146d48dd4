"""Firms and Com customers, and what they lock (T1, P8, T5)."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from mailsettings.changes.book import POLICY_KEYS, Book, Objection, Owner, Refused, name_of, own_values, picture, store
from mailsettings.changes.parameters import UPDATES_SENDER, linked_below, sync_sender, updates_sender
from mailsettings.changes.secrets import secrets_of
from mailsettings.core.parameters import PARAMETERS
from mailsettings.core.send_systems import TenantKind
from mailsettings.locks import ignored_at
from mailsettings.models import EmailAccount, Tenant
from mailsettings.wording import PARAMETER_LABELS

_FIELDS = ("name", "sends_as_firm", "locked", "locked_by_operator")


def save_tenant(
    book: Book,
    *,
    slug: str,
    name: str,
    kind: TenantKind,
    firm: Tenant | None = None,
    sends_as_firm: str | None = None,
    locked: Sequence[str] | None = None,
    locked_by_operator: Sequence[str] | None = None,
) -> Tenant:
    """Create or update a tenant by its id; None leaves as it is. Raises Refused."""
    tenant = Tenant.objects.filter(slug=slug).first() or Tenant(slug=slug, kind=kind, firm=firm)
    if tenant.kind != kind or tenant.firm_id != (firm.pk if firm else None):
        raise Refused(
            [Objection("id", "tenant_elsewhere", _("The tenant %(id)s exists already in another place.") % {"id": slug})]
        )
    tenant.name = name
    tenant.sends_as_firm = tenant.sends_as_firm if sends_as_firm is None else sends_as_firm
    _save(book, tenant, tenant.locked if locked is None else locked, locked_by_operator)
    return tenant


def save_locks(book: Book, tenant: Tenant, *, locked: Sequence[str], locked_by_operator: Sequence[str] | None = None) -> Tenant:
    """Replace what a tenant locks for everything below it, and what the operator locks there (T5). Raises Refused."""
    current = Tenant.objects.select_related("firm").get(pk=tenant.pk)
    _save(book, current, locked, locked_by_operator)
    return current


def let_firm_read(book: Book, tenant: Tenant, *, allowed: bool) -> None:
    """A Com customer's word on whether its firm may read body and attachments of its mails (T7); only its own people say it."""
    if not tenant.is_com_customer:
        raise ValueError("a firm reads its own letters")
    known = Tenant.objects.select_for_update().get(pk=tenant.pk)
    before = picture(known, "firm_reads_letters")
    known.firm_reads_letters = allowed
    known.save(update_fields=["firm_reads_letters"])
    book.note(known, "letters for the firm", known.slug, before, picture(known, "firm_reads_letters"))


def warn_of_ignored(book: Book, owner: Owner) -> None:
    """T5: say which of an owner's values are ignored, and who has locked them; an import calls it, forms offer no such field."""
    locks = ignored_at(owner)
    if not locks:
        return
    values = owner.values if isinstance(owner, EmailAccount) else own_values(owner)
    keys = {*values, *secrets_of(owner).values_list("key", flat=True)}
    for who in dict.fromkeys(locks[key] for key in PARAMETERS if key in keys and key in locks):
        labels = ", ".join(str(PARAMETER_LABELS[key]) for key in PARAMETERS if key in keys and locks.get(key) == who)
        message = _("%(name)s: %(parameters)s: stored, but ignored (rule T5). %(who)s.")
        book.warnings.append(message % {"name": name_of(owner), "parameters": labels, "who": who})


def _save(book: Book, tenant: Tenant, locked: Sequence[str], locked_by_operator: Sequence[str] | None) -> None:
    for key in [*locked, *(locked_by_operator or ())]:
        if key not in PARAMETERS:
            raise Refused([Objection("locked", "unknown_parameter", _("There is no parameter %(key)s.") % {"key": key})])
    known = Tenant.objects.filter(pk=tenant.pk).first() if tenant.pk else None
    before = picture(known or Tenant(), *_FIELDS)
    tenant.locked = sorted(set(locked))
    if locked_by_operator is not None:
        tenant.locked_by_operator = sorted(set(locked_by_operator))
    moved = _locks(before) ^ {*tenant.locked, *tenant.locked_by_operator}
    updated_before = (
        {row.pk for row in linked_below(tenant) if updates_sender(row)} if known and UPDATES_SENDER in moved else None
    )
    store(tenant)
    book.note(tenant, "tenant", tenant.slug, before, picture(tenant, *_FIELDS))
    if before["sends_as_firm"] != tenant.sends_as_firm or moved & POLICY_KEYS:
        book.policy_changed(tenant)
    if updated_before is not None:
        for employee in linked_below(tenant):  # P6, where a lock has just switched the parameter on
            if employee.pk not in updated_before and updates_sender(employee):
                sync_sender(book, employee)


def _locks(before: dict[str, object]) -> set[str]:
    listed: set[str] = set()
    for name in ("locked", "locked_by_operator"):
        value = before[name]
        listed.update(value if isinstance(value, list) else [])
    return listed

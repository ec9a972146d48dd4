"""Firms and Com customers (T1, P8, T5)."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from mailsettings.changes.book import POLICY_KEYS, Book, Objection, Refused, picture, store
from mailsettings.core.parameters import PARAMETERS
from mailsettings.core.send_systems import TenantKind
from mailsettings.models import Tenant


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
    before = picture(tenant, "name", "sends_as_firm", "locked", "locked_by_operator")
    locks_before = {*tenant.locked, *tenant.locked_by_operator}
    tenant.name, tenant.sends_as_firm, tenant.locked = name, sends_as_firm, sorted(set(locked))
    if locked_by_operator is not None:
        tenant.locked_by_operator = sorted(set(locked_by_operator))
    store(tenant)
    book.note(tenant, "tenant", slug, before, picture(tenant, *before))
    if before["sends_as_firm"] != sends_as_firm or (locks_before ^ {*tenant.locked, *tenant.locked_by_operator}) & POLICY_KEYS:
        book.policy_changed(tenant)
    return tenant

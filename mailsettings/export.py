"""The configuration as a YAML document that imports to the same; no secret is in it (contract)."""

from collections.abc import Mapping
from typing import Any

import yaml

from mailsettings import changes
from mailsettings.configuration import VERSION
from mailsettings.core.send_systems import Role, TenantKind
from mailsettings.models import EmailAccount, Employee, ParameterSet, PrintModel, Tenant, User


def export_document(tenant: Tenant | None = None) -> dict[str, Any]:
    """The configuration as a document that imports to the same; no secret is in it. A tenant: its firm with that tenant only."""
    firms = Tenant.objects.filter(kind=TenantKind.FIRM).order_by("slug")
    if tenant is not None:
        firms = firms.filter(pk=tenant.firm_id or tenant.pk)
    document: dict[str, Any] = {"version": VERSION}
    if tenant is None:
        operators = User.objects.filter(role=Role.OPERATOR).order_by("login")
        document["operators"] = [
            {"id": user.login, "name": user.name, "email": user.email, "active": user.is_active} for user in operators
        ]
    document["firms"] = [_export_firm(firm, tenant) for firm in firms]
    return document


def dump(document: Mapping[str, Any]) -> str:
    """The document as YAML text."""
    return yaml.safe_dump(dict(document), allow_unicode=True, sort_keys=False, width=120)


def _export_firm(firm: Tenant, only: Tenant | None) -> dict[str, Any]:
    customers = firm.com_customers.order_by("slug")
    if only is not None:
        customers = customers.filter(pk=only.pk)
    if only is not None and only.pk != firm.pk:
        return {**_export_head(firm), "com_customers": [_export_tenant(customer) for customer in customers]}
    if only is not None:
        customers = firm.com_customers.none()
    return {**_export_tenant(firm), "com_customers": [_export_tenant(customer) for customer in customers]}


def _export_head(tenant: Tenant) -> dict[str, Any]:
    head: dict[str, Any] = {"id": tenant.slug, "name": tenant.name}
    if tenant.is_com_customer:
        head["sends_as_firm"] = tenant.sends_as_firm
    head["parameters"] = changes.own_values(tenant)
    head["locked"] = tenant.locked
    if tenant.locked_by_operator:
        head["locked_by_operator"] = tenant.locked_by_operator
    return head


def _export_tenant(tenant: Tenant) -> dict[str, Any]:
    own = {row.user_id: dict(row.values) for row in ParameterSet.objects.filter(user__tenant=tenant)}
    return {
        **_export_head(tenant),
        "users": [_export_user(user, own) for user in tenant.users.select_related("deputy").order_by("login")],
        "employees": [_export_employee(row) for row in tenant.employees.select_related("user").order_by("number")],
        "email_accounts": [_export_account(row) for row in tenant.email_accounts.select_related("user").order_by("slug")],
        "print_models": [_export_print_model(row) for row in tenant.print_models.select_related("account").order_by("slug")],
    }


def _export_user(user: User, own: Mapping[int | None, dict[str, Any]]) -> dict[str, Any]:
    entry = {"id": user.login, "name": user.name, "email": user.email, "role": user.role, "active": user.is_active}
    if user.deputy:
        entry["deputy"] = user.deputy.login
    return {**entry, "parameters": own.get(user.pk, {})}


def _export_employee(row: Employee) -> dict[str, Any]:
    return {
        "id": row.number,
        "name": row.name,
        "email": row.email,
        "additional_emails": row.additional_emails,
        "user": row.user.login if row.user else None,
        "active": row.is_active,
    }


def _export_account(row: EmailAccount) -> dict[str, Any]:
    user = row.user.login if row.user else None
    return {"id": row.slug, "sender_address": row.sender_address, "user": user, "active": row.is_active, **row.values}


def _export_print_model(row: PrintModel) -> dict[str, Any]:
    return {
        "id": row.slug,
        "context": row.context,
        "account": row.account.slug if row.account else None,
        "user_accounts": dict(row.user_accounts.values_list("user__login", "account__slug")),
        "stage": row.stage,
        "delivery_mode": row.delivery_mode,
        "subject": row.subject,
        "text": row.text,
        "html": row.html,
        "active": row.is_active,
    }

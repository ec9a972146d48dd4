"""Rows → facts: the only place that reads settings for a decision, in few queries however many cases follow."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db.models import Q

from mailsettings.core.addresses import key_of
from mailsettings.core.facts import AccountFacts, EmployeeFacts, Facts, PrintModelFacts, Request, TenantFacts, UserFacts
from mailsettings.core.parameters import Holder, Layer, ParameterLevel, Value, in_force, locked_keys
from mailsettings.core.send_systems import DeliveryMode, SendsAsFirm, Stage, TenantKind
from mailsettings.installation import copied_from
from mailsettings.models import (
    ClaimedAddress,
    EmailAccount,
    Employee,
    ParameterSet,
    PrintModel,
    PrintModelAccount,
    Secret,
    Tenant,
    User,
)
from mailsettings.scope import all_tenants


@dataclass(slots=True)
class World:
    """All that decisions about some users of one tenant need, in memory; `facts_for` asks the database nothing."""

    tenant: TenantFacts
    users: dict[str, UserFacts]
    own: dict[str, Holder]
    generals: tuple[Layer, ...]  # Com customer, then firm
    own_accounts: dict[str, AccountFacts]
    print_models: dict[str, PrintModelFacts]
    accounts: dict[int, AccountFacts] = field(default_factory=dict)  # by primary key
    policy_stamp: int = 0  # rises with every change of a policy at the tenant or its firm (U2)
    layer_cache: dict[str, tuple[Layer, ...]] = field(default_factory=dict)

    def layers_for(self, user_id: str) -> tuple[Layer, ...]:
        """The parameter layers of one user, nearest first, without what is locked above."""
        if user_id not in self.layer_cache:
            own = Layer(ParameterLevel.USER, user_id, self.own.get(user_id, Holder("")))
            self.layer_cache[user_id] = in_force((own, *self.generals))
        return self.layer_cache[user_id]

    def facts_for(self, user_id: str, request: Request) -> Facts:
        """The facts of one case."""
        return Facts(
            user=self.users[user_id],
            tenant=self.tenant,
            layers=self.layers_for(user_id),
            request=request,
            print_model=self.print_models.get(request.print_model or ""),
            own_account=self.own_accounts.get(user_id),
        )


AddressesInUse = Mapping[str, frozenset[int | None]]  # canonical address → tenants, None: no tenant


def world_of(tenant: Tenant, users: Iterable[User] | None = None, *, in_use: AddressesInUse | None = None) -> World:
    """Read one tenant's settings; `users` narrows it to those, `in_use` is what `addresses_in_use` has given."""
    chosen = list(users) if users is not None else list(tenant.users.all())
    chain = [tenant] if tenant.firm is None else [tenant, tenant.firm]
    holders = _parameter_holders(chain, chosen)
    accounts = _accounts(tenant)
    return World(
        tenant=TenantFacts(
            tenant.slug,
            TenantKind(tenant.kind),
            SendsAsFirm(tenant.sends_as_firm),
            _foreign(tenant, addresses_in_use() if in_use is None else in_use) if tenant.is_com_customer else frozenset(),
            _confirmed_addresses(tenant) if tenant.is_com_customer else None,
            copied=copied_from() is not None,
        ),
        users=_users(chosen),
        own={user.login: holders[f"user:{user.pk}"] for user in chosen if f"user:{user.pk}" in holders},
        generals=tuple(_general_layer(member, holders.get(f"tenant:{member.pk}")) for member in chain),
        own_accounts={account.user: account for account in accounts.values() if account.user},
        print_models=_print_models(tenant, accounts, {user.pk: user.login for user in chosen}),
        accounts=accounts,
        policy_stamp=sum(member.policy_epoch for member in chain),
    )


def facts_of(user: User, request: Request) -> Facts:
    """The facts of one case of one user, who must belong to a tenant."""
    if user.tenant is None:
        raise ValueError("an operator belongs to no tenant and sends no mail")
    return world_of(user.tenant, [user]).facts_for(user.login, request)


def general_layers(tenant: Tenant) -> tuple[Layer, ...]:
    """The general layers of a tenant, nearest first, without what is locked above."""
    chain = [tenant] if tenant.firm is None else [tenant, tenant.firm]
    holders = _parameter_holders(chain, [])
    return in_force([_general_layer(member, holders.get(f"tenant:{member.pk}")) for member in chain])


def layers_of(user: User, own: Mapping[str, object] | None = None) -> tuple[Layer, ...]:
    """The parameter layers of one user of a tenant without their secrets, nearest first, without what is locked above.

    `own` stands in for what the user has set. Cheaper than a `World` where only parameters count.
    """
    if user.tenant is None:
        raise ValueError("an operator belongs to no tenant and has no parameters")
    if own is None:
        own = ParameterSet.objects.filter(user=user).values_list("values", flat=True).first() or {}
    holder = Holder(f"user:{user.pk}", _frozen(own))
    return in_force((Layer(ParameterLevel.USER, user.login, holder), *general_layers(user.tenant)))


def owner_of(parameter_set: ParameterSet) -> str:
    """`tenant:ID` or `user:ID` of a parameter set."""
    return f"tenant:{parameter_set.tenant_id}" if parameter_set.tenant_id else f"user:{parameter_set.user_id}"


def find_secret(owner: str, key: str) -> Secret | None:
    """The sealed secret of an owner row."""
    kind, _, text = owner.partition(":")
    identifier = int(text)
    rows = Secret.objects.filter(key=key)
    match kind:
        case "account":
            return rows.filter(account_id=identifier).first()
        case "tenant":
            return rows.filter(parameter_set__tenant_id=identifier).first()
        case _:
            return rows.filter(parameter_set__user_id=identifier).first()


def _parameter_holders(chain: list[Tenant], users: list[User]) -> dict[str, Holder]:
    sets = list(
        ParameterSet.objects.filter(Q(tenant__in=chain) | Q(user__in=users))
        if users
        else ParameterSet.objects.filter(tenant__in=chain)
    )
    secrets: dict[int | None, dict[str, str]] = defaultdict(dict)
    for set_id, key, binding in Secret.objects.filter(parameter_set__in=[row.pk for row in sets]).values_list(
        "parameter_set_id", "key", "binding"
    ):
        secrets[set_id][key] = binding
    return {owner_of(row): Holder(owner_of(row), _frozen(row.values), secrets[row.pk]) for row in sets}


def _frozen(values: object) -> dict[str, Value]:
    """The stored values; what is no object at all counts as a redirect that cannot be read (U2)."""
    if not isinstance(values, dict):
        return {"redirect_enabled": "unreadable"}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _general_layer(tenant: Tenant, holder: Holder | None) -> Layer:
    level = ParameterLevel.COM if tenant.is_com_customer else ParameterLevel.FIRM
    locked = frozenset([*tenant.locked, *tenant.locked_by_operator])
    return Layer(level, tenant.slug, holder or Holder(f"tenant:{tenant.pk}"), locked)


def _users(users: list[User]) -> dict[str, UserFacts]:
    employees = {employee.user_id: employee for employee in Employee.objects.filter(user__in=users)}
    return {
        user.login: UserFacts(user.login, user.role_enum, user.is_active, _employee_facts(employees.get(user.pk)))
        for user in users
    }


def _employee_facts(employee: Employee | None) -> EmployeeFacts | None:
    if employee is None:
        return None
    keys = frozenset(key for key in map(key_of, employee.addresses) if key)
    return EmployeeFacts(employee.email, keys, employee.is_active, employee.name, tuple(employee.addresses))


def _accounts(tenant: Tenant) -> dict[int, AccountFacts]:
    rows = list(EmailAccount.objects.filter(tenant=tenant).select_related("user"))
    secrets: dict[int | None, dict[str, str]] = defaultdict(dict)
    for account_id, key, binding in Secret.objects.filter(account__in=[row.pk for row in rows]).values_list(
        "account_id", "key", "binding"
    ):
        secrets[account_id][key] = binding
    locked = locked_keys(frozenset([*tenant.firm.locked, *tenant.firm.locked_by_operator])) if tenant.firm else frozenset()
    return {row.pk: _account_facts(row, secrets[row.pk], locked) for row in rows}


def _account_facts(row: EmailAccount, secrets: dict[str, str], locked: frozenset[str]) -> AccountFacts:
    """`locked`: what the firm locks for its Com customers' accounts too (T5)."""
    holder = Holder(f"account:{row.pk}", _frozen(row.values), secrets)
    return AccountFacts(
        id=row.slug,
        address=row.sender_address,
        holder=holder.without(locked),
        user=row.user.login if row.user else None,
        user_active=row.user.is_active if row.user else True,
        active=row.is_active,
    )


def _print_models(tenant: Tenant, accounts: dict[int, AccountFacts], logins: dict[int, str]) -> dict[str, PrintModelFacts]:
    own: dict[int, dict[str, AccountFacts]] = defaultdict(dict)
    for model_id, user_id, account_id in PrintModelAccount.objects.filter(print_model__tenant=tenant).values_list(
        "print_model_id", "user_id", "account_id"
    ):
        if user_id in logins and account_id in accounts:
            own[model_id][logins[user_id]] = accounts[account_id]
    rows = PrintModel.objects.filter(tenant=tenant).defer("subject", "text", "html")
    return {
        row.slug: PrintModelFacts(
            id=row.slug,
            mode=DeliveryMode(row.delivery_mode),
            stage=Stage(row.stage),
            account=accounts.get(row.account_id or 0),
            user_accounts=own[row.pk],
            active=row.is_active,
        )
        for row in rows
    }


def addresses_in_use() -> AddressesInUse:
    """Where each address of the installation stands; at Com customers only confirmed ones count (P8).

    Whoever reads the worlds of many Com customers hands it to each `world_of`.
    """
    with all_tenants():
        return _addresses_in_use()


def _addresses_in_use() -> AddressesInUse:
    found: set[tuple[int | None, str]] = set()
    for tenant_id, email, further in Employee.objects.values_list("tenant_id", "email", "additional_emails"):
        found.update((tenant_id, address) for address in (email, *further))
    found.update(EmailAccount.objects.values_list("tenant_id", "sender_address"))
    found.update(User.objects.values_list("tenant_id", "email"))
    for general, own, values in ParameterSet.objects.values_list("tenant_id", "user__tenant_id", "values"):
        found.add((general or own, str(_frozen(values).get("sender_address", ""))))
    claimants = set(Tenant.objects.filter(kind=TenantKind.COM_CUSTOMER).values_list("pk", flat=True))
    confirmed = set(ClaimedAddress.objects.filter(confirmed_at__isnull=False).values_list("tenant_id", "key"))
    owners: dict[str, set[int | None]] = defaultdict(set)
    for owner, address in found:
        if (key := key_of(address)) and (owner not in claimants or (owner, key) in confirmed):
            owners[key].add(owner)
    return {key: frozenset(standing) for key, standing in owners.items()}


def _foreign(tenant: Tenant, in_use: AddressesInUse) -> frozenset[str]:
    """The canonical keys of the addresses that stand at other tenants."""
    return frozenset(key for key, owners in in_use.items() if owners != {tenant.pk})


def foreign_addresses(tenant: Tenant) -> frozenset[str]:
    """The canonical addresses that stand at other tenants, so that this Com customer may not have them (P8)."""
    return _foreign(tenant, addresses_in_use())


def _confirmed_addresses(tenant: Tenant) -> frozenset[str]:
    return frozenset(tenant.claimed_addresses.filter(confirmed_at__isnull=False).values_list("key", flat=True))

"""Everything of one tenant that the checks look at, read once in few queries however many checks follow."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from django.utils import timezone

from mailjobs.connections import Known, known_at
from mailjobs.core.plan import Hazard, Plan, Refusal
from mailjobs.matrix import columns_of, row_of
from mailjobs.models import SharedConnection
from mailsettings.core.parameters import Layer, ParameterLevel
from mailsettings.models import EmailAccount, Employee, ParameterSet, Tenant, User
from mailsettings.selectors import AddressesInUse, World, world_of


@dataclass
class Ground:
    """One tenant's live configuration. `plans`: login → what each kind of mail would do, mail without a print model first."""

    tenant: Tenant
    in_use: AddressesInUse | None = None
    now: datetime = field(default_factory=timezone.now)

    @cached_property
    def users(self) -> list[User]:
        return list(self.tenant.users.filter(is_active=True).select_related("employee"))

    @cached_property
    def world(self) -> World:
        return world_of(self.tenant, self.users, in_use=self.in_use)

    @cached_property
    def plans(self) -> dict[str, tuple[Plan, ...]]:
        columns = columns_of(self.world)
        return {login: row_of(self.world, login, columns) for login in self.world.users}

    @cached_property
    def accounts(self) -> list[EmailAccount]:
        return list(EmailAccount.objects.filter(tenant=self.tenant).prefetch_related("print_models"))

    @cached_property
    def employees(self) -> list[Employee]:
        return list(Employee.objects.filter(tenant=self.tenant, is_active=True))

    @cached_property
    def known(self) -> dict[str, Known]:
        """The tenant's own connections; of a Com customer none that is its firm's (T4)."""
        return known_at(self.tenant)

    @cached_property
    def shared(self) -> list[SharedConnection]:
        return list(SharedConnection.objects.filter(key__in=[key[:400] for key in self.known]))

    @cached_property
    def general(self) -> dict[str, Any]:
        """What the tenant itself sets for everybody."""
        values = ParameterSet.objects.filter(tenant=self.tenant).values_list("values", flat=True).first()
        return values if isinstance(values, dict) else {}

    @property
    def layers(self) -> tuple[Layer, ...]:
        return self.world.generals

    def holders(self) -> Iterator[tuple[str, dict[str, Any], EmailAccount | None]]:
        """(name, values, account) of the general settings and of each account in use."""
        yield self.tenant.name, self.general, None
        for account in self.accounts:
            if account.is_active and isinstance(account.values, dict):
                yield account.slug, account.values, account

    def users_with(self, hazard: Hazard) -> list[User]:
        """The users of whom any mail would meet this hazard."""
        return [user for user in self.users if any(hazard in plan.hazards for plan in self.plans[user.login])]

    def users_refused(self, *refusals: Refusal) -> list[User]:
        """The users of whom any mail would be refused so."""
        return [user for user in self.users if any(plan.refused in refusals for plan in self.plans[user.login])]

    def of_firm(self, plan: Plan) -> bool:
        """Whether a Com customer's mail goes by its firm's connection, of which it is told nothing."""
        level = plan.connection.level if plan.connection else ""
        return self.tenant.is_com_customer and level == ParameterLevel.FIRM

    def sources_with(self, hazard: Hazard) -> list[tuple[str, str]]:
        """(level, its account, user or tenant) of the connections that meet this hazard and are the tenant's own to change."""
        return sorted(
            {
                (str(plan.connection.level), plan.connection.source)
                for plans in self.plans.values()
                for plan in plans
                if plan.connection and hazard in plan.hazards and not self.of_firm(plan)
            }
        )


def server_of(ground: Ground, known: Known) -> str:
    """The server of a connection; of the firm's a Com customer reads its own login only (T4)."""
    connection = known.connection
    if ground.tenant.is_com_customer and connection.server.owner == f"tenant:{ground.tenant.firm_id}":
        return connection.username
    return connection.host or connection.web_address

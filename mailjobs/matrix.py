"""Plans for many cases of one tenant, decided over one reading of its settings (R4)."""

from collections.abc import Iterator, Sequence

from mailjobs.core.plan import Plan, make_plan
from mailsettings.core.facts import Request
from mailsettings.models import Tenant
from mailsettings.selectors import AddressesInUse, World, addresses_in_use, world_of

WITHOUT = ""  # the column of mail without a print model


def matrix(tenant: Tenant, in_use: AddressesInUse | None = None) -> Iterator[Plan]:
    """One plan for each active user and active print model of the tenant, users first; `in_use` as for `world_of`."""
    world = world_of(tenant, tenant.users.filter(is_active=True), in_use=in_use)
    models = [slug for slug, model in world.print_models.items() if model.active]
    for login in world.users:
        for slug in models:
            yield plan_in(world, login, Request(print_model=slug))


def plan_in(world: World, login: str, request: Request) -> Plan:
    """The plan of one case."""
    return make_plan(world.facts_for(login, request))


def columns_of(world: World) -> tuple[str, ...]:
    """What mail is asked about: none (`WITHOUT`), then each active print model."""
    return (WITHOUT, *(slug for slug, model in world.print_models.items() if model.active))


def row_of(world: World, login: str, columns: Sequence[str]) -> tuple[Plan, ...]:
    """One user's plans, in the order of the columns."""
    return tuple(plan_in(world, login, Request(print_model=column or None)) for column in columns)


def cell(plan: Plan) -> tuple[object, ...]:
    """What a cell of the matrix shows; a change of settings that alters it changes how somebody sends (P9)."""
    connection = plan.connection
    return (
        plan.channel.value,
        plan.sender.mailbox.address if plan.sender.mailbox else None,
        (connection.host, connection.port, connection.username, connection.send_system) if connection else None,
        plan.refused,
        plan.held,
        plan.redirect.addresses if plan.redirect.active else None,
    )


def cells() -> dict[tuple[str, str, str], tuple[object, ...]]:
    """(tenant, user, print model) → cell, of the whole installation."""
    in_use = addresses_in_use()
    return {
        (tenant.slug, plan.facts.user.id, plan.facts.request.print_model or ""): cell(plan)
        for tenant in Tenant.objects.select_related("firm")
        for plan in matrix(tenant, in_use)
    }

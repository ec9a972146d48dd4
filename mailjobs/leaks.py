"""As whom the users of Com customers would send their next mail, by the one decision: the leak report (P4, P8)."""

from collections.abc import Sequence
from dataclasses import dataclass

from mailjobs.core.plan import Hold, Plan, Refusal
from mailjobs.matrix import WITHOUT, columns_of, row_of
from mailsettings.core.parameters import in_force
from mailsettings.core.sender import SenderLevel
from mailsettings.models import Tenant, User
from mailsettings.selectors import AddressesInUse, world_of


@dataclass(frozen=True, slots=True)
class Identity:
    """What a mail carries and whether it goes; without an address the mail client chooses one."""

    address: str
    name: str
    level: SenderLevel | None
    as_firm: bool
    refused: Refusal | None
    held: Hold | None


@dataclass(frozen=True, slots=True)
class Part:
    """The print models, by their ids, that send as one identity; `WITHOUT` stands for mail without a print model."""

    identity: Identity
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leak:
    """One user. The first part is mail without a print model, the others are the print models that differ from it."""

    user: User
    parts: tuple[Part, ...]

    @property
    def as_firm(self) -> bool:
        """Whether any of the user's mail would carry the firm's address."""
        return any(part.identity.as_firm for part in self.parts)


@dataclass(frozen=True, slots=True)
class Report:
    """One Com customer: its own general sender address in force, empty where there is none, and its users."""

    tenant: Tenant
    sender: str
    leaks: tuple[Leak, ...]

    @property
    def as_firm(self) -> int:
        """How many of its users would send as the firm."""
        return sum(leak.as_firm for leak in self.leaks)


def report_on(tenant: Tenant, users: Sequence[User], in_use: AddressesInUse | None = None) -> Report:
    """The leak report over these users of a Com customer; as many queries for one user as for a thousand. `in_use` as for
    `world_of`.
    """
    world = world_of(tenant, users, in_use=in_use)
    columns = columns_of(world)
    leaks = tuple(Leak(user, _parts(columns, row_of(world, user.login, columns))) for user in users)
    return Report(tenant, in_force(world.generals)[0].holder.text("sender_address"), leaks)


def _parts(columns: Sequence[str], plans: Sequence[Plan]) -> tuple[Part, ...]:
    """Equal identities once; that of mail without a print model comes first, and stands for all print models not named."""
    found: dict[Identity, list[str]] = {}
    for column, plan in zip(columns, plans, strict=True):
        found.setdefault(_identity(plan), []).append(column)
    return tuple(Part(identity, (WITHOUT,) if WITHOUT in models else tuple(models)) for identity, models in found.items())


def _identity(plan: Plan) -> Identity:
    mailbox, offer = plan.sender.mailbox, plan.sender.offer
    return Identity(
        address=mailbox.address if mailbox else offer.address if offer else "",
        name=mailbox.name if mailbox else "",
        level=plan.sender.level,
        as_firm=plan.facts.tenant.is_com_customer and plan.sender.from_firm,
        refused=plan.refused,
        held=plan.held,
    )

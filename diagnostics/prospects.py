"""Settings as they would be: one owner's send system replaced in memory, so that a way can be tried before it is taken."""

from dataclasses import dataclass, replace

from mailsettings.core.facts import AccountFacts, Facts, Request, UserFacts
from mailsettings.core.parameters import Holder, in_force
from mailsettings.core.relay import Connection, decide_relay
from mailsettings.core.send_systems import Role
from mailsettings.models import EmailAccount, Tenant, User
from mailsettings.selectors import World, world_of

SEND_SYSTEM = "send_system"


@dataclass(frozen=True, slots=True)
class Prospect:
    """`owner`: the row (`account:7`); `send_system`: None where it would set none; `mark`: the settings that it was made of."""

    owner: str
    send_system: int | None
    mark: str = ""

    def of(self, world: World) -> World:
        """The world with this one value in place of what is stored; nothing is saved."""
        return replace(
            world,
            own={login: self._changed(holder) for login, holder in world.own.items()},
            generals=tuple(replace(layer, holder=self._changed(layer.holder)) for layer in world.generals),
            accounts={pk: replace(account, holder=self._changed(account.holder)) for pk, account in world.accounts.items()},
            layer_cache={},
        )

    def _changed(self, holder: Holder) -> Holder:
        if holder.owner != self.owner:
            return holder
        values = {key: value for key, value in holder.values.items() if key != SEND_SYSTEM}
        return replace(holder, values=values if self.send_system is None else {**values, SEND_SYSTEM: self.send_system})


def connection_of(owner: EmailAccount | Tenant | User, prospect: Prospect | None = None) -> Connection | None:
    """What mail by these settings goes over, as they are or would be; None where they lead nowhere."""
    facts, account = _facts(owner, prospect)
    return decide_relay(facts, account).connection


def _facts(owner: EmailAccount | Tenant | User, prospect: Prospect | None) -> tuple[Facts, AccountFacts | None]:
    tenant = owner if isinstance(owner, Tenant) else owner.tenant
    if tenant is None:
        raise ValueError("an operator has no settings")
    world = world_of(tenant, [owner] if isinstance(owner, User) else [], in_use={})
    world = prospect.of(world) if prospect else world
    if isinstance(owner, User):
        return world.facts_for(owner.login, Request()), None
    general = Facts(UserFacts("", Role.FIRM_USER), world.tenant, in_force(world.generals), Request())
    return general, world.accounts.get(owner.pk) if isinstance(owner, EmailAccount) else None

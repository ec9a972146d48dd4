"""Everything a decision needs, read once by `selectors`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mailsettings.core.parameters import Holder, Layer
from mailsettings.core.send_systems import DeliveryMode, Role, SendsAsFirm, Stage, TenantKind


@dataclass(frozen=True, slots=True)
class EmployeeFacts:
    """The employee linked to the acting user: canonical keys of all its addresses; e-mail and `written` as people wrote them."""

    email: str
    addresses: frozenset[str]
    active: bool = True
    name: str = ""
    written: tuple[str, ...] = ()  # all addresses, for words


@dataclass(frozen=True, slots=True)
class UserFacts:
    """The acting user; `employee` is None where none is linked."""

    id: str
    role: Role
    active: bool = True
    employee: EmployeeFacts | None = None


@dataclass(frozen=True, slots=True)
class TenantFacts:
    """The acting user's tenant. Only for Com customers (P8, T4), as canonical keys: `foreign`, the addresses of other tenants;
    `confirmed`, the own ones that may be used (None: all). `copied`: the database belongs to another installation (U5).
    """

    id: str
    kind: TenantKind
    sends_as_firm: SendsAsFirm = SendsAsFirm.ALLOW
    foreign: frozenset[str] = frozenset()
    confirmed: frozenset[str] | None = None
    copied: bool = False

    @property
    def is_com_customer(self) -> bool:
        return self.kind is TenantKind.COM_CUSTOMER


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """An e-mail account: its sender address, its own connection settings, the user it belongs to (A1)."""

    id: str
    address: str
    holder: Holder
    user: str | None = None
    user_active: bool = True
    active: bool = True


@dataclass(frozen=True, slots=True)
class PrintModelFacts:
    """A print model as far as sending goes."""

    id: str
    mode: DeliveryMode = DeliveryMode.AS_PARAMETERS
    stage: Stage = Stage.LIVE
    account: AccountFacts | None = None
    user_accounts: Mapping[str, AccountFacts] = field(default_factory=dict)
    active: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """What the calling package asks for: R1 level 4, R5. `print_model` is the id as it was given, None for none."""

    print_model: str | None = None
    context_sender: str | None = None
    sender_method: str | None = None
    unattended: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """One case, complete. `layers` nearest first, locked values already taken out (`parameters.in_force`)."""

    user: UserFacts
    tenant: TenantFacts
    layers: tuple[Layer, ...]
    request: Request
    print_model: PrintModelFacts | None = None
    own_account: AccountFacts | None = None

    @property
    def unattended(self) -> bool:
        return self.request.unattended or self.user.role is Role.SERVICE_USER

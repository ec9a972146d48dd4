"""The send systems (rules S) and the delivery modes (rule M2) as tables."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Over(StrEnum):
    """What a send system hands over to; also the channel of a plan."""

    SMTP = "smtp"
    EWS = "ews"
    GRAPH = "graph"


class Credentials(StrEnum):
    """Whose identity a send system uses."""

    PASSWORD = "password"  # noqa: S105 (a kind, no secret)
    PROCESS = "process"  # the Kerberos credentials of the process (S1)
    NTLM = "ntlm"  # user and password, without them the process's
    EXCHANGE = "exchange"
    OAUTH = "oauth"


@dataclass(frozen=True, slots=True)
class SendSystem:
    """One row of the table in rules S."""

    number: int
    over: Over
    credentials: Credentials

    @property
    def asynchronous(self) -> bool:
        return self.number % 2 == 1

    @property
    def plain_twin(self) -> int:
        """0 or 1 of the same timing, taken where a level cannot serve this system (R3)."""
        return self.number % 2


_ROWS = (
    (Over.SMTP, Credentials.PASSWORD),
    (Over.SMTP, Credentials.PROCESS),
    (Over.SMTP, Credentials.NTLM),
    (Over.EWS, Credentials.EXCHANGE),
    (Over.SMTP, Credentials.OAUTH),
    (Over.GRAPH, Credentials.OAUTH),
)
SEND_SYSTEMS = MappingProxyType({number: SendSystem(number, *_ROWS[number // 2]) for number in range(2 * len(_ROWS))})
DEFAULT_SEND_SYSTEM = 0


class DeliveryMode(StrEnum):
    """How a print model's mail goes out (M2)."""

    AS_PARAMETERS = "as_parameters"
    BACKGROUND_SMTP = "background_smtp"
    BACKGROUND_CLIENT = "background_client"
    BACKGROUND_DRAFT = "background_draft"
    FOREGROUND_MODAL = "foreground_modal"
    FOREGROUND = "foreground"

    @property
    def by_client(self) -> bool:
        return self in {DeliveryMode.BACKGROUND_CLIENT, DeliveryMode.FOREGROUND_MODAL, DeliveryMode.FOREGROUND}


class Stage(StrEnum):
    """The introduction ladder of a print model, from the lowest rung up."""

    DRAFT = "draft"
    REDIRECTED = "redirected"
    HELD = "held"
    LIVE = "live"

    @property
    def rung(self) -> int:
        """How high it is, from 0."""
        return tuple(Stage).index(self)

    def leads_to(self, other: "Stage") -> bool:
        """Whether somebody may move a print model from here to there: one rung up, or down to any."""
        return other is not self and other.rung <= self.rung + 1

    def ends_redirection(self, other: "Stage") -> bool:
        """Whether a move from here to there lets mail go to its real recipients that until now went elsewhere."""
        return self is Stage.REDIRECTED and other.rung > self.rung


class SendsAsFirm(StrEnum):
    """What a Com customer's mail may carry of the firm (P8)."""

    ALLOW = "allow"
    WARN = "warn"
    HOLD = "hold"


class Role(StrEnum):
    """What a user may do (T2)."""

    OPERATOR = "operator"
    FIRM_ADMIN = "firm_admin"
    FIRM_USER = "firm_user"
    COM_ADMIN = "com_admin"
    COM_USER = "com_user"
    SERVICE_USER = "service_user"

    @property
    def administers(self) -> bool:
        return self in {Role.FIRM_ADMIN, Role.COM_ADMIN}


class TenantKind(StrEnum):
    """A firm, or a Com customer of one (T1)."""

    FIRM = "firm"
    COM_CUSTOMER = "com_customer"

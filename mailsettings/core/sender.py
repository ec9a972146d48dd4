"""The ladder of R1: which address a mail carries, from which level, and why; may this user use it (C1, P8)."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from mailsettings.core.addresses import AddressInvalid, Mailbox, parse_sender
from mailsettings.core.facts import AccountFacts, Facts
from mailsettings.core.header_text import visible
from mailsettings.core.parameters import Layer, ParameterLevel, on_anywhere, resolve, switched_on

CRM_METHOD = "crm"


class SenderLevel(StrEnum):
    """The levels of R1, in order."""

    PRINT_MODEL_USER_ACCOUNT = "print_model_user_account"
    PRINT_MODEL_ACCOUNT = "print_model_account"
    USER_ACCOUNT = "user_account"
    FORCED_SENDER = "forced_sender"
    CONTEXT_SENDER = "context_sender"
    USER_PARAMETERS = "user_parameters"
    COM_PARAMETERS = "com_parameters"
    FIRM_PARAMETERS = "firm_parameters"
    LOCAL_CLIENT = "local_client"


class StepOutcome(StrEnum):
    """What became of a level."""

    USED = "used"
    OVERRIDDEN = "overridden"
    ABSENT = "absent"
    NOT_AVAILABLE = "not_available"


class Reason(StrEnum):
    """Why a level has its outcome; words are in `wording`."""

    FIRST_WITH_ADDRESS = "first_with_address"
    LAST_RESORT = "last_resort"
    EARLIER_LEVEL_WON = "earlier_level_won"
    NO_PRINT_MODEL = "no_print_model"
    NO_OWN_ACCOUNT_HERE = "no_own_account_here"
    NO_ACCOUNT_NAMED = "no_account_named"
    ACCOUNT_RETIRED = "account_retired"
    NO_USER_ACCOUNT = "no_user_account"
    NOT_FORCED = "not_forced"
    FORCED_WITHOUT_ADDRESS = "forced_without_address"
    NOTHING_PASSED = "nothing_passed"
    NO_EMPLOYEE = "no_employee"
    EMPLOYEE_WITHOUT_EMAIL = "employee_without_email"
    NOT_SET = "not_set"
    LOCKED = "locked"
    NOT_AT_A_FIRM = "not_at_a_firm"
    UNATTENDED = "unattended"
    MODE_FORBIDS_CLIENT = "mode_forbids_client"


class SenderRefusal(StrEnum):
    """Why the address that would be used may not be used; codes of the contract."""

    ADDRESS_INVALID = "address_invalid"
    FOREIGN_ADDRESS = "foreign_address"
    ADDRESS_UNCONFIRMED = "address_unconfirmed"
    CHECK_SENDER_NO_EMPLOYEE = "check_sender_no_employee"
    CHECK_SENDER_NOT_ON_EMPLOYEE = "check_sender_not_on_employee"


class Origin(StrEnum):
    """Whose address a Com customer's mail carries; of a firm's mail there is nothing to tell."""

    FIRM = "firm"  # from the firm's own parameters (P8)
    PASSED = "passed"  # by the calling package
    PERSONAL = "personal"  # the user's own parameters, or the linked employee's e-mail by the CRM method
    CLAIMED = "claimed"  # the Com customer's accounts and general parameters


@dataclass(frozen=True, slots=True)
class Offer:
    """What one level offers: an address as written, from where (`source`: id of account, user or tenant; "" for a passed one)."""

    address: str
    source: str
    account: AccountFacts | None = None
    layer: ParameterLevel | None = None  # the parameter level it comes from, if it is one


@dataclass(frozen=True, slots=True)
class Step:
    """One level of the explanation."""

    level: SenderLevel
    outcome: StepOutcome
    reason: Reason
    address: str | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class SenderDecision:
    """Which level won (`level`; local client: no address) and the way there. `mailbox` is None where the text is no address."""

    steps: tuple[Step, ...]
    level: SenderLevel | None
    offer: Offer | None = None
    mailbox: Mailbox | None = None
    invalid: AddressInvalid | None = None

    @property
    def from_firm(self) -> bool:
        """Whether the address stands in the firm's own parameters (P8)."""
        return self.offer is not None and self.offer.layer is ParameterLevel.FIRM


def decide_sender(facts: Facts, *, client_possible: bool) -> SenderDecision:
    """Walk R1 once; `client_possible` says whether level 7 exists for this mail (R5, M2)."""
    steps: list[Step] = []
    winner: Offer | None = None
    won: SenderLevel | None = None
    for level, offer in _offers(facts):
        if isinstance(offer, Step):
            steps.append(offer)
        elif winner is None:
            winner, won = offer, level
            steps.append(Step(level, StepOutcome.USED, Reason.FIRST_WITH_ADDRESS, _shown(offer.address), offer.source))
        else:
            steps.append(Step(level, StepOutcome.OVERRIDDEN, Reason.EARLIER_LEVEL_WON, _shown(offer.address), offer.source))
    steps.append(_client_step(facts, won, client_possible=client_possible))
    if winner is None:
        return SenderDecision(tuple(steps), SenderLevel.LOCAL_CLIENT if client_possible else None)
    try:
        return SenderDecision(tuple(steps), won, winner, parse_sender(winner.address))
    except AddressInvalid as invalid:
        return SenderDecision(tuple(steps), won, winner, None, invalid)


def refuse_sender(facts: Facts, decision: SenderDecision) -> SenderRefusal | None:
    """Why this user may not send with the decided address, None where it may (P7, P8, T4, C1)."""
    if decision.offer is None:
        return None
    if decision.mailbox is None:
        return SenderRefusal.ADDRESS_INVALID
    return judge_address(facts, decision.mailbox, origin_of(facts, decision))


def judge_address(facts: Facts, mailbox: Mailbox, origin: Origin | None) -> SenderRefusal | None:
    """The same for an address alone, as for a stored mail: is it another tenant's, is it confirmed, is it the employee's."""
    if origin in {Origin.PASSED, Origin.PERSONAL} and mailbox.key in facts.tenant.foreign:
        return SenderRefusal.FOREIGN_ADDRESS
    confirmed = facts.tenant.confirmed
    if origin in {Origin.PERSONAL, Origin.CLAIMED} and confirmed is not None and mailbox.key not in confirmed:
        return SenderRefusal.ADDRESS_UNCONFIRMED
    return check_sender(facts, mailbox)


def check_sender(facts: Facts, mailbox: Mailbox) -> SenderRefusal | None:
    """C1: with *Absender prüfen* on at any level, only addresses of the linked employee."""
    if not on_anywhere(facts.layers, "check_sender"):
        return None
    employee = facts.user.employee
    if employee is None or not employee.active:
        return SenderRefusal.CHECK_SENDER_NO_EMPLOYEE
    return None if mailbox.key in employee.addresses else SenderRefusal.CHECK_SENDER_NOT_ON_EMPLOYEE


def origin_of(facts: Facts, decision: SenderDecision) -> Origin | None:
    """Whose address a Com customer's mail carries; None at a firm and without an address."""
    if not facts.tenant.is_com_customer or decision.offer is None:
        return None
    if decision.from_firm:
        return Origin.FIRM
    if decision.level is SenderLevel.CONTEXT_SENDER:
        return Origin.PERSONAL if decision.offer.source else Origin.PASSED
    return Origin.PERSONAL if decision.offer.layer is ParameterLevel.USER else Origin.CLAIMED


def _offers(facts: Facts) -> Iterator[tuple[SenderLevel, Offer | Step]]:
    yield SenderLevel.PRINT_MODEL_USER_ACCOUNT, _print_model_user_account(facts)
    yield SenderLevel.PRINT_MODEL_ACCOUNT, _print_model_account(facts)
    yield SenderLevel.USER_ACCOUNT, _account(SenderLevel.USER_ACCOUNT, facts.own_account, Reason.NO_USER_ACCOUNT)
    yield SenderLevel.FORCED_SENDER, _forced(facts)
    yield SenderLevel.CONTEXT_SENDER, _passed(facts)
    by_level = {layer.level: layer for layer in facts.layers}
    for level, parameter_level in (
        (SenderLevel.USER_PARAMETERS, ParameterLevel.USER),
        (SenderLevel.COM_PARAMETERS, ParameterLevel.COM),
        (SenderLevel.FIRM_PARAMETERS, ParameterLevel.FIRM),
    ):
        yield level, _parameters(level, by_level.get(parameter_level))


def _absent(level: SenderLevel, reason: Reason, source: str = "") -> Step:
    return Step(level, StepOutcome.ABSENT, reason, None, source)


def _account(level: SenderLevel, account: AccountFacts | None, missing: Reason) -> Offer | Step:
    if account is None:
        return _absent(level, missing)
    if not account.active:
        return _absent(level, Reason.ACCOUNT_RETIRED, account.id)
    return Offer(account.address, account.id, account)


def _print_model_user_account(facts: Facts) -> Offer | Step:
    level = SenderLevel.PRINT_MODEL_USER_ACCOUNT
    if facts.print_model is None:
        return _absent(level, Reason.NO_PRINT_MODEL)
    return _account(level, facts.print_model.user_accounts.get(facts.user.id), Reason.NO_OWN_ACCOUNT_HERE)


def _print_model_account(facts: Facts) -> Offer | Step:
    level = SenderLevel.PRINT_MODEL_ACCOUNT
    if facts.print_model is None:
        return _absent(level, Reason.NO_PRINT_MODEL)
    return _account(level, facts.print_model.account, Reason.NO_ACCOUNT_NAMED)


def _forced(facts: Facts) -> Offer | Step:
    level = SenderLevel.FORCED_SENDER
    if not switched_on(facts.layers, "always_use_sender_address"):
        return _absent(level, Reason.NOT_FORCED)
    origin = resolve(facts.layers, "sender_address")
    if origin.layer is None:
        return _absent(level, Reason.FORCED_WITHOUT_ADDRESS)
    return Offer(str(origin.value), origin.layer.source, layer=origin.layer.level)


def _passed(facts: Facts) -> Offer | Step:
    level = SenderLevel.CONTEXT_SENDER
    if facts.request.context_sender and facts.request.context_sender.strip():
        return Offer(facts.request.context_sender, "")
    if facts.request.sender_method != CRM_METHOD:
        return _absent(level, Reason.NOTHING_PASSED)
    employee = facts.user.employee
    if employee is None or not employee.active:
        return _absent(level, Reason.NO_EMPLOYEE)
    if not employee.email:
        return _absent(level, Reason.EMPLOYEE_WITHOUT_EMAIL)
    return Offer(employee.email, facts.user.id)


def _parameters(level: SenderLevel, layer: Layer | None) -> Offer | Step:
    if layer is None:
        return Step(level, StepOutcome.NOT_AVAILABLE, Reason.NOT_AT_A_FIRM)
    address = layer.holder.text("sender_address")
    if address:
        return Offer(address, layer.source, layer=layer.level)
    return _absent(level, Reason.LOCKED if "sender_address" in layer.ignored else Reason.NOT_SET, layer.source)


def _client_step(facts: Facts, won: SenderLevel | None, *, client_possible: bool) -> Step:
    level = SenderLevel.LOCAL_CLIENT
    if not client_possible:
        reason = Reason.UNATTENDED if facts.unattended else Reason.MODE_FORBIDS_CLIENT
        return Step(level, StepOutcome.NOT_AVAILABLE, reason)
    if won is None:
        return Step(level, StepOutcome.USED, Reason.LAST_RESORT)
    return Step(level, StepOutcome.OVERRIDDEN, Reason.EARLIER_LEVEL_WON)


def _shown(address: str) -> str:
    """An offered address as it would go over the wire; the beginning of what was written where it is none."""
    try:
        return parse_sender(address).address
    except AddressInvalid:
        return visible(address[:200])

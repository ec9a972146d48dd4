"""Facts in few words, for the tables of the decision core: Anna of Kanzlei Huber, or Mia of its Com customer Muster."""

from collections.abc import Mapping
from typing import Any

from mailsettings.core.facts import AccountFacts, EmployeeFacts, Facts, PrintModelFacts, Request, TenantFacts, UserFacts
from mailsettings.core.parameters import Holder, Layer, ParameterLevel, in_force
from mailsettings.core.relay import Level, binding, client_key_binding
from mailsettings.core.send_systems import DeliveryMode, Role, SendsAsFirm, Stage, TenantKind

Values = Mapping[str, Any]
NOTHING: Values = {}
SERVER: dict[str, Any] = {"smtp_server": "mail.huber.example", "smtp_user": "relay", "smtp_password": "secret"}


def account(identifier: str, values: Values = NOTHING, generals: tuple[Values, ...] = (), **more: Any) -> AccountFacts:
    """An account with the address `<identifier>@muster.example`."""
    return AccountFacts(identifier, f"{identifier}@muster.example", _holder(identifier, values, generals), **more)


def facts(
    *,
    user: Values = NOTHING,
    com: Values | None = None,
    firm: Values = NOTHING,
    role: Role | None = None,
    active: bool = True,
    employee: tuple[str, ...] | None = None,
    employee_active: bool = True,
    locks: Mapping[str, frozenset[str]] | None = None,
    foreign: frozenset[str] = frozenset(),
    sends_as_firm: SendsAsFirm = SendsAsFirm.ALLOW,
    own_account: AccountFacts | None = None,
    model_account: AccountFacts | None = None,
    model_user_account: AccountFacts | None = None,
    mode: DeliveryMode = DeliveryMode.AS_PARAMETERS,
    stage: Stage = Stage.LIVE,
    request: Request | None = None,
) -> Facts:
    """One case: `user`, `com` and `firm` are parameter values (`com` None: a user of the firm itself), `locks` by level."""
    who = "anna" if com is None else "mia"
    model = PrintModelFacts("invoices", mode, stage, model_account, {who: model_user_account} if model_user_account else {})
    asked = request or Request("invoices")
    return Facts(
        user=UserFacts(
            who, role or (Role.FIRM_USER if com is None else Role.COM_USER), active, _employee(employee, employee_active)
        ),
        tenant=TenantFacts(
            "huber" if com is None else "muster",
            TenantKind.FIRM if com is None else TenantKind.COM_CUSTOMER,
            sends_as_firm,
            foreign,
        ),
        layers=_layers(who, user, com, firm, locks or {}),
        request=asked,
        print_model=model if asked.print_model == model.id else None,
        own_account=own_account,
    )


def _layers(who: str, user: Values, com: Values | None, firm: Values, locks: Mapping[str, frozenset[str]]) -> tuple[Layer, ...]:
    generals = [firm] if com is None else [com, firm]
    layers = [Layer(ParameterLevel.USER, who, _holder(who, user, tuple(generals)))]
    if com is not None:
        layers.append(Layer(ParameterLevel.COM, "muster", _holder("muster", com, (firm,)), locks.get("com", frozenset())))
    layers.append(Layer(ParameterLevel.FIRM, "huber", _holder("huber", firm, ()), locks.get("firm", frozenset())))
    return in_force(layers)


def _holder(owner: str, values: Values, generals: tuple[Values, ...]) -> Holder:
    """What an import leaves: a password and a client key sealed to what is then in force, the first to the `sealed_to` of the
    values where there is one, the second to their `client_key` where that is no "key" (P5).
    """
    plain = {key: value for key, value in values.items() if key not in {"smtp_password", "sealed_to", "client_key"}}
    level = Level("", owner, Holder(owner, plain), tuple(Holder("", general) for general in generals))
    secrets = {"smtp_password": str(values.get("sealed_to", binding(level)))} if "smtp_password" in values else {}
    if "client_key" in values:
        bound = values["client_key"]
        secrets["client_key"] = client_key_binding(Holder(owner, plain)) if bound == "key" else str(bound)
    return Holder(owner, plain, secrets)


def _employee(addresses: tuple[str, ...] | None, active: bool) -> EmployeeFacts | None:
    if addresses is None:
        return None
    return EmployeeFacts(addresses[0] if addresses else "", frozenset(addresses), active)

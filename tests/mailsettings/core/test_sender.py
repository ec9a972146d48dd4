"""Which address a mail carries (R1, R2), and who may use it (C1, P7, P8, T5)."""

from typing import Any

import pytest

from mailsettings.core.facts import Facts, Request
from mailsettings.core.send_systems import Role
from mailsettings.core.sender import SenderLevel, StepOutcome, decide_sender, refuse_sender
from tests.mailsettings.core.facts import account, facts

OWN = {"sender_address": "mia@muster.example"}
COM = {"sender_address": "office@muster.example"}
FIRM = {"sender_address": "office@huber.example"}
FORCED = {"always_use_sender_address": True}
PASSED = Request("invoices", context_sender="paket@muster.example")
ALL: dict[str, Any] = {
    "model_user_account": account("for-mia"),
    "model_account": account("invoices"),
    "own_account": account("mias", user="mia"),
    "user": OWN,
    "com": COM,
    "firm": FIRM,
}

LADDER = [
    ("R1 1: the acting user's own account for that print model first", ALL, "for-mia@muster.example"),
    ("R1 1: then its general one", ALL | {"model_user_account": None}, "invoices@muster.example"),
    ("R1 2: the account whose user-ID is the acting user", {"own_account": account("mias"), "user": OWN}, "mias@muster.example"),
    ("R1 3: the resolved address where it is always used", {"user": OWN | FORCED, "request": PASSED}, "mia@muster.example"),
    (
        "R1 3: address and switch resolve each by itself",
        {"user": OWN, "firm": FIRM | FORCED, "request": PASSED},
        "mia@muster.example",
    ),
    ("R1 3: the firm's address forced", {"com": {}, "firm": FIRM | FORCED, "request": PASSED}, "office@huber.example"),
    (
        "R1 3: the nearest no wins",
        {"user": {"always_use_sender_address": False}, "firm": FIRM | FORCED, "request": PASSED},
        "paket@muster.example",
    ),
    ("R1 3: forced without an address is nothing", {"user": FORCED, "request": PASSED}, "paket@muster.example"),
    ("R2: forced overrides what the package passes", {"user": OWN | FORCED, "request": PASSED}, "mia@muster.example"),
    ("R2: forced never overrides the accounts", {"own_account": account("mias"), "firm": FIRM | FORCED}, "mias@muster.example"),
    ("R1 4: what the package passes", {"user": OWN, "request": PASSED}, "paket@muster.example"),
    (
        "R1 4: else the CRM method, the linked employee's e-mail",
        {"user": OWN, "employee": ("mia.crm@muster.example",), "request": Request(sender_method="crm")},
        "mia.crm@muster.example",
    ),
    (
        "R1 4: the CRM method only where the caller asks for it",
        {"user": OWN, "employee": ("mia.crm@muster.example",)},
        "mia@muster.example",
    ),
    ("R1 5: the acting user's own parameters", {"user": OWN, "com": COM, "firm": FIRM}, "mia@muster.example"),
    ("R1 6: the Com customer's general parameters", {"com": COM, "firm": FIRM}, "office@muster.example"),
    ("R1 6: then the firm's", {"com": {}, "firm": FIRM}, "office@huber.example"),
    ("R1 7: nothing yields an address", {"com": {}}, None),
    ("P: an empty text is no value", {"user": {"sender_address": ""}, "firm": FIRM}, "office@huber.example"),
    (
        "T5: what the firm locks is ignored below it",
        {"user": OWN, "com": COM, "firm": FIRM, "locks": {"firm": frozenset({"sender_address"})}},
        "office@huber.example",
    ),
    (
        "T5: what the Com customer locks is ignored at its users",
        {"user": OWN, "com": COM, "firm": FIRM, "locks": {"com": frozenset({"sender_address"})}},
        "office@muster.example",
    ),
    ("T6: a retired account yields nothing", {"model_account": account("old", active=False), "user": OWN}, "mia@muster.example"),
]


@pytest.mark.parametrize(("case", "address"), [row[1:] for row in LADDER], ids=[row[0] for row in LADDER])
def test_first_level_with_an_address_wins(case: dict[str, Any], address: str | None) -> None:
    decision = decide_sender(facts(**case), client_possible=True)
    assert (decision.mailbox.address if decision.mailbox else None) == address


def test_r4_explanation_lists_all_nine_levels_in_order() -> None:
    decision = decide_sender(facts(**ALL, request=PASSED), client_possible=True)
    assert [step.level for step in decision.steps] == list(SenderLevel)
    assert [step.outcome for step in decision.steps] == [
        StepOutcome.USED,
        StepOutcome.OVERRIDDEN,
        StepOutcome.OVERRIDDEN,
        StepOutcome.ABSENT,
        *[StepOutcome.OVERRIDDEN] * 5,
    ]


@pytest.mark.parametrize(
    ("case", "level"),
    [
        pytest.param(facts(), SenderLevel.COM_PARAMETERS, id="contract: no Com parameters at a firm"),
        pytest.param(facts(role=Role.SERVICE_USER), SenderLevel.LOCAL_CLIENT, id="R5: no level 7 for a service user"),
    ],
)
def test_level_that_cannot_be_here_is_not_available(case: Facts, level: SenderLevel) -> None:
    decision = decide_sender(case, client_possible=not case.unattended)
    assert {step.level: step.outcome for step in decision.steps}[level] is StepOutcome.NOT_AVAILABLE


MIA = ("mia@muster.example", "office@muster.example")
CHECK = {"check_sender": True}
JUDGED = [
    ("C1: an address under E-Mail", {"user": OWN | CHECK, "employee": MIA}, None),
    ("C1: an address under weitere E-Mail-Adressen", {"com": COM | CHECK, "employee": MIA}, None),
    ("C1: an address that is not on the employee", {"firm": FIRM | CHECK, "employee": MIA}, "check_sender_not_on_employee"),
    ("C1: no linked employee", {"user": OWN, "firm": CHECK}, "check_sender_no_employee"),
    (
        "C1: a retired employee is none",
        {"user": OWN | CHECK, "employee": MIA, "employee_active": False},
        "check_sender_no_employee",
    ),
    (
        "C1: on at any level means on",
        {"user": {"check_sender": False}, "com": {}, "firm": FIRM | CHECK, "employee": MIA},
        "check_sender_not_on_employee",
    ),
    (
        "T5: a level that is locked out is not in force",
        {"user": OWN | CHECK, "firm": {"check_sender": False}, "locks": {"firm": frozenset({"check_sender"})}},
        None,
    ),
    (
        "C1: whichever level, accounts too",
        {"own_account": account("x"), "firm": CHECK, "employee": MIA},
        "check_sender_not_on_employee",
    ),
    ("C1: service users too", {"user": OWN, "firm": CHECK, "role": Role.SERVICE_USER}, "check_sender_no_employee"),
    ("C1: off", {"firm": FIRM}, None),
    ("C4: compared as mailboxes", {"request": Request(None, "MIA@Muster.EXAMPLE"), "firm": CHECK, "employee": MIA}, None),
    (
        "C4: plus tags are part of it",
        {"request": Request(None, "mia+x@muster.example"), "firm": CHECK, "employee": MIA},
        "check_sender_not_on_employee",
    ),
    ("P7: an impossible address", {"request": Request(None, "mia@muster")}, "address_invalid"),
    ("C4: an impossible one that is overridden", {"own_account": account("x"), "request": Request(None, "mia@muster")}, None),
    (
        "P8: a Com user passes another tenant's address",
        {"com": {}, "foreign": frozenset({"paket@muster.example"}), "request": PASSED},
        "foreign_address",
    ),
    ("P8: a Com user's own one", {"com": {}, "foreign": frozenset(OWN.values()), "user": OWN}, "foreign_address"),
    (
        "P8: a Com user's own one, forced",
        {"com": {}, "foreign": frozenset(OWN.values()), "user": OWN | FORCED},
        "foreign_address",
    ),
    ("P8: the firm's parameters are the firm's to give", {"com": {}, "firm": FIRM, "foreign": frozenset(FIRM.values())}, None),
]


@pytest.mark.parametrize(("case", "refused"), [row[1:] for row in JUDGED], ids=[row[0] for row in JUDGED])
def test_address_that_would_be_used_is_judged(case: dict[str, Any], refused: str | None) -> None:
    given = facts(**case)
    assert refuse_sender(given, decide_sender(given, client_possible=True)) == refused

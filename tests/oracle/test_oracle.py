"""The product's decisions against a second reading of the rules, cell by cell, over random configurations."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from mailjobs.explanation import document_of
from mailjobs.matrix import matrix, plan_in
from mailsettings.configuration import import_document
from mailsettings.core.facts import Request
from mailsettings.models import Tenant
from mailsettings.selectors import World, world_of
from tests.oracle.configurations import cases, configuration, moved
from tests.oracle.rules import LEVELS, Answer, Case, Installation, answer, installed, mailbox_key

pytestmark = pytest.mark.django_db
SEEDS = range(30)
CASES = 150
seen: Counter[tuple[str, str | None]] = Counter()

REFUSED = {
    "user_inactive", "print_model_unknown", "address_invalid", "foreign_address", "check_sender_no_employee",
    "check_sender_not_on_employee", "no_sender", "no_connection", "shared_identity", "secret_needed",
}  # fmt: skip
CHANNELS = {"smtp", "ews", "graph", "draft", "client", "none"}
OUTCOMES = {"used", "overridden", "absent", "not_available"}
HELD = {"held_by_firm", "confirm_sends_as_firm", "stage_held", None}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_cell_is_what_the_rules_say(seed: int) -> None:
    document = configuration(seed)
    import_document(document, actor="oracle")
    installation = installed(document)
    wrong = list(_compare(installation, seed))
    second = moved(document, seed)
    import_document(second, actor="oracle")
    wrong += _compare(installed(second, installation), seed + 10_000)
    assert not wrong, f"{len(wrong)} cells, the first:\n" + "\n".join(wrong[:5])


def test_nothing_of_the_contract_was_left_out() -> None:
    """The comparison above would prove nothing about what never came up."""
    if sum(number for (kind, _), number in seen.items() if kind == "cell") < 10_000:
        pytest.skip("only where all seeds have run in this process")
    assert _seen("level") == {*LEVELS[:-1], None}
    assert _seen("refused") == {*REFUSED, None}
    assert _seen("channel") == CHANNELS
    assert _seen("outcome") == OUTCOMES
    assert _seen("held") == HELD
    assert _seen("system") == {str(number) for number in range(12)}
    assert _seen("client") == {"used", "overridden", "not_available"}


def _seen(kind: str) -> set[str | None]:
    return {value for found, value in seen if found == kind}


def _compare(installation: Installation, seed: int) -> Iterator[str]:
    worlds: dict[str, World] = {}
    for tenant in Tenant.objects.select_related("firm"):
        world = world_of(tenant)
        worlds.update(dict.fromkeys(world.users, world))
        got = [document_of(plan) for plan in matrix(tenant)]
        asked = [Case(row["user"], row["print_model"]) for row in got]
        assert sorted(asked, key=str) == sorted(_cells(installation, tenant.slug), key=str), tenant
        for case, row in zip(asked, got, strict=True):
            yield from _compared(installation, case, row)
    for case in cases(installation.document, seed, CASES):
        request = Request(case.print_model, case.context_sender, case.sender_method, unattended=case.unattended)
        yield from _compared(installation, case, document_of(plan_in(worlds[case.user], case.user, request)))


def _cells(installation: Installation, tenant: str) -> Iterator[Case]:
    """Contract: one document for each active user and print model of the tenant."""
    entry = next(row for row, _firm in installation.tenants() if row["id"] == tenant)
    for user in entry["users"]:
        for model in entry["print_models"]:
            if user["active"] and model["active"]:
                yield Case(user["id"], model["id"])


def _compared(installation: Installation, case: Case, row: Mapping[str, Any]) -> Iterator[str]:
    expected, got = answer(installation, case), answer_in(row)
    _count(expected)
    if not installation.knows(case):  # what a retired print model would have said is nobody's matter
        blank: dict[str, Any] = {"outcomes": (), "sender": None, "connection": None, "delivery_mode": "", "redirect": None}
        got, expected = replace(got, **blank), replace(expected, **blank)
    if got != expected:
        different = [name for name in Answer.__slots__ if getattr(got, name) != getattr(expected, name)]
        said = "; ".join(f"{name}: product {getattr(got, name)}, rules {getattr(expected, name)}" for name in different)
        yield f"{case}\n  {said}"


def answer_in(row: Mapping[str, Any]) -> Answer:
    """What a document of `explain --json` says."""
    sender, connection = row["sender"], row["connection"]
    names = ("level", "source", "send_system", "server", "port", "tls")
    assert [level["level"] for level in row["levels"]] == list(LEVELS)
    return Answer(
        channel=row["channel"],
        sender=(mailbox_key(sender["address"]) or "", sender["level"], sender["source"]) if sender else None,
        connection=(*(connection[name] for name in names), connection["username"] or None) if connection else None,
        delivery_mode=row["delivery_mode"],
        allowed=row["allowed"],
        refused=row["refused"]["code"] if row["refused"] else None,
        held=row["held"]["code"] if row["held"] else None,
        redirect=tuple(row["redirect"]["to"]) if row["redirect"]["active"] else None,
        outcomes=tuple(level["outcome"] for level in row["levels"]),
    )


def _count(expected: Answer) -> None:
    seen["cell", None] += 1
    seen["level", expected.sender[1] if expected.sender else None] += 1
    seen["refused", expected.refused] += 1
    seen["channel", expected.channel] += 1
    seen["held", expected.held] += 1
    seen["client", expected.outcomes[-1]] += 1
    seen.update({("outcome", outcome): 1 for outcome in expected.outcomes})
    if expected.connection:
        seen["system", str(expected.connection[2])] += 1

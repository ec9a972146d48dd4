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

SEEDS = range(30)
MOVED = range(0, 30, 3)  # those where endpoints change afterwards, as P5 needs it
CASES = 220

REFUSED = {
    "user_inactive", "print_model_unknown", "address_invalid", "foreign_address", "check_sender_no_employee",
    "check_sender_not_on_employee", "no_sender", "no_connection", "shared_identity", "secret_needed",
}  # fmt: skip
CHANNELS = {"smtp", "ews", "graph", "draft", "client", "none"}
HELD = {"held_by_firm", "confirm_sends_as_firm", "stage_held", None}


@pytest.mark.django_db
@pytest.mark.parametrize("seed", SEEDS)
def test_every_cell_is_what_the_rules_say(seed: int) -> None:
    document = configuration(seed)
    import_document(document, actor="oracle")
    before = installed(document)
    wrong = list(_compare(before, seed))
    if seed in MOVED:
        after = moved(document, seed)
        import_document(after, actor="oracle")
        wrong += _compare(installed(after, before), seed)
    assert not wrong, f"{len(wrong)} cells, the first:\n" + "\n".join(wrong[:5])


def test_nothing_of_the_contract_is_left_out() -> None:
    """The comparison above would prove nothing about what never comes up in it."""
    seen = Counter(fact for seed in SEEDS for expected in _answers(seed) for fact in _facts(expected))
    found = {kind: {value for other, value in seen if other == kind} for kind, _value in seen}
    assert found == {
        "level": {*LEVELS[:-1], None},
        "refused": {*REFUSED, None},
        "channel": CHANNELS,
        "held": HELD,
        "system": {*map(str, range(12)), None},
        **{f"outcome of {level}": {"used", "overridden", "absent"} for level in LEVELS[1:-1]},
        "outcome of print_model_user_account": {"used", "absent"},  # nothing stands above it
        "outcome of com_parameters": {"used", "overridden", "absent", "not_available"},
        "outcome of local_client": {"used", "overridden", "not_available"},
        "redirect": {"on", "off"},
    }
    assert min(seen.values()) >= 10, seen.most_common()[-5:]
    assert sum(number for (kind, _value), number in seen.items() if kind == "channel") > 10_000


def _answers(seed: int) -> Iterator[Answer]:
    """What the rules say of every case that is compared for a seed, before something moves."""
    installation = installed(configuration(seed))
    asked = [case for tenant, _firm in installation.tenants() for case in _cells(installation, tenant["id"])]
    for case in [*asked, *cases(installation.document, seed, CASES)]:
        yield answer(installation, case)


def _facts(expected: Answer) -> Iterator[tuple[str, str | None]]:
    yield "level", expected.sender[1] if expected.sender else None
    yield "refused", expected.refused
    yield "channel", expected.channel
    yield "held", expected.held
    yield "system", str(expected.connection[2]) if expected.connection else None
    yield "redirect", "off" if expected.redirect is None else "on"
    yield from ((f"outcome of {level}", outcome) for level, outcome in zip(LEVELS, expected.outcomes, strict=True))


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

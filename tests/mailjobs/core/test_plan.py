"""The channel, the refusal, the hold and the redirect of a mail (M2, P2, R5, P8, U1, U2)."""

from typing import Any

import pytest

from mailjobs.core.plan import Hazard, make_plan
from mailsettings.core.facts import Request
from mailsettings.core.send_systems import DeliveryMode, Role, SendsAsFirm, Stage
from tests.mailsettings.core.facts import SERVER, facts

OFFICE = {"sender_address": "office@huber.example"}
FULL: dict[str, Any] = {"firm": SERVER | OFFICE}
CLIENT: dict[str, Any] = {"firm": SERVER | OFFICE | {"send_option": "client"}}
UNATTENDED = {"request": Request("invoices", unattended=True)}
SERVICE = {"role": Role.SERVICE_USER}
BACKGROUND = {"mode": DeliveryMode.BACKGROUND_SMTP}
DRAFT = {"mode": DeliveryMode.BACKGROUND_DRAFT}

CHANNELS: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("P2: no SMTP server in force, the local client", {"firm": OFFICE}, "client", None),
    ("P2: with a server, the send option's default", FULL, "smtp", None),
    ("P2: the send option client", CLIENT, "client", None),
    ("P2: the nearest send option", CLIENT | {"user": {"send_option": "smtp"}}, "smtp", None),
    (
        "P2: EWS needs no SMTP server",
        {"firm": OFFICE | {"ews_url": "https://e.example", "send_system": 6, "smtp_user": "u", "smtp_password": "p"}},
        "ews",
        None,
    ),
    ("R1 7: no address, the local client", {"firm": SERVER}, "client", None),
    ("M2: background_smtp beats the send option", CLIENT | BACKGROUND, "smtp", None),
    ("M2: background_smtp without a connection", {"firm": OFFICE} | BACKGROUND, "none", "no_connection"),
    ("M2: background_smtp without an address", {"firm": SERVER} | BACKGROUND, "none", "no_sender"),
    ("M2: background_smtp without either", BACKGROUND, "none", "no_connection"),
    ("M2: background through the client", FULL | {"mode": DeliveryMode.BACKGROUND_CLIENT}, "client", None),
    ("M2: foreground", FULL | {"mode": DeliveryMode.FOREGROUND}, "client", None),
    ("M2: foreground, modal", FULL | {"mode": DeliveryMode.FOREGROUND_MODAL}, "client", None),
    ("M2: draft", FULL | DRAFT, "draft", None),
    ("M2: stage draft beats the mode", FULL | BACKGROUND | {"stage": Stage.DRAFT}, "draft", None),
    ("M2: refused comes first", {"firm": SERVER | OFFICE | {"check_sender": True}} | DRAFT, "none", "check_sender_no_employee"),
    ("R5: unattended ignores the send option", CLIENT | UNATTENDED, "smtp", None),
    ("R5: a service user ignores it too", CLIENT | SERVICE, "smtp", None),
    ("R5: no client channel", FULL | SERVICE | {"mode": DeliveryMode.FOREGROUND}, "smtp", None),
    ("R5: nothing yields a sender", {"firm": SERVER} | SERVICE, "none", "no_sender"),
    ("R5: without a connection", {"firm": OFFICE} | UNATTENDED, "none", "no_connection"),
    ("R5: neither, the sender is said first", SERVICE, "none", "no_sender"),
    ("R5: a draft without a sender too", {"firm": SERVER} | SERVICE | DRAFT, "none", "no_sender"),
    ("R5: a draft without a connection too", {"firm": OFFICE} | UNATTENDED | DRAFT, "none", "no_connection"),
    ("C1: whatever the channel", {"firm": OFFICE | {"check_sender": True}}, "none", "check_sender_no_employee"),
    (
        "P5: no secret is needed for the client",
        {"firm": OFFICE | {"smtp_server": "s.example", "smtp_user": "u", "send_option": "client"}},
        "client",
        None,
    ),
    ("T6: a deactivated user", FULL | {"active": False}, "none", "user_inactive"),
    ("A2: a print model of nobody", FULL | {"request": Request("nowhere")}, "none", "print_model_unknown"),
]


@pytest.mark.parametrize(("case", "channel", "refused"), [row[1:] for row in CHANNELS], ids=[row[0] for row in CHANNELS])
def test_channel_is_the_first_match(case: dict[str, Any], channel: str, refused: str | None) -> None:
    plan = make_plan(facts(**case))
    assert (plan.channel, plan.refused, plan.allowed) == (channel, refused, refused is None)


FORCED = {"always_use_sender_address": True}
HELD: list[tuple[str, dict[str, Any], SendsAsFirm, str | None, bool]] = [
    ("P8: allow is sent and shown as a hazard", {}, SendsAsFirm.ALLOW, None, True),
    ("P8: warn waits for the Com customer's own user", {}, SendsAsFirm.WARN, "confirm_sends_as_firm", True),
    ("P8: hold waits for the firm", {}, SendsAsFirm.HOLD, "held_by_firm", True),
    ("P8: also as forced sender", {"firm": SERVER | OFFICE | FORCED}, SendsAsFirm.HOLD, "held_by_firm", True),
    ("P8: not with an address of its own", {"user": {"sender_address": "mia@muster.example"}}, SendsAsFirm.HOLD, None, False),
    ("P8: not at the firm itself", {"com": None}, SendsAsFirm.HOLD, None, False),
    ("contract: what is refused is not held", {"active": False}, SendsAsFirm.HOLD, None, True),
]


@pytest.mark.parametrize(("case", "policy", "held", "hazard"), [row[1:] for row in HELD], ids=[row[0] for row in HELD])
def test_com_mail_with_the_firms_address_is_the_firms_decision(
    case: dict[str, Any], policy: SendsAsFirm, held: str | None, hazard: bool
) -> None:
    plan = make_plan(facts(**({"com": {}} | FULL | case), sends_as_firm=policy))
    assert plan.held == held
    assert (Hazard.SENDS_AS_FIRM in plan.hazards) is hazard


ON = {"redirect_enabled": True}
REDIRECTED: list[tuple[str, dict[str, Any], tuple[str, ...] | None]] = [
    ("U1: off", {"firm": {"redirect_addresses": ("t@huber.example",)}}, None),
    (
        "U1: on",
        {"firm": ON | {"redirect_addresses": ("t@huber.example", "u@huber.example")}},
        ("t@huber.example", "u@huber.example"),
    ),
    ("U1: without an address", {"firm": ON}, ("anna@test-dummy.at",)),
    (
        "U1: the nearest level that has any, whether or not it switched it on",
        {"com": {"redirect_addresses": ("t@muster.example",)}, "firm": ON | {"redirect_addresses": ("t@huber.example",)}},
        ("t@muster.example",),
    ),
    (
        "U1: an empty list is none",
        {"com": {"redirect_addresses": ()}, "firm": ON | {"redirect_addresses": ("t@huber.example",)}},
        ("t@huber.example",),
    ),
    ("U2: on at any level means on", {"user": {"redirect_enabled": False}, "com": {}, "firm": ON}, ("mia@test-dummy.at",)),
    ("U2: the Com customer's on", {"com": ON}, ("mia@test-dummy.at",)),
    (
        "T5: locked off by the firm",
        {"com": ON, "firm": {"redirect_enabled": False}, "locks": {"firm": frozenset({"redirect_enabled"})}},
        None,
    ),
    ("contract: stage redirected", {"stage": Stage.REDIRECTED}, ("anna@test-dummy.at",)),
]


@pytest.mark.parametrize(("case", "to"), [row[1:] for row in REDIRECTED], ids=[row[0] for row in REDIRECTED])
def test_redirect_goes_to_the_nearest_addresses(case: dict[str, Any], to: tuple[str, ...] | None) -> None:
    redirect = make_plan(facts(**case)).redirect
    assert (redirect.addresses if redirect.active else None) == to

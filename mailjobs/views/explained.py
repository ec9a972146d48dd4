"""A stored explanation (R4) as pages show it: the ladder of the sender, and the connection."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from mailjobs.core.plan import Channel, Hazard
from mailjobs.discretion import Discretion
from mailjobs.wording import CHANNELS, HAZARDS
from mailsettings.core.parameters import ParameterLevel
from mailsettings.core.sender import Reason, SenderLevel, StepOutcome
from mailsettings.models import User
from mailsettings.wording import CHOICE_LABELS, LEVEL_LABELS, OUTCOME_LABELS, REASONS, SEND_SYSTEM_LABELS


def ladder_of(plan: Mapping[str, Any], reader: User) -> dict[str, list[dict[str, object]]]:
    """All levels in the reader's words; of the firm a Com customer sees the address its mail carries only (T4)."""
    com = reader.tenant is not None and reader.tenant.is_com_customer
    return {"levels": [_level(level, com=com) for level in plan.get("levels", [])]}


def facts_of_plan(plan: Mapping[str, Any], discretion: Discretion) -> dict[str, object]:
    """Way, server, TLS, login and hazards of a mail."""
    connection = plan.get("connection") or {}
    hidden = discretion.hides(plan)
    tls = connection.get("tls") or ""
    return {
        "channel": CHANNELS[Channel(plan["channel"])] if plan.get("channel") in CHANNELS else "",
        "send_system": SEND_SYSTEM_LABELS.get(connection["send_system"], "") if connection else "",
        "server": _("mail server of the firm") if hidden and connection else _server(connection),
        "tls": "" if hidden else CHOICE_LABELS.get(("smtp_tls", tls), tls),
        "login": "" if hidden else connection.get("username", ""),
        "hazards": [HAZARDS[Hazard(hazard["code"])] for hazard in plan.get("hazards", []) if hazard["code"] in HAZARDS],
    }


def _server(connection: Mapping[str, Any]) -> str:
    server, port = connection.get("server") or "", connection.get("port")
    return f"{server}:{port}" if server and port else server


def _level(level: Mapping[str, Any], *, com: bool) -> dict[str, object]:
    outcome = StepOutcome(level["outcome"])
    concealed = com and level["level"] == ParameterLevel.FIRM and outcome is not StepOutcome.USED
    return {
        "level_label": LEVEL_LABELS[SenderLevel(level["level"])],
        "outcome": outcome.value,
        "outcome_label": OUTCOME_LABELS[outcome],
        "address": "" if concealed else level.get("address") or "",
        "reason": REASONS[Reason(level["reason_code"])],
    }

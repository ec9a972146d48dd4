"""A stored explanation (R4) as pages show it: the ladder of the sender, and the connection."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from mailjobs.core.plan import Channel, Hazard
from mailjobs.discretion import Discretion
from mailjobs.views.short_words import Danger, danger_of
from mailjobs.wording import CHANNELS, HAZARDS
from mailsettings.core.parameters import ParameterLevel
from mailsettings.core.sender import Reason, SenderLevel, StepOutcome
from mailsettings.models import User
from mailsettings.wording import CHOICE_LABELS, LEVEL_LABELS, OUTCOME_LABELS, REASONS, SEND_SYSTEM_LABELS

_NAME_THE_PROVIDER = frozenset({Hazard.BASIC_AUTH_RETIRED, Hazard.EWS_RETIRED})  # and so the firm's server


def ladder_of(plan: Mapping[str, Any], reader: User) -> dict[str, list[dict[str, object]]]:
    """All levels in the reader's words; of the firm a Com customer sees the address its mail carries only (T4)."""
    firm = reader.tenant.firm.slug if reader.tenant is not None and reader.tenant.firm is not None else ""
    return {"levels": [_level(level, firm) for level in plan.get("levels", [])]}


def hazards_of(plan: Mapping[str, Any], discretion: Discretion) -> list[Danger]:
    """The hazards of a mail, without those that would tell a Com customer whose server its firm uses (T4)."""
    codes = [hazard["code"] for hazard in plan.get("hazards", []) if hazard["code"] in HAZARDS]
    if discretion.hides(plan):
        codes = [code for code in codes if code not in _NAME_THE_PROVIDER]
    return [danger_of(code) for code in codes]


def facts_of_plan(plan: Mapping[str, Any], discretion: Discretion) -> dict[str, object]:
    """Way, server, TLS, login and hazards of a mail."""
    connection = plan.get("connection") or {}
    hidden = discretion.hides(plan)
    tls = connection.get("tls") or ""
    return {
        "channel": CHANNELS[Channel(plan["channel"])] if plan.get("channel") in CHANNELS else "",
        "send_system": SEND_SYSTEM_LABELS.get(connection["send_system"], "") if connection else "",
        "server": _("mail server of the firm") if hidden and connection else _server(connection),
        "tls": "" if hidden else _("without TLS") if tls == "off" else CHOICE_LABELS.get(("smtp_tls", tls), tls),
        "login": "" if hidden else connection.get("username", ""),
        "hazards": [danger.text for danger in hazards_of(plan, discretion)],
    }


def _server(connection: Mapping[str, Any]) -> str:
    server, port = connection.get("server") or "", connection.get("port")
    return f"{server}:{port}" if server and port else server


def _level(level: Mapping[str, Any], firm: str) -> dict[str, object]:
    """`firm`: whose overridden addresses the reader does not see; empty: none's."""
    outcome = StepOutcome(level["outcome"])
    of_firm = level["level"] == ParameterLevel.FIRM or level.get("source") == firm
    concealed = bool(firm) and of_firm and outcome is not StepOutcome.USED
    return {
        "level_label": LEVEL_LABELS[SenderLevel(level["level"])],
        "outcome": outcome.value,
        "outcome_label": OUTCOME_LABELS[outcome],
        "address": "" if concealed else level.get("address") or "",
        "reason": REASONS[Reason(level["reason_code"])],
    }

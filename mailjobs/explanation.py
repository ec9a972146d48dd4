"""A plan as the document of the contract (`explain --json`): the same words for the web, the command line and the log."""

from typing import Any

from mailjobs.core.plan import Plan
from mailjobs.refusals import details_of_plan
from mailjobs.wording import HAZARDS, say_refusal
from mailsettings.core.relay import Connection
from mailsettings.core.send_systems import Over
from mailsettings.core.sender import SenderDecision
from mailsettings.wording import REASONS


def document_of(plan: Plan) -> dict[str, Any]:
    """The explanation of one case (R4)."""
    return {
        "user": plan.facts.user.id,
        "print_model": plan.facts.request.print_model,
        "channel": plan.channel.value,
        "sender": _sender(plan.sender),
        "connection": _connection(plan.connection),
        "delivery_mode": plan.mode.value,
        "allowed": plan.allowed,
        "refused": _refused(plan),
        "held": {"code": plan.held.value, "held_for": plan.held.held_for} if plan.held else None,
        "redirect": {
            "active": plan.redirect.active,
            "to": list(plan.redirect.addresses),
            "capture_only": plan.redirect.capture_only,
        },
        "levels": [
            {
                "level": step.level.value,
                "outcome": step.outcome.value,
                "address": step.address,
                "source": step.source or None,
                "reason_code": step.reason.value,
                "reason": str(REASONS[step.reason]),
            }
            for step in plan.sender.steps
        ],
        "hazards": [{"code": hazard.value, "message": str(HAZARDS[hazard])} for hazard in plan.hazards],
    }


def _refused(plan: Plan) -> dict[str, Any] | None:
    """Code and message of the contract; the details say it again in another reader's language."""
    if plan.refused is None:
        return None
    details = details_of_plan(plan)
    return {"code": plan.refused.value, "message": say_refusal(plan.refused, details), "details": details}


def _sender(sender: SenderDecision) -> dict[str, Any] | None:
    if sender.mailbox is None or sender.offer is None or sender.level is None:
        return None
    return {
        "address": sender.mailbox.address,
        "name": sender.mailbox.name,
        "level": sender.level.value,
        "source": sender.offer.source or None,
    }


def _connection(connection: Connection | None) -> dict[str, Any] | None:
    if connection is None:
        return None
    over_smtp = connection.system.over is Over.SMTP
    return {
        "level": str(connection.level),
        "source": connection.source,
        "send_system": connection.send_system,
        "server": connection.host
        if over_smtp
        else connection.server.text("ews_url" if connection.system.over is Over.EWS else "graph_url"),
        "port": connection.port if over_smtp else None,
        "tls": connection.tls if over_smtp else "implicit",
        "username": connection.username,
    }

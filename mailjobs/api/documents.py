"""Rows as the documents of the API, as far as this reader may see them (T4, T7)."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from mailjobs.core.plan import Hazard
from mailjobs.discretion import Discretion, discretion_for
from mailjobs.models import MailJob, MailLogEntry, RecipientStateChoices
from mailjobs.wording import say_hold
from mailsettings.core.parameters import ParameterLevel
from mailsettings.core.sender import StepOutcome
from mailsettings.models import User

_NAME_THE_PROVIDER = frozenset({Hazard.BASIC_AUTH_RETIRED, Hazard.EWS_RETIRED})  # and so the firm's server


def jobs_with_all(rows: QuerySet[MailJob]) -> QuerySet[MailJob]:
    """The rows with what `job` needs, in few queries."""
    return rows.select_related("tenant", "user", "print_model", "decision").prefetch_related("recipients")


def job(row: MailJob, discretion: Discretion) -> dict[str, Any]:
    """One mail and its fate."""
    error = discretion.text(row.plan, row.last_error)
    return {
        "id": row.pk,
        "tenant": row.tenant.slug,
        "user": row.user.login,
        "state": row.state,
        "print_model": row.print_model.slug if row.print_model else None,
        "run": row.run or None,
        "idempotency_key": row.idempotency_key,
        "document_key": row.document_key or None,
        "sender": row.sender_address,
        "subject": row.subject,
        "message_id": row.message_id,
        "recipients": [
            {
                "kind": each.kind,
                "address": each.address,
                "state": each.state,
                "reply": discretion.text(row.plan, each.reply) or (error if _is_open(each.state) else "") or None,
            }
            for each in row.recipients.all()
        ],
        "held": {"code": row.held_reason, "held_for": row.held_for, "message": say_hold(row.held_reason, row.sender_address)}
        if row.held_reason
        else None,
        "attempts": row.attempts,
        "possible_duplicate": row.possible_duplicate,
        "last_error": error or None,
        "created_at": row.created_at,
        "due_at": row.due_at if row.finished_at is None else None,
        "finished_at": row.finished_at,
    }


def log_line(entry: MailLogEntry, discretion: Discretion) -> dict[str, Any]:
    """One line of the log."""
    plan = entry.plan or (entry.job.plan if entry.job else {})
    return {
        "id": entry.pk,
        "at": entry.at,
        "outcome": entry.outcome,
        "job": entry.job_id,
        "tenant": entry.tenant.slug,
        "user": entry.user.login,
        "sender": entry.sender_address,
        "recipients": entry.recipients,
        "subject": entry.subject,
        "error": discretion.text(plan, entry.error, entry.server) or None,
        "error_code": entry.error_code or None,
        "server": discretion.server(plan, entry.server) or None,
        "redirected_to": entry.redirected_to,
        "message_id": entry.message_id or None,
        "sha256": entry.sha256 or None,
    }


def explanation(document: dict[str, Any], reader: User) -> dict[str, Any]:
    """An explanation without what a Com customer must not see of its firm: server, login, addresses that do not win (T4)."""
    discretion = discretion_for(reader)
    if not discretion.applies:
        return document
    firm = reader.tenant.firm.slug if reader.tenant is not None and reader.tenant.firm is not None else ""
    found = {**document, "levels": [_level(level, firm) for level in document["levels"]]}
    if (connection := document["connection"]) and discretion.hides(document):
        found["connection"] = {
            **dict.fromkeys(connection),
            "level": connection["level"],
            "send_system": connection["send_system"],
            "server": _("mail server of the firm"),
        }
        found["hazards"] = [hazard for hazard in document["hazards"] if hazard["code"] not in _NAME_THE_PROVIDER]
    return found


def _level(level: dict[str, Any], firm: str) -> dict[str, Any]:
    of_firm = level["level"] == ParameterLevel.FIRM or level.get("source") == firm
    return {**level, "address": None} if of_firm and level["outcome"] != StepOutcome.USED else level


def _is_open(state: str) -> bool:
    return state != RecipientStateChoices.ACCEPTED

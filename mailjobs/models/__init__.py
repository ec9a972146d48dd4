"""The tables of the queue, which nothing but the modules that ARCHITECTURE.md names (invariant 2) writes."""

from mailjobs.models.bounces import BounceBox, RecipientReport
from mailjobs.models.drafts import MailDraft
from mailjobs.models.errands import SentErrand
from mailjobs.models.finding import SearchProgress, SearchTerm
from mailjobs.models.jobs import (
    FINAL_STATES,
    OPEN_STATES,
    REQUEUEABLE_STATES,
    WAITING_STATES,
    Attempt,
    Content,
    Decision,
    FrozenAttachment,
    FrozenMail,
    JobRecipient,
    LaneChoices,
    MailJob,
    RecipientStateChoices,
    StateChoices,
)
from mailjobs.models.keys import ApiKey, ApiUse
from mailjobs.models.people import Incident, InternalMessage, LogOutcome, MailLogEntry, SavedFilter
from mailjobs.models.runs import PrintRun, PrintRunFile, PrintRunRow
from mailjobs.models.sharing import AccessToken, BlockReason, ConnectionUse, SessionLease, SharedConnection, WorkerSign

__all__ = [
    "FINAL_STATES",
    "OPEN_STATES",
    "REQUEUEABLE_STATES",
    "WAITING_STATES",
    "AccessToken",
    "ApiKey",
    "ApiUse",
    "Attempt",
    "BlockReason",
    "BounceBox",
    "ConnectionUse",
    "Content",
    "Decision",
    "FrozenAttachment",
    "FrozenMail",
    "Incident",
    "InternalMessage",
    "JobRecipient",
    "LaneChoices",
    "LogOutcome",
    "MailDraft",
    "MailJob",
    "MailLogEntry",
    "PrintRun",
    "PrintRunFile",
    "PrintRunRow",
    "RecipientReport",
    "RecipientStateChoices",
    "SavedFilter",
    "SearchProgress",
    "SearchTerm",
    "SentErrand",
    "SessionLease",
    "SharedConnection",
    "StateChoices",
    "WorkerSign",
]

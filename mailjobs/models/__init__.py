"""The tables of the queue; nothing but `submission`, `queue`, `holds`, `sharing`, `keeping` and `notices` writes them."""

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
from mailjobs.models.people import Incident, InternalMessage, LogOutcome, MailLogEntry
from mailjobs.models.sharing import AccessToken, BlockReason, ConnectionUse, SessionLease, SharedConnection, WorkerSign

__all__ = [
    "FINAL_STATES",
    "OPEN_STATES",
    "REQUEUEABLE_STATES",
    "WAITING_STATES",
    "AccessToken",
    "Attempt",
    "BlockReason",
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
    "MailJob",
    "MailLogEntry",
    "RecipientStateChoices",
    "SessionLease",
    "SharedConnection",
    "StateChoices",
    "WorkerSign",
]

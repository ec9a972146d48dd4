"""Messages of other programs as they come, each judged by itself and told whether its document is a repetition (J10)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mailjobs.core.message import Message, MessageInvalid, parse_message
from mailjobs.documents import already_sent
from mailjobs.submission import Result, submit_many
from mailsettings.models import User


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one message; `field` is the one that was wrong, `repeated`: another mail carries its document."""

    result: Result
    field: str = ""
    repeated: bool = False

    def document(self) -> dict[str, Any]:
        """The shape of the contract, and the warning beside it."""
        return {**self.result.document(), "document_repeated": self.repeated}


def hand_in(user: User, raw: Sequence[object], *, run: str = "", unattended: bool = False, whole: bool = False) -> list[Taken]:
    """Submit messages in the shape of the contract, not yet checked; the results come in the same order."""
    messages = [_parsed(each) for each in raw]
    keys = {each.document_key for each in messages if isinstance(each, Message) and each.document_key}
    sent = already_sent(user.tenant, keys) if keys and user.tenant else {}
    results = submit_many(user, messages, run=run, unattended=unattended, whole=whole)
    first: dict[str, int] = {}
    taken = []
    for message, result in zip(messages, results, strict=True):
        if isinstance(message, MessageInvalid):
            taken.append(Taken(result, message.field))
            continue
        repeated = False
        if message.document_key and result.id is not None:
            others = {dispatch.job for dispatch in sent.get(message.document_key, ())}
            others.add(first.setdefault(message.document_key, result.id))
            repeated = bool(others - {result.id})
        taken.append(Taken(result, repeated=repeated))
    return taken


def _parsed(raw: object) -> Message | MessageInvalid:
    try:
        return parse_message(raw)
    except MessageInvalid as invalid:
        return invalid

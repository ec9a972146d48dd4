"""The catalogue (D3): what a cause or a server's reply means, who must act, what to do, and where that is written.

What a provider says in its own way goes first, then the cause that is known, then the enhanced code, the basic one, its class:
never nothing. Pure, in the reader's language; where a reply is judged for sending, `core.reply` decides, not these words.
"""

import re
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from mailjobs.catalogue.causes import CAUSES
from mailjobs.catalogue.codes import CLASSES, ENHANCED, IANA, REPLIES, RFC5321
from mailjobs.catalogue.providers import SAYINGS, ProviderSaying
from mailjobs.core.envelope import Reply
from mailjobs.core.reply import matches_code

__all__ = ["CAUSES", "ENHANCED", "REPLIES", "SAYINGS", "Meaning", "ProviderSaying", "explain", "read_reply", "said_by"]

LATER = _("Nothing for now: the portal tries again by itself. If it stays so, ask whoever runs the mail server.")
NOTHING = _("There is nothing to do.")
_VAGUE = frozenset({"", "other", "bad_reply"})
_REPLY = re.compile(r"(?P<code>[2-5]\d\d)(?:[ -](?P<enhanced>[245]\.\d{1,3}\.\d{1,3}))?(?:[ -]+(?P<text>.*))?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Meaning:
    """`who`: you, administrator, provider, recipient, operator, or empty: nobody must act. `source`: a public address or empty.

    `meaning` and `remedy` are lazy texts.
    """

    cause: str
    who: str
    meaning: object
    remedy: object
    source: str = ""


def explain(cause: str | None, reply: Reply | str | None, send_system: int | None = None) -> Meaning:
    """The meaning of a cause of the contract, of a reply, or of both; the cause that is given stays.

    `reply` as text begins with the code, as `str(Reply)` and stored errors do. A saying of one send system (EWS, Graph) counts
    only where `send_system` is not another.
    """
    said = read_reply(reply) if isinstance(reply, str) else reply
    if said is not None and (saying := said_by(said, send_system)) is not None:
        return Meaning(cause or saying.cause, saying.who, saying.meaning, saying.remedy, saying.source)
    if cause and cause in CAUSES and cause not in _VAGUE:
        words = CAUSES[cause]
        return Meaning(cause, words.who, words.meaning, words.remedy)
    if said is not None and said.code:
        return _by_code(cause or "", said)
    words = CAUSES.get(cause or "other", CAUSES["other"])
    return Meaning(cause or "other", words.who, words.meaning, words.remedy)


def said_by(reply: Reply, send_system: int | None = None) -> ProviderSaying | None:
    """The first provider's saying that fits a reply."""
    return next((saying for saying in SAYINGS if _fits(saying, reply, send_system)), None)


def read_reply(text: str) -> Reply | None:
    """A reply from its text; None where it begins with no code."""
    found = _REPLY.match(text.strip())
    return Reply(int(found["code"]), found["enhanced"] or "", (found["text"] or "").strip()) if found else None


def _fits(saying: ProviderSaying, reply: Reply, send_system: int | None) -> bool:
    return (
        (not saying.codes or reply.code in saying.codes)
        and (not saying.enhanced or any(matches_code(reply.enhanced, wanted) for wanted in saying.enhanced))
        and (saying.text is None or saying.text.search(reply.text) is not None)
        and (not saying.systems or send_system is None or send_system in saying.systems)
    )


def _by_code(cause: str, reply: Reply) -> Meaning:
    """The enhanced code before the basic one, but where it says nothing of its own (X.0.0, X.5.0)."""
    severity, _dot, subject = reply.enhanced.partition(".")
    found, meaning, source = REPLIES.get(reply.code, ("other", CLASSES.get(reply.code // 100, CLASSES[5]), RFC5321))
    if subject in ENHANCED and subject != "0.0":
        (found, meaning), source = ENHANCED[subject], IANA
    if reply.positive or reply.code // 100 == 3:
        return Meaning(cause, "", meaning, NOTHING, source)
    words = CAUSES[found or "other"]
    temporary = (severity or str(reply.code)[0]) == "4"
    return Meaning(cause or found or "other", words.who, meaning, LATER if temporary else words.remedy, source)

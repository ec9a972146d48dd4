"""The finished mail for the user's own mail client: an `.eml` that opens as unsent (X1), judged once more at hand-over."""

from mailjobs.core.mime import mailbox_list
from mailjobs.core.plan import Hold, redirect_now
from mailjobs.core.redirect import rewrite
from mailjobs.models import FrozenMail, MailJob
from mailjobs.preparation import originals_of, redirected, refuse_frozen_sender, request_of
from mailjobs.preview import UNSENT, whole
from mailjobs.wording import HOLDS, say_refusal
from mailsettings.core.addresses import parse_recipient
from mailsettings.selectors import facts_of


class Withheld(Exception):
    """The mail may not be handed to the mail client now; the text says why."""


def eml_of(job: MailJob, frozen: FrozenMail) -> bytes:
    """The `.eml` of a mail that waits for the client; redirect and check sender hold here too (U2, C3). Raises Withheld."""
    facts = facts_of(job.user, request_of(job))
    if job.sender_address and (refused := refuse_frozen_sender(facts, job)):  # without one the client chooses
        raise Withheld(say_refusal(refused))
    redirect = redirect_now(facts)
    if redirect.active and redirect.capture_only:
        raise Withheld(str(HOLDS[Hold.CAPTURED]))
    originals = originals_of(job)
    if (instead := redirected(job, redirect)) is not None:
        return UNSENT + whole(frozen, rewrite(bytes(frozen.headers), instead, originals))
    return UNSENT + _blind_copies(originals) + whole(frozen)


def _blind_copies(originals: dict[str, list[str]]) -> bytes:
    """The client sends by the header alone, so here it names the blind copies too."""
    mailboxes = [parse_recipient(address) for address in originals.get("bcc", [])]
    return mailbox_list("Bcc", mailboxes, "bcc").encode("ascii") if mailboxes else b""

"""The finished mail for the user's own mail client: an `.eml` that opens as unsent (X1), judged once more at hand-over."""

from collections import defaultdict

from mailjobs.core.mime import mailbox_list
from mailjobs.core.plan import Hold, redirect_now
from mailjobs.core.redirect import in_force, rewrite
from mailjobs.models import FrozenMail, JobRecipient, MailJob
from mailjobs.preview import UNSENT, whole
from mailjobs.wording import HOLDS, say_refusal
from mailsettings.core.addresses import AddressInvalid, parse_recipient, parse_sender
from mailsettings.core.facts import Facts, Request
from mailsettings.core.sender import check_sender
from mailsettings.selectors import facts_of


class Withheld(Exception):
    """The mail may not be handed to the mail client now; the text says why."""


def eml_of(job: MailJob, frozen: FrozenMail) -> bytes:
    """The `.eml` of a mail that waits for the client; redirect and check sender hold here too (U2, C3). Raises Withheld."""
    request = Request(print_model=job.print_model.slug if job.print_model else None, unattended=job.unattended)
    facts = facts_of(job.user, request)
    _check(facts, job)
    redirect = redirect_now(facts)
    if redirect.active and redirect.capture_only:
        raise Withheld(str(HOLDS[Hold.CAPTURED]))
    then = tuple(job.redirected_then) if job.redirected_then is not None else None
    originals = _originals(job)
    headers = bytes(frozen.headers)
    if (instead := in_force(redirect, then)) is not None:
        return UNSENT + whole(frozen, rewrite(headers, instead, originals))
    return UNSENT + _blind_copies(originals) + whole(frozen)


def _check(facts: Facts, job: MailJob) -> None:
    if not job.sender_address:  # the client chooses
        return
    try:
        refused = check_sender(facts, parse_sender(job.sender_address))
    except AddressInvalid as invalid:
        raise Withheld(say_refusal("address_invalid")) from invalid
    if refused is not None:
        raise Withheld(say_refusal(refused.value))


def _originals(job: MailJob) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for kind, address in JobRecipient.objects.filter(job=job).values_list("kind", "address"):
        found[kind].append(address)
    return found


def _blind_copies(originals: dict[str, list[str]]) -> bytes:
    """The client sends by the header alone, so here it names the blind copies too."""
    mailboxes = [parse_recipient(address) for address in originals.get("bcc", [])]
    return mailbox_list("Bcc", mailboxes, "bcc").encode("ascii") if mailboxes else b""

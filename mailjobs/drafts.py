"""The finished mail for the user's own mail client: an `.eml` that opens as unsent (X1), judged once more at hand-over."""

from mailjobs.contents import whole
from mailjobs.core.headers import mailbox_list, split_header_block
from mailjobs.core.mailto import mailto
from mailjobs.core.plan import Hold, redirect_now
from mailjobs.core.redirect import rewrite
from mailjobs.holds import hold_instead
from mailjobs.judging import Barred, Held, judge, originals_of, redirected, request_of
from mailjobs.models import FrozenMail, MailJob
from mailjobs.preview import UNSENT, read
from mailjobs.wording import HOLDS, say_refusal
from mailsettings.core.addresses import parse_recipient
from mailsettings.core.facts import Facts
from mailsettings.selectors import facts_of


class Withheld(Exception):
    """The mail may not be handed to the mail client now; the text says why."""


def eml_of(job: MailJob, frozen: FrozenMail) -> bytes:
    """The `.eml` of a mail that waits for the client; all policies of the moment of sending hold here too (U2, C3, P8).

    Raises Withheld; where somebody else must let the mail go first, it waits for them from now on.
    """
    facts = facts_of(job.user, request_of(job))
    _withhold(facts, job)
    originals = originals_of(job)
    if (instead := redirected(job, redirect_now(facts))) is not None:
        return UNSENT + whole(frozen, rewrite(bytes(frozen.headers), instead, originals))
    return UNSENT + blind_copies(originals) + whole(frozen)


def mailto_of(job: MailJob, frozen: FrozenMail) -> str | None:
    """The same as a `mailto:` address, None where that would not be the whole mail: with attachments, HTML or an address for
    replies, while it is redirected (whom it was meant for could not be shown), or where it is too long.

    It names no sender: the client takes its usual account.
    """
    if not _is_plain(frozen) or redirected_now(job) is not None:
        return None
    names = originals_of(job)
    kinds = {kind: names.get(kind, []) for kind in ("to", "cc", "bcc")}
    return mailto(**kinds, subject=job.subject, body=read(whole(frozen)).text)


def _is_plain(frozen: FrozenMail) -> bool:
    """Whether a mail is nothing but a text to its recipients."""
    fields = {name.lower(): raw for name, raw in split_header_block(bytes(frozen.headers))}
    is_text = fields.get("content-type", b"").partition(b":")[2].strip().lower().startswith(b"text/plain")
    return is_text and "reply-to" not in fields


def withhold(job: MailJob) -> None:
    """Raises Withheld where a mail may not be handed to the mail client now, as `eml_of` does."""
    _withhold(facts_of(job.user, request_of(job)), job)


def redirected_now(job: MailJob) -> tuple[str, ...] | None:
    """Whom the mail names now in place of its recipients, None where it names these (U2, U4)."""
    return redirected(job, redirect_now(facts_of(job.user, request_of(job))))


def _withhold(facts: Facts, job: MailJob) -> None:
    match judge(facts, job):
        case Barred() as barred:
            raise Withheld(say_refusal(barred.refusal, barred.details))
        case Held(hold=hold):
            if hold is not Hold.CAPTURED or job.captured_then:  # captured only now: it goes when the redirect captures no more
                hold_instead(job, hold)
            raise Withheld(str(HOLDS[hold]))
        case None:
            return


def blind_copies(originals: dict[str, list[str]]) -> bytes:
    """A mail client sends by the header alone, and shows by it whom a sent mail went to: there it names the blind copies too."""
    mailboxes = [parse_recipient(address) for address in originals.get("bcc", [])]
    return mailbox_list("Bcc", mailboxes, "bcc").encode("ascii") if mailboxes else b""

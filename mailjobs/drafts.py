"""The finished mail for the user's own mail client: an `.eml` that opens as unsent (X1), judged once more at hand-over."""

from mailjobs.contents import whole
from mailjobs.core.headers import mailbox_list
from mailjobs.core.plan import Hold, redirect_now
from mailjobs.core.redirect import rewrite
from mailjobs.holds import hold_instead
from mailjobs.judging import Barred, Held, judge, originals_of, redirected, request_of
from mailjobs.models import FrozenMail, MailJob
from mailjobs.preview import UNSENT
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
    return UNSENT + _blind_copies(originals) + whole(frozen)


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


def _blind_copies(originals: dict[str, list[str]]) -> bytes:
    """The client sends by the header alone, so here it names the blind copies too."""
    mailboxes = [parse_recipient(address) for address in originals.get("bcc", [])]
    return mailbox_list("Bcc", mailboxes, "bcc").encode("ascii") if mailboxes else b""

"""May a stored mail leave now: the policies judged once more, the stricter of then and now (C3, P8, U2, U4, ladder)."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from mailjobs.core.plan import Channel, Hold, Refusal, hold_now, redirect_now
from mailjobs.core.redirect import Redirect, in_force, is_address, is_captured
from mailjobs.models import JobRecipient, MailJob
from mailjobs.refusals import details_of
from mailsettings.core.addresses import AddressInvalid, parse_sender
from mailsettings.core.facts import Facts, Request
from mailsettings.core.send_systems import Stage
from mailsettings.core.sender import Origin, judge_address


@dataclass(frozen=True, slots=True)
class Barred:
    """A mail that may not go: refused for good. `details` for the words, as `refusals` gives them."""

    job: MailJob
    refusal: Refusal
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """A mail that waits for a person: what made it so came after it was queued, or was only now its turn (P8, U5, U6, ladder)."""

    job: MailJob
    hold: Hold


def originals_of(job: MailJob) -> dict[str, list[str]]:
    """A job's real recipients by kind."""
    originals: dict[str, list[str]] = defaultdict(list)
    for kind, address in JobRecipient.objects.filter(job=job).values_list("kind", "address"):
        originals[kind].append(address)
    return originals


def judge(facts: Facts, job: MailJob) -> Barred | Held | None:
    """The policies of now about a stored mail, and the stricter of then and now (C3, P8, U2, U4, ladder); None: it may go."""
    redirect = redirect_now(facts)
    goes_to = redirected(job, redirect)
    if not redirect.readable or (goes_to is not None and not (goes_to and all(map(is_address, goes_to)))):
        return Barred(job, Refusal.REDIRECT_UNREADABLE)
    if refused := _refuse_sender(facts, job):
        return Barred(job, refused, details_of(facts, address=job.sender_address, level=job.sender_level))
    hold = _hold(facts, job, redirect)
    return Held(job, hold) if hold else None


def redirected(job: MailJob, redirect: Redirect) -> tuple[str, ...] | None:
    """Who gets a job instead of its recipients, None where nobody does (U4)."""
    then = job.redirected_then
    return in_force(redirect, None if then is None else tuple(then) if isinstance(then, list) else ())


def _hold(facts: Facts, job: MailJob, redirect: Redirect) -> Hold | None:
    """Whom the mail must wait for now, those aside who have let it go."""
    if job.restored and Hold.RESTORED not in job.approved:
        return Hold.RESTORED
    if is_captured(redirect, then=job.captured_then, released=Hold.CAPTURED in job.approved):
        return Hold.CAPTURED
    if hold := hold_now(facts, as_firm=job.sender_origin == Origin.FIRM, approved=job.approved):
        return hold
    drafted = facts.print_model is not None and facts.print_model.stage is Stage.DRAFT
    by_client = Channel(job.channel).by_client
    if drafted and not by_client and Hold.STAGE_HELD not in job.approved:
        return Hold.STAGE_HELD
    return Hold.BY_CLIENT if by_client and job.held_reason != Hold.BY_CLIENT else None


def _refuse_sender(facts: Facts, job: MailJob) -> Refusal | None:
    """C3: the frozen sender, judged once more by the settings of now; without one the mail client chooses."""
    if not job.sender_address and Channel(job.channel).by_client:
        return None
    try:
        mailbox = parse_sender(job.sender_address)
    except AddressInvalid:
        return Refusal.NO_SENDER
    refused = judge_address(facts, mailbox, Origin(job.sender_origin) if job.sender_origin else None)
    return Refusal(refused.value) if refused else None


def request_of(job: MailJob) -> Request:
    """What a stored job asks for, for judging it once more."""
    return Request(print_model=job.print_model.slug if job.print_model else None, unattended=job.unattended)

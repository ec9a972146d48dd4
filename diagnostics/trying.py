"""Whether mail goes on from here now, and the test mail: a job like every other, carried by the engine that carries them (D2)."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from django.utils import timezone
from django.utils.translation import gettext as _

from diagnostics.cases import Case
from diagnostics.core.causes import locate
from diagnostics.core.findings import Cause, Finding, Step, Verdict
from mailjobs import delivery, sharing, trial
from mailjobs.core.envelope import Phase, Reply, TransportError, Trouble
from mailjobs.core.message import Message
from mailjobs.models import Attempt, BlockReason, JobRecipient, MailJob, SharedConnection, StateChoices
from mailjobs.selectors import worker_alive
from mailjobs.transports.smtp_reply import parse_reply

ASK_EVERY = 0.15  # seconds
_REPLY = re.compile(r"(?P<code>[2-5]\d\d)(?P<rest>(?: .*)?)", re.DOTALL)
_NAMED = re.compile(r" <[^<>]+>$")
_WHERE = (("<", Phase.BODY), ("DATA", Phase.DATA), ("RCPT", Phase.RCPT), ("MAIL", Phase.MAIL), ("AUTH", Phase.AUTH))


def look_at_queue(case: Case) -> Finding:
    """Whether the connection is open, and for the asynchronous way whether a worker is alive (J1, J8)."""
    begun = time.monotonic()
    found = _at_connection(case) or _at_workers(case) or Finding(Step.QUEUE, Verdict.PASSED)
    return _timed(found, begun)


def _at_connection(case: Case) -> Finding | None:
    """A refused login stays paused: that the login works now is for a person to say, who releases it (J8, J9)."""
    shared = SharedConnection.objects.get(pk=case.shared)
    refused = case.route is not None and shared.paused_fingerprint == case.route.fingerprint
    if shared.paused_at is not None and not refused:
        sharing.unpause(shared.pk)  # the settings have been corrected since, which ends the pause
    elif refused:
        return Finding(Step.QUEUE, Verdict.FAILED, Cause.LOGIN_PAUSED, reply=shared.paused_reply)
    if shared.blocked_until is not None and shared.blocked_until > timezone.now():
        by_limit = shared.block_reason != BlockReason.BREAKER
        cause = Cause.RATE_LIMITED if by_limit else Cause.UNREACHABLE
        until = {"until": shared.blocked_until.isoformat(), "reason": shared.block_reason}
        return Finding(Step.QUEUE, Verdict.FAILED, cause, reply=shared.block_reply, facts=until)
    return None


def _at_workers(case: Case) -> Finding | None:
    if case.direct or worker_alive():
        return None
    return Finding(Step.QUEUE, Verdict.FAILED, Cause.NO_WORKER)


def send(case: Case, deadline: float) -> list[Finding]:
    """The test mail and what the server said after its last dot, until `deadline` (`time.monotonic`); before it the login, where
    that is the worker's own and nobody else can try it.
    """
    begun = time.monotonic()
    if case.template is None or case.test_to is None:
        raise ValueError("nothing to send")
    job = trial.begin(case.template, _letter(case), case.sender)
    try:
        if case.direct:
            delivery.deliver_now([job.pk])
        else:
            _wait(lambda: MailJob.objects.filter(pk=job.pk, state__in=_ENDED).exists(), deadline)
        found = _timed(_outcome(case, job.pk), begun)
        return _with_login(found) if case.by_workers_identity else [found]
    finally:
        trial.forget(job.pk)


def _with_login(found: Finding) -> list[Finding]:
    """What the worker's try says about its login."""
    if found.cause in _OF_LOGIN:
        return [replace(found, step=Step.AUTHENTICATION)]
    if any(line.startswith("S: 235") for line in found.dialogue):
        return [Finding(Step.AUTHENTICATION, Verdict.PASSED, facts={"mechanism": "GSSAPI"}), found]
    return [found]


_OF_LOGIN = frozenset(
    {
        Cause.NO_TICKET,
        Cause.CLOCK_SKEW,
        Cause.WRONG_CREDENTIALS,
        Cause.MECHANISM_MISSING,
        Cause.AUTH_NEEDS_TLS,
        Cause.ACCOUNT_LOCKED,
    }
)


def given_up(case: Case) -> Finding:
    """The time that a diagnosis has is over while the test mail is under way."""
    job = MailJob.objects.filter(connection=case.shared, user=case.asked.user, lane=2).order_by("-pk").first()
    on_wire = job is not None and job.on_wire_at is not None
    return Finding(Step.TEST_MAIL, Verdict.FAILED, Cause.NO_REPLY if on_wire else Cause.TIMEOUT, reply="timeout")


_ENDED = (
    StateChoices.SENT,
    StateChoices.PARTLY_SENT,
    StateChoices.FAILED,
    StateChoices.DEFERRED,
    StateChoices.UNKNOWN,
    StateChoices.HELD,
    StateChoices.CANCELLED,
)


def _wait(done: Callable[[], bool], deadline: float) -> None:
    while not done() and time.monotonic() < deadline:
        time.sleep(ASK_EVERY)


def _outcome(case: Case, job_id: int) -> Finding:
    job = MailJob.objects.get(pk=job_id)
    attempt = Attempt.objects.filter(job=job_id).order_by("-pk").first()
    dialogue = tuple(attempt.dialogue) if attempt else ()
    match job.state:
        case StateChoices.SENT:
            reply = JobRecipient.objects.filter(job=job_id).values_list("reply", flat=True).first() or ""
            return Finding(Step.TEST_MAIL, Verdict.PASSED, reply=reply, dialogue=dialogue, facts={"message_id": job.message_id})
        case StateChoices.HELD:
            return Finding(Step.TEST_MAIL, Verdict.FAILED, Cause.HELD)
        case StateChoices.UNKNOWN:
            lost = job.last_error.startswith(Trouble.CLOSED_BY_SERVER)
            cause = Cause.CLOSED_BY_SERVER if lost else Cause.NO_REPLY
            return Finding(Step.TEST_MAIL, Verdict.FAILED, cause, reply=job.last_error, dialogue=dialogue)
        case StateChoices.NEW | StateChoices.SENDING:
            cause = Cause.NO_REPLY if job.on_wire_at else Cause.TIMEOUT
            return Finding(Step.TEST_MAIL, Verdict.FAILED, cause, reply="timeout", dialogue=dialogue)
        case _:
            return _failed(case, job.last_error, dialogue)


def _failed(case: Case, error: str, dialogue: tuple[str, ...]) -> Finding:
    phase = _phase_of(dialogue)
    system = case.route.endpoint.send_system if case.route else 0
    sender = case.template.sender_address if case.template else ""
    found = _REPLY.fullmatch(_NAMED.sub("", error))
    reply: Reply | None = parse_reply(int(found["code"]), found["rest"].strip()) if found else None
    trouble = None if reply else _trouble(error.partition(":")[0])
    _step, cause = locate(TransportError(phase=phase, reply=reply, trouble=trouble), system=system, sender=sender)
    return Finding(Step.TEST_MAIL, Verdict.FAILED, cause, reply=error, dialogue=dialogue)


def _phase_of(dialogue: Sequence[str]) -> Phase:
    """How far the exchange had come; a web service judges the whole mail at once."""
    spoken = [line[3:] for line in dialogue if line.startswith("C: ")]
    if any(line.startswith("POST ") for line in spoken):
        return Phase.BODY
    return next((phase for word, phase in _WHERE if any(line.startswith(word) for line in spoken)), Phase.CONNECT)


def _trouble(word: str) -> Trouble:
    try:
        return Trouble(word)
    except ValueError:
        return Trouble.OTHER


def _letter(case: Case) -> Message:
    """The same text for everybody (Z19)."""
    if case.test_to is None:
        raise ValueError("nobody to send to")
    text = _(
        "This is a test mail of the mail system diagnosis.\n\nUser: %(user)s\nSender: %(sender)s\n\n"
        "If you read this, mail goes out with these settings."
    )
    words = {"user": case.asked.user.login, "sender": case.sender.address if case.sender else "–"}
    return Message(
        to=(case.test_to,),
        print_model=case.asked.print_model.slug if case.asked.print_model else None,
        subject=_("Test mail of the diagnosis"),
        text=text % words,
    )


def _timed(finding: Finding, begun: float) -> Finding:
    return replace(finding, milliseconds=round((time.monotonic() - begun) * 1000))

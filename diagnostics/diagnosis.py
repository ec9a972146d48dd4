"""The diagnosis: walk the steps of one mail, keep what was found, say it in the reader's words (D1, D2, J9).

It owns no sending code: what it decides, decides `routing`; what it says on the wire, the transports say; the test mail is a job.
"""

import queue as queues
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any, Generic, TypeVar

import structlog
from django.conf import settings
from django.db import connections
from django.db.models.functions import Now
from django.utils import timezone

from diagnostics.cases import Asked, Case, case_of
from diagnostics.core.findings import Cause, Finding, Step, Verdict, Who, complete, steps_of, verdict_of
from diagnostics.domain import check_domain
from diagnostics.domain_wording import say
from diagnostics.models import PROSPECT, Diagnosis
from diagnostics.probing import probe
from diagnostics.prospects import Prospect
from diagnostics.trying import given_up, look_at_queue, send
from mailjobs import sharing, workers
from mailjobs.catalogue import explain
from mailjobs.discretion import discretion_for
from mailsettings.access import Right, may
from mailsettings.core.parameters import ParameterLevel
from mailsettings.core.send_systems import SEND_SYSTEMS, Over
from mailsettings.models import User

log = structlog.get_logger(__name__)

KEPT = timedelta(days=180)  # they name recipients and say what was said on the wire
TOTAL = 27.0  # seconds that a diagnosis may take, whatever servers do
FOR_THE_WIRE = 17.0  # of these, until the test mail
FOR_A_SESSION = 3.0  # how long a session of the connection is waited for
Report = Callable[[Finding], None]
Answer = TypeVar("Answer")


@dataclass(slots=True)
class Course:
    """A diagnosis while it runs: what was found of each step, told on as soon as it is known."""

    case: Case
    report: Report
    deadline: float
    found: dict[Step, Finding] = field(default_factory=dict)

    def tell(self, finding: Finding) -> None:
        """Take a finding; a later one of the same step counts, with the time of both."""
        before = self.found.get(finding.step)
        if before is not None:
            finding = replace(
                finding, milliseconds=before.milliseconds + finding.milliseconds, dialogue=before.dialogue + finding.dialogue
            )
        named = replace(finding, who=who_acts(self.case, finding))
        self.found[finding.step] = named
        self.report(named)

    @property
    def steps(self) -> list[Finding]:
        over = SEND_SYSTEMS[self.case.send_system].over
        return complete(list(self.found.values()), steps_of(smtp=over is Over.SMTP))


def run(asked: Asked, report: Report = lambda _finding: None) -> Course:
    """Walk all steps; `report` is told each finding at once. Ends within `TOTAL` seconds. Raises AskedInvalid."""
    deadline = time.monotonic() + TOTAL
    case = case_of(asked)
    course = Course(case, report, deadline)
    for finding in case.findings:
        course.tell(finding)
    if case.route is not None and _walk(course):
        _go_on(course)
    if case.sender is not None:
        _look_at_domain(case, case.sender.address, course)
    return course


# Nobody answers for them publicly (RFC 2606, 6762, 9476); an operator's own name service may (`DNS_RESOLVER`).
_RESERVED = (".local", ".internal", ".example", ".test", ".invalid", ".localhost", ".example.com", ".example.net", ".example.org")


def _look_at_domain(case: Case, sender: str, course: Course) -> None:
    """What receivers look up about the sender (D4)."""
    if not settings.DNS_RESOLVER and f".{sender.rpartition('@')[2]}".endswith(_RESERVED):
        return
    endpoint = case.route.endpoint if case.route else None
    server = endpoint.host if endpoint and SEND_SYSTEMS[case.send_system].over is Over.SMTP else ""
    networks = endpoint.allowed_networks if endpoint else ()
    began = time.monotonic()
    try:
        found = _in_time(
            lambda _report: check_domain(sender, server=server, resolver=settings.DNS_RESOLVER, allowed_networks=networks),
            course.tell,
            course.deadline,
        )
    except TimeoutError:
        return
    course.tell(
        Finding(
            Step.DOMAIN,
            Verdict(found.verdict),
            found.cause,
            round((time.monotonic() - began) * 1000),
            dialogue=tuple(say(each) for each in found.findings),
            facts={each.check.value: each.code for each in found.findings},
        )
    )


def _walk(course: Course) -> bool:
    """Over the wire, in one of the connection's sessions; whether everything went well."""
    case = course.case
    until = min(course.deadline, time.monotonic() + FOR_THE_WIRE)
    lease = _lease(case)
    try:
        return _in_time(lambda report: probe(case, report, until), course.tell, until + 1.0)
    except TimeoutError:
        course.tell(Finding(Step.NAME_RESOLUTION, Verdict.FAILED, Cause.DNS_FAILURE))
        return False
    finally:
        if lease is not None:
            sharing.close_sessions([lease])


def _lease(case: Case) -> int | None:
    """A session of those that the connection may have, so that no real mail is turned away because of us.

    None where the connection is closed, or all are taken for long: a person's explicit try goes on all the same (J8).
    """
    route = case.route
    if route is None:
        return None
    ask = sharing.SessionAsk(case.shared, workers.new_name("diagnosis"), route.fingerprint, route.limits)
    until = time.monotonic() + FOR_A_SESSION
    while not sharing.is_closed(case.shared):
        lease = sharing.open_session(ask).lease
        if lease is not None or time.monotonic() > until:
            return lease
        time.sleep(0.1)
    return None


def _go_on(course: Course) -> None:
    case = course.case
    course.tell(look_at_queue(case))
    if course.found[Step.QUEUE].verdict is not Verdict.PASSED or not (
        case.asked.test_mail and case.asked.prospect is None and case.may_send
    ):
        return
    try:
        for finding in _in_time(lambda _report: send(case, course.deadline), course.tell, course.deadline + 0.5):
            course.tell(finding)
    except TimeoutError:
        course.tell(given_up(case))


@dataclass(frozen=True, slots=True)
class _Ended(Generic[Answer]):
    answer: Answer | None = None
    error: BaseException | None = None


def _in_time(call: Callable[[Report], Answer], tell: Report, deadline: float) -> Answer:
    """What the call returns or raises; TimeoutError at the deadline (`time.monotonic`), and then it goes on by itself.

    The call runs in a thread of its own; the findings that it reports are told in this one.
    """
    told: queues.Queue[Finding | _Ended[Answer]] = queues.Queue()

    def do() -> None:
        try:
            ended = _Ended(call(told.put))
        except BaseException as error:
            ended = _Ended(error=error)
        finally:
            connections.close_all()
        told.put(ended)

    threading.Thread(target=do, name="diagnosis", daemon=True).start()
    while True:
        try:
            item = told.get(timeout=max(deadline - time.monotonic(), 0.1))
        except queues.Empty as late:
            raise TimeoutError from late
        if isinstance(item, _Ended):
            if item.error is not None:
                raise item.error
            return item.answer  # type: ignore[return-value] # no error, so this is what the call returned
        tell(item)


def who_acts(case: Case, finding: Finding) -> str:
    """Who must act: the user, where what is to be changed is the user's to change."""
    who = explain(finding.cause, finding.reply, case.send_system).who if finding.cause else ""
    if who != Who.ADMINISTRATOR:
        return str(who)
    return str(Who.YOU if _may_change(case) else Who.ADMINISTRATOR)


def _may_change(case: Case) -> bool:
    user, connection = case.asked.asker, case.connection
    level = str(connection.level) if connection else ""
    if level == ParameterLevel.USER:
        return may(user, Right.OWN_PARAMETERS)
    of_firm = level in {"", ParameterLevel.FIRM} and user.tenant is not None and user.tenant.is_com_customer
    return user.role_enum.administers and not of_firm


# Keeping it


def begin(asked: Asked) -> Diagnosis:
    """A row for a diagnosis that is about to run; old ones are forgotten. Raises ValueError for a user without a tenant."""
    if asked.user.tenant is None:
        raise ValueError("an operator sends no mail")
    Diagnosis.objects.filter(started_at__lt=Now() - KEPT).delete()
    return Diagnosis.objects.create(
        tenant=asked.user.tenant,
        by=asked.asker,
        user=asked.user,
        account=asked.account,
        print_model=asked.print_model,
        job=asked.job,
        alike=_alike(asked),
        to=asked.to,
        wanted_mode=asked.mode,
        test_mail=asked.test_mail,
    )


def alike_of(prospect: Prospect) -> str:
    """By which the diagnoses of settings that are not in force are found again."""
    return f"{PROSPECT}{prospect.owner} {prospect.send_system} {prospect.mark}"


def _alike(asked: Asked) -> str:
    """What is the same kind of mail: with a failed job, the mails of its user, print model and account."""
    if asked.prospect is not None:  # never beside what is in force
        return alike_of(asked.prospect)
    job = asked.job
    model = asked.print_model.pk if asked.print_model else (job.print_model_id if job else None)
    account = asked.account.pk if asked.account else (job.account_id if job else None)
    return f"user {asked.user.pk} model {model or 0} account {account or 0}"


def perform(row: Diagnosis, asked: Asked) -> Diagnosis:
    """Run the diagnosis and write each step down as it is found; the row says in the end what it came to. Raises AskedInvalid."""
    shown: dict[Step, Finding] = {}

    def keep(finding: Finding) -> None:
        shown[finding.step] = finding
        Diagnosis.objects.filter(pk=row.pk).update(steps=[asdict(each) for each in shown.values()])

    try:
        course = run(asked, keep)
    except Exception:
        Diagnosis.objects.filter(pk=row.pk).update(verdict=Verdict.FAILED, finished_at=timezone.now())
        raise
    case, steps = course.case, course.steps
    row.mode, row.send_system = case.mode, case.send_system
    row.sender = case.sender.address if case.sender else ""
    row.used_account = case.account or ""
    row.level = str(case.connection.level) if case.connection else ""
    row.server = case.route.server if case.route else ""
    row.login = case.connection.username if case.connection else ""
    row.connection_id = case.shared or None
    row.verdict = verdict_of(steps).value
    row.steps = [asdict(step) for step in steps]
    row.finished_at = timezone.now()
    row.save()
    return row


def findings_of(row: Diagnosis) -> list[Finding]:
    """The findings as they are kept, in the order of the steps."""
    return [_read(stored) for stored in row.steps]


def _read(stored: dict[str, Any]) -> Finding:
    known = {key: stored[key] for key in stored if key in Finding.__slots__}
    return Finding(
        **{
            **known,
            "step": Step(stored["step"]),
            "verdict": Verdict(stored["verdict"]),
            "dialogue": tuple(stored.get("dialogue", ())),
        }
    )


def document_of(row: Diagnosis, reader: User | None = None) -> dict[str, Any]:
    """The shape of the contract (`diagnose --json`), in the language that is active, as `reader` (else who asked) may see it."""
    steps = [_discreetly(step, row, reader or row.by) for step in findings_of(row)]
    return {
        "id": row.pk,
        "verdict": row.verdict,
        "user": row.user.login,
        "account": row.used_account or None,
        "print_model": row.print_model.slug if row.print_model else None,
        "job": row.job_id,
        "mode": row.mode,
        "send_system": row.send_system,
        "steps": [step_document(step, row.send_system) for step in steps],
    }


def _discreetly(step: Finding, row: Diagnosis, reader: User) -> Finding:
    """Without the firm's server, login and dialogue, where a Com customer's user reads it (T4)."""
    discretion = discretion_for(reader)
    plan = {"connection": {"level": row.level, "server": row.server, "username": row.login}} if row.level else {}
    if not discretion.hides(plan, row.server):
        return step
    said = discretion.text(plan, step.reply, row.server) if step.verdict is Verdict.FAILED else ""
    kept = {key: value for key, value in step.facts.items() if key in {"address", "to", "message_id"}}
    return replace(step, reply=said, dialogue=(), facts=kept if step.step in _OWN else {})


_OWN = frozenset({Step.SENDER, Step.REDIRECT, Step.TEST_MAIL})


def step_document(step: Finding, system: int | None) -> dict[str, Any]:
    """One step with its words."""
    words = explain(step.cause, step.reply, system) if step.cause else None
    return {
        "step": step.step.value,
        "verdict": step.verdict.value,
        "cause": step.cause or None,
        "who": step.who or None,
        "milliseconds": step.milliseconds,
        "reply": step.reply or None,
        "meaning": str(words.meaning) if words else None,
        "remedy": str(words.remedy) if words else None,
        "dialogue": list(step.dialogue),
        "facts": dict(step.facts),
    }

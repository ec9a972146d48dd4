"""The front door: hand mails in, reset, release and withdraw them.

A newcomer opens this first. `submit_many` decides (`core.plan`), freezes (`core.mime`) and stores the jobs; for the asynchronous
ones it rings the bell on commit, the direct ones it delivers before it returns. Nothing here talks to a mail server itself.
"""

import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from django.db import IntegrityError, transaction
from django.utils import timezone

from mailjobs import backpressure, delivery, draft_queue, holds, notices, queue
from mailjobs.bell import ring_on_commit
from mailjobs.core.headers import MimeInvalid
from mailjobs.core.message import Message, MessageInvalid
from mailjobs.core.mime import Attachment, Content, Frozen, freeze, message_id
from mailjobs.core.plan import Channel, Hold, Plan, Refusal, make_plan
from mailjobs.explanation import document_of
from mailjobs.models import LaneChoices, MailJob, PrintRun, StateChoices
from mailjobs.refusals import details_of_plan
from mailjobs.rows import database_now
from mailjobs.selectors import jobs_visible_to
from mailjobs.storing import Case, store
from mailjobs.wording import say_message_fault, say_queue_full, say_refusal
from mailsettings.changes import audit
from mailsettings.core.facts import Request
from mailsettings.core.placeholders import TemplateTooLarge, VariableInvalid, VariableMissing, render
from mailsettings.deputies import passed_on_to
from mailsettings.models import PrintModel, Tenant, User
from mailsettings.selectors import World, world_of

BATCH = 500  # messages decided, frozen and stored in one transaction
BATCH_OCTETS = 16 * 2**20  # of attachments, likewise
BULK_FROM = 20  # more messages than that in one call are bulk: nobody waits for each of them


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one message: the job's id (None where refused), its state or `refused`, and the error."""

    id: int | None
    status: str
    code: str = ""
    message: str = ""

    def document(self) -> dict[str, Any]:
        """The shape of the contract."""
        error = {"code": self.code, "message": self.message} if self.code else None
        return {"id": self.id, "status": self.status, "error": error}


@dataclass(slots=True)
class _Draft:
    """One message on its way into the database."""

    message: Message
    case: Case | None = None
    frozen: Frozen | None = None
    message_id: str = ""
    subject: str = ""
    job: MailJob | None = None
    result: Result | None = None

    @property
    def plan(self) -> Plan | None:
        return self.case.plan if self.case else None


@dataclass(slots=True)
class _Desk:
    """What one call needs for all its messages: settings, templates and plans are read and decided once per kind."""

    user: User
    tenant: Tenant
    run: str
    unattended: bool
    world: World
    models: dict[str, PrintModel]
    now: datetime = field(default_factory=timezone.now)
    date: datetime = field(default_factory=timezone.localtime)  # the same, as the mails say it
    lane: LaneChoices = LaneChoices.INTERACTIVE
    cases: dict[Request, Case] = field(default_factory=dict)

    @classmethod
    def open(cls, user_id: int, run: str, *, unattended: bool) -> Self:
        """Read everything as it is now, the user and the tenant themselves too."""
        user = User.objects.select_related("tenant__firm", "deputy").get(pk=user_id)
        if user.tenant is None:
            raise ValueError("an operator sends no mail")
        models = {row.slug: row for row in user.tenant.print_models.all()}
        return cls(user, user.tenant, run, unattended, world_of(user.tenant, [user]), models)

    def up_to_date(self) -> Self:
        """This desk, or a new one where a policy has changed since it was opened (U4). From here to the end of the transaction
        none changes: a call that switches redirect on waits until what is stored under the old state has been committed.
        """
        epochs = queue.policy_epochs([(self.tenant.pk, self.tenant.firm_id or self.tenant.pk)])
        if sum(epochs.values()) == self.world.policy_stamp:
            return self
        return replace(self.open(self.user.pk, self.run, unattended=self.unattended), lane=self.lane)

    def case_for(self, message: Message) -> Case:
        """Decided once for all messages that ask for the same."""
        request = Request(message.print_model, message.sender, message.sender_method, self.unattended)
        if request not in self.cases:
            plan = make_plan(self.world.facts_for(self.user.login, request))
            model = self.models.get(message.print_model or "")
            self.cases[request] = Case(plan, document_of(plan), self.user, self.tenant, model, self.run)
        return self.cases[request]


def submit(user: User, message: Message, *, run: str = "", unattended: bool = False) -> Result:
    """Hand in one mail of one acting user; see `submit_many`."""
    return submit_many(user, [message], run=run, unattended=unattended)[0]


def submit_many(
    user: User,
    messages: Iterable[Message | MessageInvalid],
    *,
    run: str = "",
    unattended: bool = False,
    whole: bool = False,
) -> list[Result]:
    """Hand in many mails; the results come in the same order. What is refused is logged and stores no job.

    A `MessageInvalid` among them is answered as refused, so that one bad line of many costs only itself. Direct send systems
    deliver within the call, unless it runs inside a caller's transaction; then the worker does. `whole`: all in one transaction,
    however many; then the caller bounds them.
    """
    desk = _Desk.open(user.pk, run, unattended=unattended)
    if run:
        PrintRun.objects.get_or_create(user=desk.user, name=run, defaults={"tenant": desk.tenant})
    results: list[Result] = []
    for chunk in [list(messages)] if whole else _chunks(messages):
        if run or len(chunk) > BULK_FROM:
            desk.lane = LaneChoices.BULK
        results.extend(_submit_chunk(desk, chunk))
    return results


def requeue(user: User, job_ids: Sequence[int], *, confirm_unknown: bool = False) -> queue.Requeued:
    """*Sendestatus zurückstellen* (J3): failed, partly sent, uncertain or withdrawn jobs become new; audited.

    Only recipients not yet accepted are tried again. Uncertain ones are left out unless `confirm_unknown`.
    """
    rows = jobs_visible_to(user).filter(pk__in=job_ids)
    with transaction.atomic():
        done = queue.requeue(rows, confirm_unknown=confirm_unknown)
        audit(user.login, user.tenant, "requeue", ",".join(map(str, done.ids))[:200], {"jobs": done.ids})
        ring_on_commit()
    return done


def release(user: User, job_ids: Sequence[int]) -> int:
    """End the hold of jobs that wait for this user (P8, stages); returns how many. Another hold may be next."""
    with transaction.atomic():
        held = jobs_visible_to(user).filter(pk__in=job_ids, state=StateChoices.HELD).select_related("tenant")
        inherited = passed_on_to(user)
        jobs = [job for job in held if _names(user, job, inherited)]
        ids = holds.release(jobs)
        ended = sorted({job.held_reason for job in jobs})
        audit(user.login, user.tenant, "release", ",".join(map(str, ids))[:200], {"jobs": ids, "holds": ended})
        ring_on_commit()
    return len(ids)


def cancel(user: User, job_ids: Sequence[int]) -> int:
    """Withdraw jobs that no worker has taken yet; returns how many."""
    with transaction.atomic():
        rows = jobs_visible_to(user).filter(pk__in=job_ids)
        jobs = queue.cancel(rows)
        notices.log_cancelled(jobs)
        audit(user.login, user.tenant, "cancel", ",".join(str(job.pk) for job in jobs)[:200], {"jobs": [job.pk for job in jobs]})
    return len(jobs)


def may_release(user: User, job: MailJob) -> bool:
    """Whether a hold names this user (delivery contract 2, 10), a leaver's theirs who has the leaver's mails now (T6)."""
    return _names(user, job, passed_on_to(user))


def _names(user: User, job: MailJob, inherited: Collection[int]) -> bool:
    if job.held_reason == Hold.BY_CLIENT:
        return False
    match job.held_for:
        case "operator":
            return user.is_operator
        case "firm":
            return user.role == "firm_admin" and job.tenant.firm_id == user.tenant_id
        case "approver":
            return user.role_enum.administers and user.tenant_id in {job.tenant_id, job.tenant.firm_id}
        case _:
            mine = user.pk == job.user_id or job.user_id in inherited
            return mine or (user.tenant_id == job.tenant_id and user.role_enum.administers)


def _chunks(messages: Iterable[Message | MessageInvalid]) -> Iterator[list[Message | MessageInvalid]]:
    """As many as are stored in one transaction: so many messages, or so many octets of attachments."""
    chunk: list[Message | MessageInvalid] = []
    octets = 0
    for message in messages:
        chunk.append(message)
        octets += sum(len(file.data) for file in message.attachments) if isinstance(message, Message) else 0
        if len(chunk) >= BATCH or octets >= BATCH_OCTETS:
            yield chunk
            chunk, octets = [], 0
    if chunk:
        yield chunk


def _submit_chunk(desk: _Desk, chunk: list[Message | MessageInvalid]) -> list[Result]:
    try:
        with transaction.atomic():
            results, direct = _store_chunk(desk, chunk)
    except IntegrityError:  # somebody else stored one of the keys in the meantime: look again, now it is there
        desk.cases.clear()  # what they stored is rolled back too
        with transaction.atomic():
            results, direct = _store_chunk(desk, chunk)
    if direct and not transaction.get_connection().in_atomic_block:
        states = delivery.deliver_now(list(direct))
        for job_id, indexes in direct.items():
            state, error = states[job_id]
            for index in indexes:
                results[index] = Result(job_id, state, _code_of(state), error if state != StateChoices.SENT else "")
    return results


def _code_of(state: str) -> str:
    return "" if state in {StateChoices.SENT, StateChoices.NEW, StateChoices.HELD} else state


def _store_chunk(desk: _Desk, chunk: list[Message | MessageInvalid]) -> tuple[list[Result], dict[int, list[int]]]:
    """Results in order, and the direct jobs as id → indexes. Runs inside a transaction."""
    desk = desk.up_to_date()
    desk.now = database_now()
    desk.date = timezone.localtime(desk.now)
    known = _known_keys(desk, chunk)
    room = backpressure.room_for(desk.tenant)
    drafts = [_draft(desk, message, known, room) for message in chunk]
    stored = [draft for draft in drafts if draft.frozen is not None and draft.job is not None]
    store((draft.job, draft.frozen, draft.message) for draft in stored if draft.job and draft.frozen)
    drafted = [draft.job.pk for draft in stored if draft.job and _is_drafted(draft.job)]
    draft_queue.want(drafted)
    notices.tell_held((draft.job, Hold(draft.job.held_reason)) for draft in stored if draft.job and draft.job.held_reason)
    notices.log_refused(
        desk.user,
        [
            notices.Refusal(draft.message, draft.result.code, draft.result.message, draft.plan)
            for draft in drafts
            if draft.result and draft.result.status == "refused"
        ],
        unattended=desk.unattended or desk.world.users[desk.user.login].role == "service_user",
    )
    direct: dict[int, list[int]] = {}
    for index, draft in enumerate(drafts):
        if draft.job is not None:
            draft.result = Result(draft.job.pk, draft.job.state)
            if draft.job.direct and draft.job.state == StateChoices.NEW and draft.job.attempts == 0:
                direct.setdefault(draft.job.pk, []).append(index)
    if drafted or any(draft.job is not None and not draft.job.direct for draft in drafts):
        ring_on_commit()
    return [draft.result for draft in drafts if draft.result], direct


def _is_drafted(job: MailJob) -> bool:
    """Whether a worker puts it as a draft into the mailbox (M2)."""
    return job.channel == Channel.DRAFT and job.held_reason == Hold.BY_CLIENT


def _known_keys(desk: _Desk, chunk: list[Message | MessageInvalid]) -> dict[str, MailJob]:
    keys = [message.idempotency_key for message in chunk if isinstance(message, Message) and message.idempotency_key]
    rows = MailJob.objects.filter(tenant=desk.tenant, idempotency_key__in=keys) if keys else MailJob.objects.none()
    return {row.idempotency_key: row for row in rows if row.idempotency_key}


def _draft(desk: _Desk, message: Message | MessageInvalid, known: dict[str, MailJob], room: backpressure.Room) -> _Draft:
    if isinstance(message, MessageInvalid):
        return _refused(_Draft(Message(())), message.code, say_message_fault(message))
    draft = _Draft(message)
    if message.idempotency_key and (first := known.get(message.idempotency_key)):
        return _repeated(desk, draft, first)
    case = draft.case = desk.case_for(message)
    if case.plan.refused:
        return _refused(draft, case.plan.refused, case.document["refused"]["message"])
    if not room.take():
        return _refused(draft, backpressure.QUEUE_FULL, say_queue_full(room.cap, backpressure.RETRY_AFTER_SECONDS // 60))
    try:
        frozen = draft.frozen = _freeze(desk, draft)
    except VariableMissing as missing:
        details = {**details_of_plan(case.plan), "variables": ", ".join(missing.names)}
        return _refused(draft, Refusal.VARIABLE_MISSING, say_refusal(Refusal.VARIABLE_MISSING, details))
    except MessageInvalid as invalid:
        return _refused(draft, invalid.code, say_message_fault(invalid))
    draft.job = case.new_job(message, frozen, message_id=draft.message_id, subject=draft.subject, lane=desk.lane, now=desk.now)
    if message.idempotency_key:
        known[message.idempotency_key] = draft.job
    return draft


def _refused(draft: _Draft, code: str, text: str) -> _Draft:
    draft.result = Result(None, "refused", str(code), text)
    return draft


def _repeated(desk: _Desk, draft: _Draft, first: MailJob) -> _Draft:
    """The same key again: the first job for the same body of the same user, refused for anything else."""
    if first.user_id != desk.user.pk or first.request_digest != draft.message.digest:
        invalid = MessageInvalid("idempotency_key", "key_reused", draft.message.idempotency_key or "")
        return _refused(draft, invalid.code, say_message_fault(invalid))
    draft.job = first  # stored long ago, or an earlier message of this very call
    return draft


def _freeze(desk: _Desk, draft: _Draft) -> Frozen:
    """Fill the templates in and build the mail. Raises VariableMissing, MessageInvalid."""
    message, plan = draft.message, draft.plan
    model = desk.models.get(message.print_model or "")
    subject, text, html = (_part(name, message, model) for name in ("subject", "text", "html"))
    if not (subject or text or html or message.attachments):
        raise MessageInvalid("message", "empty_mail")
    unique = uuid.uuid4().hex
    sender = plan.sender.mailbox if plan else None
    draft.message_id = message_id(unique, sender.domain if sender else "postausgang.invalid")
    draft.subject = subject
    try:
        return freeze(
            Content(
                message_id=draft.message_id,
                date=desk.date,
                sender=sender,
                to=message.to,
                cc=message.cc,
                bcc=message.bcc,
                reply_to=message.reply_to,
                subject=subject,
                text=text,
                html=html,
                attachments=tuple(Attachment(file.filename, file.content_type, file.data) for file in message.attachments),
                boundary_seed=unique,
            )
        )
    except MimeInvalid as invalid:
        known = "control_character" if invalid.code == "control_character" else "header_invalid"
        raise MessageInvalid(invalid.field, known) from invalid


def _part(name: str, message: Message, model: PrintModel | None) -> str:
    """Subject, text or HTML: the message's own as it is, else the print model's filled in."""
    own = getattr(message, name)
    if own is not None:
        return str(own)
    template = getattr(model, name, "")
    if model is None or not template or (name in {"text", "html"} and (message.text or message.html)):
        return ""
    try:
        return render(template, message.variables, html=name == "html")
    except TemplateTooLarge as invalid:
        raise MessageInvalid(name, "template_too_large") from invalid
    except VariableInvalid as invalid:
        raise MessageInvalid(f"variables.{invalid.name}", "variable_type") from invalid

"""One mail: what became of it, why this sender, what it looks like, what can be done (ui 2, 5)."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailjobs.bulk import ACTIONS
from mailjobs.contents import whole
from mailjobs.core.plan import Hold
from mailjobs.discretion import Discretion, discretion_for
from mailjobs.documents import others_of
from mailjobs.drafting import put_now
from mailjobs.drafts import Withheld, eml_of, mailto_of, withhold
from mailjobs.falling_back import give_to_client, offers_client
from mailjobs.foreseeing import say_successors
from mailjobs.incidents import OPEN_STATES
from mailjobs.mailboxes import is_reachable
from mailjobs.models import (
    REQUEUEABLE_STATES,
    WAITING_STATES,
    Attempt,
    FrozenMail,
    JobRecipient,
    LogOutcome,
    MailDraft,
    MailJob,
    RecipientStateChoices,
    StateChoices,
)
from mailjobs.preview import Preview, read
from mailjobs.proof import provable
from mailjobs.releasing import rejection_of
from mailjobs.remedies import ADMINISTRATOR, OPERATOR, YOU, Remedy, remedy_for, say_error, taken_as_sent
from mailjobs.selectors import body_visible_to
from mailjobs.submission import may_release
from mailjobs.views.asking import ask, carry_out, lines_of
from mailjobs.views.draft_words import say_draft
from mailjobs.views.evidence import evidence_of, say_answer
from mailjobs.views.explained import facts_of_plan, ladder_of
from mailjobs.views.jobs import tell
from mailjobs.views.page import diagnosis_of, job_for
from mailjobs.views.report_words import hints_of, report_of, say_report, say_returned
from mailjobs.views.sandbox import attached, download, framed
from mailjobs.views.sent_words import say_copy
from mailjobs.waiting import say_wait
from mailjobs.wording import say_held_for, say_hold
from mailsettings.access import Right, may, sees_whole_tenant
from mailsettings.context_processors import url_of
from mailsettings.installation import copied_from
from mailsettings.models import User
from mailsettings.portal import Page, ReaderMixin

SENTENCES: Mapping[StateChoices, object] = {
    StateChoices.NEW: gettext_lazy("It waits for its turn and is due from %(time)s."),
    StateChoices.HELD: gettext_lazy("It waits for %(who)s and is not sent before."),
    StateChoices.SENDING: gettext_lazy("A delivery worker is handing it over right now."),
    StateChoices.DEFERRED: gettext_lazy("It could not be handed over yet; the next try is due at %(time)s."),
    StateChoices.SENT: gettext_lazy("The mail server has taken it over. What happens after that, it does not say."),
    StateChoices.PARTLY_SENT: gettext_lazy(
        "Some recipients were taken, others refused for good. A reset tries only those who are still open."
    ),
    StateChoices.FAILED: gettext_lazy("It was not sent, and nothing is tried any more by itself."),
    StateChoices.UNKNOWN: gettext_lazy("It may have arrived: the server's last answer is missing. Nothing is tried by itself."),
    StateChoices.CANCELLED: gettext_lazy("It was withdrawn before it was sent."),
}
HELD_FOR: Mapping[str, object] = {
    "firm": gettext_lazy("The firm"),
    "sender": gettext_lazy("The sender"),
    "approver": ADMINISTRATOR,
    "operator": OPERATOR,
}
DRAFT = "draft"  # an action of its own: of one mail that waits for the client
TO_CLIENT = "client"  # likewise: of one that failed directly
CAN_WITHDRAW = (*WAITING_STATES, StateChoices.HELD)


class Job(Page):
    """The page of one mail."""

    template_name = "mailjobs/job.html"

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        job = job_for(self.reader, pk)
        discretion = discretion_for(self.reader)
        frozen = frozen_for(self, job)
        return self.show(
            job=job,
            state=stated(job),
            answer=say_answer(job),
            evidence=evidence_of(job, discretion),
            problem=self._problem(job, discretion),
            buttons=self._buttons(job, frozen),
            timeline=_timeline(job, discretion),
            recipients=_recipients(job, discretion),
            ladder=ladder_of(job.plan, self.reader),
            facts=facts_of_plan(job.plan, discretion),
            copy=discretion.text(job.plan, say_copy(job)),
            preview=read(whole(frozen)) if frozen is not None else None,
            provable=provable(job),
            documents=lines_of(self.reader, others_of(job)) if job.document_key else [],
            body_visible=body_visible_to(self.reader, job),
            everybody=sees_whole_tenant(self.reader),
            incident=_incident_of(job),
            diagnosis_url=_diagnosis_of(self.reader, job),
        )

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        job, action = job_for(self.reader, pk), request.POST.get("action", "")
        if action == DRAFT:
            return self._put_draft(job)
        if action == TO_CLIENT:
            return self._give_to_client(job)
        if action not in ACTIONS:
            return HttpResponseBadRequest()
        where = reverse("job", args=[job.pk])
        if (question := ask(self, action, [job.pk], back=where)) is not None:
            return question
        tell(request, carry_out(self, action, [job.pk]))
        return HttpResponseRedirect(where)

    def _put_draft(self, job: MailJob) -> HttpResponse:
        """X1: the mail put into the mailbox now; where it lies or why not, its page says."""
        if frozen_for(self, job) is None or not _is_by_client(job):
            raise Http404
        draft = put_now(self.reader, job)
        if copied_from() is not None:
            messages.error(self.request, _("This database is a copy of another installation's: nothing leaves it."))
        elif draft is None:
            messages.info(self.request, _("The mail is being put into the mailbox right now."))
        elif draft.state == MailDraft.State.PLACED:
            messages.success(self.request, _("The mail lies in the mailbox as a draft. It has not been sent."))
        return HttpResponseRedirect(reverse("job", args=[job.pk]))

    def _give_to_client(self, job: MailJob) -> HttpResponse:
        """X2: what could not be sent directly waits for the mail client instead."""
        if frozen_for(self, job) is None or not give_to_client(self.reader, job.pk):
            raise Http404
        messages.success(self.request, _("The mail waits for your mail client now, and is sent by no server any more."))
        return HttpResponseRedirect(reverse("job", args=[job.pk]))

    def _problem(self, job: MailJob, discretion: Discretion) -> dict[str, object] | None:
        if job.state == StateChoices.HELD:
            return _held(job, self.reader, discretion)
        if (reason := rejection_of(job)) is not None:
            return {"title": _("The firm has not released this mail"), "text": reason, "who": YOU if _is_mine(self, job) else ""}
        if job.state not in {StateChoices.FAILED, StateChoices.PARTLY_SENT, StateChoices.UNKNOWN, StateChoices.DEFERRED}:
            return None
        remedy = remedy_for(job.last_error, state=job.state, sender=job.sender_address)
        return self._shown(job, remedy, discretion) if remedy else None

    def _shown(self, job: MailJob, remedy: Remedy, discretion: Discretion) -> dict[str, object]:
        hidden = discretion.hides(job.plan)
        mends = remedy.settings and may(self.reader, Right.MANAGE_SETTINGS) and not hidden and self.reader.tenant_id is not None
        return {
            "title": remedy.title,
            "text": discretion.text(job.plan, str(remedy.text)),
            "who": self._who(remedy, hidden=hidden),
            "reply": discretion.text(job.plan, job.last_error),
            "kind": {StateChoices.UNKNOWN: "unknown", StateChoices.DEFERRED: "held"}.get(job.state_choice, ""),
            "action_url": url_of("settings") if mends else "",
            "action_label": _("To the settings"),
        }

    def _who(self, remedy: Remedy, *, hidden: bool) -> object:
        if hidden and remedy.settings:
            return _("The firm: its mail server is meant.")
        administers = may(self.reader, Right.MANAGE_SETTINGS) and self.reader.tenant_id is not None
        return YOU if administers and remedy.who is ADMINISTRATOR else remedy.who

    def _buttons(self, job: MailJob, frozen: FrozenMail | None) -> dict[str, bool]:
        client, body = _is_by_client(job), frozen is not None
        draft = MailDraft.objects.filter(pk=job.pk).first() if client else None
        return {
            "requeue": job.state in REQUEUEABLE_STATES and job.state != StateChoices.UNKNOWN,  # asked beside the evidence
            "release": job.state == StateChoices.HELD and may_release(self.reader, job),
            "confirm": job.held_reason == Hold.CONFIRM_SENDS_AS_FIRM,
            "cancel": job.state in CAN_WITHDRAW,
            "download": client and body,
            "mailto": client and frozen is not None and mailto_of(job, frozen) is not None,
            "draft": client and body and is_reachable(job),
            "to_client": body and offers_client(job),
            "drafted": draft is not None and draft.state == MailDraft.State.PLACED,
        }


class JobEml(ReaderMixin):
    """The mail for the user's own mail client (X1)."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        job = job_for(self.reader, pk)
        frozen = frozen_for(self, job)
        if frozen is None or job.state != StateChoices.HELD or job.held_reason != Hold.BY_CLIENT:
            raise Http404
        try:
            return download(eml_of(job, frozen), f"{job.subject or 'mail'}.eml", "message/rfc822")
        except Withheld as why:
            messages.error(request, str(why))
            return HttpResponseRedirect(reverse("job", args=[job.pk]))


class JobMailto(ReaderMixin):
    """A short plain mail for the user's own mail client, judged when it is asked for (X1, U2)."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        job = job_for(self.reader, pk)
        frozen = frozen_for(self, job)
        if frozen is None or not _is_by_client(job):
            raise Http404
        try:
            withhold(job)
        except Withheld as why:
            messages.error(request, str(why))
        else:
            if (address := mailto_of(job, frozen)) is not None:
                return HttpResponse(status=302, headers={"Location": address})  # whatever the browser opens for `mailto:`
            messages.error(request, _("This mail cannot be opened that way now. Open it as .eml."))
        return HttpResponseRedirect(reverse("job", args=[job.pk]))


class JobPreview(ReaderMixin):
    """The HTML of a mail, for the sandboxed frame on its page (Z10)."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        preview = _preview_for(self, pk)
        if not preview.html:
            raise Http404
        return framed(preview.html)


class JobAttachment(ReaderMixin):
    """One attachment, to be stored (Z11)."""

    def get(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        attachments = _preview_for(self, pk).attachments
        if not 0 < number <= len(attachments):
            raise Http404
        return attached(attachments[number - 1])


def frozen_for(view: ReaderMixin, job: MailJob) -> FrozenMail | None:
    """Headers and body, where this reader may read them and they are still kept (T7)."""
    if not body_visible_to(view.reader, job):
        return None
    return FrozenMail.objects.filter(job=job).first()


def _diagnosis_of(reader: User, job: MailJob) -> str:
    """Where it is found out why it does not go (J9); empty where there is nothing to find out."""
    asks = {StateChoices.FAILED, StateChoices.PARTLY_SENT, StateChoices.UNKNOWN, StateChoices.DEFERRED, StateChoices.NEW}
    return diagnosis_of(reader, job) if job.state in asks else ""


def _incident_of(job: MailJob) -> int | None:
    """The incident in which a mail failed last, while it has not been reset."""
    if job.state not in OPEN_STATES:
        return None
    return job.internal_messages.exclude(incident=None).order_by("-pk").values_list("incident", flat=True).first()


def _is_mine(view: ReaderMixin, job: MailJob) -> bool:
    return job.tenant_id == view.reader.tenant_id


def stated(job: MailJob) -> str:
    """What the state means for this mail, in a sentence."""
    if wait := say_wait(job):
        return wait
    if job.state == StateChoices.SENT and (answer := say_answer(job)):
        return _("Nobody knows whether it arrived: %(answer)s.") % {"answer": answer}
    if job.state == StateChoices.SENT and (returned := say_returned(job)):
        return returned
    due = date_format(localtime(job.due_at), "SHORT_DATETIME_FORMAT")
    return str(SENTENCES[job.state_choice]) % {"time": due, "who": say_held_for(job.held_for)}


def _is_by_client(job: MailJob) -> bool:
    return job.state == StateChoices.HELD and job.held_reason == Hold.BY_CLIENT


def _held(job: MailJob, reader: User, discretion: Discretion) -> dict[str, object]:
    client = _is_by_client(job)
    drafted = say_draft(MailDraft.objects.filter(pk=job.pk).first()) if client else None
    if drafted is not None:
        drafted = {name: discretion.text(job.plan, words) for name, words in drafted.items()}
    return {
        "title": say_hold(job.held_reason, job.sender_address) or _("The mail is held."),
        "text": _("When it has gone out from there, withdraw it here, and it leaves the list.") if client else "",
        **(drafted or {}),
        "who": YOU if may_release(reader, job) or (client and reader.pk == job.user_id) else _waits_for(job),
        "kind": "held",
    }


def _waits_for(job: MailJob) -> object:
    """Whom a hold names; in place of a sender who has left, who has the mails now (T6)."""
    if job.held_for == "sender" and not job.user.is_active:
        return say_successors(job.user)
    return HELD_FOR.get(job.held_for, "")


def _preview_for(view: ReaderMixin, pk: int) -> Preview:
    frozen = frozen_for(view, job_for(view.reader, pk))
    if frozen is None:
        raise Http404
    return read(whole(frozen))


def _recipients(job: MailJob, discretion: Discretion) -> list[dict[str, Any]]:
    hints = hints_of(job)
    rows = job.recipients.select_related("report")
    return [_recipient(job, each, discretion) | {"hint": hints.get(each.address, "")} for each in rows]


def _recipient(job: MailJob, recipient: JobRecipient, discretion: Discretion) -> dict[str, Any]:
    report = report_of(recipient)
    return {
        "kind": "" if recipient.kind == JobRecipient.Kind.TO else JobRecipient.Kind(recipient.kind).label,
        "address": recipient.address,
        "state": "unknown" if taken_as_sent(recipient.reply) is not None else recipient.state,
        "label": _recipient_label(job, recipient),
        "reply": say_error(discretion.text(job.plan, recipient.reply)),
        "proof": recipient.pk if provable(job) and recipient.state == RecipientStateChoices.ACCEPTED else None,
        **(say_report(job, report, discretion) if report else {}),
    }


def _recipient_label(job: MailJob, recipient: JobRecipient) -> object:
    over = job.state in {StateChoices.FAILED, StateChoices.PARTLY_SENT, StateChoices.CANCELLED}
    if over and recipient.state == RecipientStateChoices.PENDING:
        return _("Not handed over")
    if taken_as_sent(recipient.reply) is not None:
        return LogOutcome.TAKEN_AS_SENT.label
    return RecipientStateChoices(recipient.state).label


def _timeline(job: MailJob, discretion: Discretion) -> list[dict[str, object]]:
    """The attempts, newest first, down to the moment the mail was accepted."""
    entries = [_attempt(job, attempt, discretion) for attempt in reversed(job.tries.all())]
    accepted: dict[str, object] = {
        "kind": "new",
        "title": _("Accepted by the portal"),
        "when": _moment(job.created_at),
        "text": _("%(user)s, print run %(run)s") % {"user": job.user.login, "run": job.run} if job.run else job.user.login,
    }
    return [*_answered(job), *entries, accepted]


def _answered(job: MailJob) -> list[dict[str, object]]:
    """That somebody, or the account's policy, took the mail as sent."""
    if not (answer := say_answer(job)) or job.finished_at is None:
        return []
    return [{"kind": "unknown", "title": LogOutcome.TAKEN_AS_SENT.label, "when": _moment(job.finished_at), "text": answer}]


def _attempt(job: MailJob, attempt: Attempt, discretion: Discretion) -> dict[str, object]:
    hidden = discretion.hides(job.plan, attempt.server)
    where = discretion.server(job.plan, attempt.server)
    reply = say_error(discretion.text(job.plan, attempt.reply, attempt.server))
    facts = [reply, _("over %(server)s") % {"server": where} if where else ""]
    if attempt.redirected_to:
        facts.append(_("redirected to %(addresses)s") % {"addresses": ", ".join(attempt.redirected_to)})
    outcome = StateChoices(attempt.outcome)
    return {
        "kind": outcome.value,
        "title": _("Not sent: a setting changed at the last moment") if outcome == StateChoices.NEW else outcome.label,
        "when": _moment(attempt.ended_at),
        "text": " · ".join(fact for fact in facts if fact),
        "detail": "" if hidden else "\n".join(map(str, attempt.dialogue)),
    }


def _moment(when: Any) -> str:
    local = localtime(when)
    return f"{date_format(local, 'SHORT_DATE_FORMAT')} {local:%H:%M:%S}"

"""Hand mails in, ask for one, reset and withdraw it."""

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Header, Query, Router, Status

from mailjobs import intake, submission
from mailjobs.api import documents
from mailjobs.api.auth import Bearer, caller
from mailjobs.api.bodies import MOST_OCTETS_OF_BATCH, json_object
from mailjobs.api.problems import Problem, not_found
from mailjobs.api.schemas import MOST_MESSAGES, Job, Result, Results, extra
from mailjobs.backpressure import QUEUE_FULL, RETRY_AFTER_SECONDS
from mailjobs.discretion import discretion_for
from mailjobs.keys import Scope
from mailjobs.models import MailJob, StateChoices
from mailjobs.selectors import jobs_visible_to
from mailsettings.access import Right, may
from mailsettings.models import User

router = Router(tags=["messages"])
MOST_RUN = 200
IdempotencyKey = Annotated[
    str | None,
    Header(
        None, alias="Idempotency-Key", description="The same key again returns the first mail; of a batch it numbers the items."
    ),
]
Run = Annotated[str, Query("", max_length=MOST_RUN, description="The name of the print run.")]


@router.post("messages", response={202: Result}, auth=Bearer(Scope.SUBMIT), openapi_extra=extra(409, body="Message"))
def submit(
    request: HttpRequest, response: HttpResponse, idempotency_key: IdempotencyKey, run: Run = "", unattended: bool = False
) -> Status[dict[str, Any]]:
    """Hand one mail in.

    It is stored when this answers; a direct send system has delivered it, or failed, by then.
    """
    user = _submitter(request)
    raw = _with_key(json_object(request), idempotency_key)
    taken = intake.hand_in(user, [raw], run=_name(run), unattended=unattended)[0]
    if taken.result.id is None:
        raise _refusal(taken)
    response["Location"] = f"/api/v1/messages/{taken.result.id}"
    return Status(202, taken.document())


@router.post("messages/batch", response={202: Results}, auth=Bearer(Scope.SUBMIT), openapi_extra=extra(body="Batch"))
def submit_batch(request: HttpRequest, idempotency_key: IdempotencyKey) -> Status[dict[str, Any]]:
    """Hand up to 1,000 mails in, each answered by itself, in one transaction.

    An item without a key of its own gets the header's with its number, so that the same batch can be sent again.
    """
    user = _submitter(request)
    body = json_object(request, MOST_OCTETS_OF_BATCH)
    items = _items(body)
    if idempotency_key is not None:
        items = [_with_key(item, f"{idempotency_key}/{number}", keep=True) for number, item in enumerate(items)]
    run, unattended = body.get("run", ""), body.get("unattended", False)
    if not isinstance(run, str) or not isinstance(unattended, bool):
        raise Problem(422, "not_a_choice", _("“run” is a text, “unattended” true or false."))
    taken = intake.hand_in(user, items, run=_name(run), unattended=unattended, whole=True)
    refused = sum(each.result.id is None for each in taken)
    results = [each.document() for each in taken]
    return Status(202, {"results": results, "accepted": len(taken) - refused, "refused": refused})


@router.get("messages/{int:id}", response=Job, auth=Bearer(Scope.READ), openapi_extra=extra(404))
def message(request: HttpRequest, id: int) -> dict[str, Any]:
    """One mail and what became of it."""
    return _document(caller(request), id)


@router.post("messages/{int:id}/requeue", response=Job, auth=Bearer(Scope.MANAGE), openapi_extra=extra(404, 409))
def requeue(request: HttpRequest, id: int, confirm_unknown: bool = False) -> dict[str, Any]:
    """Reset the send status of a failed, partly sent, uncertain or withdrawn mail: it is tried again within a minute.

    Whether an uncertain one may go out a second time must be confirmed.
    """
    user = caller(request)
    row = _row(user, id)
    done = submission.requeue(user, [id], confirm_unknown=confirm_unknown)
    if done.skipped_unknown:
        detail = _("It is uncertain whether this mail went out. Confirm with confirm_unknown=true that it may go out again.")
        raise Problem(409, "unknown_unconfirmed", detail)
    if not done.ids:
        raise _wrong_state(row)
    return _document(user, id)


@router.post("messages/{int:id}/cancel", response=Job, auth=Bearer(Scope.MANAGE), openapi_extra=extra(404, 409))
def cancel(request: HttpRequest, id: int) -> dict[str, Any]:
    """Withdraw a mail that no worker has taken yet."""
    user = caller(request)
    row = _row(user, id)
    if not submission.cancel(user, [id]):
        raise _wrong_state(row)
    return _document(user, id)


def _submitter(request: HttpRequest) -> User:
    user = caller(request)
    if not may(user, Right.SUBMIT):
        raise Problem(403, "not_allowed", _("The key's user may not hand mail in."))
    return user


def _items(body: dict[str, Any]) -> list[Any]:
    items = body.get("messages")
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_MESSAGES:
        detail = _("“messages” must be a list of 1 to %(most)s messages.") % {"most": MOST_MESSAGES}
        raise Problem(422, "not_a_batch", detail, field="messages")
    if unknown := sorted(set(body) - {"messages", "run", "unattended"}):
        raise Problem(422, "unknown_field", _("There is no field %(field)s.") % {"field": unknown[0][:50]}, field=unknown[0][:50])
    return items


def _with_key(raw: Any, key: str | None, *, keep: bool = False) -> Any:
    """The message with the header's key; one of its own stays, or must be the same."""
    if key is None or not isinstance(raw, dict):
        return raw
    own = raw.get("idempotency_key")
    if own and not keep and own != key:
        raise Problem(
            422, "key_twice", _("The header Idempotency-Key and the message name different keys."), field="idempotency_key"
        )
    return {**raw, "idempotency_key": own or key}


def _name(run: str) -> str:
    if len(run) > MOST_RUN or not run.isprintable():
        raise Problem(
            422, "not_a_text", _("“run” must be a line of at most %(most)s characters.") % {"most": MOST_RUN}, field="run"
        )
    return run


def _refusal(taken: intake.Taken) -> Problem:
    result = taken.result
    if result.code == QUEUE_FULL:
        return Problem(429, result.code, result.message, {"Retry-After": str(RETRY_AFTER_SECONDS)})
    more: dict[str, Any] = {"field": taken.field} if taken.field else {}
    return Problem(409 if result.code == "key_reused" else 422, result.code, result.message, **more)


def _row(user: User, pk: int) -> MailJob:
    row = documents.jobs_with_all(jobs_visible_to(user)).filter(pk=pk).first() if 0 < pk < 2**63 else None
    if row is None:
        raise not_found()
    return row


def _document(user: User, pk: int) -> dict[str, Any]:
    return documents.job(_row(user, pk), discretion_for(user))


def _wrong_state(row: MailJob) -> Problem:
    state = StateChoices(row.state)
    return Problem(
        409, "wrong_state", _("The mail is “%(state)s”; that cannot be done with it.") % {"state": state.label}, state=row.state
    )

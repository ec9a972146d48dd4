"""Documents that went out before, or are on their way with another mail (J10): people are warned, nothing is held back.

A document is what the submitting program calls by one key in one tenant. Mail that was redirected reached no client and does not
count.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Coalesce

from mailjobs.models import Attempt, JobRecipient, MailJob, RecipientStateChoices, StateChoices
from mailjobs.selectors import jobs_visible_to
from mailsettings.models import Tenant, User

AT_A_TIME = 2_000  # mails of one query
_UNDER_WAY = (StateChoices.NEW, StateChoices.DEFERRED, StateChoices.SENDING)
_TAKEN = Q(state=RecipientStateChoices.ACCEPTED)
_PERHAPS = Q(state=RecipientStateChoices.UNKNOWN, job__state=StateChoices.UNKNOWN)
_ON_ITS_WAY = Q(job__state__in=_UNDER_WAY) & ~Q(state=RecipientStateChoices.REFUSED)


@dataclass(slots=True)
class Dispatch:
    """A mail that took a document out, or is about to; `recipients` are those who got it, or would."""

    job: int
    user: int
    at: datetime  # of the hand-over; while it is under way, when it was accepted
    state: StateChoices  # sent, unknown or new
    recipients: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Repeats:
    """Of chosen mails, by id: `known`, whose document another mail took out or will; `twins`, whose document an earlier has."""

    known: Mapping[int, list[Dispatch]]
    twins: Mapping[int, int]

    @property
    def jobs(self) -> frozenset[int]:
        return frozenset({*self.known, *self.twins})


def already_sent(tenant: Tenant, keys: Iterable[str]) -> dict[str, list[Dispatch]]:
    """Document key → the mails of this tenant that took it out or are about to, the latest first; one query for all keys."""
    wanted = {key for key in keys if key}
    found = _dispatches([tenant.pk], wanted) if wanted else {}
    return {key: dispatches for (_tenant, key), dispatches in found.items()}


def others_of(job: MailJob) -> list[Dispatch]:
    """The other mails with the document of this one."""
    return [each for each in already_sent(job.tenant, [job.document_key]).get(job.document_key, []) if each.job != job.pk]


def repeats(user: User, job_ids: Sequence[int], states: Collection[StateChoices]) -> Repeats:
    """Which of these mails would take a document out again, of those that the user may see and that are in one of the states."""
    known: dict[int, list[Dispatch]] = {}
    twins: dict[int, int] = {}
    first: dict[tuple[int, str], int] = {}
    wanted = sorted(set(job_ids))
    for start in range(0, len(wanted), AT_A_TIME):
        rows = jobs_visible_to(user).filter(pk__in=wanted[start : start + AT_A_TIME], state__in=states).exclude(document_key="")
        documents = {pk: (tenant, key) for pk, tenant, key in rows.values_list("pk", "tenant_id", "document_key")}
        tenants, keys = {tenant for tenant, _key in documents.values()}, {key for _tenant, key in documents.values()}
        sent = _dispatches(tenants, keys) if documents else {}
        for pk, document in sorted(documents.items()):
            if others := [dispatch for dispatch in sent.get(document, []) if dispatch.job != pk]:
                known[pk] = others
            elif first.setdefault(document, pk) != pk:
                twins[pk] = first[document]
    return Repeats(known, twins)


def _dispatches(tenants: Collection[int], keys: Collection[str]) -> dict[tuple[int, str], list[Dispatch]]:
    redirected = Attempt.objects.filter(job=OuterRef("job"), redirected_to__isnull=False)
    lost = Q(accepted_epoch=None) & Q(Exists(redirected.filter(outcome=StateChoices.UNKNOWN)))
    elsewhere = Q(Exists(redirected.filter(epoch=OuterRef("accepted_epoch")))) | lost
    rows = (
        JobRecipient.objects.filter(_TAKEN | _PERHAPS | _ON_ITS_WAY, job__tenant__in=tenants, job__document_key__in=keys)
        .filter(~Q(job__document_key=""), job__redirected_then__isnull=True)  # the first as the index has it
        .exclude(elsewhere)
        .annotate(when=Coalesce("job__finished_at", "job__created_at"))
        .order_by("-job", "pk")
    )
    return _grouped(rows)


def _grouped(rows: Any) -> dict[tuple[int, str], list[Dispatch]]:
    found: dict[tuple[int, str], dict[int, Dispatch]] = defaultdict(dict)
    columns = ("job__tenant", "job__document_key", "job", "job__user", "job__state", "state", "when", "address")
    for tenant, key, job, user, job_state, state, when, address in rows.values_list(*columns):
        dispatch = found[tenant, key].setdefault(job, Dispatch(job, user, when, _kind(job_state, state)))
        if state == RecipientStateChoices.ACCEPTED and dispatch.state != StateChoices.SENT:
            dispatch.state, dispatch.recipients = StateChoices.SENT, []
        if _kind(job_state, state) == dispatch.state:
            dispatch.recipients.append(address)
    return {document: list(dispatches.values()) for document, dispatches in found.items()}


def _kind(job_state: str, state: str) -> StateChoices:
    """Whether a recipient got it, perhaps got it, or is about to."""
    if state == RecipientStateChoices.ACCEPTED:
        return StateChoices.SENT
    return StateChoices.UNKNOWN if job_state == StateChoices.UNKNOWN else StateChoices.NEW

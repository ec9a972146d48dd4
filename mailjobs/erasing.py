"""Forgetting one recipient everywhere (Z20, GDPR 17): what went to an address, what names it, what servers said of it.

What is left is that there was a mail, when, by whom and what became of it, and the hash of its bytes: that is what proofs and
counts stand on. A mail that is still under way is not touched: it is reported, and somebody withdraws it first.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import CharField, Exists, Model, OuterRef, Q, QuerySet
from django.db.models.functions import Cast

from mailjobs import contents
from mailjobs.models import (
    FINAL_STATES,
    Attempt,
    FrozenAttachment,
    Incident,
    InternalMessage,
    JobRecipient,
    MailDraft,
    MailJob,
    MailLogEntry,
    PrintRun,
    PrintRunRow,
    RecipientReport,
    SearchTerm,
    SharedConnection,
)
from mailsettings.core.addresses import parse_recipient
from mailsettings.models import Tenant

_RUNS_UNDER_WAY = (PrintRun.State.TRYING, PrintRun.State.RUNNING, PrintRun.State.PAUSED)
AT_ONCE = 200  # mails in one transaction
ERASED = "erased@erased.invalid"  # in lists and texts; RFC 2606: never anybody's
_TEXTS: tuple[
    tuple[type[Model], tuple[str, ...], str], ...
] = (  # tables, what in them servers and people may have written, tenant
    (Incident, ("error",), "tenant"),
    (SharedConnection, ("paused_reply", "block_reply"), ""),
    (MailLogEntry, ("error", "subject"), "tenant"),
    (RecipientReport, ("reason",), "tenant"),
    (InternalMessage, ("error", "subject"), "user__tenant"),
)


@dataclass(slots=True)
class Erased:
    """How many mails and lines were erased; `under_way` are the ids of mails that are not over."""

    mails: int = 0
    lines: int = 0
    under_way: tuple[int, ...] = ()


def erase_recipient(address: str, tenant: Tenant | None = None) -> Erased:
    """Erase what is kept of a recipient, of one tenant or everywhere. Raises AddressInvalid."""
    forms = _forms_of(address)
    done = Erased(under_way=_under_way(forms, tenant))
    last = 0
    while ids := list(_mails_to(forms, tenant).filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        last = ids[-1]
        done.mails += _erase_mails(ids, forms)
    done.lines += _erase_rows_of_runs(_of(PrintRunRow, tenant, "run__tenant"), forms)
    for rows in (_of(MailLogEntry, tenant, "tenant"), _of(InternalMessage, tenant, "user__tenant")):
        done.lines += _erase_lists(rows, forms)
    done.lines += _erase_dialogues(_of(Attempt, tenant, "job__tenant"), forms)
    for model, columns, owner in _TEXTS:
        if owner or tenant is None:
            done.lines += _erase_texts(_of(model, tenant, owner), columns, forms)
    return done


def _erase_rows_of_runs(rows: QuerySet[Any], forms: Iterable[str]) -> int:
    """What was uploaded about the address and never became a mail; what waits to be one stays, as mails under way do."""
    settled = rows.filter(job=None).exclude(run__state__in=_RUNS_UNDER_WAY, state=PrintRunRow.State.OPEN)
    named = settled.annotate(text=Cast("cells", CharField())).filter(_any("text", "icontains", forms))
    return PrintRunRow.objects.filter(pk__in=list(named.values_list("pk", flat=True))).update(cells=[], message="")


def _forms_of(address: str) -> tuple[str, ...]:
    """The ways in which one address may be written; comparisons take no notice of case."""
    parsed = parse_recipient(address)
    return tuple(dict.fromkeys((parsed.address, parsed.readable, parsed.key)))


def _mails_to(forms: Iterable[str], tenant: Tenant | None) -> QuerySet[MailJob]:
    to = JobRecipient.objects.filter(_any("address", "iexact", forms), job=OuterRef("pk"))
    rows = MailJob.objects.filter(Exists(to))
    return rows if tenant is None else rows.filter(tenant=tenant)


def _under_way(forms: Iterable[str], tenant: Tenant | None) -> tuple[int, ...]:
    rows = _mails_to(forms, tenant).exclude(state__in=FINAL_STATES)
    return tuple(rows.order_by("pk").values_list("pk", flat=True))


@transaction.atomic
def _erase_mails(ids: Sequence[int], forms: Sequence[str]) -> int:
    """Of those that are over now: somebody may have reset one meanwhile."""
    jobs = list(MailJob.objects.select_for_update().filter(pk__in=ids, state__in=FINAL_STATES).only("pk", "last_error"))
    these = [job.pk for job in jobs]
    contents.erase(these)
    PrintRunRow.objects.filter(job__in=these).update(cells=[])
    SearchTerm.objects.filter(job__in=these).delete()
    MailJob.objects.filter(pk__in=these).update(subject="")
    FrozenAttachment.objects.filter(job__in=these).update(filename="")
    InternalMessage.objects.filter(job__in=these).update(subject="")
    MailLogEntry.objects.filter(job__in=these).update(subject="")
    for job in jobs:
        MailJob.objects.filter(pk=job.pk).update(last_error=_without(job.last_error, forms))
    RecipientReport.objects.filter(_any("recipient__address", "iexact", forms), recipient__job__in=these).delete()
    for row in JobRecipient.objects.filter(_any("address", "iexact", forms), job__in=these):
        reply = _without(row.reply, forms)
        JobRecipient.objects.filter(pk=row.pk).update(address=f"erased-{row.pk}@erased.invalid", reply=reply)
    for attempt in Attempt.objects.filter(job__in=these):
        Attempt.objects.filter(pk=attempt.pk).update(dialogue=[], reply=_without(attempt.reply, forms))
    for draft in MailDraft.objects.filter(job__in=these):
        MailDraft.objects.filter(pk=draft.pk).update(error=_without(draft.error, forms))
    return len(these)


def _erase_lists(rows: QuerySet[Any], forms: Sequence[str]) -> int:
    """From lists of recipients, of lines whose mail is not under way."""
    written = [json.dumps(form)[1:-1] for form in forms]  # as SQLite keeps them
    rows = rows.annotate(listed=Cast("recipients", CharField())).filter(_any("listed", "icontains", {*forms, *written}))
    count = 0
    for row in rows.filter(Q(job=None) | Q(job__state__in=FINAL_STATES)).only("pk", "recipients").iterator():
        kept = [ERASED if str(one).casefold() in {form.casefold() for form in forms} else one for one in row.recipients]
        if kept != row.recipients:
            count += rows.model._default_manager.filter(pk=row.pk).update(recipients=kept)
    return count


def _erase_dialogues(rows: QuerySet[Attempt], forms: Sequence[str]) -> int:
    """From those of other mails: they once went on with the lines of the mail before on the same connection."""
    rows = rows.annotate(said=Cast("dialogue", CharField())).filter(_any("said", "icontains", forms))
    count = 0
    for row in rows.filter(job__state__in=FINAL_STATES).only("pk", "dialogue").iterator():
        kept = [_without(line, forms) for line in row.dialogue]
        count += Attempt.objects.filter(pk=row.pk).update(dialogue=kept) if kept != row.dialogue else 0
    return count


def _erase_texts(rows: QuerySet[Any], columns: Sequence[str], forms: Sequence[str]) -> int:
    count = 0
    for column in columns:
        for row in rows.filter(_any(column, "icontains", forms)).only("pk", column).iterator():
            text = getattr(row, column)
            if (kept := _without(text, forms)) != text:
                count += rows.model._default_manager.filter(pk=row.pk).update(**{column: kept})
    return count


def _of(model: Any, tenant: Tenant | None, owner: str) -> QuerySet[Any]:
    rows: QuerySet[Any] = model._default_manager.all()
    return rows.filter(**{owner: tenant}) if tenant is not None and owner else rows


def _any(column: str, lookup: str, forms: Iterable[str]) -> Q:
    found = Q()
    for form in forms:
        found |= Q(**{f"{column}__{lookup}": form})
    return found


def _without(text: str, forms: Iterable[str]) -> str:
    """A text in which the address is not named; a longer address that ends or begins with it is another one."""
    for form in forms:
        text = re.sub(rf"(?<![\w.+-]){re.escape(form)}(?![\w-]|\.\w)", ERASED, text, flags=re.IGNORECASE)
    return text

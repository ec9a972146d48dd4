"""Finds mails by whole words, however far back; what is part of a word is looked for by `listing` in the latest mails.

A mail's words never change, so they are written once, some time after it was taken in, while the queue has nothing better to do.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from mailjobs.models import WAITING_STATES, JobRecipient, LaneChoices, MailJob, SearchProgress, SearchTerm
from mailjobs.rows import insert_new

MOST = 500  # mails with one word; a word that more have finds nothing here, since the latest have it too
ASKED = 3  # words of a query
MAILS = 1_000  # of one transaction
SETTLED = timedelta(seconds=60)  # by then no transaction is open that stores an earlier id
AT_LATEST = timedelta(minutes=10)  # even while mail is due
_LONGEST = 120
_WORD = re.compile(r"[^\s,;:()<>\"'“”„]{3,120}")
_EDGES = ".!?*-–/"


def index_more() -> bool:
    """Write the words of the next mails; False where there is nothing to do, or the queue is busy."""
    last = SearchProgress.objects.filter(pk=1).values_list("last_job", flat=True).first()
    settled = MailJob.objects.filter(created_at__lt=Now() - SETTLED)
    if not settled.filter(pk__gt=last or 0).exists():
        return False
    with transaction.atomic():
        SearchProgress.objects.get_or_create(pk=1)
        progress = SearchProgress.objects.select_for_update(skip_locked=True).filter(pk=1).first()
        if progress is None:
            return False
        rows = settled.filter(pk__gt=progress.last_job).order_by("pk")
        jobs = list(rows.only("pk", "subject", "document_key", "lane", "created_at")[:MAILS])
        if not jobs or _busy(jobs[0]):
            return False
        recipients = defaultdict(list)
        for pk, address in JobRecipient.objects.filter(job__in=[job.pk for job in jobs]).values_list("job", "address"):
            recipients[pk].append(address)
        insert_new(
            SearchTerm,
            ("term", "job_id"),
            [(term, job.pk) for job in jobs for term in sorted(_terms_of(job, recipients[job.pk]))],
        )
        SearchProgress.objects.filter(pk=1).update(last_job=jobs[-1].pk)
    return True


def jobs_with(query: str) -> list[int]:
    """Mails that have a word of the query, the rarest of its longest; empty where each is too common, or none is known."""
    words = sorted(set(_words(query)), key=len, reverse=True)[:ASKED]
    found = [ids for word in words if (ids := _of_word(word))]
    return min(found, key=len, default=[])


def _of_word(word: str) -> list[int]:
    """The mails with one word, none where too many have it; all come through the index."""
    ids = list(SearchTerm.objects.filter(term=word).order_by("-job").values_list("job", flat=True)[: MOST + 1])
    return ids if len(ids) <= MOST else []


def _busy(first: MailJob) -> bool:
    rows = MailJob.objects.filter(state__in=WAITING_STATES, due_at__lte=Now())
    return rows.exists() and not MailJob.objects.filter(pk=first.pk, created_at__lt=Now() - AT_LATEST).exists()


def _terms_of(job: MailJob, addresses: Iterable[str]) -> set[str]:
    """Numbers always; words of the subject of single mails only, since those of a print run are all alike."""
    terms = {word for word in _words(f"{job.subject} {job.document_key}") if any(map(str.isdigit, word))}
    if job.lane == LaneChoices.INTERACTIVE:
        terms |= set(_words(job.subject))
    for address in addresses:
        terms |= {address.lower()[:_LONGEST], address.lower().partition("@")[0][:_LONGEST]}
    return terms


def _words(text: str) -> Iterator[str]:
    for word in _WORD.findall(text.lower()):
        if len(word.strip(_EDGES)) > 2:
            yield word.strip(_EDGES)

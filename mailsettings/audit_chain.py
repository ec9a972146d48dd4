"""Is the audit log as it was written? One chain of hashes for the whole installation (Z16).

On PostgreSQL a deferred trigger links an event at the very end of its transaction, so that the chain's lock is the last one
any transaction takes and is held only for the commit (migration `audit_refuses_changes`); SQLite has one writer anyway, and the
event is linked as it is written. A chain does not show that its end was cut off, nor that somebody wrote all of it anew: for
that, `verify` takes a head that was noted down elsewhere.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from hashlib import sha256
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from mailsettings.audit_models import AuditEvent, AuditLink

_AT_ONCE = 1_000  # rows held in memory


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain; `0:` and no hash where nothing was audited yet."""

    position: int = 0
    hash: str = ""

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that is not as it was written: `kind` is changed, removed, inserted or head; `row` an event or a position."""

    kind: str
    row: int


def record(actor: str, tenant: Any, action: str, subject: str, *, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Write down one event; it is linked when the transaction commits."""
    event = AuditEvent(
        at=timezone.now(),
        actor=actor[:64],
        tenant=tenant,
        action=action,
        subject=subject[:200],
        before=_plain(before),
        after=_plain(after),
    )
    event.digest = digest_of(event)
    with transaction.atomic():
        event.save(force_insert=True)
        if connection.vendor != "postgresql":
            _link(event)


def canonical(event: AuditEvent) -> bytes:
    """The octets that an event's digest is of: a JSON list in ASCII, keys sorted, without spaces, the time in UTC."""
    at = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    parts = [at, event.actor, event.tenant_id, event.action, event.subject, _plain(event.before), _plain(event.after)]
    return json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()


def digest_of(event: AuditEvent) -> str:
    """SHA-256 of the canonical octets."""
    return sha256(canonical(event)).hexdigest()


def hash_of(before: str, position: int, event_id: int, digest: str) -> str:
    """The hash of a link; the trigger in PostgreSQL says the same in SQL."""
    return sha256(f"{before}|{position}|{event_id}|{digest}".encode()).hexdigest()


def head() -> Head:
    """The end of the chain, to be noted down elsewhere."""
    last = AuditLink.objects.order_by("-position").first()
    return Head(last.position, last.hash) if last else Head()


def verify(noted: Head | None = None) -> Iterator[Broken]:
    """Every row that was changed, removed or inserted; of the chain as a whole, whether `noted` is still a part of it."""
    last = Head()
    met = noted is None or noted.position == 0
    for link, event in _links():
        for missing in range(last.position + 1, min(link.position, last.position + 1 + _AT_ONCE)):
            yield Broken("removed", missing)
        if event is None:
            yield Broken("removed", link.event_id)
        elif not _fits(event, link, last):
            yield Broken("changed", link.event_id)
        last = Head(link.position, link.hash)
        met = met or last == noted
    if not met and noted is not None:
        yield Broken("head", noted.position)
    unlinked = AuditEvent.objects.filter(~Exists(AuditLink.objects.filter(event=OuterRef("pk"))))
    for pk in unlinked.order_by("pk").values_list("pk", flat=True):
        yield Broken("inserted", pk)


def _fits(event: AuditEvent, link: AuditLink, last: Head) -> bool:
    """Whether an event is what its digest says, and its link what both say; after a gap the link cannot be judged."""
    if digest_of(event) != event.digest:
        return False
    return link.position != last.position + 1 or link.hash == hash_of(last.hash, link.position, link.event_id, event.digest)


def _links() -> Iterator[tuple[AuditLink, AuditEvent | None]]:
    position = 0
    while links := list(AuditLink.objects.filter(position__gt=position).order_by("position")[:_AT_ONCE]):
        events = AuditEvent.objects.in_bulk([link.event_id for link in links])
        yield from ((link, events.get(link.event_id)) for link in links)
        position = links[-1].position


def _link(event: AuditEvent) -> None:
    last = head()
    position = last.position + 1
    AuditLink.objects.create(position=position, event=event, hash=hash_of(last.hash, position, event.pk, event.digest))


def _plain(value: object) -> Any:
    """As the database gives it back: lists for tuples, texts for enums, whole numbers for floats that are whole."""
    return json.loads(json.dumps(value), parse_float=_number)


def _number(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() else number

"""The bytes of mails in the database: attachments once per content, whole mails put together again (delivery contract 5)."""

from collections.abc import Iterable, Mapping

from django.db.models import Q

from mailjobs.core.mime import Frozen, body_parts, unstuff
from mailjobs.models import Content, FrozenAttachment, FrozenMail
from mailjobs.rows import insert, reserve_ids

_ATTACHMENT = ("job_id", "position", "offset", "filename", "content_type", "size", "sha256", "content_id")


def store(mails: Iterable[tuple[int, Frozen]]) -> None:
    """Store frozen mails by the ids of their jobs. Raises IntegrityError where somebody stores one of the contents just now."""
    rows = list(mails)
    insert(FrozenMail, ("job_id", "headers", "body"), [(key, frozen.headers, frozen.body) for key, frozen in rows])
    files = [(key, position, file) for key, frozen in rows for position, file in enumerate(frozen.files)]
    if not files:
        return
    known = keep({file.sha256: file.data for _key, _position, file in files})
    attachments = [
        (key, position, file.offset, file.filename, file.content_type, len(file.data), file.sha256, known[file.sha256])
        for key, position, file in files
    ]
    insert(FrozenAttachment, _ATTACHMENT, attachments)


def body_of(frozen: FrozenMail) -> bytes:
    """The body as it goes over the wire, dot-stuffed, whole."""
    rows = FrozenAttachment.objects.filter(job=frozen.pk, content__isnull=False).order_by("position")
    files = [(offset, bytes(data)) for offset, data in rows.values_list("offset", "content__data")]
    parts = body_parts(bytes(frozen.body), files)
    return b"".join(octets for part in parts for octets in ((part,) if isinstance(part, bytes) else part))


def whole(frozen: FrozenMail, headers: bytes | None = None) -> bytes:
    """The mail as its recipient would store it; `headers` replace its own."""
    return (bytes(frozen.headers) if headers is None else headers) + b"\r\n" + unstuff(body_of(frozen))


def erase(job_ids: Iterable[int]) -> int:
    """Forget the bytes of these jobs, of attachments what no other mail carries, not names and hashes; returns of how many."""
    ids = list(job_ids)
    carried = FrozenAttachment.objects.filter(job__in=ids, content__isnull=False)
    contents = set(carried.values_list("content", flat=True))
    carried.update(content=None)
    erased, _rows = FrozenMail.objects.filter(job__in=ids).delete()
    drop_unused(contents)
    return erased


def keep(files: Mapping[str, bytes]) -> dict[str, int]:
    """Store files by their SHA-256, each once; returns the ids of their contents. Raises IntegrityError as `store` does."""
    known = dict(Content.objects.filter(sha256__in=files).values_list("sha256", "pk"))
    new = [sha256 for sha256 in files if sha256 not in known]
    ids = reserve_ids(Content, len(new)) if new else []
    rows = [(key, name, len(files[name]), files[name]) for key, name in zip(ids, new, strict=True)]
    insert(Content, ("id", "sha256", "size", "data"), rows)
    return known | dict(zip(new, ids, strict=True))


def octets_of(ids: Iterable[int]) -> dict[int, bytes]:
    """Content → its octets."""
    return {pk: bytes(data) for pk, data in Content.objects.filter(pk__in=list(ids)).values_list("pk", "data")}


def drop_unused(ids: Iterable[int]) -> None:
    """Forget those of these contents that no mail carries and no print run waits with."""
    used = Q(attachments__isnull=False) | Q(run_files__isnull=False)
    Content.objects.filter(pk__in=list(ids)).exclude(used).delete()

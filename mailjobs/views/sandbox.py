"""How foreign content leaves the portal: never with its rights, never with anything fetched from elsewhere (Z10, Z11)."""

from django.http import HttpResponse
from django.utils.http import content_disposition_header

from mailjobs.preview import Attachment

# No scripts, no origin, no network. Styles stand in the mail itself and can fetch nothing.
POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"
FRAME = (
    '<!doctype html><meta charset="utf-8"><style>body{{margin:0.75rem;font:14px/1.45 sans-serif;'
    "background:#fff;color:#111}}</style>{}"
)


def framed(html: str) -> HttpResponse:
    """The HTML of a mail, for the frame on its page."""
    response = HttpResponse(FRAME.format(html), content_type="text/html; charset=utf-8")
    response["Content-Security-Policy"] = f"{POLICY}; frame-ancestors 'self'"
    response["X-Frame-Options"] = "SAMEORIGIN"
    return _guarded(response)


def attached(attachment: Attachment) -> HttpResponse:
    """A file of a mail, to be stored rather than shown."""
    return download(attachment.data, attachment.filename, attachment.content_type)


def download(data: bytes, filename: str, content_type: str) -> HttpResponse:
    """A file to be stored."""
    response = HttpResponse(data, content_type=content_type if _plain(content_type) else "application/octet-stream")
    response.headers["Content-Disposition"] = _disposition(filename)
    response["Content-Security-Policy"] = f"{POLICY}; frame-ancestors 'none'"
    return _guarded(response)


def _disposition(filename: str) -> str:
    name = "".join(char if char.isprintable() and char not in "/\\" else "_" for char in filename)[:200]
    return content_disposition_header(as_attachment=True, filename=name or "attachment") or "attachment"


def _plain(content_type: str) -> bool:
    return content_type.isascii() and all(char.isalnum() or char in "/.+-" for char in content_type)


def _guarded(response: HttpResponse) -> HttpResponse:
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response

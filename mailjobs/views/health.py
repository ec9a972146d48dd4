"""Whether this process answers, and whether the portal can deliver (contract, Pages)."""

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse

from mailjobs.selectors import worker_alive
from mailsettings.installation import copied_from


def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers; nothing else is asked."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> JsonResponse:
    """Database and worker are there, and the database is no copy; 503 with the reason where it is not so (J1, U5)."""
    try:
        alive = worker_alive()
        reason = "copied_database" if copied_from() is not None else None if alive else "no_worker"
    except DatabaseError:
        reason = "no_database"
    return JsonResponse({"ready": reason is None, "reason": reason}, status=503 if reason else 200)

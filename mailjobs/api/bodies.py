"""Reading what a program sends: bounded before it is read, strict JSON, one object."""

import json
from typing import Any, NoReturn

from django.http import HttpRequest
from django.utils.translation import gettext as _

from mailjobs.api.problems import Problem

MOST_OCTETS = 40 * 2**20  # of one message: 25 MiB of attachments as base64, and its texts
MOST_OCTETS_OF_BATCH = 64 * 2**20


def json_object(request: HttpRequest, most: int = MOST_OCTETS) -> dict[str, Any]:
    """The JSON object in the body. Raises Problem."""
    if request.content_type != "application/json":
        raise Problem(415, "not_json", _("The body must be application/json."))
    length = request.META.get("CONTENT_LENGTH") or ""
    if length.isdigit() and int(length) > most:
        raise _too_large(most)
    raw = request.read(most + 1)
    if len(raw) > most:
        raise _too_large(most)
    try:
        document = json.loads(raw.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as invalid:
        raise Problem(400, "broken_json", _("The body is no JSON: %(why)s") % {"why": str(invalid)[:200]}) from invalid
    if not isinstance(document, dict):
        raise Problem(422, "not_an_object", _("The body must be a JSON object."))
    return document


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _too_large(most: int) -> Problem:
    return Problem(413, "too_large", _("The body may have %(most)s MiB at most.") % {"most": most // 2**20})

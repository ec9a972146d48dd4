"""The shapes of the API (contract); what a message may hold is judged by `core.message`, these describe it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ninja import Schema
from pydantic import BaseModel, ConfigDict, Field

from mailjobs.core.message import MAX_ATTACHMENTS, MAX_KEY, MAX_RECIPIENTS

MOST_MESSAGES = 1_000  # of a batch
REF = "#/components/schemas/{model}"


class Problem(Schema):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="For programs; never translated.")
    field: str | None = Field(None, description="What the error is about, where it is one field.")
    errors: list[dict[str, Any]] | None = None


class Attachment(Schema):
    model_config = ConfigDict(extra="forbid")
    filename: str
    content_type: str | None = "application/octet-stream"
    content_base64: str


class Message(Schema):
    """One mail: subject, text and html replace the print model's."""

    model_config = ConfigDict(extra="forbid")
    to: list[str] = Field([], description="Each `user@domain` or `Name <user@domain>`.", max_length=MAX_RECIPIENTS)
    cc: list[str] = []
    bcc: list[str] = []
    reply_to: list[str] | str | None = None
    print_model: str | None = None
    variables: dict[str, str | float | int | None] = {}
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    sender: str | None = Field(None, description="What rule R1 calls the sender that the calling package passes.")
    sender_method: str | None = Field(None, description="`crm`, or nothing.")
    not_before: str | None = Field(None, description="A time with its zone, such as 2026-11-30T08:00:00+01:00.")
    idempotency_key: str | None = Field(None, max_length=MAX_KEY, description="As the header Idempotency-Key.")
    document_key: str | None = Field(None, description="Names the document in it, to warn before it goes out twice.")
    attachments: list[Attachment] = Field([], max_length=MAX_ATTACHMENTS)


class Batch(Schema):
    """Up to 1,000 mails; each is answered by itself."""

    model_config = ConfigDict(extra="forbid")
    messages: list[Message] = Field(min_length=1, max_length=MOST_MESSAGES)
    run: str = Field("", max_length=200, description="The name of the print run.")
    unattended: bool = False


class Case(Schema):
    """A question: who would send what."""

    model_config = ConfigDict(extra="forbid")
    user: str | None = Field(None, description="The key's own user, or one whose settings they manage.")
    print_model: str | None = None
    context_sender: str | None = None
    sender_method: str | None = Field(None, pattern="^crm$")
    unattended: bool = False


class Error(Schema):
    code: str
    message: str


class Result(Schema):
    """What became of one message; `id` is null where it was refused."""

    id: int | None
    status: str
    error: Error | None
    document_repeated: bool = Field(False, description="Its document went out before or is on its way with another mail.")


class Results(Schema):
    results: list[Result] = Field(description="In the order of the messages.")
    accepted: int
    refused: int


class Recipient(Schema):
    kind: str
    address: str
    state: str
    reply: str | None


class Held(Schema):
    code: str
    held_for: str
    message: str


class Job(Schema):
    """A mail and its fate."""

    id: int
    tenant: str
    user: str
    state: str
    print_model: str | None
    run: str | None
    idempotency_key: str | None
    document_key: str | None
    sender: str
    subject: str
    message_id: str
    recipients: list[Recipient]
    held: Held | None
    attempts: int
    possible_duplicate: bool
    last_error: str | None
    created_at: datetime
    due_at: datetime | None
    finished_at: datetime | None


class Jobs(Schema):
    jobs: list[Job]
    next: str | None = Field(description="The cursor of what follows; null where nothing does.")


class LogLine(Schema):
    id: int
    at: datetime
    outcome: str
    job: int | None
    tenant: str
    user: str
    sender: str
    recipients: list[Any]
    subject: str
    error: str | None
    error_code: str | None
    server: str | None
    redirected_to: list[str] | None
    message_id: str | None
    sha256: str | None


class LogLines(Schema):
    lines: list[LogLine]
    next: str | None = Field(
        description="The cursor of what follows; with order=oldest always given, to ask for what is new later."
    )


class Explanation(Schema):
    """`explain --json` of the command line."""

    user: str
    print_model: str | None
    channel: str
    sender: dict[str, Any] | None
    connection: dict[str, Any] | None
    delivery_mode: str
    allowed: bool
    refused: dict[str, Any] | None
    held: dict[str, Any] | None
    redirect: dict[str, Any]
    levels: list[dict[str, Any]]
    hazards: list[dict[str, Any]]


DESCRIBED: dict[str, type[BaseModel]] = {  # applications above add theirs
    "Problem": Problem,
    "Message": Message,
    "Batch": Batch,
    "Case": Case,
}
_USUAL = {
    401: "No key in force",
    403: "The key lacks the scope",
    422: "It cannot be like this",
    429: "Too often, or too much is waiting",
    500: "An error of the portal",
    503: "The database is away",
}
_MORE = {400: "No JSON", 404: "Nothing there", 409: "Not in this state, or the key was used", 413: "Too large", 415: "Not JSON"}
_WAIT = {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds."}}


def extra(*codes: int, body: str = "") -> dict[str, Any]:
    """What the description of an operation says beside its answer: its errors, and the body that it reads itself."""
    said: Mapping[int, str] = {**_USUAL, **{code: _MORE[code] for code in (*codes, *((400, 413, 415) if body else ()))}}
    described: dict[str, Any] = {"responses": {code: _problem(code, text) for code, text in said.items()}}
    if body:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(body)}}}
    return described


def components() -> dict[str, Any]:
    """The schemas that `extra` refers to."""
    found: dict[str, Any] = {}
    for name, model in DESCRIBED.items():
        schema = model.model_json_schema(ref_template=REF)
        found |= schema.pop("$defs", {})
        found[name] = schema
    return found


def _problem(code: int, text: str) -> dict[str, Any]:
    headers = {"headers": _WAIT} if code in (429, 503) else {}
    return {"description": text, "content": {"application/problem+json": {"schema": _ref("Problem")}}, **headers}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": REF.format(model=name)}

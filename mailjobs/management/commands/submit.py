"""`manage.py submit`: JSONL of messages in, JSONL of results out, in the same order (contract)."""

import base64
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import ngettext

from mailjobs.command_line import json_lines, print_json, say, user_named
from mailjobs.core.message import MAX_ATTACHMENT_OCTETS, Message, MessageInvalid, parse_message
from mailjobs.documents import Dispatch, already_sent
from mailjobs.submission import BATCH, Result, submit_many
from mailsettings.models import Tenant


class Command(BaseCommand):
    help = "Hand mails in, one JSON message a line, as the acting user."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE|-")
        parser.add_argument("--user", required=True)
        parser.add_argument("--run", default="")
        parser.add_argument("--unattended", action="store_true")

    def handle(self, *args: object, **options: Any) -> None:
        user = user_named(options["user"])
        messages = _messages(options["file"])
        count, documents = 0, _Documents(user.tenant)
        while chunk := list(islice(messages, BATCH)):
            documents.look_up(chunk)
            results = submit_many(user, chunk, run=options["run"], unattended=options["unattended"])
            documents.compare(chunk, results)
            for result in results:
                print_json(result.document())
            count += len(chunk)
            say(f"{count}")
        documents.warn()


class _Documents:
    """How many of the mails handed in carry a document that went out before or is on its way (J10)."""

    def __init__(self, tenant: Tenant | None) -> None:
        self.tenant, self.repeated = tenant, 0
        self.sent: dict[str, list[Dispatch]] = {}
        self.here: dict[str, int] = {}  # document → the first of these mails that carries it

    def look_up(self, chunk: Sequence[Message | MessageInvalid]) -> None:
        """What is known of the documents of these messages, before they are handed in."""
        keys = {message.document_key for message in chunk if isinstance(message, Message) and message.document_key}
        self.sent = already_sent(self.tenant, keys) if keys and self.tenant else {}

    def compare(self, chunk: Sequence[Message | MessageInvalid], results: Sequence[Result]) -> None:
        """Count those whose document another mail carries; a mail handed in again by its idempotency key is the same mail."""
        for message, result in zip(chunk, results, strict=True):
            if not isinstance(message, Message) or not message.document_key or result.id is None:
                continue
            first = self.here.setdefault(message.document_key, result.id)
            others = {dispatch.job for dispatch in self.sent.get(message.document_key, ())} | {first}
            self.repeated += bool(others - {result.id})

    def warn(self) -> None:
        """One line, if there is something to say."""
        if self.repeated:
            text = ngettext(
                "Warning: the document of %(count)s accepted mail went out before or is on its way.",
                "Warning: the documents of %(count)s accepted mails went out before or are on their way.",
                self.repeated,
            )
            say(text % {"count": self.repeated})


def _messages(name: str) -> Iterator[Message | MessageInvalid]:
    folder = Path(name).parent if name != "-" else Path.cwd()
    for _number, raw in json_lines(name):
        try:
            yield parse_message(_with_files(raw, folder))
        except MessageInvalid as invalid:
            yield invalid


def _with_files(raw: Any, folder: Path) -> Any:
    """Attachments named by `path` (from the file's folder) as if their content stood in the line. Raises MessageInvalid."""
    if not isinstance(raw, dict) or not isinstance(raw.get("attachments"), list):
        return raw
    return {**raw, "attachments": [_with_file(index, item, folder) for index, item in enumerate(raw["attachments"])]}


def _with_file(index: int, item: Any, folder: Path) -> Any:
    if not isinstance(item, dict) or not isinstance(item.get("path"), str):
        return item
    path = folder / item["path"]
    try:
        if path.stat().st_size > MAX_ATTACHMENT_OCTETS:
            raise MessageInvalid("attachments", "too_large", str(MAX_ATTACHMENT_OCTETS))
        content = base64.b64encode(path.read_bytes()).decode()
    except (OSError, ValueError) as error:
        if isinstance(error, MessageInvalid):
            raise
        raise MessageInvalid(f"attachments[{index}].path", "file_unreadable") from error
    rest = {key: value for key, value in item.items() if key != "path"}
    return {"filename": path.name, **rest, "content_base64": content}

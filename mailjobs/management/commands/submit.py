"""`manage.py submit`: JSONL of messages in, JSONL of results out, in the same order (contract)."""

import base64
from argparse import ArgumentParser
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from mailjobs.command_line import json_lines, print_json, say, user_named
from mailjobs.core.message import MAX_ATTACHMENT_OCTETS, Message, MessageInvalid, parse_message
from mailjobs.submission import BATCH, submit_many


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
        count = 0
        while chunk := list(islice(messages, BATCH)):
            for result in submit_many(user, chunk, run=options["run"], unattended=options["unattended"]):
                print_json(result.document())
            count += len(chunk)
            say(f"{count}")


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

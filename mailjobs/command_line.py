"""What the commands share: input, output and exit codes of the contract."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from mailsettings.models import Tenant, User


def print_json(document: object) -> None:
    """One JSON document, ASCII-escaped, on a line of standard output."""
    sys.stdout.write(json.dumps(document, separators=(", ", ": ")) + "\n")


def say(text: str) -> None:
    """People's text goes to standard error."""
    sys.stderr.write(text + "\n")


def user_named(login: str) -> User:
    """The user with this user-ID, who belongs to a tenant. Raises CommandError (exit 1)."""
    user = User.objects.select_related("tenant__firm").filter(login=login).first()
    if user is None or user.tenant is None:
        raise CommandError(_("There is no user %(id)s at a tenant.") % {"id": login})
    return user


def tenant_named(slug: str) -> Tenant:
    """The tenant with this id. Raises CommandError (exit 1)."""
    tenant = Tenant.objects.select_related("firm").filter(slug=slug).first()
    if tenant is None:
        raise CommandError(_("There is no tenant %(id)s.") % {"id": slug})
    return tenant


def json_lines(name: str) -> Iterator[tuple[int, Any]]:
    """(line number, parsed value) of a JSONL file, `-` for standard input; a line that is no JSON gives its ValueError."""
    with open_text(name) as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except (ValueError, RecursionError) as invalid:
                    yield number, ValueError(str(invalid))


def open_text(name: str) -> IO[str]:
    """A file to read, `-` for standard input. Raises CommandError."""
    if name == "-":
        return open(sys.stdin.fileno(), encoding="utf-8", errors="surrogateescape", closefd=False)
    try:
        return Path(name).open(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise CommandError(_("%(file)s cannot be read: %(why)s") % {"file": name, "why": error.strerror}) from error

"""The names of delivery engines, and which of them are surely dead: no lease of theirs need be waited for."""

import hashlib
import os
import socket
import uuid
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

_SEPARATOR = ":"
_LONGEST_LABEL = 36
_THIS_MACHINE = (Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid"))


def new_name(label: str = "") -> str:
    """A name that no other engine has; in it stand what the operator calls it, its process and where that runs."""
    shown = (label or socket.gethostname()).replace(_SEPARATOR, ".")[:_LONGEST_LABEL]
    return _SEPARATOR.join((shown, str(os.getpid()), _place(), uuid.uuid4().hex[:6]))


def dead(names: Iterable[str]) -> list[str]:
    """Those whose process ran where this one runs, and has ended; of engines elsewhere nothing is known."""
    return [name for name in names if _is_dead(name)]


def _is_dead(name: str) -> bool:
    words = name.split(_SEPARATOR)
    if len(words) != 4 or not words[2] or words[2] != _place() or not words[1].isdecimal():
        return False
    try:
        os.kill(int(words[1]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


@cache
def _place() -> str:
    """This boot and its name space of process ids, in which a number means one process; empty where that is not known."""
    with suppress(OSError):
        boot, space = _THIS_MACHINE
        return hashlib.sha256(f"{boot.read_text()} {space.readlink()}".encode()).hexdigest()[:8]
    return ""

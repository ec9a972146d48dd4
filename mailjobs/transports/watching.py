"""Who watches a session being opened is told of each phase that has ended well; nobody else notices (D2)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from mailjobs.core.envelope import Phase

Watch = Callable[[Phase, Mapping[str, Any], Sequence[str]], None]  # phase, what was found, the transcript up to here
_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watched_by(watch: Watch) -> Iterator[None]:
    """What this task opens meanwhile is told to `watch`."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def is_watched() -> bool:
    """Whether it is worth finding something out for `reached`."""
    return _watch.get() is not None


def reached(phase: Phase, transcript: Sequence[str] = (), **found: Any) -> None:
    """This phase has ended well."""
    if (watch := _watch.get()) is not None:
        watch(phase, found, transcript)

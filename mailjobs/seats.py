"""What a session remembers: its lease and the last result on its way to the database; and how far a mail has come."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailjobs.core.envelope import Phase
from mailjobs.preparation import Ready
from mailjobs.results import Finished


@dataclass(slots=True)
class Seat:
    """A session that may be open: its lease, what is known of the connection, the last result on its way to the database."""

    lease: int
    write_down: Callable[[Finished], Coroutine[Any, Any, None]]
    shaken: bool
    paced: bool
    finished: Finished | None = None
    timer: asyncio.TimerHandle | None = None
    recording: asyncio.Task[None] | None = None

    def record(self) -> None:
        """Begin to write the last mail's result down, where that has not begun."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.finished is not None:
            self.recording = asyncio.create_task(self.write_down(self.finished))
            self.finished = None

    async def recorded(self) -> None:
        """Return when the last mail's result stands in the database."""
        self.record()
        if self.recording is not None:
            await self.recording
            self.recording = None


@dataclass(slots=True)
class Way:
    """One mail's way over the wire: how far it came, what was said, what it counts for."""

    ready: Ready
    started: datetime
    phase: Phase = Phase.BODY
    dialogue: tuple[str, ...] = ()
    use: int | None = None

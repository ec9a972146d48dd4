"""The octets of mails whose turn comes near are read together, so that no session waits for each of them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from mailjobs.core.fairness import FairQueue
from mailjobs.preparation import Prepared, Ready

READ_AHEAD = 16  # mails of a line


class Reading:
    """What is being read for a line; `load` collects those asked for at once."""

    def __init__(self, load: Callable[[Ready], Coroutine[Any, Any, Prepared]], waiting: FairQueue[Ready]) -> None:
        self._load, self._waiting = load, waiting
        self._tasks: dict[int, asyncio.Task[Prepared]] = {}  # by job, of mails that wait

    async def take(self, ready: Ready) -> Prepared:
        """The mail with its octets, or otherwise decided; those that come next are read meanwhile."""
        task = self._tasks.pop(ready.job.pk, None) or self._begin(ready)
        if len(self._tasks) < READ_AHEAD // 2:
            for following in self._waiting.upcoming(READ_AHEAD):
                if following.may_be_read_early and not following.parts and following.job.pk not in self._tasks:
                    self._tasks[following.job.pk] = self._begin(following)
        return await task

    def forget(self) -> None:
        """What was read of mails that wait no longer, or are judged anew."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    def _begin(self, ready: Ready) -> asyncio.Task[Prepared]:
        task = asyncio.create_task(self._load(ready))
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # who waits for it gets the error
        return task

"""One database thread for an asyncio loop, and many questions asked of it at once."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from django.db import InterfaceError, OperationalError, connections

PATIENCE = 0.002  # seconds

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Collector(Generic[Item, Answer]):
    """Collects what many sessions ask of the database and asks it once: one call, one transaction, an answer each.

    `enough`: whether so many questions are worth asking now; until then others are waited for, though no longer than `PATIENCE`.
    """

    def __init__(
        self,
        database: "Database",
        ask: Callable[[list[Item]], Sequence[Answer]],
        *,
        enough: Callable[[Iterable[Item]], bool] = lambda _items: True,
    ) -> None:
        self._database, self._ask, self._enough = database, ask, enough
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._busy: asyncio.Task[None] | None = None
        self._all_there: asyncio.Future[None] | None = None

    async def __call__(self, item: Item) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._busy is None:
            self._busy = asyncio.create_task(self._work())
        elif self._all_there is not None and self._is_enough():
            self._go(self._all_there)
        return await future

    async def _work(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(0)  # who asks in this very moment comes along
                if not self._is_enough():
                    await self._wait_for_others()
                batch, self._waiting = self._waiting, []
                await self._answer(batch)
        finally:
            self._busy = None

    def _is_enough(self) -> bool:
        return self._enough(item for item, _future in self._waiting)

    async def _wait_for_others(self) -> None:
        loop = asyncio.get_running_loop()
        self._all_there = loop.create_future()
        timer = loop.call_later(PATIENCE, self._go, self._all_there)
        await self._all_there
        self._all_there = None
        timer.cancel()

    @staticmethod
    def _go(all_there: asyncio.Future[None]) -> None:
        if not all_there.done():
            all_there.set_result(None)

    async def _answer(self, batch: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._database(self._ask, [item for item, _future in batch])
        except Exception as error:  # every waiter gets it; the session that waits decides
            for _item, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_item, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)


class Database:
    """One thread that talks to the database for the loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="delivery-database")

    async def __call__(self, call: Callable[..., Answer], *arguments: object) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, call, arguments)

    def close(self) -> None:
        self._thread.submit(connections.close_all).result()
        self._thread.shutdown()

    @staticmethod
    def _run(call: Callable[..., Answer], arguments: Sequence[object]) -> Answer:
        try:
            return call(*arguments)
        except (OperationalError, InterfaceError):  # the connection may be dead: the next call opens another
            connections.close_all()
            raise

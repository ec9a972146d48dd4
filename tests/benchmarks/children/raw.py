"""The baseline of every ratio: aiosmtplib, a few connections kept open, ready-made bytes, no queue."""

import asyncio
from collections.abc import Iterator

import aiosmtplib

from tests.benchmarks.children.conversation import Wish, clock, converse
from tests.benchmarks.mails import LOADS, SENDER, recipient, wire


def send(wish: Wish) -> object:
    """Send the mails; what it takes to connect does not count."""
    load = LOADS[wish["load"]]
    mails = [(recipient(number), wire(load, number)) for number in range(1, wish["count"] + 1)]
    return asyncio.run(_send(wish["port"], wish["connections"], mails))


async def _send(port: int, connections: int, mails: list[tuple[str, bytes]]) -> dict[str, float]:
    clients = [aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False, timeout=60) for _n in range(connections)]
    for client in clients:
        await client.connect()
    queue = iter(mails)
    with clock() as times:
        await asyncio.gather(*(_work(client, queue) for client in clients))
    for client in clients:
        await client.quit()
    return times


async def _work(client: aiosmtplib.SMTP, queue: Iterator[tuple[str, bytes]]) -> None:
    for address, content in queue:
        await client.sendmail(SENDER, [address], content)


if __name__ == "__main__":
    converse({"send": send})

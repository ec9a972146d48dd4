"""What the other processes of the storm do: `python -m tests.storm.roles submit|toggle SEED`, until their standard input ends.

Each line of their output is one thing done, with when it began and ended (`time.monotonic()`, the same for all processes of a
machine). Nothing here knows how redirect works: it calls what pages and callers call.
"""

import itertools
import json
import random
import sys
import threading
import time
from collections.abc import Iterator

import django

django.setup()

from mailjobs.core.message import Message  # noqa: E402 (after the line above)
from mailjobs.models import MailJob  # noqa: E402
from mailjobs.submission import submit_many  # noqa: E402
from mailsettings.models import Tenant, User  # noqa: E402
from tests.cast import invoice, user  # noqa: E402
from tests.mailjobs.redirecting import switch, tenant  # noqa: E402

PROBES = {
    "huber": "probe@kanzlei-huber.example",
    "muster": "probe@musterkunde.example",
    "bernd": "bernd.probe@kanzlei-huber.example",
}
SUBMITTERS = ("bernd", "bernd", "mia", "mia", "eva", "anna")  # anna sends directly
BACKLOG = 120  # mails that may be under way before the submitter pauses, so that what is queued soon meets the next toggle


def submit(random_: random.Random, stop: threading.Event) -> None:
    """Hand mails in without end, as different people, one at a time or a few at once."""
    people = {login: user(login) for login in set(SUBMITTERS)}
    numbers = itertools.count(1)
    while not stop.is_set():
        login = random_.choice(SUBMITTERS)
        chosen = list(itertools.islice(numbers, 1 if login == "anna" else random_.randint(1, 25)))
        storing: list[float] = []
        results = submit_many(people[login], streamed(chosen, random_.uniform(0.0, 0.2), storing))
        tell(user=login, numbers=chosen, ids=[result.id for result in results], began=storing[0], ended=time.monotonic())
        while MailJob.objects.exclude(state="sent").count() > BACKLOG and not stop.is_set():
            time.sleep(0.02)


def streamed(chosen: list[int], seconds: float, storing: list[float]) -> Iterator[Message]:
    """Messages that come slowly, after the settings were read; `storing` notes when the last one is handed over."""
    for number in chosen:
        yield invoice(number, cc=[f"cc{number}@kunde.example"], bcc=[f"bcc{number}@kunde.example"])
    time.sleep(seconds)
    storing.append(time.monotonic())


def toggle(random_: random.Random, stop: threading.Event) -> None:
    """Switch redirect on and off without end, at the firm, a Com customer and a user; at the end it is off everywhere."""
    owners: dict[str, Tenant | User] = {"huber": tenant("huber"), "muster": tenant("muster"), "bernd": user("bernd")}
    on = dict.fromkeys(owners, False)

    def flip(level: str) -> None:
        on[level] = not on[level]
        began = time.monotonic()
        switch("on" if on[level] else "off", PROBES[level], owner=owners[level])
        tell(level=level, on=on[level], began=began, ended=time.monotonic())

    while not stop.is_set():
        known = [level for level in owners if on[level]]
        flip(random_.choice(known) if known and random_.random() < 0.7 else random_.choices(list(owners), weights=(2, 1, 1))[0])
        time.sleep(
            random_.uniform(0.0, 0.3) if any(on.values()) else random_.uniform(0.2, 0.8)
        )  # so that much is queued for real
    for level in [level for level in owners if on[level]]:
        flip(level)


def tell(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _end_with_input(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def main(role: str, seed: str) -> None:
    stop = threading.Event()
    threading.Thread(target=_end_with_input, args=(stop,), daemon=True).start()
    {"submit": submit, "toggle": toggle}[role](random.Random(seed), stop)


if __name__ == "__main__":
    main(*sys.argv[1:])

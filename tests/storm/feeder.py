"""A process that hands mails in for a storm: `python -m tests.storm.feeder`; a JSON wish a line in, a JSON answer a line out.

A wish: {"user", "models": [print models, taken in turn], "key": beginning of the idempotency keys ("": none), "first", "count",
"insist": whether to try again under the same keys until the portal has accepted, "threads": how many hand the same in at once}.
The answer: {"ids" (as the portal gave them, in order; None where refused), "seconds" (of the longest call), "began", "ended"
(`time.monotonic()`), "tries", "error"}.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django

django.setup()

from django.db import Error as DatabaseError  # noqa: E402 (after the line above)
from django.db import connections  # noqa: E402

from mailjobs.core.message import Message, parse_message  # noqa: E402
from mailjobs.submission import submit_many  # noqa: E402
from tests.cast import user  # noqa: E402

PATIENCE = 120.0  # seconds of trying again
TEXT = "Sehr geehrte Damen und Herren,\n\nim Anhang finden Sie unsere Rechnung.\n\n" + "Mit freundlichen Grüßen\n" * 20


def messages(wish: dict[str, Any]) -> list[Message]:
    """The mails of a wish, the same again each time."""
    models = wish["models"]
    return [
        parse_message(
            {
                "print_model": models[number % len(models)],
                "to": [f"klient{number}@kunde.example"],
                "subject": f"Rechnung {number}",
                "text": TEXT,
                **({"idempotency_key": f"{wish['key']}{number}"} if wish.get("key") else {}),
            }
        )
        for number in range(wish["first"], wish["first"] + wish["count"])
    ]


def hand_in(wish: dict[str, Any]) -> dict[str, Any]:
    """What became of one wish."""
    mails = messages(wish)
    began, tries, longest, error = time.monotonic(), 0, 0.0, ""
    while True:
        tries += 1
        started = time.monotonic()
        try:
            ids = [result.id for result in submit_many(user(wish["user"]), mails)]
        except DatabaseError as failed:
            connections.close_all()
            ids, error = [], str(failed)
        longest = max(longest, time.monotonic() - started)
        if ids or not wish.get("insist") or time.monotonic() - began > PATIENCE:
            ended = time.monotonic()
            return {"ids": ids, "seconds": longest, "began": began, "ended": ended, "tries": tries, "error": error}
        time.sleep(0.2)


def alone(wish: dict[str, Any]) -> dict[str, Any]:
    """`hand_in` in a thread that ends with its connection to the database."""
    try:
        return hand_in(wish)
    finally:
        connections.close_all()


def main() -> None:
    for line in sys.stdin:
        wish = json.loads(line)
        threads = wish.get("threads", 1)
        if threads == 1:
            answer: Any = hand_in(wish)
        else:
            with ThreadPoolExecutor(threads) as pool:
                answer = list(pool.map(alone, [wish] * threads))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Our side of the door: configures the portal and hands mails in with `submit_many`, as a program that embeds it would."""

import base64
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import count

import django

django.setup()

from mailjobs.core.message import File, Message, parse_message  # noqa: E402 (after the line above)
from mailjobs.submission import Result, submit, submit_many  # noqa: E402
from mailsettings.core.addresses import parse_recipient  # noqa: E402
from mailsettings.models import User  # noqa: E402
from tests.benchmarks.children.conversation import Wish, clock, converse  # noqa: E402
from tests.benchmarks.mails import LOADS, SMALL, Load, filename, recipient, subject  # noqa: E402
from tests.cast import move_in, user  # noqa: E402

AT_ONCE = 1_000  # mails made and handed in at a time where so many are wanted that they would fill the memory
_latency_numbers = count(1)


def configure(wish: Wish) -> object:
    """The firm, its users and print models, and the connection to the mail server."""
    connection = {"smtp_server": "127.0.0.1", "smtp_port": wish["port"], "smtp_tls": "off"}
    move_in(parameters={**connection, "max_connections": wish["connections"]})
    return "configured"


def hand_in(wish: Wish) -> object:
    """All mails in one call, ready in memory before the clock starts; `due` (seconds since 1970): not before that."""
    mails = _messages(wish)
    return _timed(user("bernd"), mails)


def hand_in_documents(wish: Wish) -> object:
    """The same from the JSON documents of the contract: reading them counts too."""
    load = LOADS[wish["load"]]
    documents = [_document(load, number) for number in _numbers(wish)]
    acting = user("bernd")
    with clock() as times:
        results = submit_many(acting, (parse_message(document) for document in documents))
    _all_accepted(results)
    return times


def fill(wish: Wish) -> object:
    """Very many mails, a few at a time."""
    acting = user("bernd")
    first, end = wish.get("first", 1), wish.get("first", 1) + wish["count"]
    at_once = wish.get("at_once", AT_ONCE)
    with clock() as times:
        for start in range(first, end, at_once):
            _timed(acting, _messages({**wish, "first": start, "count": min(at_once, end - start)}))
    return times


def hand_one_in(_wish: Wish) -> object:
    """One small mail, as soon as somebody presses the button; its number says which arrival is its."""
    number = next(_latency_numbers)
    mail, acting = _message(SMALL, number, None), user("bernd")
    with clock() as times:
        result = submit(acting, mail)
    _all_accepted([result])
    return {**times, "number": number}


def _timed(acting: User, mails: list[Message]) -> dict[str, float]:
    with clock() as times:
        results = submit_many(acting, mails)
    _all_accepted(results)
    return times


def _all_accepted(results: Sequence[Result]) -> None:
    for result in results:
        if result.status != "new":
            raise RuntimeError(f"a mail was not queued: {result}")


def _numbers(wish: Wish) -> Iterator[int]:
    first = wish.get("first", 1)
    return iter(range(first, first + wish["count"]))


def _messages(wish: Wish) -> list[Message]:
    load = LOADS[wish["load"]]
    due = datetime.fromtimestamp(wish["due"], UTC) if wish.get("due") else None
    return [_message(load, number, due) for number in _numbers(wish)]


def _message(load: Load, number: int, due: datetime | None) -> Message:
    return Message(
        to=(parse_recipient(recipient(number)),),
        print_model="invoices",
        subject=subject(number),
        text=load.text,
        not_before=due,
        attachments=(File(filename(number), "application/pdf", load.file(number)),) if load.file_octets else (),
    )


def _document(load: Load, number: int) -> dict[str, object]:
    content = {"filename": filename(number), "content_type": "application/pdf"}
    files = [{**content, "content_base64": base64.b64encode(load.file(number)).decode()}] if load.file_octets else []
    return {
        "print_model": "invoices",
        "to": [recipient(number)],
        "subject": subject(number),
        "text": load.text,
        "attachments": files,
    }


if __name__ == "__main__":
    converse(
        {
            "configure": configure,
            "hand_in": hand_in,
            "hand_in_documents": hand_in_documents,
            "fill": fill,
            "hand_one_in": hand_one_in,
        }
    )

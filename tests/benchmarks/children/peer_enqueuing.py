"""The peers' side of the door: what a program calls to queue a mail, and how django-post-office sends what is queued."""

import base64
import resource
import tempfile
from itertools import count
from pathlib import Path

import django

django.setup()

from django.core.files.base import ContentFile  # noqa: E402 (after the line above)
from django.core.mail import EmailMessage, get_connection  # noqa: E402
from post_office import mail as post_office  # type: ignore[import-untyped]  # noqa: E402

from tests.benchmarks.children.conversation import Wish, clock, converse  # noqa: E402
from tests.benchmarks.children.peer_celery import send_mail  # noqa: E402
from tests.benchmarks.mails import LOADS, SENDER, SMALL, Load, filename, recipient, subject  # noqa: E402

_latency_numbers = count(1)


def post_office_one_by_one(wish: Wish) -> object:
    """`mail.send` for each mail; only this way takes attachments."""
    load = LOADS[wish["load"]]
    mails = [(_plain(load, number), _files(load, number)) for number in _numbers(wish)]
    with clock() as times:
        for mail, files in mails:
            post_office.send(**mail, attachments=files)
    return times


def post_office_in_bulk(wish: Wish) -> object:
    """`mail.send_many`, which takes no attachments."""
    mails = [_plain(LOADS[wish["load"]], number) for number in _numbers(wish)]
    with clock() as times:
        post_office.send_many(mails)
    return times


def post_office_send_queued(wish: Wish) -> object:
    """`manage.py send_queued_mail --processes`, in this process so that its start does not count."""
    with tempfile.TemporaryDirectory() as folder, clock() as times:
        post_office.send_queued_mail_until_done(lockfile=str(Path(folder) / "lock"), processes=wish["processes"])
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {**times, "peak_mb": peak / 1024}


def mailer_in_bulk(wish: Wish) -> object:
    """django-mailer's back end, given all mails at once."""
    load = LOADS[wish["load"]]
    mails = [_email(load, number) for number in _numbers(wish)]
    with clock() as times:
        get_connection("mailer.backend.DbBackend").send_messages(mails)
    return times


def celery_one_by_one(wish: Wish) -> object:
    load = LOADS[wish["load"]]
    mails = [_arguments(load, number) for number in _numbers(wish)]
    with clock() as times:
        for arguments in mails:
            send_mail.delay(*arguments)
    return times


def celery_one(_wish: Wish) -> object:
    """One small mail; its number says which arrival is its."""
    number = next(_latency_numbers)
    arguments = _arguments(SMALL, number)
    with clock() as times:
        send_mail.delay(*arguments)
    return {**times, "number": number}


def _numbers(wish: Wish) -> range:
    return range(1, wish["count"] + 1)


def _plain(load: Load, number: int) -> dict[str, str]:
    return {"recipients": recipient(number), "sender": SENDER, "subject": subject(number), "message": load.text}


def _files(load: Load, number: int) -> dict[str, "ContentFile[bytes]"]:
    return {filename(number): ContentFile(load.file(number))} if load.file_octets else {}


def _email(load: Load, number: int) -> EmailMessage:
    mail = EmailMessage(subject(number), load.text, SENDER, [recipient(number)])
    if load.file_octets:
        mail.attach(filename(number), load.file(number), "application/pdf")
    return mail


def _arguments(load: Load, number: int) -> tuple[str, str, str, str, str]:
    content = base64.b64encode(load.file(number)).decode() if load.file_octets else ""
    return subject(number), load.text, recipient(number), filename(number) if content else "", content


if __name__ == "__main__":
    converse(
        {
            "post_office_one_by_one": post_office_one_by_one,
            "post_office_in_bulk": post_office_in_bulk,
            "post_office_send_queued": post_office_send_queued,
            "mailer_in_bulk": mailer_in_bulk,
            "celery_one_by_one": celery_one_by_one,
            "celery_one": celery_one,
        }
    )

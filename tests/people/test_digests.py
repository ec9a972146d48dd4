"""Internal messages by mail through the portal itself, as the user wishes."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mailjobs.models import InternalMessage, MailJob
from mailjobs.people import digests
from mailjobs.people.models import Preference
from mailsettings.changes import Book, own_values, save_parameters
from mailsettings.models import Employee, User
from tests.cast import move_in, user
from tests.stories.test_incidents import SERVER

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def cast() -> None:
    move_in(parameters=SERVER)
    User.objects.filter(login="anna").update(email="anna@kanzlei-huber.example", language="de")


def wish(digest: str) -> None:
    client = Client()
    client.force_login(user("anna"))
    assert client.post("/accounts/access/", {"digest": digest}).status_code == 302


def tell(subject: str, **more: Any) -> None:
    InternalMessage.objects.create(user=user("anna"), kind="failed", subject=subject, **more)


def days_pass(**much: int) -> None:
    Preference.objects.update(told_at=timezone.now() - timedelta(**much))


def test_a_daily_digest_lists_what_is_unread_once_a_day() -> None:
    wish("daily")
    tell("Rechnung 4711")
    tell("Schon gelesen", read_at=timezone.now())
    assert digests.send_due() == 0, "not yet"
    days_pass(hours=25)
    assert digests.send_due() == 1
    job = MailJob.objects.get()
    assert job.user.login == "anna"
    assert list(job.recipients.values_list("address", flat=True)) == ["anna@kanzlei-huber.example"]
    days_pass(hours=25)
    tell("Rechnung 4712")
    assert digests.send_due() == 1
    days_pass(hours=25)
    assert digests.send_due() == 0, "nothing new"


def test_a_failed_digest_tells_of_itself_in_no_other() -> None:
    wish("hourly")
    tell("Rechnung 4711")
    days_pass(hours=2)
    digests.send_due()
    tell("", job=MailJob.objects.get())
    days_pass(hours=2)
    assert digests.send_due() == 0


def test_a_digest_that_is_refused_is_not_tried_for_ever() -> None:
    huber = user("anna").tenant
    assert huber is not None
    wish("hourly")
    tell("Rechnung 4711")
    save_parameters(Book("test"), huber, {**own_values(huber), "check_sender": True})
    Employee.objects.update(user=None)
    for _try in range(3):
        days_pass(hours=2)
        assert digests.send_due() == 0
    assert MailJob.objects.count() == 0
    assert InternalMessage.objects.filter(kind="refused").count() == 1


@pytest.mark.parametrize("digest", ["never", "weekly"])
def test_who_wants_no_mail_or_a_weekly_one_gets_none_today(digest: str) -> None:
    wish(digest)
    tell("Rechnung 4711")
    days_pass(hours=30)
    assert digests.send_due() == 0


def test_whose_address_is_unknown_is_told_where_it_is_entered() -> None:
    User.objects.filter(login="anna").update(email="")
    client = Client()
    client.force_login(user("anna"))
    assert b"dministrator" in client.post("/accounts/access/", {"digest": "daily"}, follow=True).content
    assert not Preference.objects.exists()
    assert client.post("/accounts/access/", {"digest": "nonsense"}).status_code == 400

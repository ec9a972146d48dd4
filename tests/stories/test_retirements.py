"""S6: what a set-up rests on and is about to end is said where it bites, with the days left and the mails that go that way."""

from html import unescape

import pytest
from django.test import Client

from mailjobs.models import MailJob, MailLogEntry, SharedConnection
from mailjobs.submission import submit_many
from tests.cast import invoice, move_in, user

EXCHANGE_ONLINE = {"smtp_server": "smtp.office365.com", "smtp_tls": "starttls"}


def shown(login: str, address: str) -> str:
    client = Client()
    client.force_login(user(login))
    answer = client.get(address)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


@pytest.mark.django_db
def test_s6_basic_authentication_at_exchange_online_is_named_on_the_overview_and_at_the_connection() -> None:
    move_in(parameters=EXCHANGE_ONLINE)
    submit_many(user("bernd"), [invoice(1), invoice(2)])
    jobs = MailJob.objects.select_related("tenant", "user")
    MailLogEntry.objects.bulk_create(
        MailLogEntry(tenant=job.tenant, user=job.user, job=job, outcome="handed_over", server=server, send_system=1)
        for job, server in zip(jobs, ("smtp.office365.com:587", "smtp.other.example:587"), strict=True)
    )
    assert SharedConnection.objects.count() == 1
    for page in ("/", "/connections/"):
        text = shown("anna", page)
        assert "smtp.office365.com, by default from" in text
        assert "1 mail went this way in the last 30 days." in text
        assert "techcommunity.microsoft.com" in text
    assert "smtp.office365.com, by default from" not in shown("bernd", "/"), "who cannot change it is not told"


@pytest.mark.django_db
def test_s6_nothing_is_said_of_a_server_that_stays() -> None:
    move_in()
    assert "Must be changed" not in shown("anna", "/")

"""A Com customer helps itself; the firm sees the state of its mails, and the letters only where it is allowed (T4, T7)."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from mailjobs import delivery
from mailjobs.models import MailJob
from mailjobs.submission import submit
from mailsettings.changes import own_values
from mailsettings.models import AuditEvent, Tenant, User
from tests.cast import invoice, user
from tests.pages.conftest import save
from tests.services import CountingServer, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
SENDER, TEST, VIEW = "/start/sender/", "/start/test-mail/", "/settings/firm-view/"
MIA = "mia.muster@musterkunde.example"
FILE = [{"filename": "geheim.pdf", "content_type": "application/pdf", "content_base64": "R2VoZWlt"}]


def as_user(login: str) -> Client:
    client = Client()
    client.force_login(user(login))
    return client


@pytest.fixture
def engine() -> Iterator[None]:
    thread = delivery.EngineThread(name="self-service")
    thread.start()
    yield
    thread.stop()


def test_t4_a_com_user_sets_the_sender_up_tests_it_and_sees_the_mail(relay: CountingServer, engine: None) -> None:
    User.objects.filter(login="mia").update(email=MIA)
    mia = as_user("mia")
    assert f'href="{TEST}"' in mia.get("/").content.decode()
    save(mia, SENDER, {"sender_address": f"Mia Muster <{MIA}>"})
    assert own_values(user("mia"))["sender_address"] == f"Mia Muster <{MIA}>"
    page = mia.get(SENDER).content.decode()
    assert "is not confirmed yet" in page
    assert "mail.kanzlei" not in page
    assert mia.post(TEST, {"to": MIA}).status_code == 200, "refused before the mailbox has confirmed"

    [asked] = relay.wait_for(1)
    read: Any = message_from_bytes(asked.content, policy=policy.default)
    found = re.search(r"(/addresses/confirm/\S+)", read.get_body(("plain",)).get_content())
    assert found
    Client().post(found[1], {"action": "confirm"})

    assert "You may use it" in mia.get(SENDER).content.decode()
    answer = mia.post(TEST, {"to": MIA})
    assert answer.status_code == 302
    relay.wait_for(2, seconds=30)
    wait_until(lambda: MailJob.objects.get().state == "sent", seconds=10, what="the job to be sent")
    assert relay.received[-1].sender == MIA
    page = mia.get(answer["Location"]).content.decode()
    assert "Test mail from the mail portal" in page
    assert "A mail of yours was handed over" in mia.get(SENDER).content.decode()


def letter() -> MailJob:
    result = submit(user("mia"), invoice(7, attachments=FILE))
    assert result.id is not None, result
    MailJob.objects.filter(pk=result.id).update(state="failed", last_error="550 5.1.1 User unknown")
    return MailJob.objects.get(pk=result.id)


def doors(job: MailJob) -> list[str]:
    return [reverse("job_preview", args=[job.pk]), reverse("job_attachment", args=[job.pk, 1])]


def allow(client: Client, *, allowed: bool = True) -> Any:
    return client.post(VIEW, {"firm_reads_letters": "on"} if allowed else {})


def test_t7_the_firm_sees_state_and_no_letter_unless_it_is_allowed(relay: CountingServer) -> None:
    job, anna, max_ = letter(), as_user("anna"), as_user("max")
    page = anna.get(reverse("job", args=[job.pk])).content.decode()
    assert "550 5.1.1" in page
    assert "geheim.pdf" not in page
    assert [anna.get(door).status_code for door in doors(job)] == [404, 404]

    assert allow(max_).status_code == 302
    assert [anna.get(door).status_code for door in doors(job)] == [200, 200]
    assert "lets its firm read" in anna.get(reverse("com_customer", args=[job.tenant_id])).content.decode()
    event = AuditEvent.objects.filter(action="letters for the firm").get()
    assert (event.actor, event.tenant, event.after) == ("max", job.tenant, {"firm_reads_letters": True})

    allow(max_, allowed=False)
    assert [anna.get(door).status_code for door in doors(job)] == [404, 404]
    assert AuditEvent.objects.filter(action="letters for the firm").count() == 2


def test_t7_its_own_people_always_read_and_other_tenants_never(relay: CountingServer) -> None:
    job = letter()
    Tenant.objects.filter(slug="muster").update(firm_reads_letters=True)
    assert [as_user("max").get(door).status_code for door in doors(job)] == [200, 200]
    for stranger in ("eva", "bernd"):
        client = as_user(stranger)
        assert client.get(reverse("job", args=[job.pk])).status_code == 404
        assert [client.get(door).status_code for door in doors(job)] == [404, 404]


@pytest.mark.parametrize("login", ["mia", "anna", "bernd"])
def test_t7_only_the_com_customers_administrator_has_a_say(relay: CountingServer, login: str) -> None:
    assert as_user(login).get(VIEW).status_code == 404
    assert allow(as_user(login)).status_code == 404
    assert not Tenant.objects.filter(firm_reads_letters=True).exists()


@pytest.mark.parametrize("address", ["", "kein Absender", "a@b@c", "\x00@x.example", "office@kanzlei-huber.example"])
def test_what_cannot_be_a_sender_is_refused_at_its_field(relay: CountingServer, address: str) -> None:
    answer = as_user("mia").post(SENDER, {"sender_address": address})
    assert answer.status_code == 200
    assert "sender_address" in answer.context["form"].errors
    assert "sender_address" not in own_values(user("mia")) or own_values(user("mia"))["sender_address"] != address

"""The pages of the diagnosis: choose, watch, read, compare, take with you, release; nobody sees what is not theirs."""

from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from diagnostics.models import Diagnosis
from mailjobs import delivery
from mailjobs.catalogue import explain
from mailjobs.core.message import parse_message
from mailjobs.models import MailJob, SharedConnection
from mailjobs.submission import submit_many
from mailsettings.configuration import import_document
from mailsettings.models import EmailAccount, PrintModel, Tenant
from tests.cast import connection_to, user
from tests.diagnostics.conftest import diagnose, failing, firm, move_in
from tests.services import CountingServer, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def logged_in(login: str, language: str = "de") -> Client:
    client = Client(headers={"accept-language": language})
    client.force_login(user(login))
    return client


def started(client: Client, **given: Any) -> Diagnosis:
    answer = client.post(reverse("diagnosis"), {"test_mail": "on", **given})
    assert answer.status_code == 302, answer.content.decode()
    row = Diagnosis.objects.order_by("-pk")[0]
    assert answer.headers["Location"] == reverse("diagnosis_of", args=[row.pk])
    wait_until(lambda: not Diagnosis.objects.get(pk=row.pk).running, seconds=30, what="the diagnosis")
    return Diagnosis.objects.get(pk=row.pk)


def page_of(client: Client, row: Diagnosis) -> str:
    return client.get(reverse("diagnosis_of", args=[row.pk])).content.decode()


def test_diagnosis_is_started_watched_and_read(smtp_server: CountingServer) -> None:
    move_in(connection_to(smtp_server))
    client = logged_in("anna", "en")
    row = started(client, user=user("bernd").pk, to="kunde@kunde.example")
    assert row.verdict == "passed"
    shown = page_of(client, row)
    assert "Test mail: In order" in shown
    assert smtp_server.host in shown
    assert "hx-get" not in shown  # it has ended, and asks no more
    assert "Mail of Bernd Moser" in client.get(reverse("diagnosis")).content.decode()


def test_running_diagnosis_asks_again_and_works_without_scripts(smtp_server: CountingServer) -> None:
    move_in(connection_to(smtp_server))
    anna, huber = user("anna"), Tenant.objects.get(slug="huber")
    row = Diagnosis.objects.create(tenant=huber, by=anna, user=anna, alike="x")
    client = logged_in("anna")
    shown = page_of(client, row)
    assert f'hx-get="{reverse("diagnosis_of", args=[row.pk])}"' in shown
    assert f'<noscript><a href="{reverse("diagnosis_of", args=[row.pk])}">' in shown
    part = client.get(reverse("diagnosis_of", args=[row.pk]), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert 'id="course"' in part


def test_failed_step_says_what_it_means_who_acts_and_what_to_do(smtp_server: CountingServer) -> None:
    move_in({**connection_to(smtp_server), "smtp_password": "another"})
    client = logged_in("anna", "en")
    row = started(client)
    shown = page_of(client, row)
    assert "Login: Wrong user or password" in shown
    assert "Who must act:</strong> You" in shown
    with translation.override("en"):
        words = explain("wrong_credentials", "535 5.7.8 Error: authentication failed", 1)
        assert str(words.meaning) in unescape(shown)
        assert str(words.remedy) in unescape(shown)
    report = client.get(reverse("diagnosis_report", args=[row.pk]))
    assert report["Content-Type"] == "text/plain; charset=utf-8"
    text = report.content.decode()
    assert "535 5.7.8" in text
    assert "another" not in text


def test_since_the_last_green_one_the_certificate_is_another(smtp_server: CountingServer) -> None:
    move_in(connection_to(smtp_server))
    diagnose(test_mail=False)
    with CountingServer() as other:
        other.refuse["reject@kunde.example"] = "550 5.1.1 User unknown"
        import_document(firm(connection_to(other)), actor="test")
        client = logged_in("anna", "en")
        row = started(client, to="reject@kunde.example")
    shown = page_of(client, row)
    assert row.verdict == "failed"
    assert "The mail server is another" in shown
    assert "Since then the certificate is another" in shown


def test_mails_of_the_cause_are_released_after_green(smtp_server: CountingServer) -> None:
    """J9: from a failed job's diagnosis to all mails of its cause."""
    move_in({**connection_to(smtp_server), "send_system": 1})
    right, smtp_server.password = smtp_server.password, "another"
    letter = {"to": ["kunde@kunde.example"], "subject": "Rechnung", "text": "1"}
    submit_many(user("anna"), [parse_message(letter) for _n in range(3)])
    delivery.run(until_empty=True)
    job = MailJob.objects.get(state="failed")
    client = logged_in("anna", "en")
    assert f"{reverse('diagnosis')}?job={job.pk}" in client.get(reverse("job", args=[job.pk])).content.decode()
    assert 'value="release"' not in page_of(client, started(client, job=job.pk, mode="direct"))
    smtp_server.password = right
    row = started(client, job=job.pk, mode="direct")
    assert 'value="release"' in page_of(client, row)
    answer = client.post(reverse("diagnosis_of", args=[row.pk]), {"action": "release"})
    assert answer.status_code == 302
    assert not SharedConnection.objects.filter(paused_at__isnull=False).exists()
    delivery.run(until_empty=True)
    assert set(MailJob.objects.values_list("state", flat=True)) == {"sent"}


def test_nobody_sees_or_diagnoses_what_is_not_theirs(smtp_server: CountingServer) -> None:
    move_in(connection_to(smtp_server), email_accounts=[{"id": "rechnungen", "sender_address": "rechnungen@test.local"}])
    document = diagnose(test_mail=False)
    row = Diagnosis.objects.get()
    assert failing(document) == ("", "")
    submit_many(user("anna"), [parse_message({"to": ["kunde@kunde.example"], "subject": "1", "text": "1"})])
    job = MailJob.objects.get(state="sent")
    for login in ("bernd", "max", "mia"):
        client = logged_in(login)
        for name in ("diagnosis_of", "diagnosis_report"):
            assert client.get(reverse(name, args=[row.pk])).status_code == 404
        assert client.post(reverse("diagnosis_of", args=[row.pk]), {"action": "release"}).status_code == 404
        assert client.get(reverse("diagnosis") + f"?job={job.pk}").status_code == 404
        assert client.post(reverse("diagnosis"), {"job": job.pk}).status_code == 404
    mia = logged_in("mia")
    for foreign in ({"user": user("anna").pk}, {"account": EmailAccount.objects.get().pk}):
        mia.post(reverse("diagnosis"), {"test_mail": "", **foreign})
    assert not Diagnosis.objects.exclude(pk=row.pk).exclude(user=user("mia")).exists()
    assert not Diagnosis.objects.filter(account__isnull=False).exists()


def test_com_customer_reads_nothing_of_the_firms_server(smtp_server: CountingServer) -> None:
    """T4, Z6."""
    move_in(connection_to(smtp_server))
    client = logged_in("max")
    row = started(client)
    for shown in (page_of(client, row), client.get(reverse("diagnosis_report", args=[row.pk])).content.decode()):
        assert str(smtp_server.port) not in shown
        assert "127.0.0.1" not in shown
        assert "EHLO" not in shown


def test_too_many_in_a_short_time_are_refused(smtp_server: CountingServer) -> None:
    """Z19."""
    move_in(connection_to(smtp_server))
    anna, huber = user("anna"), Tenant.objects.get(slug="huber")
    for _n in range(6):
        Diagnosis.objects.create(tenant=huber, by=anna, user=anna, alike="x", verdict="passed")
    answer = logged_in("anna", "en").post(reverse("diagnosis"), {"user": anna.pk})
    assert answer.status_code == 200
    assert "too many diagnoses" in answer.content.decode()
    assert Diagnosis.objects.count() == 6


@pytest.mark.parametrize("query", ["job=x", "job=99999999999999999999999", "job=%00", "account=%27", "user=-1", "user=٣"])
def test_hostile_addresses(query: str) -> None:
    move_in({})
    assert logged_in("anna").get(f"{reverse('diagnosis')}?{query}").status_code in {200, 404}


def test_hostile_input() -> None:
    models = [{"id": "invoices", "subject": "1", "text": "1"}]
    move_in({}, email_accounts=[{"id": "rechnungen", "sender_address": "rechnungen@test.local"}], print_models=models)
    client = logged_in("anna")
    hostile: list[dict[str, Any]] = [
        {"to": "\x00"},
        {"to": "a@b\r\nRCPT TO:<x@y>"},
        {"mode": "x"},
        {"user": "x"},
        {"account": "x"},
        {"print_model": "-1"},
        {"account": EmailAccount.objects.get().pk, "print_model": PrintModel.objects.get().pk},
    ]
    for given in hostile:
        assert client.post(reverse("diagnosis"), {"user": user("anna").pk, **given}).status_code == 200
    assert not Diagnosis.objects.exists()

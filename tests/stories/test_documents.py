"""A document key warns before the same document goes out twice, and never stands in the way (J10)."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailjobs.core.reply import ReplyClass
from mailjobs.documents import already_sent, others_of, repeats
from mailjobs.models import REQUEUEABLE_STATES, Incident, InternalMessage, MailJob, SharedConnection
from mailjobs.submission import submit
from tests.cast import invoice, move_in, user

KEY = "invoice/2026-1/klient1@kunde.example"


@pytest.fixture(autouse=True)
def _cast(db: None) -> None:
    move_in(parameters={"smtp_server": "mail.kanzlei-huber.example"})


def mail(login: str = "anna", key: str = KEY, state: str = "new", *, reached: str = "pending", **more: Any) -> MailJob:
    """A mail with a document in a state, its recipients likewise."""
    result = submit(user(login), invoice(1, document_key=key, text="Guten Tag"))
    assert result.id is not None, result
    finished = timezone.now() if state in {"sent", "partly_sent", "failed", "unknown", "cancelled"} else None
    lease = timezone.now() if state == "sending" else None
    held = {"held_for": "approver", "held_reason": "stage_held"} if state == "held" else {}
    MailJob.objects.filter(pk=result.id).update(**{"state": state, "finished_at": finished, "lease_until": lease, **held, **more})
    job = MailJob.objects.get(pk=result.id)
    job.recipients.update(state=reached, accepted_epoch=1 if reached == "accepted" else None)
    return job


def sent(login: str = "anna", key: str = KEY) -> MailJob:
    return mail(login, key, "sent", reached="accepted")


def browser(login: str = "anna") -> Client:
    client = Client()
    client.force_login(user(login))
    return client


def state_of(job: MailJob) -> str:
    job.refresh_from_db()
    return job.state


def redirected(job: MailJob, outcome: str = "sent") -> None:
    """Its attempt went somewhere else."""
    now = timezone.now()
    job.tries.create(epoch=1, started_at=now, ended_at=now, outcome=outcome, redirected_to=["test@kanzlei-huber.example"])


@pytest.mark.parametrize(
    ("state", "reached", "kind"),
    [
        ("sent", "accepted", "sent"),
        ("partly_sent", "accepted", "sent"),
        ("failed", "accepted", "sent"),  # reset after it was partly sent, and failed for the rest
        ("unknown", "unknown", "unknown"),
        ("new", "pending", "new"),
        ("deferred", "deferred", "new"),
        ("sending", "pending", "new"),
        ("failed", "refused", None),
        ("failed", "pending", None),
        ("held", "pending", None),  # asks when it is released
        ("cancelled", "pending", None),
    ],
)
def test_j10_what_went_out_or_is_on_its_way_is_known_by_its_key(state: str, reached: str, kind: str | None) -> None:
    job = mail(state=state, reached=reached)
    found = already_sent(job.tenant, [KEY, "another"])
    assert [(each.job, each.state, each.recipients) for each in found.get(KEY, [])] == (
        [(job.pk, kind, ["klient1@kunde.example"])] if kind else []
    )
    assert "another" not in found
    assert others_of(job) == []  # a mail is no second one of itself


def test_j10_two_different_documents_to_one_address_are_normal() -> None:
    sent(key="invoice/1")
    job = mail(key="invoice/2", state="failed")
    assert others_of(job) == []
    assert not repeats(user("anna"), [job.pk], REQUEUEABLE_STATES).jobs


def test_t4_a_key_belongs_to_its_tenant() -> None:
    sent("mia")
    assert others_of(mail("anna", state="failed")) == []


def test_j10_what_was_redirected_did_not_go_out() -> None:
    tried, queued, lost = sent(), sent(), mail(state="unknown", reached="unknown")
    redirected(tried)
    redirected(lost, "unknown")
    MailJob.objects.filter(pk=queued.pk).update(redirected_then=["test@kanzlei-huber.example"])
    assert already_sent(tried.tenant, [KEY]) == {}
    real = sent()
    assert [each.job for each in already_sent(real.tenant, [KEY])[KEY]] == [real.pk]


def test_one_query_answers_for_any_number_of_keys(django_assert_num_queries: Any) -> None:
    tenant = sent().tenant
    with django_assert_num_queries(1):
        assert set(already_sent(tenant, [KEY, "", *map(str, range(400))])) == {KEY}
    with django_assert_num_queries(0):
        assert already_sent(tenant, ["", ""]) == {}


def test_the_chosen_mails_are_compared_with_each_other_too() -> None:
    first, second, other = (mail(key=key, state="failed") for key in (KEY, KEY, "invoice/2"))
    found = repeats(user("anna"), [other.pk, second.pk, first.pk], REQUEUEABLE_STATES)
    assert (found.known, found.twins) == ({}, {second.pk: first.pk})
    assert not repeats(user("bernd"), [first.pk, second.pk], REQUEUEABLE_STATES).jobs  # who may not see them


def test_the_page_of_a_mail_says_where_its_document_went() -> None:
    before, job = sent(), mail(state="failed")
    page = browser().get(f"/jobs/{job.pk}/").content.decode()
    assert "This document already went out" in page
    assert f'<a href="/jobs/{before.pk}/">handed over on ' in page
    assert "klient1@kunde.example" in page
    assert f"/log/?document={KEY.replace('/', '%2F').replace('@', '%40')}" in page
    alone = mail(key="", state="failed")
    assert "This document already went out" not in browser().get(f"/jobs/{alone.pk}/").content.decode()


def test_t4_of_a_colleagues_mail_the_page_says_only_when() -> None:
    hidden, job = sent("anna"), mail("bernd", state="failed")
    hidden.recipients.update(address="geheim@kunde.example")
    page = browser("bernd").get(f"/jobs/{job.pk}/").content.decode()
    assert "This document already went out" in page
    assert "geheim@kunde.example" not in page
    assert f"/jobs/{hidden.pk}/" not in page


def test_j10_a_reset_asks_before_a_document_goes_out_again() -> None:
    before, job = sent(), mail(state="failed")
    client = browser()
    question = client.post(f"/jobs/{job.pk}/", {"action": "requeue"})
    assert question.status_code == 200
    page = question.content.decode()
    assert "The document of 1 mail went out already" in page
    assert f"/jobs/{before.pk}/" in page
    assert state_of(job) == "failed"
    client.post(f"/jobs/{job.pk}/", {"action": "requeue", "confirm": "unknown"})
    assert state_of(job) == "new"  # it warns, it never blocks


def test_j10_a_reset_without_a_repeated_document_asks_nothing() -> None:
    sent(key="invoice/1")
    job = mail(key="invoice/2", state="failed")
    assert browser().post(f"/jobs/{job.pk}/", {"action": "requeue"}).status_code == 302
    assert state_of(job) == "new"


def test_j10_many_are_reset_without_those_that_could_arrive_twice() -> None:
    sent()
    again, plain = mail(state="failed"), mail(key="invoice/2", state="failed")
    twin, uncertain = mail(key="invoice/2", state="failed"), mail(key="invoice/3", state="unknown", reached="unknown")
    client, chosen = browser(), [str(job.pk) for job in (again, plain, twin, uncertain)]
    page = client.post("/jobs/", {"action": "requeue", "pk": chosen}).content.decode()
    for said in ("1 mail may have arrived already", "The document of 1 mail", "1 mail carries the same document as another"):
        assert said in page
    assert "Reset only the other mail" in page
    answer = client.post("/jobs/", {"action": "requeue", "pk": chosen, "confirm": "others"}, follow=True)
    assert [state_of(job) for job in (again, plain, twin, uncertain)] == ["failed", "new", "failed", "unknown"]
    assert "2 mails were left out: the document went out already or is on its way." in answer.content.decode()
    client.post("/jobs/", {"action": "requeue", "pk": chosen, "confirm": "unknown"})
    assert [state_of(job) for job in (again, plain, twin, uncertain)] == ["new"] * 4


def test_j10_the_question_goes_on_with_all_that_match() -> None:
    sent()
    job = mail(state="failed")
    client = browser()
    page = client.post("/jobs/?state=failed", {"action": "requeue", "all_matching": "1"}).content.decode()
    assert '<input type="hidden" name="all_matching" value="1">' in page
    assert 'action="/jobs/?state=failed"' in page
    client.post("/jobs/?state=failed", {"action": "requeue", "all_matching": "1", "confirm": "unknown"})
    assert state_of(job) == "new"


@pytest.mark.parametrize("where", ["/jobs/", "/jobs/{pk}/"])
def test_j10_a_release_asks_before_a_document_goes_out_again(where: str) -> None:
    sent()
    job = mail(state="held")
    client, path = browser(), where.format(pk=job.pk)
    page = client.post(path, {"action": "release", "pk": str(job.pk)}).content.decode()
    assert "The document of 1 mail went out already" in page
    assert "Release all the same" in page
    assert state_of(job) == "held"
    client.post(path, {"action": "release", "pk": str(job.pk), "confirm": "unknown"})
    assert state_of(job) == "new"


@pytest.mark.parametrize("single", [True, False])
def test_p8_the_release_queue_asks_too(single: bool) -> None:
    sent("eva")
    for_firm = {"held_for": "firm", "held_reason": "held_by_firm"}
    job, other = (mail("eva", key, "held", **for_firm) for key in (KEY, "invoice/2"))
    client, path = browser(), f"/com-customers/releases/{job.pk}/" if single else "/com-customers/releases/"
    chosen = {"action": "release", "all_matching": "1", "newest": str(other.pk)}
    page = client.post(path, chosen).content.decode()
    assert "The document of 1 mail went out already" in page
    assert state_of(job) == "held"
    if not single:
        assert f'name="newest" value="{other.pk}"' in page
        client.post(path, {**chosen, "confirm": "others"})
        assert (state_of(job), state_of(other)) == ("held", "new")
    client.post(path, {**chosen, "confirm": "unknown"})
    assert state_of(job) == "new"


def failed_together(*jobs: MailJob) -> Incident:
    """An open incident of these mails, all of one connection."""
    shared = SharedConnection.objects.get(jobs=jobs[0])
    incident = Incident.objects.create(
        tenant=jobs[0].tenant, cause="login", reason=ReplyClass.LOGIN_REFUSED.value, connection=shared, failures=len(jobs)
    )
    for job in jobs:
        job.internal_messages.create(user=job.user, kind=InternalMessage.Kind.FAILED, incident=incident, error=job.last_error)
    return incident


@pytest.mark.parametrize("where", ["/inbox/incidents/{incident}/", "/connections/"])
def test_j8_ending_an_incident_asks_too(where: str) -> None:
    sent()
    again, plain = (mail(key=key, state="failed", last_error="535 5.7.8 no") for key in (KEY, "invoice/2"))
    incident = failed_together(again, plain)
    client, path = browser(), where.format(incident=incident.pk)
    release = {"action": "release", "pk": str(incident.connection_id)}
    page = client.post(path, release).content.decode()
    assert "The document of 1 mail went out already" in page
    assert 'name="action" value="release"' in page
    client.post(path, {**release, "confirm": "others"})
    assert (state_of(again), state_of(plain)) == ("failed", "new")
    client.post(path, {**release, "confirm": "unknown"})
    assert state_of(again) == "new"


def test_withdrawing_asks_nothing() -> None:
    sent()
    job = mail(state="held")
    assert browser().post(f"/jobs/{job.pk}/", {"action": "cancel"}).status_code == 302
    assert state_of(job) == "cancelled"


def _submit(tmp_path: Path, capsys: pytest.CaptureFixture[str], *lines: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    file = tmp_path / "mails.jsonl"
    whole = [{"print_model": "invoices", "to": ["klient1@kunde.example"], "subject": "x", "text": "y", **line} for line in lines]
    file.write_text("".join(json.dumps(line) + "\n" for line in whole))
    capsys.readouterr()
    call_command("submit", str(file), "--user", "anna")
    said = capsys.readouterr()
    return [json.loads(line) for line in said.out.splitlines()], said.err


def test_j10_submit_warns_in_one_line_and_accepts_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent()
    results, said = _submit(tmp_path, capsys, {"document_key": KEY}, {"document_key": "new"}, {"document_key": "new"}, {})
    assert [set(result) for result in results] == [{"id", "status", "error"}] * 4
    assert [result["status"] for result in results] == ["new"] * 4
    warnings = [line for line in said.splitlines() if line.startswith("Warn")]
    assert len(warnings) == 1
    assert " 2 " in warnings[0]


def test_j10_submit_says_nothing_of_new_documents_and_of_a_mail_handed_in_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = {"document_key": KEY, "idempotency_key": "once"}
    first, said = _submit(tmp_path, capsys, message)
    assert "Warn" not in said
    again, said = _submit(tmp_path, capsys, message)
    assert again[0]["id"] == first[0]["id"]
    assert "Warn" not in said
    _results, said = _submit(tmp_path, capsys, {**message, "idempotency_key": "twice"})
    assert "Warn" in said


def test_submit_asks_once_for_a_batch_and_not_at_all_without_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = []
    for keys in (["a", "b", "c"], [None, None, None]):
        with CaptureQueriesContext(connection) as queries:
            _submit(tmp_path, capsys, *({"document_key": key} for key in keys))
        asked.append(sum("document_key" in query["sql"] and query["sql"].startswith("SELECT") for query in queries))
    assert asked == [1, 0]

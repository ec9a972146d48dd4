"""Handing mails in over HTTP: what is taken, refused and remembered is what the forms would do (contract, issue 8)."""

import base64
import json
from typing import Any

import pytest
from django.test import Client, override_settings

from mailjobs.models import MailJob, MailLogEntry
from mailsettings.configuration import import_document
from tests.api.conftest import Programs, invoice
from tests.pages.conftest import document

PDF = {"filename": "r.pdf", "content_type": "application/pdf", "content_base64": base64.b64encode(b"%PDF-1.7").decode()}


def test_a_mail_is_stored_when_it_is_answered(program: Programs) -> None:
    bernd = program("bernd")
    status, document = bernd.post("messages?run=November", invoice(attachments=[PDF], document_key="invoice 1"))
    job = MailJob.objects.get()
    assert (status, document) == (202, {"id": job.pk, "status": "new", "error": None, "document_repeated": False})
    assert (job.user.login, job.run, job.state, job.attachments.count()) == ("bernd", "November", "new", 1)
    assert bernd.last.headers["Location"] == f"/api/v1/messages/{job.pk}"
    status, found = bernd.get(f"messages/{job.pk}")
    assert status == 200
    assert found["recipients"] == [{"kind": "to", "address": "klient1@kunde.example", "state": "pending", "reply": None}]
    assert (found["sender"], found["subject"], found["document_key"]) == (
        "office@kanzlei-huber.example",
        "Rechnung 1",
        "invoice 1",
    )


def test_the_same_key_is_the_same_mail_and_with_another_body_a_conflict(program: Programs) -> None:
    bernd = program("bernd")
    _status, first = bernd.post("messages", invoice(), Idempotency_Key="k1")
    assert bernd.post("messages", invoice(idempotency_key="k1"))[1]["id"] == first["id"], "header and field are the same key"
    status, problem = bernd.post("messages", invoice(2), Idempotency_Key="k1")
    assert (status, problem["code"]) == (409, "key_reused")
    status, problem = bernd.post("messages", invoice(idempotency_key="k1"), Idempotency_Key="k2")
    assert (status, problem["code"]) == (422, "key_twice")
    assert MailJob.objects.count() == 1


def test_a_batch_answers_each_item_by_itself(program: Programs) -> None:
    """1,000 with 30 bad ones: 970 mails, in one transaction."""
    bad: list[Any] = [invoice(to=["no address"]), invoice(variables={}), {"to": 7}, "text", invoice(print_model="unknown"), None]
    messages = [bad[number // 33 % len(bad)] if number % 33 == 5 and number < 990 else invoice(number) for number in range(1000)]
    status, document = program("bernd").post("messages/batch", {"messages": messages, "run": "November"})
    assert (status, document["accepted"], document["refused"]) == (202, 970, 30)
    for number, (message, result) in enumerate(zip(messages, document["results"], strict=True)):
        assert (result["id"] is None) == (number % 33 == 5 and number < 990)
        if result["id"] is not None:
            assert isinstance(message, dict)
            assert MailJob.objects.get(pk=result["id"]).recipients.get().address == message["to"][0]
    codes = {result["error"]["code"] for result in document["results"] if result["error"]}
    assert codes == {"address_invalid", "variable_missing", "not_a_list", "not_an_object", "print_model_unknown"}
    assert MailJob.objects.count() == 970
    assert MailLogEntry.objects.filter(outcome="refused").count() == 30


def test_a_batch_sent_again_is_the_same_mails(program: Programs) -> None:
    bernd = program("bernd")
    body = {"messages": [invoice(1), invoice(2, idempotency_key="own")]}
    first = bernd.post("messages/batch", body, Idempotency_Key="run-11")[1]
    assert bernd.post("messages/batch", body, Idempotency_Key="run-11")[1] == first
    assert set(MailJob.objects.values_list("idempotency_key", flat=True)) == {"own", "run-11/0"}


def test_a_document_that_goes_out_twice_is_said(program: Programs) -> None:
    """J10."""
    bernd = program("bernd")
    assert bernd.post("messages", invoice(1, document_key="d"))[1]["document_repeated"] is False
    assert bernd.post("messages", invoice(2, document_key="d"))[1]["document_repeated"] is True
    results = bernd.post("messages/batch", {"messages": [invoice(3, document_key="e"), invoice(4, document_key="e")]})[1][
        "results"
    ]
    assert [result["document_repeated"] for result in results] == [False, True]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{", 400, "broken_json"),
        (b"\xff\xfe{\x00}\x00", 400, "broken_json"),
        ('{"to": [NaN]}', 400, "broken_json"),
        ("[" * 100_000, 400, "broken_json"),
        (" ", 400, "broken_json"),
        ("[]", 422, "not_an_object"),
        ('{"variables": {"a": ' + "1" * 5000 + "}}", 400, "broken_json"),
        (json.dumps(invoice(document_key="x" * 301)), 422, "too_long"),
        (json.dumps(invoice(document_key="\ud800")), 422, "control_character"),
        (json.dumps(invoice(print_model="\x00")), 422, "control_character"),
        (json.dumps(invoice(subject="a\nBcc: b@c.example")), 422, "control_character"),
        (json.dumps(invoice(to=["x"])), 422, "address_invalid"),
        (json.dumps(invoice(sender="office@gruber.example")), 422, "foreign_address"),
        (json.dumps(invoice(idempotency_key="x" * 201)), 422, "too_long"),
    ],
)
def test_what_cannot_be_taken_is_a_problem_and_no_mail(program: Programs, body: str | bytes, status: int, code: str) -> None:
    user = program("mia" if code == "foreign_address" else "bernd")
    found, problem = user.post("messages", body)
    assert (found, problem["code"]) == (status, code)
    assert MailJob.objects.count() == 0


def test_lone_surrogates_and_nul_in_texts_are_no_error_of_ours(program: Programs) -> None:
    bernd = program("bernd")
    for name in ("subject", "text", "html", "sender"):
        for text in ("\ud800", "\x00", "\u2028"):
            assert bernd.post("messages", invoice(**{name: text}))[0] in (202, 422), (name, text)


def test_what_is_too_large_is_not_read(program: Programs) -> None:
    bernd = program("bernd")
    status, problem = bernd.post("messages", b"x" * (40 * 2**20 + 1))
    assert (status, problem["code"]) == (413, "too_large")
    large = {**PDF, "content_base64": base64.b64encode(b"x" * (25 * 2**20 + 1)).decode()}
    assert bernd.post("messages", invoice(attachments=[large]))[1]["code"] == "too_large"
    assert bernd.post("messages/batch", {"messages": [invoice()] * 1001})[1]["code"] == "not_a_batch"


def test_another_kind_of_body_is_refused(program: Programs) -> None:
    answer = Client().post("/api/v1/messages", {"to": "a@b.example"}, headers=program("bernd").headers())
    assert (answer.status_code, answer.json()["code"]) == (415, "not_json")


@pytest.mark.parametrize("path", ["", "v1/", "v2/messages", "v1/message", "v1/messages/", "v1/messages/x", "v1/messages/-1"])
def test_unknown_addresses_are_problems_too(cast: None, path: str) -> None:
    for ask in (Client().get, Client().post):
        answer = ask(f"/api/{path}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


def test_another_method_is_a_problem_that_names_those_there_are(program: Programs) -> None:
    answer = Client().delete("/api/v1/messages", headers=program("bernd").headers())
    assert (answer.status_code, answer.json()["code"], answer.headers["Allow"]) == (405, "method_not_allowed", "POST")


def test_ids_that_no_database_has_are_not_found(program: Programs) -> None:
    assert program("anna").get(f"messages/{10**30}")[0] == 404


def test_reset_and_withdraw(program: Programs) -> None:
    bernd = program("bernd")
    key = bernd.post("messages", invoice())[1]["id"]
    assert bernd.post(f"messages/{key}/requeue")[1]["code"] == "wrong_state"
    assert bernd.post(f"messages/{key}/cancel")[1]["state"] == "cancelled"
    assert bernd.post(f"messages/{key}/cancel")[0] == 409
    assert bernd.post(f"messages/{key}/requeue")[1]["state"] == "new"
    MailJob.objects.update(state="unknown")
    assert bernd.post(f"messages/{key}/requeue")[1]["code"] == "unknown_unconfirmed"
    assert bernd.post(f"messages/{key}/requeue?confirm_unknown=true")[1]["state"] == "new"


def test_a_queue_that_is_full_says_when_to_come_again(program: Programs) -> None:
    with override_settings(PENDING_CAP=1):
        bernd = program("bernd")
        bernd.post("messages", invoice(1))
        status, problem = bernd.post("messages", invoice(2))
    assert (status, problem["code"], bernd.last.headers["Retry-After"]) == (429, "queue_full", "300")


def test_check_sender_holds_as_in_the_forms(program: Programs) -> None:
    """C1, C3."""
    checked = document()
    checked["firms"][0]["parameters"]["check_sender"] = True
    import_document(checked, actor="test")
    assert program("bernd").post("messages", invoice())[1]["code"] == "check_sender_no_employee"
    status, answer = program("bernd").post("explain", {"print_model": "invoices"})
    assert (status, answer["refused"]["code"]) == (200, "check_sender_no_employee")

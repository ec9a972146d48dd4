"""What the front door takes, refuses and remembers."""

import pytest

from mailjobs.core.message import MessageInvalid, parse_message
from mailjobs.models import InternalMessage, MailJob, MailLogEntry
from mailjobs.submission import submit, submit_many
from mailsettings.models import Tenant
from tests.cast import invoice, move_in, user

pytestmark = pytest.mark.django_db


def test_same_key_same_body_returns_the_first_job() -> None:
    move_in(parameters={"smtp_server": "mail.kanzlei-huber.example"})
    first = submit(user("bernd"), invoice(idempotency_key="k1"))
    again = submit_many(user("bernd"), [invoice(idempotency_key="k1"), invoice(idempotency_key="k1")])
    assert [result.id for result in again] == [first.id, first.id]
    assert MailJob.objects.count() == 1


@pytest.mark.parametrize(("login", "number"), [("bernd", 2), ("anna", 1)], ids=["another body", "another user"])
def test_same_key_for_something_else_is_refused(login: str, number: int) -> None:
    move_in(parameters={"smtp_server": "mail.kanzlei-huber.example"})
    submit(user("bernd"), invoice(1, idempotency_key="k1"))
    result = submit(user(login), invoice(number, idempotency_key="k1"))
    assert (result.id, result.code) == (None, "key_reused")


def test_same_key_twice_in_one_call_is_one_mail() -> None:
    move_in(parameters={"smtp_server": "mail.kanzlei-huber.example"})
    results = submit_many(user("bernd"), [invoice(idempotency_key="k1"), invoice(idempotency_key="k1")])
    assert results[0].id == results[1].id is not None
    assert MailJob.objects.count() == 1


def test_one_bad_message_of_many_costs_only_itself() -> None:
    move_in(parameters={"smtp_server": "mail.kanzlei-huber.example"})
    results = submit_many(user("bernd"), [invoice(1), MessageInvalid("to", "no_recipient"), invoice(2, variables={}), invoice(3)])
    assert [result.code for result in results] == ["", "no_recipient", "variable_missing", ""]
    assert MailLogEntry.objects.filter(outcome="refused").count() == 2


def test_unattended_refusal_is_told_to_a_person() -> None:
    """R5, J2."""
    move_in(parameters={"smtp_server": "mail.kanzlei-huber.example", "sender_address": ""})
    result = submit(user("stapel"), invoice())
    assert result.code == "no_sender"
    assert InternalMessage.objects.get().user.login == "anna"


def test_client_mail_is_held_for_the_sender() -> None:
    """P2: without a server the local client."""
    move_in()
    Tenant.objects.get(slug="huber").print_models.update(delivery_mode="as_parameters")
    result = submit(user("bernd"), invoice())
    job = MailJob.objects.get()
    assert (result.status, job.channel, job.held_for) == ("held", "client", "sender")


@pytest.mark.parametrize(
    ("raw", "field", "code"),
    [
        ([], "message", "not_an_object"),
        ({"to": ["a@b.example"], "xx": 1}, "xx", "unknown_field"),
        ({"to": []}, "to", "no_recipient"),
        ({"to": ["a@b"]}, "to", "address_invalid"),
        ({"to": 7}, "to", "not_a_list"),
        ({"to": ["a@b.example"], "subject": 7}, "subject", "not_a_text"),
        ({"to": ["a@b.example"], "variables": {"a": []}}, "variables.a", "not_a_text"),
        ({"to": ["a@b.example"], "not_before": "tomorrow"}, "not_before", "not_a_time"),
        ({"to": ["a@b.example"], "not_before": "2026-11-30T08:00:00"}, "not_before", "time_without_zone"),
        ({"to": ["a@b.example"], "sender_method": "magic"}, "sender_method", "not_a_choice"),
        ({"to": ["a@b.example"], "attachments": [{"filename": "x"}]}, "attachments[0].content_base64", "required"),
        (
            {"to": ["a@b.example"], "attachments": [{"filename": "x", "content_base64": "?"}]},
            "attachments[0].content_base64",
            "not_base64",
        ),
        ({"to": ["a@b.example"], "idempotency_key": "x" * 201}, "idempotency_key", "too_long"),
    ],
)
def test_bad_message_says_which_field_and_why(raw: object, field: str, code: str) -> None:
    with pytest.raises(MessageInvalid) as refused:
        parse_message(raw)
    assert (refused.value.field, refused.value.code) == (field, code)

"""The release queue, what waits for whom, and what is said beforehand (P4, P8, T7)."""

from typing import Any

import pytest
from django.urls import reverse

from mailjobs.core.plan import Hold
from mailjobs.judging import Held
from mailjobs.models import InternalMessage, MailJob, MailLogEntry
from mailjobs.preparation import prepare
from mailjobs.queue import claim
from mailjobs.releasing import reject, waiting_for
from mailjobs.submission import may_release, requeue
from mailsettings.changes import Book, own_values, save_account, save_parameters
from mailsettings.models import AuditEvent, Tenant, User
from tests.pages.com_customers import OFFICE, QUEUE, decide, shown, tenant, text_of
from tests.pages.conftest import LogIn, mail, person

pytestmark = pytest.mark.django_db


# ---- The release queue


@pytest.fixture
def held(log_in: LogIn) -> list[MailJob]:
    """Three mails of Eva that wait for the firm."""
    decide("beispiel", "hold")
    return [mail("eva", number) for number in (1, 2, 3)]


def test_p8_the_queue_shows_who_to_whom_and_which_address(log_in: LogIn, held: list[MailJob]) -> None:
    page = shown(log_in("anna"), QUEUE)
    assert "Eva Beispiel (eva, Beispiel Handels KG) to klient1@kunde.example and 1 more" in page
    assert page.count(f"would carry {OFFICE}") == 3
    assert [row["job"].subject for row in log_in("anna").get(QUEUE).context["mails"]] == [
        "Rechnung 3",
        "Rechnung 2",
        "Rechnung 1",
    ]


def test_t7_body_and_attachments_are_open_only_while_the_mail_waits_for_the_firm(log_in: LogIn, held: list[MailJob]) -> None:
    anna, job = log_in("anna"), held[0]
    preview, attachment = reverse("job_preview", args=[job.pk]), reverse("job_attachment", args=[job.pk, 1])
    page = anna.get(reverse("release", args=[job.pk]))
    assert f'src="{preview}" sandbox=""' in page.content.decode()
    assert "1.html" in text_of(page)
    assert (anna.get(preview).status_code, anna.get(attachment).status_code) == (200, 200)
    anna.post(QUEUE, {"release_one": job.pk})
    assert (anna.get(preview).status_code, anna.get(attachment).status_code) == (404, 404)
    anna.post(QUEUE, {"action": "reject", "pk": held[1].pk, "reason": "Bitte mit eigener Adresse."})
    assert anna.get(reverse("job_preview", args=[held[1].pk])).status_code == 404
    assert anna.get(reverse("job", args=[held[1].pk])).status_code == 200, "state and recipients stay visible"
    assert anna.get(reverse("release", args=[job.pk])).headers["Location"] == reverse("job", args=[job.pk])


def test_the_list_loads_a_mail_only_when_it_is_looked_at(log_in: LogIn, held: list[MailJob]) -> None:
    assert "anbei" not in shown(log_in("anna"), QUEUE)
    part = log_in("anna").get(reverse("release", args=[held[0].pk]), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "Guten Tag, anbei die Rechnung." in part


@pytest.mark.parametrize(
    "data",
    [
        {"release_one": "{0}"},
        {"action": "release", "pk": ["{0}"]},
        {"action": "release", "pk": ["{0}", "{1}"]},
        {"action": "release", "all_matching": "1", "newest": "{1}"},
    ],
    ids=["its button", "one ticked", "several", "all that the page knew"],
)
def test_p8_released_mails_go_on_and_leave_the_queue(log_in: LogIn, held: list[MailJob], data: dict[str, Any]) -> None:
    ids = [str(job.pk) for job in held]
    posted = {
        name: [part.format(*ids) for part in value] if isinstance(value, list) else value.format(*ids)
        for name, value in data.items()
    }
    expected = {held[0].pk, held[1].pk} if "{1}" in str(data) else {held[0].pk}
    answer = log_in("anna").post(QUEUE, posted, follow=True)
    assert set(MailJob.objects.filter(state="new").values_list("pk", flat=True)) == expected
    assert f"{len(expected)} mail" in text_of(answer)
    assert {row["job"].pk for row in answer.context["mails"]} == {job.pk for job in held} - expected
    assert AuditEvent.objects.get(action="release").actor == "anna"


def test_all_of_one_com_customer_are_released_and_no_others(log_in: LogIn, held: list[MailJob]) -> None:
    Tenant.objects.filter(slug="muster").update(sends_as_firm="hold")
    save_parameters(Book("test"), tenant("muster"), {})
    other = mail("max", 9)
    anna = log_in("anna")
    page = anna.get(f"{QUEUE}?customer=beispiel")
    assert {row["job"].tenant.slug for row in page.context["mails"]} == {"beispiel"}
    assert "Release all 3 of Beispiel Handels KG" in text_of(page)
    anna.post(f"{QUEUE}?customer=beispiel", {"action": "release", "all_matching": "1", "newest": page.context["newest"]})
    assert MailJob.objects.get(pk=other.pk).state == "held"
    assert MailJob.objects.filter(state="new").count() == 3
    for wrong in ("gruber", "huber", "nobody", "\0"):
        assert anna.get(QUEUE, {"customer": wrong}).status_code == 404


def test_p8_a_rejection_needs_a_reason_and_keeps_what_was_typed(log_in: LogIn, held: list[MailJob]) -> None:
    anna, pk = log_in("anna"), held[0].pk
    asked = anna.post(QUEUE, {"reject_one": pk})
    assert "Reject this mail?" in text_of(asked)
    assert f'name="pk" value="{pk}"' in asked.content.decode()
    assert "Say why" in text_of(anna.post(QUEUE, {"action": "reject", "pk": pk, "reason": " \n "}))
    long = anna.post(QUEUE, {"action": "reject", "pk": pk, "reason": "x" * 1001})
    assert "1000 characters at most" in text_of(long)
    assert "x" * 1001 in long.content.decode()
    assert MailJob.objects.get(pk=pk).state == "held"


def test_p8_a_rejected_mail_is_withdrawn_and_its_user_reads_why(log_in: LogIn, held: list[MailJob]) -> None:
    anna, job = log_in("anna"), held[0]
    answer = anna.post(
        QUEUE, {"action": "reject", "pk": job.pk, "reason": "Bitte zuerst\0 eine eigene Adresse eintragen."}, follow=True
    )
    reason = "Bitte zuerst eine eigene Adresse eintragen."
    assert "1 mail was rejected, and its user was told why." in text_of(answer)
    job.refresh_from_db()
    assert job.state == "cancelled"
    line = MailLogEntry.objects.get(job=job)
    assert (line.outcome, line.error, line.error_code, line.recipients) == (
        "cancelled",
        reason,
        "rejected_by_firm",
        ["klient1@kunde.example", "zweiter1@kunde.example"],
    )
    letter = InternalMessage.objects.get(kind="rejected")
    assert (letter.user.login, letter.error, letter.job) == ("eva", reason, job)
    event = AuditEvent.objects.get(action="reject")
    assert (event.actor, event.after) == ("anna", {"jobs": [job.pk], "reason": reason})
    eva = log_in("eva")
    assert "The firm has not released a mail Rejected 1 mail" in shown(eva, "/inbox/")
    assert reason in shown(eva, "/inbox/")
    assert f"The firm has not released this mail {reason} Who must act: You" in shown(eva, reverse("job", args=[job.pk]))
    assert reason in shown(eva, "/log/")


def test_a_rejected_mail_that_is_reset_waits_for_the_firm_again(log_in: LogIn, held: list[MailJob]) -> None:
    reject(person("anna"), [held[0].pk], "Nein.")
    requeue(person("eva"), [held[0].pk])
    assert "The firm has not released this mail" not in shown(log_in("eva"), reverse("job", args=[held[0].pk]))
    [claimed] = claim("worker", 1)
    [prepared] = prepare([claimed])
    assert isinstance(prepared, Held)
    assert prepared.hold is Hold.HELD_BY_FIRM


@pytest.mark.parametrize("login", ["greta", "root", "bernd", "max", "eva"])
def test_nobody_else_releases_or_rejects_what_waits_for_the_firm(log_in: LogIn, held: list[MailJob], login: str) -> None:
    ids = [job.pk for job in held]
    for data in (
        {"action": "release", "pk": ids},
        {"action": "reject", "pk": ids, "reason": "x"},
        {"action": "release", "all_matching": "1"},
    ):
        log_in(login).post(QUEUE, data)
        log_in(login).post(reverse("release", args=[ids[0]]), data)
    assert reject(person(login), ids, "x") == 0
    assert MailJob.objects.filter(state="held").count() == 3


def test_what_somebody_else_has_released_meanwhile_is_not_rejected(log_in: LogIn, held: list[MailJob]) -> None:
    MailJob.objects.filter(pk=held[0].pk).update(state="new", held_for="", held_reason="")
    answer = log_in("anna").post(QUEUE, {"action": "reject", "pk": [job.pk for job in held], "reason": "Nein."}, follow=True)
    assert "2 mails were rejected, and their users were told why. 1 mail was left out" in text_of(answer)
    assert MailJob.objects.get(pk=held[0].pk).state == "new"


@pytest.mark.parametrize(
    "data", [{}, {"action": "delete"}, {"action": "release", "pk": ["x", "-1", "9" * 40]}, {"release_one": "x"}]
)
def test_nonsense_is_answered_and_changes_nothing(log_in: LogIn, held: list[MailJob], data: dict[str, Any]) -> None:
    assert log_in("anna").post(QUEUE, data).status_code in {302, 400}
    assert MailJob.objects.filter(state="held").count() == 3


def test_mails_that_wait_for_others_are_not_in_the_firms_queue(log_in: LogIn) -> None:
    decide("beispiel", "warn")
    mail("eva")
    mail("bernd", state="held", held_for="approver", held_reason="stage_held")
    assert "No mail waits for the firm" in shown(log_in("anna"), QUEUE)


# ---- Waiting for the sender, and what the dashboard says


def test_p8_a_com_user_confirms_with_the_address_named(log_in: LogIn) -> None:
    decide("beispiel", "warn")
    job = mail("eva")
    eva = log_in("eva")
    said = f"This mail carries the firm's address {OFFICE}. Confirm that this is meant."
    assert said in shown(eva, "/jobs/")
    page = shown(eva, reverse("job", args=[job.pk]))
    assert said in page
    assert f"Confirm: send as {OFFICE}" in page
    eva.post(reverse("job", args=[job.pk]), {"action": "release"})
    assert MailJob.objects.get(pk=job.pk).state == "new"


def test_p8_the_firm_cannot_confirm_in_the_senders_place(log_in: LogIn) -> None:
    decide("beispiel", "warn")
    job = mail("eva")
    anna = log_in("anna")
    assert "Confirm: send as" not in shown(anna, reverse("job", args=[job.pk]))
    anna.post(reverse("job", args=[job.pk]), {"action": "release"})
    assert MailJob.objects.get(pk=job.pk).state == "held"


def test_the_dashboard_says_what_waits_for_the_reader(log_in: LogIn) -> None:
    assert "Waits for you" not in shown(log_in("anna"), "/")
    decide("beispiel", "hold")
    mail("eva")
    assert "Waits for you 1 mail of a Com customer would carry the firm's address and waits for your release" in shown(
        log_in("anna"), "/"
    )
    assert "Waits for you" not in shown(log_in("eva"), "/")
    decide("beispiel", "warn")
    mail("eva", 2)
    assert "1 mail carries the firm's address and waits for your confirmation" in shown(log_in("eva"), "/")


def test_what_the_dashboard_counts_is_what_may_be_released(log_in: LogIn) -> None:
    """For everybody and every kind of hold, the count agrees with the judgement over each single mail."""
    for login in ("anna", "bernd", "max", "mia", "eva", "greta"):
        for number, (reason, waits_for) in enumerate(
            (
                ("held_by_firm", "firm"),
                ("confirm_sends_as_firm", "sender"),
                ("stage_held", "approver"),
                ("captured", "approver"),
                ("by_client", "sender"),
                ("restored", "operator"),
            )
        ):
            mail(login, number, state="held", held_reason=reason, held_for=waits_for)
    counted = (Hold.HELD_BY_FIRM, Hold.CONFIRM_SENDS_AS_FIRM, Hold.STAGE_HELD)
    for login in ("anna", "bernd", "max", "mia", "eva", "greta", "root"):
        reader = person(login)
        jobs = MailJob.objects.filter(held_reason__in=counted).select_related("tenant", "user")
        expected: dict[Hold, int] = {}
        for job in jobs:
            if may_release(reader, job):
                expected[Hold(job.held_reason)] = expected.get(Hold(job.held_reason), 0) + 1
        assert waiting_for(reader) == expected, login


# ---- Said beforehand


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("allow", ""),
        ("warn", "Each such mail waits until you confirm it."),
        ("hold", "Each such mail waits until the firm releases it."),
    ],
)
def test_p4_overview_and_own_settings_say_beforehand_whose_address_it_is(log_in: LogIn, policy: str, said: str) -> None:
    decide("beispiel", policy)
    for url in ("/", "/settings/own/"):
        page = shown(log_in("eva"), url)
        assert f"Without a sender address of your own, your mail carries the firm's address {OFFICE}. {said}".strip() in page
        assert "To send with an address of your own, enter it as the sender address" in page
        assert "Without a sender address of your own" not in shown(log_in("max"), url)
        assert "Without a sender address of your own" not in shown(log_in("bernd"), url)


def test_p4_an_account_of_ones_own_is_an_own_address_too(log_in: LogIn) -> None:
    save_account(
        Book("test"), tenant=tenant("beispiel"), slug="eva", sender_address="eva@beispiel.example", values={}, user=person("eva")
    )
    for url in ("/", "/settings/own/"):
        assert "your mail carries the firm's address" not in shown(log_in("eva"), url)


@pytest.mark.parametrize(
    ("locker", "login", "advice"),
    [
        ("huber", "eva", "The sender address is locked by the firm"),
        ("beispiel", "eva", "To send with an address of your own"),
        ("beispiel", "emil", "Ask your administrator for an address of your own."),
        ("", "emil", "in your own settings. It is confirmed by a mail"),
    ],
)
def test_t5_who_may_not_enter_one_is_told_whom_to_ask(log_in: LogIn, locker: str, login: str, advice: str) -> None:
    User.objects.create(login="emil", name="Emil", role="com_user", tenant=tenant("beispiel"))
    Tenant.objects.filter(slug=locker).update(locked=["sender_address"])
    assert advice in shown(log_in(login), "/")
    assert own_values(person(login)) == {}

"""Failures of one cause are one incident; the uncertain ask with evidence; who waits is told why (J2, J3, J7, J8)."""

from collections.abc import Sequence
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection as database
from django.db import transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailjobs import answering, keeping, lost, queue, sharing, submission
from mailjobs.core.lifecycle import Outcome, RecipientState, State
from mailjobs.core.reply import ReplyClass
from mailjobs.finishing import finish
from mailjobs.models import (
    Incident,
    InternalMessage,
    JobRecipient,
    LogOutcome,
    MailJob,
    MailLogEntry,
    SharedConnection,
    StateChoices,
)
from mailjobs.results import Finished
from mailjobs.rows import at_once
from mailsettings.models import AuditEvent, User
from tests.cast import invoice, move_in, user

pytestmark = pytest.mark.django_db
SERVER = {"smtp_server": "mail.kanzlei-huber.example", "smtp_user": "relay", "smtp_password": "wrong-1"}
REFUSED_LOGIN = "535 5.7.8 Error: authentication failed"
LOST = "closed_by_server: connection lost"


@pytest.fixture
def cast() -> None:
    move_in(parameters=SERVER)


def jobs(login: str, count: int) -> list[MailJob]:
    """Mails of one user that wait."""
    first = MailJob.objects.count()
    results = submission.submit_many(user(login), [invoice(number) for number in range(first, first + count)])
    return list(MailJob.objects.filter(pk__in=[result.id for result in results]).order_by("pk"))


def settle(
    mails: Sequence[MailJob],
    error: str = REFUSED_LOGIN,
    reason: ReplyClass = ReplyClass.LOGIN_REFUSED,
    state: State = State.FAILED,
) -> None:
    """As the engine records how attempts ended."""
    leased = queue.claim_these("worker", [mail.pk for mail in mails])
    now = timezone.now()
    recipients = {State.UNKNOWN: RecipientState.UNKNOWN}.get(state, RecipientState.REFUSED)
    addresses = dict(JobRecipient.objects.filter(job__in=mails).values_list("job", "address"))
    with transaction.atomic(), at_once():
        finish(
            [
                Finished(
                    job=mail,
                    epoch=mail.epoch,
                    outcome=Outcome(state, {addresses[mail.pk]: (recipients, None)}, error, reason=reason),
                    started_at=now,
                    ended_at=now,
                    server="mail.kanzlei-huber.example:587",
                    dialogue=("C: DATA", "S: 354 go ahead"),
                )
                for mail in leased
            ]
        )


def shown(login: str, address: str, status: int = 200) -> str:
    """What a page says to this user."""
    answer = browser(login).get(address)
    assert answer.status_code == status, address
    return unescape(answer.content.decode())


def browser(login: str) -> Client:
    client = Client()
    client.force_login(user(login))
    return client


def paused(error: str = REFUSED_LOGIN) -> SharedConnection:
    """The firm's login after its refusal."""
    shared = SharedConnection.objects.get()
    sharing.pause(shared.pk, "fingerprint", error)
    return shared


@pytest.mark.usefixtures("cast")
def test_j8_failures_of_one_cause_are_one_incident_with_each_mails_message_inside() -> None:
    mails = jobs("bernd", 4)
    settle(mails[:2])
    settle(mails[2:])
    incident = Incident.objects.get()
    assert (incident.failures, incident.reason, incident.error) == (4, "login_refused", REFUSED_LOGIN)
    assert set(incident.messages.values_list("job", flat=True)) == {mail.pk for mail in mails}
    settle(jobs("bernd", 1), "550 5.1.1 User unknown <a@kunde.example>", ReplyClass.RECIPIENT_REFUSED)
    settle(jobs("max", 1))
    assert Incident.objects.count() == 3, "another cause, and another tenant"


@pytest.mark.usefixtures("cast")
def test_j8_uncertain_partly_sent_and_failed_mails_are_never_one_incident() -> None:
    for state in (State.UNKNOWN, State.FAILED, State.PARTLY_SENT):
        settle(jobs("bernd", 2), "550 5.1.1 User unknown", ReplyClass.RECIPIENT_REFUSED, state)
    assert sorted(Incident.objects.values_list("failures", flat=True)) == [2, 2, 2]


@pytest.mark.usefixtures("cast")
def test_j8_five_hundred_failures_cost_no_statement_per_mail() -> None:
    few, many = jobs("bernd", 5), jobs("bernd", 120)

    def statements(mails: Sequence[MailJob]) -> int:
        with CaptureQueriesContext(
            database,
        ) as caught:
            settle(mails)
        return len([each for each in caught.captured_queries if "incident" in each["sql"] or "internalmessage" in each["sql"]])

    settle(jobs("bernd", 1))
    assert statements(many) <= statements(few) + len(many) * (database.vendor != "postgresql")


@pytest.mark.usefixtures("cast")
def test_j8_the_inbox_counts_in_one_line_what_failed_and_what_waits() -> None:
    mails = jobs("bernd", 30)
    settle(mails[:2])
    paused()
    client = browser("bernd")
    [line] = client.get("/inbox/").context["incidents"]
    assert (line.count, line.waits, line.unread, line.resettable, line.action) == (2, 28, 2, 2, "Release")
    page = shown("bernd", "/inbox/")
    assert "28 more wait until it goes on" in page
    assert "The mail server does not accept user or password" in page
    inside = shown("bernd", line.url)
    assert all(f"/jobs/{mail.pk}/" in inside for mail in mails[:2])
    client.post("/inbox/", {"incident": line.incident.pk})
    assert not InternalMessage.objects.filter(read_at=None).exists()


@pytest.mark.parametrize("login", ["bernd", "anna", "carla"])
def test_j8_freigeben_resets_the_failed_mails_and_ends_the_pause_for_user_administrator_and_deputy(login: str) -> None:
    move_in(parameters=SERVER)
    User.objects.create(login="carla", name="Carla Beispiel", tenant=user("bernd").tenant, role="firm_user")
    User.objects.filter(login="bernd").update(deputy=user("carla"))
    mails = jobs("bernd", 3)
    settle(mails[:1])
    shared = paused()
    incident = Incident.objects.get()
    answer = browser(login).post(f"/inbox/incidents/{incident.pk}/", {"action": "release"})
    assert answer.status_code == 302
    shared.refresh_from_db()
    incident.refresh_from_db()
    assert shared.paused_at is None
    assert incident.closed_at is not None
    assert set(MailJob.objects.values_list("state", flat=True)) == {"new"}
    actions = dict(AuditEvent.objects.filter(actor=login).values_list("action", "subject"))
    assert actions["release_incident"] == str(incident.pk)
    assert actions["requeue"] == str(mails[0].pk)


@pytest.mark.parametrize("login", ["max", "eva"])
def test_j8_an_incident_is_not_there_for_those_who_see_none_of_its_mails(login: str) -> None:
    move_in(parameters=SERVER)
    settle(jobs("bernd", 1))
    paused()
    incident = Incident.objects.get()
    client = browser(login)
    assert client.get(f"/inbox/incidents/{incident.pk}/").status_code == 404
    assert client.post(f"/inbox/incidents/{incident.pk}/", {"action": "release"}).status_code == 404
    assert client.get("/inbox/incidents/999999/").status_code == 404
    assert SharedConnection.objects.get().paused_at is not None


@pytest.mark.usefixtures("cast")
def test_t4_a_com_customer_reads_nothing_of_the_firms_login_and_does_not_release_it() -> None:
    settle(jobs("max", 1), f"{REFUSED_LOGIN} at mail.kanzlei-huber.example for relay")
    jobs("max", 2)
    paused(f"{REFUSED_LOGIN} at mail.kanzlei-huber.example")
    incident = Incident.objects.get()
    page, inbox = shown("max", f"/inbox/incidents/{incident.pk}/"), shown("max", "/inbox/")
    assert "mail.kanzlei-huber.example" not in page + inbox
    assert "relay" not in page + inbox
    assert "The firm: its mail server is meant." in page
    [line] = browser("max").get("/inbox/").context["incidents"]
    assert (line.releases, line.action, line.waits) == (False, "Reset send status", 2)


@pytest.mark.usefixtures("cast")
def test_j8_a_login_that_works_again_closes_the_incident_and_the_next_failure_opens_another() -> None:
    first = jobs("bernd", 1)
    settle(first)
    shared = paused()
    sharing.opened(shared.pk, "fingerprint")
    assert Incident.objects.get().closed_at is not None
    settle(jobs("bernd", 1))
    assert list(Incident.objects.order_by("pk").values_list("failures", flat=True)) == [1, 1]
    [_new, old] = browser("bernd").get("/inbox/").context["incidents"]
    assert (old.resettable, old.action) == (1, "Reset send status"), "what failed still waits for its reset"


@pytest.mark.usefixtures("cast")
def test_j8_an_incident_is_open_until_its_last_mail_is_reset() -> None:
    one, other = jobs("bernd", 2)
    settle([one, other], "554 5.7.1 Spam", ReplyClass.CONTENT_REFUSED)
    submission.requeue(user("bernd"), [one.pk])
    assert Incident.objects.get().closed_at is None
    submission.requeue(user("bernd"), [other.pk])
    assert Incident.objects.get().closed_at is not None
    settle([one], "554 5.7.1 Spam", ReplyClass.CONTENT_REFUSED)
    assert Incident.objects.filter(closed_at=None).get().failures == 1


# Uncertain mails


@pytest.mark.parametrize(("login", "may"), [("bernd", True), ("anna", True), ("max", False)])
def test_an_uncertain_mail_is_taken_as_sent_by_those_who_may_and_never_as_handed_over(login: str, may: bool) -> None:
    move_in(parameters=SERVER)
    [mail] = jobs("bernd", 1)
    settle([mail], LOST, ReplyClass.LOST_IN_BODY, State.UNKNOWN)
    answer = browser(login).post(f"/jobs/{mail.pk}/", {"action": "take_as_sent"})
    assert answer.status_code == (302 if may else 404)
    mail.refresh_from_db()
    assert mail.state == (StateChoices.SENT if may else StateChoices.UNKNOWN)
    outcomes = list(MailLogEntry.objects.filter(job=mail).order_by("pk").values_list("outcome", flat=True))
    assert outcomes == [LogOutcome.UNKNOWN, LogOutcome.TAKEN_AS_SENT][: 2 if may else 1]
    assert AuditEvent.objects.filter(action="take_as_sent", actor=login).exists() is may
    if may:
        page = shown("bernd", f"/jobs/{mail.pk}/")
        assert f"taken as sent by {login}" in page
        assert "Handed over" not in page
        assert "Accepted by the server" not in page
        assert f"taken as sent by {login}" in shown("bernd", "/log/")
        assert Incident.objects.get().closed_at is not None


@pytest.mark.usefixtures("cast")
def test_only_an_uncertain_mail_is_taken_as_sent() -> None:
    waiting, failed = jobs("bernd", 2)
    settle([failed])
    assert answering.take_as_sent(user("bernd"), [waiting.pk, failed.pk]) == 0
    assert set(MailJob.objects.values_list("state", flat=True)) == {"new", "failed"}


@pytest.mark.usefixtures("cast")
def test_j7_an_uncertain_mail_with_a_refused_recipient_is_only_partly_sent() -> None:
    submission.submit_many(user("bernd"), [invoice(1, cc=["zweiter@kunde.example"])])
    mail = MailJob.objects.get()
    settle([mail], LOST, ReplyClass.LOST_IN_BODY, State.UNKNOWN)
    JobRecipient.objects.filter(job=mail, address="zweiter@kunde.example").update(state="refused", reply="550 5.1.1 no")
    JobRecipient.objects.filter(job=mail, address="klient1@kunde.example").update(state="unknown")
    assert answering.take_as_sent(user("bernd"), [mail.pk]) == 1
    mail.refresh_from_db()
    assert mail.state == "partly_sent"


@pytest.mark.usefixtures("cast")
def test_the_page_of_an_uncertain_mail_shows_the_evidence_and_both_answers() -> None:
    by_connection, by_worker = jobs("bernd", 2)
    settle([by_connection], LOST, ReplyClass.LOST_IN_BODY, State.UNKNOWN)
    [leased] = queue.claim_these("gone", [by_worker.pk])
    past = timezone.now() - timedelta(minutes=2)
    MailJob.objects.filter(pk=leased.pk).update(on_wire_at=past, lease_until=past)
    lost.reap()
    page = shown("bernd", f"/jobs/{by_connection.pk}/")
    assert "the connection to the mail server" in page
    assert "S: 354 go ahead" in page
    assert by_connection.message_id in page
    assert "It arrived: take as sent" in page
    page = shown("bernd", f"/jobs/{by_worker.pk}/")
    assert "the delivery worker, before it wrote the answer down" in page
    assert f"{timezone.localtime(past):%H:%M:%S}" in page
    assert "mail.kanzlei-huber.example" in page
    client = browser("bernd")
    assert "may have arrived already" in client.post(f"/jobs/{by_worker.pk}/", {"action": "requeue"}).content.decode()
    client.post(f"/jobs/{by_worker.pk}/", {"action": "requeue", "confirm": "unknown"})
    by_worker.refresh_from_db()
    assert (by_worker.state, by_worker.possible_duplicate) == ("new", True)


@pytest.mark.usefixtures("cast")
def test_what_the_accounts_policy_takes_as_sent_is_never_called_handed_over() -> None:
    [mail] = jobs("bernd", 1)
    [leased] = queue.claim_these("gone", [mail.pk])
    past = timezone.now() - timedelta(minutes=2)
    MailJob.objects.filter(pk=leased.pk).update(on_wire_at=past, lease_until=past, unknown_policy="assume_sent")
    lost.reap()
    assert MailLogEntry.objects.get(job=mail).outcome == LogOutcome.TAKEN_AS_SENT
    page = shown("bernd", f"/jobs/{mail.pk}/")
    assert "taken as sent, as the account says" in page
    assert "Handed over" not in page
    assert "SMTP OK" not in shown("bernd", "/log/").partition("<tbody")[2]


# Who waits is told why


@pytest.mark.usefixtures("cast")
def test_new_mails_behind_a_paused_login_are_told_once_with_the_reason_inside_the_incident() -> None:
    mails = jobs("bernd", 4)
    settle(mails[:1])
    paused()
    MailJob.objects.filter(state="new").update(first_due_at=timezone.now() - timedelta(minutes=16))
    assert keeping.tell_delayed() == 3
    assert keeping.tell_delayed() == 0
    told = InternalMessage.objects.get(kind="delayed")
    assert (told.mails, told.error_code, told.incident) == (3, "login", Incident.objects.get())
    [line] = browser("bernd").get("/inbox/").context["incidents"]
    assert (line.count, line.waits) == (1, 3)


@pytest.mark.usefixtures("cast")
def test_mails_behind_an_open_breaker_are_told_with_the_reason_and_count_on_while_unread() -> None:
    mails = jobs("bernd", 3)
    SharedConnection.objects.update(
        blocked_until=timezone.now() + timedelta(minutes=5), block_reason="breaker", block_reply="timeout: mail server"
    )
    late = timezone.now() - timedelta(minutes=16)
    MailJob.objects.filter(pk=mails[0].pk).update(first_due_at=late)
    keeping.tell_delayed()
    MailJob.objects.update(first_due_at=late)
    keeping.tell_delayed()
    assert InternalMessage.objects.get().mails == 3
    assert "Mail waits: the mail server cannot be reached" in shown("bernd", "/inbox/")


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("breaker", "the mail server could not be reached"),
        ("throttled", "the mail server asked for a pause"),
        ("quota", "the allowance of the login is used up"),
        ("per_minute", "the limit of mails per minute is reached"),
        ("per_day", "the limit of recipients per day is reached"),
    ],
)
def test_the_page_of_a_waiting_mail_says_what_its_connection_waits_for(reason: str, said: str) -> None:
    move_in(parameters=SERVER)
    [mail] = jobs("bernd", 1)
    until = timezone.now() + timedelta(minutes=5)
    SharedConnection.objects.update(blocked_until=until, block_reason=reason)
    for address in (f"/jobs/{mail.pk}/", "/jobs/"):
        assert said in shown("bernd", address)
    SharedConnection.objects.update(blocked_until=timezone.now() - timedelta(seconds=1))
    assert said not in shown("bernd", f"/jobs/{mail.pk}/")


# Who may (J3)


@pytest.mark.parametrize("login", ["bernd", "anna", "carla"])
def test_j3_user_administrator_and_deputy_reset_and_withdraw_audited(login: str) -> None:
    move_in(parameters=SERVER)
    User.objects.create(login="carla", name="Carla Beispiel", tenant=user("bernd").tenant, role="firm_user")
    User.objects.filter(login="bernd").update(deputy=user("carla"))
    failed, waiting = jobs("bernd", 2)
    settle([failed])
    client = browser(login)
    client.post("/jobs/", {"action": "requeue", "pk": [failed.pk]})
    client.post("/jobs/", {"action": "cancel", "pk": [waiting.pk]})
    assert dict(MailJob.objects.values_list("pk", "state")) == {failed.pk: "new", waiting.pk: "cancelled"}
    done = dict(AuditEvent.objects.filter(actor=login).values_list("action", "subject"))
    assert (done["requeue"], done["cancel"]) == (str(failed.pk), str(waiting.pk))


@pytest.mark.parametrize("login", ["max", "eva", "stapel"])
def test_j3_nobody_else_resets_or_withdraws(login: str) -> None:
    move_in(parameters=SERVER)
    failed, waiting = jobs("bernd", 2)
    settle([failed])
    browser(login).post("/jobs/", {"action": "requeue", "pk": [failed.pk]})
    browser(login).post("/jobs/", {"action": "cancel", "pk": [waiting.pk]})
    assert dict(MailJob.objects.values_list("pk", "state")) == {failed.pk: "failed", waiting.pk: "new"}

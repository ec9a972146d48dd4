"""Jobs reach a real SMTP server, once, as the plan said; failures tell the right people and can be reset."""

import base64
import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from mailjobs import delivery, engine, keeping, lost, queue
from mailjobs.models import FrozenMail, InternalMessage, JobRecipient, MailJob, MailLogEntry, SharedConnection
from mailjobs.submission import cancel, release, requeue, submit, submit_many
from mailsettings.changes import Book, own_values, save_parameters, save_secret
from mailsettings.models import Tenant
from tests.cast import INVOICES, OFFICE, connection_to, invoice, move_in, user
from tests.mailjobs.redirecting import just_before_the_body
from tests.services import CountingServer

pytestmark = pytest.mark.django_db(transaction=True)


def deliver(**options: Any) -> dict[str, float]:
    return delivery.run(until_empty=True, **options).document()


def states() -> list[str]:
    return list(MailJob.objects.order_by("pk").values_list("state", flat=True))


def paused() -> int:
    return SharedConnection.objects.filter(paused_at__isnull=False).count()


def change_firm(**values: object) -> None:
    firm = Tenant.objects.get(slug="huber")
    save_parameters(Book("test"), firm, {**own_values(firm), **values})


def test_200_mails_arrive_once_each_with_bcc_in_no_header(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    messages = [invoice(n, cc=[f"cc{n}@kunde.example"], bcc=[f"bcc{n}@kunde.example"]) for n in range(200)]
    results = submit_many(user("anna"), messages)
    assert {result.status for result in results} == {"new"}
    assert deliver()["sent"] == 200
    assert set(smtp_server.message_ids.values()) == {1}
    assert len(smtp_server.received) == 200
    for mail in smtp_server.received:
        number = mail.headers["Subject"].removeprefix("Rechnung ")
        assert mail.sender == "anna@kanzlei-huber.example"  # P6: her own sender address comes from the employee
        assert set(mail.recipients) == {f"{kind}{number}@kunde.example" for kind in ("klient", "cc", "bcc")}
        assert f"bcc{number}@" not in mail.content.decode()
        assert mail.headers["Bcc"] is None
        assert mail.over_tls
    assert smtp_server.connections <= 3 + 1  # many mails over one connection, several connections at once
    assert smtp_server.most_open > 1


def test_mails_too_many_to_be_read_at_once_arrive_each_with_its_own_file(smtp_server: CountingServer) -> None:
    """More octets than a batch reads ahead, and one mail that is read alone."""
    move_in(smtp_server)
    files = {number: random.Random(number).randbytes(300_000 if number == 7 else 110_000) for number in range(60)}
    submit_many(user("anna"), [invoice(n, attachments=[_pdf(n, octets)]) for n, octets in files.items()])
    assert deliver()["sent"] == 60
    assert len(smtp_server.received) == 60
    for mail in smtp_server.received:
        number = int(mail.headers["Subject"].removeprefix("Rechnung "))
        assert base64.b64encode(files[number]) in mail.content.replace(b"\r\n", b"")


def _pdf(number: int, octets: bytes) -> dict[str, str]:
    content = base64.b64encode(octets).decode()
    return {"filename": f"{number}.pdf", "content_type": "application/pdf", "content_base64": content}


def test_direct_mail_is_delivered_within_the_call(smtp_server: CountingServer) -> None:
    move_in(smtp_server, parameters={"send_system": 0})
    result = submit(user("bernd"), invoice())
    assert (result.status, result.code) == ("sent", "")
    assert [mail.sender for mail in smtp_server.received] == [OFFICE]


def test_direct_mail_is_not_retried_after_a_temporary_refusal(smtp_server: CountingServer) -> None:
    move_in(smtp_server, parameters={"send_system": 0})
    smtp_server.reply = "451 4.3.0 Try again later"
    result = submit(user("bernd"), invoice())
    assert (result.status, result.code) == ("failed", "failed")
    assert result.message.startswith("451 4.3.0")


def test_wrong_password_fails_one_mail_pauses_the_login_and_goes_on_after_correction(smtp_server: CountingServer) -> None:
    """J2, J3, J8, P5."""
    move_in(smtp_server)
    smtp_server.password = "another"
    submit_many(user("bernd"), [invoice(n) for n in range(5)])
    assert deliver()["failed"] == 1
    assert sorted(states()) == ["failed", "new", "new", "new", "new"]
    assert smtp_server.refused_logins == 1, "nothing but the first connection may try a refused login"
    failed = MailJob.objects.get(state="failed")
    assert failed.last_error.startswith("535 5.7.8 ")
    message = InternalMessage.objects.get()
    assert (message.user.login, message.job_id) == ("bernd", failed.pk)
    assert message.error.startswith("535 5.7.8 ")
    assert paused() == 1

    assert deliver()["sent"] == 0, "the other mails wait while nothing has changed"
    assert smtp_server.refused_logins == 1

    save_secret(Book("test"), Tenant.objects.get(slug="huber"), "smtp_password", "another")
    requeue(user("bernd"), [failed.pk])
    deliver()
    assert set(states()) == {"sent"}
    assert paused() == 0
    assert len(smtp_server.received) == 5


def test_refused_recipient_makes_a_mail_partly_sent_and_a_reset_reaches_only_it(smtp_server: CountingServer) -> None:
    """J7."""
    move_in(smtp_server)
    smtp_server.refuse["weg@kunde.example"] = "550 5.1.1 User unknown"
    submit(user("bernd"), invoice(cc=["weg@kunde.example"]))
    assert deliver()["partly_sent"] == 1
    replies = dict(JobRecipient.objects.values_list("address", "state"))
    assert replies == {"klient1@kunde.example": "accepted", "weg@kunde.example": "refused"}
    assert InternalMessage.objects.get().recipients == ["weg@kunde.example"]
    smtp_server.refuse.clear()
    requeue(user("bernd"), [MailJob.objects.get().pk])
    assert deliver()["sent"] == 1
    assert smtp_server.recipients == {"klient1@kunde.example": 1, "weg@kunde.example": 1}
    assert len(smtp_server.message_ids) == 1, "the same frozen mail at every attempt (J10)"


def test_sender_of_account_goes_over_the_account_s_own_server(smtp_servers: Callable[..., CountingServer]) -> None:
    """R3: two servers in one run, each mail at its own."""
    general, own = smtp_servers(), smtp_servers(login="rechnungen", password="Rechnung-pw-3")
    account = {"id": "rechnungen", "sender_address": INVOICES, **connection_to(own)}
    model = {"id": "mit-account", "account": "rechnungen", "subject": "S", "text": "T"}
    plain = {"id": "invoices", "subject": "S", "text": "T"}
    move_in(general, email_accounts=[account], print_models=[model, plain], com_customers=[])
    submit_many(user("bernd"), [invoice(1), invoice(2, print_model="mit-account")])
    assert deliver()["sent"] == 2
    assert [(mail.sender, mail.login) for mail in general.received] == [(OFFICE, "relay")]
    assert [(mail.sender, mail.login) for mail in own.received] == [(INVOICES, "rechnungen")]


@pytest.mark.parametrize("addresses", [["test@kanzlei-huber.example"], []], ids=["named", "dummy"])
def test_redirect_reaches_only_the_redirect_address_also_for_mail_queued_before(
    smtp_server: CountingServer, addresses: list[str]
) -> None:
    """U1, U2."""
    move_in(smtp_server)
    submit_many(user("bernd"), [invoice(n, cc=["cc@kunde.example"], bcc=["bcc@kunde.example"]) for n in range(10)])
    change_firm(redirect_enabled=True, redirect_addresses=addresses)
    submit_many(user("max"), [invoice(n) for n in range(10, 20)])
    assert deliver()["sent"] == 20
    expected = {"test@kanzlei-huber.example"} if addresses else {"bernd@test-dummy.at", "max@test-dummy.at"}
    assert set(smtp_server.recipients) == expected
    for mail in smtp_server.received:
        assert "kunde.example" not in (mail.headers["To"] or "") + str(mail.headers["Cc"])
        assert "klient" in mail.headers["X-Postausgang-Original-Recipients"]
    assert MailLogEntry.objects.exclude(redirected_to=None).count() == 20


def test_mail_queued_while_redirected_never_goes_to_real_people_later(smtp_server: CountingServer) -> None:
    """U4."""
    move_in(smtp_server, parameters={"redirect_enabled": True, "redirect_addresses": ["then@kanzlei-huber.example"]})
    submit(user("bernd"), invoice())
    change_firm(redirect_enabled=False)
    deliver()
    assert set(smtp_server.recipients) == {"then@kanzlei-huber.example"}


def test_redirect_switched_on_between_claim_and_body_sends_nothing_to_real_people(
    smtp_server: CountingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U2: judged at the last moment; the mail goes back and then to the redirect address."""
    move_in(smtp_server)
    submit(user("bernd"), invoice())
    just_before_the_body(
        monkeypatch,
        lambda: change_firm(redirect_enabled=True, redirect_addresses=["test@kanzlei-huber.example"]),
    )
    deliver()
    assert set(smtp_server.recipients) == {"test@kanzlei-huber.example"}
    assert states() == ["sent"]


def test_check_sender_switched_on_later_stops_mail_already_queued(smtp_server: CountingServer) -> None:
    """C3."""
    move_in(smtp_server)
    submit(user("bernd"), invoice())
    change_firm(check_sender=True)
    assert deliver()["failed"] == 1
    assert smtp_server.received == []
    assert InternalMessage.objects.get().user.login == "bernd"


def test_changed_server_never_gets_the_old_password(smtp_servers: Callable[..., CountingServer]) -> None:
    """P5, Z7."""
    first, second = smtp_servers(), smtp_servers()
    move_in(first)
    submit(user("bernd"), invoice())
    change_firm(smtp_port=second.port)
    assert deliver()["failed"] == 1
    assert second.connections == 0
    assert "password must be entered again" in MailJob.objects.get().last_error


def test_temporary_refusal_is_deferred_and_sent_when_due(smtp_server: CountingServer, settings: Any) -> None:
    settings.RETRY_TIME_FACTOR = 0.0
    move_in(smtp_server)
    smtp_server.reply = "451 4.3.0 Try again later"
    submit(user("bernd"), invoice())
    threading.Timer(1.0, lambda: setattr(smtp_server, "reply", "250 2.0.0 Ok")).start()
    deliver()
    assert states() == ["sent"]
    assert MailJob.objects.get().attempts > 1
    assert InternalMessage.objects.count() == 0


def test_firm_can_hold_com_mail_that_carries_its_address(smtp_server: CountingServer) -> None:
    """P8."""
    move_in(smtp_server)
    Tenant.objects.filter(slug="beispiel").update(sends_as_firm="hold")
    result = submit(user("eva"), invoice())
    assert result.status == "held"
    assert deliver()["sent"] == 0
    assert release(user("eva"), [result.id or 0]) == 0, "only the firm may release it"
    assert release(user("anna"), [result.id or 0]) == 1
    assert deliver()["sent"] == 1
    assert [mail.sender for mail in smtp_server.received] == [OFFICE]


def test_withdrawn_mail_does_not_leave(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    result = submit(user("bernd"), invoice())
    assert cancel(user("bernd"), [result.id or 0]) == 1
    assert deliver()["sent"] == 0
    assert states() == ["cancelled"]


def test_lost_lease_before_the_body_is_tried_again_and_after_it_is_uncertain(smtp_server: CountingServer, settings: Any) -> None:
    """Delivery contract 2, 7 and 8."""
    move_in(smtp_server)
    submit_many(user("bernd"), [invoice(1), invoice(2)])
    settings.LEASE_SECONDS = 0
    first, second = queue.claim("gone", 2)
    settings.LEASE_SECONDS = 30
    MailJob.objects.filter(pk=second.pk).update(on_wire_at=second.due_at)
    time.sleep(0.01)
    lost.reap()
    assert states() == ["new", "unknown"]
    assert InternalMessage.objects.get().kind == "unknown"
    assert requeue(user("bernd"), [second.pk]).skipped_unknown == 1
    assert requeue(user("bernd"), [second.pk], confirm_unknown=True).ids == (second.pk,)
    assert deliver()["sent"] == 2
    assert MailJob.objects.get(pk=second.pk).possible_duplicate
    assert MailJob.objects.get(pk=first.pk).lost_leases == 0


def test_late_result_under_an_old_epoch_changes_nothing(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    submit(user("bernd"), invoice())
    [job] = queue.claim("slow", 1)
    MailJob.objects.filter(pk=job.pk).update(epoch=job.epoch + 1)
    mark = queue.Mark(job.pk, job.epoch, (job.tenant_id,), Tenant.objects.get(slug="huber").policy_epoch, 0)
    assert queue.mark_on_wire([mark]) == [False]


def test_failure_of_a_batch_user_goes_to_the_administrators(smtp_server: CountingServer) -> None:
    """J2."""
    move_in(smtp_server)
    smtp_server.refuse["klient1@kunde.example"] = "550 5.1.1 User unknown"
    submit(user("stapel"), invoice())
    deliver()
    assert [message.user.login for message in InternalMessage.objects.all()] == ["anna"]


def test_direct_mail_does_not_wait_for_a_slow_server_before_the_body(
    smtp_server: CountingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S2: a deadline before the body, no retry, nothing sent."""
    monkeypatch.setattr(engine, "DIRECT_SECONDS", 0.0)
    move_in(smtp_server, parameters={"send_system": 0})
    result = submit(user("bernd"), invoice())
    assert (result.status, smtp_server.received) == ("failed", [])
    assert "timeout" in result.message


def test_purge_erases_bodies_after_the_retention_time(smtp_server: CountingServer) -> None:
    """Delivery contract 5."""
    move_in(smtp_server, parameters={"retention_days": 1})
    submit_many(user("bernd"), [invoice(1), invoice(2)])
    deliver()
    old = MailJob.objects.order_by("pk").first()
    assert old is not None
    MailJob.objects.filter(pk=old.pk).update(finished_at=timezone.now() - timedelta(days=2))
    assert keeping.purge() == 1
    assert list(FrozenMail.objects.values_list("job_id", flat=True)) == [old.pk + 1]
    assert old.tries.get().dialogue == []


def test_delay_is_told_once(smtp_server: CountingServer) -> None:
    """Delivery contract 3."""
    move_in(smtp_server)
    smtp_server.reply = "451 4.3.0 Try again later"
    submit(user("bernd"), invoice())
    deliver()
    assert keeping.tell_delayed() == 0
    MailJob.objects.update(first_due_at=timezone.now() - timedelta(minutes=16))
    assert [keeping.tell_delayed(), keeping.tell_delayed()] == [1, 0]
    assert InternalMessage.objects.get().kind == "delayed"


def test_switching_redirect_on_waits_for_mail_on_the_wire(smtp_server: CountingServer) -> None:
    """U2: the call returns only when nothing marked before is on the wire."""
    move_in(smtp_server)
    smtp_server.delay = 1.0
    submit(user("bernd"), invoice())
    thread = threading.Thread(target=deliver)
    thread.start()
    while not queue.on_wire([Tenant.objects.get(slug="huber").pk]):
        time.sleep(0.01)
    change_firm(redirect_enabled=True)
    assert len(smtp_server.received) == 1, "the mail on the wire had arrived when the call returned"
    thread.join()


def test_login_refused_after_the_dot_pauses_it_too(smtp_server: CountingServer) -> None:
    """J8: Exchange Online says 550 5.7.30 only there when basic authentication is switched off."""
    move_in(smtp_server, parameters={"max_connections": 1})
    smtp_server.reply = "550 5.7.30 Basic authentication is not supported for Client Submission."
    submit_many(user("bernd"), [invoice(1), invoice(2), invoice(3)])
    assert deliver()["failed"] == 1
    assert sorted(states()) == ["failed", "new", "new"]
    assert paused() == 1

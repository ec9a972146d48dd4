"""Every policy is judged once more when a mail is about to leave; who must say yes is told (C3, P8, the ladder)."""

import email
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from mailjobs import holds, notices, submission
from mailjobs.drafts import Withheld, eml_of
from mailjobs.models import FrozenMail, InternalMessage, MailJob
from mailjobs.submission import cancel, release, requeue, submit, submit_many
from mailsettings.changes import Book, Trust, save_employee, save_print_model, save_user
from mailsettings.changes.claims import confirm, disown
from mailsettings.core.send_systems import Role
from mailsettings.models import AuditEvent, ClaimedAddress
from tests.cast import OFFICE, invoice, move_in, user
from tests.mailjobs.redirecting import arrived, change, deliver, held, just_before_the_body, let_send_as_firm, switch, tenant
from tests.services import CountingServer

pytestmark = pytest.mark.django_db(transaction=True)
PROBE = "probe@kanzlei-huber.example"
HELD_BY_FIRM = ("held", "held_by_firm", "firm")
ASKED = ("held", "confirm_sends_as_firm", "sender")
STAGE_HELD = ("held", "stage_held", "approver")


def move(stage: str, slug: str = "huber") -> None:
    """Move the print model on the ladder."""
    model = tenant(slug).print_models.get()
    with transaction.atomic():
        save_print_model(
            Book("test"),
            tenant=tenant(slug),
            slug=model.slug,
            account=None,
            user_accounts={},
            stage=stage,
            delivery_mode=model.delivery_mode,
            subject=model.subject,
            text=model.text,
            html=model.html,
        )


def claimed(address: str) -> ClaimedAddress:
    return ClaimedAddress.objects.select_related("tenant__firm").get(key=address)


def told() -> list[tuple[str, str, int]]:
    """Who was told that mails are held, why, of how many."""
    rows = InternalMessage.objects.filter(kind="held").order_by("pk")
    return list(rows.values_list("user__login", "error_code", "mails"))


@pytest.fixture
def last_moment(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Makes something happen once, after mails were prepared and just before the first is put on the wire."""

    return lambda change_something: just_before_the_body(monkeypatch, change_something)


# P8


@pytest.mark.parametrize(("policy", "expected"), [("hold", HELD_BY_FIRM), ("warn", ASKED)])
def test_p8_mail_that_waits_is_held_when_the_firm_decides_so_meanwhile(
    smtp_server: CountingServer, policy: str, expected: tuple[str, str, str]
) -> None:
    move_in(smtp_server)
    submit(user("eva"), invoice())
    let_send_as_firm("beispiel", policy)
    assert deliver()["held"] == 1
    assert held() == expected
    assert smtp_server.connections == 0
    assert told() == [("anna" if policy == "hold" else "eva", expected[1], 1)]


@pytest.mark.parametrize(("policy", "expected"), [("hold", HELD_BY_FIRM), ("warn", ASKED)])
def test_p8_mail_already_prepared_is_held_too(
    smtp_server: CountingServer, last_moment: Callable[..., None], policy: str, expected: tuple[str, str, str]
) -> None:
    move_in(smtp_server)
    submit(user("eva"), invoice())
    last_moment(lambda: let_send_as_firm("beispiel", policy))
    deliver()
    assert held() == expected
    assert smtp_server.received == []


def test_p8_released_mail_goes_although_the_firm_still_holds(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    let_send_as_firm("beispiel", "hold")
    result = submit(user("eva"), invoice())
    assert release(user("anna"), [result.id or 0]) == 1
    assert MailJob.objects.get().approved == ["held_by_firm"]
    assert AuditEvent.objects.filter(actor="anna", action="release").get().after["holds"] == ["held_by_firm"]
    deliver()
    assert [mail.sender for mail in smtp_server.received] == [OFFICE]


def test_p8_what_the_firm_has_released_is_not_asked_of_the_sender_again(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    let_send_as_firm("beispiel", "hold")
    result = submit(user("eva"), invoice())
    release(user("anna"), [result.id or 0])
    let_send_as_firm("beispiel", "warn")
    assert deliver()["sent"] == 1


def test_p8_what_the_sender_has_confirmed_still_waits_for_the_firm_where_it_holds_now(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    let_send_as_firm("beispiel", "warn")
    result = submit(user("eva"), invoice())
    assert release(user("eva"), [result.id or 0]) == 1
    let_send_as_firm("beispiel", "hold")
    deliver()
    assert held() == HELD_BY_FIRM
    assert release(user("anna"), [result.id or 0]) == 1
    assert MailJob.objects.get().approved == ["confirm_sends_as_firm", "held_by_firm"]
    assert deliver()["sent"] == 1


def test_p8_speaks_of_the_firm_s_address_only(smtp_server: CountingServer) -> None:
    """Muster has an address of its own; the firm's own users are no matter of P8."""
    move_in(smtp_server)
    submit(user("max"), invoice(1))
    submit(user("bernd"), invoice(2))
    let_send_as_firm("muster", "hold")
    assert deliver()["sent"] == 2


def test_p8_holds_mail_for_the_mail_client_too(smtp_server: CountingServer) -> None:
    """The next hold after a release is the client's: it does not go by the server."""
    move_in(smtp_server)
    tenant("beispiel").print_models.update(delivery_mode="background_client")
    result = submit(user("eva"), invoice())
    let_send_as_firm("beispiel", "hold")
    with pytest.raises(Withheld, match="waits for the firm"):
        eml_of(MailJob.objects.get(), FrozenMail.objects.get())
    assert held() == HELD_BY_FIRM
    assert told() == [("anna", "held_by_firm", 1)]
    assert release(user("anna"), [result.id or 0]) == 1
    deliver()
    assert held() == ("held", "by_client", "sender")
    assert email.message_from_bytes(eml_of(MailJob.objects.get(), FrozenMail.objects.get()))["To"] == "klient1@kunde.example"
    assert smtp_server.received == []


def test_x1_mail_for_the_mail_client_that_was_withdrawn_and_reset_waits_for_the_client_again(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    tenant("huber").print_models.update(delivery_mode="background_client")
    result = submit(user("bernd"), invoice())
    cancel(user("bernd"), [result.id or 0])
    requeue(user("bernd"), [result.id or 0])
    deliver()
    assert held() == ("held", "by_client", "sender")
    assert smtp_server.received == []


# The ladder (print model stages)


@pytest.mark.parametrize("stage", ["held", "draft"])
def test_ladder_mail_that_waits_needs_approval_when_the_model_moves_down(smtp_server: CountingServer, stage: str) -> None:
    move_in(smtp_server)
    result = submit(user("bernd"), invoice())
    move(stage)
    assert deliver()["held"] == 1
    assert held() == STAGE_HELD
    assert told() == [("anna", "stage_held", 1)]
    assert release(user("bernd"), [result.id or 0]) == 0
    assert release(user("anna"), [result.id or 0]) == 1
    assert deliver()["sent"] == 1


@pytest.mark.parametrize("stage", ["held", "draft", "redirected"])
def test_ladder_mail_already_prepared_obeys_the_new_rung(
    smtp_server: CountingServer, last_moment: Callable[..., None], stage: str
) -> None:
    move_in(smtp_server)
    change(tenant("huber"), redirect_addresses=[PROBE])
    submit(user("bernd"), invoice())
    last_moment(lambda: move(stage))
    deliver()
    if stage == "redirected":
        assert arrived(smtp_server) == {PROBE}
    else:
        assert held() == STAGE_HELD
        assert smtp_server.received == []


def test_ladder_moving_up_again_does_not_send_to_real_people_what_was_queued_redirected(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    change(tenant("huber"), redirect_addresses=[PROBE])
    move("redirected")
    submit(user("bernd"), invoice(1))
    move("live")
    submit(user("bernd"), invoice(2))
    deliver()
    assert smtp_server.recipients == {PROBE: 1, "klient2@kunde.example": 1}


def test_ladder_approved_mail_of_a_model_that_is_redirected_now_goes_to_the_redirect_address(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    change(tenant("huber"), redirect_addresses=[PROBE])
    move("held")
    result = submit(user("bernd"), invoice())
    release(user("anna"), [result.id or 0])
    move("redirected")
    deliver()
    assert arrived(smtp_server) == {PROBE}


def test_after_one_release_the_next_hold_applies(smtp_server: CountingServer) -> None:
    """Firm, then approver: each says yes to its own question."""
    move_in(smtp_server)
    let_send_as_firm("beispiel", "hold")
    move("held", "beispiel")
    result = submit(user("eva"), invoice())
    assert held() == HELD_BY_FIRM
    assert release(user("anna"), [result.id or 0]) == 1
    deliver()
    assert held() == STAGE_HELD
    assert release(user("eva"), [result.id or 0]) == 1
    assert MailJob.objects.get().approved == ["held_by_firm", "stage_held"]
    assert deliver()["sent"] == 1
    assert told() == [("anna", "held_by_firm", 1), ("eva", "stage_held", 1)]


def test_a_release_ends_only_the_hold_that_was_looked_at(smtp_server: CountingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else released it and it is held for another reason meanwhile."""
    move_in(smtp_server)
    let_send_as_firm("beispiel", "hold")
    result = submit(user("eva"), invoice())
    let_go = holds.release

    def too_late(jobs: list[MailJob]) -> list[int]:
        MailJob.objects.update(held_reason="restored", held_for="operator")
        return let_go(jobs)

    monkeypatch.setattr(holds, "release", too_late)
    assert release(user("anna"), [result.id or 0]) == 0
    assert held() == ("held", "restored", "operator")


def test_a_released_mail_that_is_not_to_leave_before_a_time_still_waits_for_it(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    move("held")
    later = (timezone.now() + timedelta(hours=2)).isoformat()
    result = submit(user("bernd"), invoice(not_before=later))
    release(user("anna"), [result.id or 0])
    assert deliver()["sent"] == 0
    assert MailJob.objects.get().state == "new"


# The address itself (C3, T4)


def disown_now(address: str) -> None:
    with transaction.atomic():
        disown(Book("mailbox"), claimed(address))


def test_t4_mail_that_waits_fails_when_its_address_is_disowned_meanwhile(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    submit(user("max"), invoice())
    disown_now("rechnung@musterkunde.example")
    assert deliver()["failed"] == 1
    assert smtp_server.connections == 0
    job = MailJob.objects.get()
    assert job.last_error.startswith(
        "rechnung@musterkunde.example has not been confirmed yet, so max cannot send with it (rule T4"
    )
    assert InternalMessage.objects.get().user.login == "max"
    with transaction.atomic():
        confirm(Book("anna", trust=Trust.ADMINISTRATOR), claimed("rechnung@musterkunde.example"), by="anna")
    requeue(user("max"), [job.pk])
    assert deliver()["sent"] == 1


def test_t4_mail_already_prepared_fails_too(smtp_server: CountingServer, last_moment: Callable[..., None]) -> None:
    move_in(smtp_server)
    submit(user("max"), invoice())
    last_moment(lambda: disown_now("rechnung@musterkunde.example"))
    assert deliver()["failed"] == 1
    assert smtp_server.received == []


def test_p8_mail_fails_when_the_passed_address_is_another_tenant_s_by_now(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    submit(user("max"), invoice(sender="neu@gemeinsam.example"))
    assert MailJob.objects.get().sender_origin == "passed"
    change(tenant("huber"), sender_address="neu@gemeinsam.example")
    assert deliver()["failed"] == 1
    assert "belongs to another tenant" in MailJob.objects.get().last_error


def test_c3_mail_already_prepared_fails_when_the_employee_loses_the_address(
    smtp_server: CountingServer, last_moment: Callable[..., None]
) -> None:
    move_in(smtp_server, parameters={"check_sender": True})
    result = submit(user("anna"), invoice())
    assert result.status == "new"

    def leave() -> None:
        with transaction.atomic():
            save_employee(
                Book("test"), tenant=tenant("huber"), number="1", name="Anna Huber", email=OFFICE, user=user("anna"), sync=False
            )

    last_moment(leave)
    assert deliver()["failed"] == 1
    assert smtp_server.received == []
    assert "none of the addresses of the employee Anna Huber" in MailJob.objects.get().last_error


def test_t6_mail_of_a_user_deactivated_meanwhile_still_goes(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    submit(user("bernd"), invoice())
    save_user(Book("test"), login="bernd", name="Bernd Moser", role=Role.FIRM_USER, tenant=tenant("huber"), active=False)
    assert deliver()["sent"] == 1
    assert submit(user("bernd"), invoice()).code == "user_inactive"


def test_u2_redirect_does_not_lift_another_policy(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    submit(user("eva"), invoice())
    switch("on", PROBE)
    let_send_as_firm("beispiel", "hold")
    deliver()
    assert held() == HELD_BY_FIRM


# Who is told


def test_one_message_tells_of_all_mails_of_a_run_that_wait_for_the_same_person(
    smtp_server: CountingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_in(smtp_server)
    monkeypatch.setattr(submission, "BATCH", 10)
    let_send_as_firm("beispiel", "hold")
    submit_many(user("eva"), [invoice(n) for n in range(25)], run="November")
    submit_many(user("eva"), [invoice(n) for n in range(5)], run="Dezember")
    assert told() == [("anna", "held_by_firm", 25), ("anna", "held_by_firm", 5)]
    notices.mark_read(InternalMessage.objects.filter(job__run="November"))
    submit(user("eva"), invoice(26), run="November")
    assert told() == [("anna", "held_by_firm", 25), ("anna", "held_by_firm", 5), ("anna", "held_by_firm", 1)]


def test_one_message_tells_of_all_mails_that_are_held_while_they_wait(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    submit_many(user("eva"), [invoice(n) for n in range(150)], run="November")
    let_send_as_firm("beispiel", "hold")
    assert deliver()["held"] == 150
    assert told() == [("anna", "held_by_firm", 150)]


def test_nobody_is_told_of_what_they_did_themselves(smtp_server: CountingServer) -> None:
    """The mail client's mails lie before their sender, captured ones under a banner on every page."""
    move_in(smtp_server)
    switch("capture", PROBE)
    submit(user("bernd"), invoice(1))
    tenant("huber").print_models.update(delivery_mode="background_client")
    submit(user("bernd"), invoice(2))
    assert deliver()["held"] == 1
    assert told() == []


def test_the_inbox_says_what_waits_and_why(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    let_send_as_firm("beispiel", "hold")
    submit_many(user("eva"), [invoice(n) for n in range(3)], run="November")
    browser = Client(headers={"accept-language": "en"})
    browser.force_login(user("anna"))
    page = browser.get("/inbox/").content.decode()
    assert "waits for the firm&#x27;s release" in page
    assert "3 mails of the print run November" in page
    browser.post("/inbox/", {"kind": "held", "cause": "held_by_firm"})
    assert InternalMessage.objects.filter(kind="held", read_at=None).count() == 0

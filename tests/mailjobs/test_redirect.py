"""Redirect mode as an interlock: stricter of then and now at every door, unreadable means nothing is sent (U1, U2, U4, U6)."""

import email
import json
from itertools import product

import pytest
from django.test import Client

from mailjobs import delivery
from mailjobs.drafts import Withheld, eml_of
from mailjobs.models import Attempt, FrozenMail, InternalMessage, MailJob
from mailjobs.submission import cancel, release, requeue, submit, submit_many
from tests.cast import invoice, move_in, user
from tests.mailjobs.redirecting import MODES, Mode, arrived, change, damage, deliver, held, owner_of, switch, tenant
from tests.services import CountingServer

pytestmark = pytest.mark.django_db(transaction=True)
THEN, NOW = "then@kanzlei-huber.example", "now@kanzlei-huber.example"
REAL = {"klient1@kunde.example", "cc@kunde.example", "bcc@kunde.example"}
KEPT: set[str] = set()
MAIL = invoice(cc=["cc@kunde.example"], bcc=["bcc@kunde.example"], reply_to=["answer@kunde.example"])
EVERY = pytest.mark.parametrize(("then", "now"), list(product(MODES, MODES)))


def expected(then: Mode, now: Mode, *, released: bool = False) -> set[str]:
    """The rules read plainly: who gets a mail queued under `then` and sent under `now`."""
    if now == "capture" or (then == "capture" and not released):
        return KEPT
    if now == "on":
        return {NOW}
    return REAL if then == "off" else {THEN}


def check(server: CountingServer, who: set[str]) -> None:
    """These people got the mail, in one message, and no header of it names anybody else; or nobody did, and it is kept."""
    if who == KEPT:
        assert server.received == []
        assert held() == ("held", "captured", "approver")
        return
    [mail] = server.received
    assert set(mail.recipients) == who
    assert MailJob.objects.get().state == "sent"
    if who != REAL:
        shown = {name: value for name, value in mail.headers.items() if name != "X-Postausgang-Original-Recipients"}
        assert "kunde.example" not in str(shown)
        assert mail.headers["X-Postausgang-Original-Recipients"]
        assert all(address in str(mail.headers["X-Postausgang-Original-Recipients"]) for address in REAL)


@EVERY
def test_u4_queued_mail_obeys_the_stricter_of_then_and_now(smtp_server: CountingServer, then: Mode, now: Mode) -> None:
    move_in(smtp_server)
    switch(then, THEN)
    submit(user("bernd"), MAIL)
    switch(now, NOW)
    deliver()
    check(smtp_server, expected(then, now))


@EVERY
def test_u4_direct_mail_obeys_what_changed_between_storing_and_sending(
    smtp_server: CountingServer, monkeypatch: pytest.MonkeyPatch, then: Mode, now: Mode
) -> None:
    move_in(smtp_server, parameters={"send_system": 0})
    switch(then, THEN)
    deliver_now = delivery.deliver_now

    def switch_first(job_ids: list[int]) -> dict[int, tuple[str, str]]:
        switch(now, NOW)
        return deliver_now(job_ids)

    monkeypatch.setattr(delivery, "deliver_now", switch_first)
    result = submit(user("bernd"), MAIL)
    assert result.status == ("held" if expected(then, now) == KEPT else "sent")
    check(smtp_server, expected(then, now))


@EVERY
def test_u4_mail_reset_after_a_failure_obeys_the_stricter_of_then_and_now(
    smtp_server: CountingServer, then: Mode, now: Mode
) -> None:
    move_in(smtp_server)
    switch(then, THEN)
    result = submit(user("bernd"), MAIL)
    smtp_server.reply = "550 5.7.1 Not today"
    if then == "capture":
        cancel(user("bernd"), [result.id or 0])
    else:
        assert deliver()["failed"] == 1
    smtp_server.reply = "250 2.0.0 Ok"
    switch(now, NOW)
    assert requeue(user("bernd"), [result.id or 0]).ids == (result.id,)
    deliver()
    check(smtp_server, expected(then, now))


@EVERY
def test_u4_mail_handed_to_the_mail_client_obeys_the_stricter_of_then_and_now(then: Mode, now: Mode) -> None:
    move_in()
    tenant("huber").print_models.update(delivery_mode="background_client")
    switch(then, THEN)
    submit(user("bernd"), MAIL)
    job = MailJob.objects.get()
    assert job.held_reason == "by_client"
    switch(now, NOW)
    if (who := expected(then, now)) == KEPT:
        with pytest.raises(Withheld):
            eml_of(job, FrozenMail.objects.get())
        return
    letter = email.message_from_bytes(eml_of(job, FrozenMail.objects.get()))
    named = " ".join(letter.get_all(name, [""])[0] for name in ("To", "Cc", "Bcc"))
    assert all(address in named for address in who)
    if who != REAL:
        assert "kunde.example" not in named + str(letter["Reply-To"])


@EVERY
def test_u4_captured_mail_that_is_released_obeys_the_stricter_of_then_and_now(
    smtp_server: CountingServer, then: Mode, now: Mode
) -> None:
    move_in(smtp_server)
    switch(then, THEN)
    result = submit(user("bernd"), MAIL)
    switch("capture", "meanwhile@kanzlei-huber.example")
    assert deliver()["held"] == 1
    switch(now, NOW)
    assert release(user("bernd"), [result.id or 0]) == 0, "a captured mail waits for an administrator"
    assert release(user("anna"), [result.id or 0]) == 1
    deliver()
    check(smtp_server, expected(then, now, released=True))


def test_u4_captured_mail_released_while_still_capturing_waits_again_and_goes_to_the_addresses_of_then(
    smtp_server: CountingServer,
) -> None:
    move_in(smtp_server)
    switch("capture", THEN)
    result = submit(user("bernd"), MAIL)
    deliver()
    for _again in range(2):
        assert release(user("anna"), [result.id or 0]) == 1
        assert deliver()["held"] == 1
    switch("off")
    assert release(user("anna"), [result.id or 0]) == 1
    deliver()
    check(smtp_server, {THEN})


def test_u4_captured_mail_for_the_client_can_be_released_to_the_addresses_of_then() -> None:
    move_in()
    tenant("huber").print_models.update(delivery_mode="background_client")
    switch("capture", THEN)
    result = submit(user("bernd"), MAIL)
    switch("off")
    with pytest.raises(Withheld):
        eml_of(MailJob.objects.get(), FrozenMail.objects.get())
    assert held() == ("held", "captured", "approver")
    assert release(user("anna"), [result.id or 0]) == 1
    deliver()
    assert held() == ("held", "by_client", "sender"), "nothing but the mail client sends it"
    letter = email.message_from_bytes(eml_of(MailJob.objects.get(), FrozenMail.objects.get()))
    assert letter["To"] == THEN


@pytest.mark.parametrize("level", ["firm", "com customer", "user", "print model"])
def test_u4_redirect_of_any_level_binds_what_was_queued_under_it(smtp_server: CountingServer, level: str) -> None:
    move_in(smtp_server)
    model = tenant("muster").print_models.get()
    if level == "print model":
        model.stage = "redirected"
        model.save()
        change(tenant("muster"), redirect_addresses=[THEN])
    else:
        switch("on", THEN, owner=owner_of(level))
    submit_many(user("mia"), [invoice(n) for n in range(5)])
    if level == "print model":
        model.stage = "live"
        model.save()
    else:
        switch("off", THEN, owner=owner_of(level))
    submit_many(user("mia"), [invoice(n) for n in range(5, 7)])
    deliver()
    assert smtp_server.recipients == {THEN: 5, "klient5@kunde.example": 1, "klient6@kunde.example": 1}


def test_u4_reset_of_the_part_that_was_refused_goes_to_the_redirect_address_only(smtp_server: CountingServer) -> None:
    """J7 and U4: what was left over of a partly sent mail is mail too."""
    move_in(smtp_server)
    smtp_server.refuse["cc@kunde.example"] = "550 5.1.1 User unknown"
    result = submit(user("bernd"), MAIL)
    assert deliver()["partly_sent"] == 1
    smtp_server.refuse.clear()
    smtp_server.received.clear()
    switch("on", NOW)
    requeue(user("bernd"), [result.id or 0])
    deliver()
    assert arrived(smtp_server) == {NOW}


def test_u2_nothing_on_the_wire_tells_the_server_of_the_real_recipients(smtp_server: CountingServer) -> None:
    """No ORCPT, no second recipient: of the envelope only the redirect address and the sender are said."""
    move_in(smtp_server)
    switch("on", NOW)
    submit(user("bernd"), MAIL)
    deliver()
    said = [line for line in Attempt.objects.get().dialogue if line.startswith("C:")]
    assert [line for line in said if "RCPT" in line] == [f"C: RCPT TO:<{NOW}>"]
    assert not any(word in " ".join(said) for word in ("kunde.example", "ORCPT", "ENVID", "NOTIFY"))


# Unreadable (U2)

DAMAGES: list[object] = [
    {"redirect_enabled": "yes"},
    {"redirect_enabled": 1},
    {"redirect_capture_only": "no"},
    {"redirect_addresses": 5},
    {"redirect_addresses": "probe@kanzlei-huber.example"},
    {"redirect_addresses": [5]},
    {"redirect_addresses": ["probe@"]},
    {"redirect_enabled": True, "redirect_addresses": ["probe@kanzlei-huber.example", "no address"]},
    ["redirect_enabled"],
    "damaged",
    7,
]


@pytest.mark.parametrize("level", ["firm", "user"])
@pytest.mark.parametrize("damaged", DAMAGES, ids=json.dumps)
def test_u2_where_redirect_cannot_be_read_nothing_is_sent_and_the_reason_is_said(
    smtp_server: CountingServer, damaged: object, level: str
) -> None:
    move_in(smtp_server)
    submit(user("bernd"), MAIL)
    damage(tenant("huber") if level == "firm" else user("bernd"), damaged)
    assert deliver()["failed"] == 1
    assert smtp_server.connections == 0
    job = MailJob.objects.get()
    assert "It cannot be read whether the redirect mode is on" in job.last_error
    assert InternalMessage.objects.get().user.login == "bernd"
    result = submit(user("bernd"), MAIL)
    assert (result.status, result.code) == ("refused", "redirect_unreadable")
    page = client("anna" if level == "firm" else "bernd").get("/").content.decode()
    assert "It cannot be read whether the redirect mode is on" in page


def test_u2_unreadable_redirect_of_one_user_stops_nobody_else(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    submit(user("bernd"), invoice(1))
    submit(user("anna"), invoice(2))
    damage(user("bernd"), "damaged")
    deliver()
    assert arrived(smtp_server) == {"klient2@kunde.example"}


def test_u2_the_mail_client_gets_nothing_where_redirect_cannot_be_read() -> None:
    move_in()
    tenant("huber").print_models.update(delivery_mode="background_client")
    submit(user("bernd"), MAIL)
    damage(tenant("huber"), {"redirect_enabled": "yes"})
    with pytest.raises(Withheld, match="cannot be read"):
        eml_of(MailJob.objects.get(), FrozenMail.objects.get())


@pytest.mark.parametrize("then", [[], 5, "then@kanzlei-huber.example", ["no address"], [None], {}], ids=json.dumps)
def test_u2_damaged_addresses_of_then_reach_nobody(smtp_server: CountingServer, then: object) -> None:
    move_in(smtp_server)
    switch("on", THEN)
    submit_many(user("bernd"), [invoice(1), invoice(2)])
    first = MailJob.objects.earliest("pk")
    MailJob.objects.filter(pk=first.pk).update(redirected_then=then)
    switch("off")
    deliver()
    assert list(MailJob.objects.order_by("pk").values_list("state", flat=True)) == ["failed", "sent"]
    assert arrived(smtp_server) == {THEN}
    switch("on", NOW)
    requeue(user("bernd"), [first.pk])
    deliver()
    assert arrived(smtp_server) == {THEN, NOW}, "the addresses of now are readable"


def test_a_mail_about_which_nothing_can_be_decided_is_set_aside_and_the_others_go(smtp_server: CountingServer) -> None:
    """Delivery contract 3, poison."""
    move_in(smtp_server)
    submit_many(user("bernd"), [invoice(1), invoice(2), invoice(3)])
    MailJob.objects.filter(pk=MailJob.objects.earliest("pk").pk).update(channel="pigeon")
    assert deliver() | {"seconds": 0, "peak_rss_mb": 0} == {
        **dict.fromkeys(("partly_sent", "deferred", "held", "unknown", "seconds", "peak_rss_mb"), 0),
        "sent": 2,
        "failed": 1,
    }
    assert MailJob.objects.get(state="failed").last_error.startswith("Internal error, reference ")


def client(login: str) -> Client:
    browser = Client(headers={"accept-language": "en"})
    browser.force_login(user(login))
    return browser

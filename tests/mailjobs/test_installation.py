"""A database in another environment comes up redirected and paused; after a restore pending mail waits for the operator (U5)."""

import email
from io import StringIO
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.test import Client

from mailjobs import queue
from mailjobs.drafts import eml_of
from mailjobs.models import FrozenMail, MailJob
from mailjobs.submission import may_release, release, submit, submit_many
from mailsettings import installation
from mailsettings.configuration import import_document
from mailsettings.core.facts import Request
from mailsettings.models import AuditEvent, Installation
from mailsettings.selectors import facts_of
from tests.cast import invoice, move_in, user
from tests.mailjobs.redirecting import arrived, deliver, held, let_send_as_firm, switch, tenant
from tests.services import CountingServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def production(transactional_db: None, settings: Any) -> Any:
    """This process is the production environment, and has started; a test moves its database elsewhere by naming another one."""
    settings.INSTALLATION_ID = "kanzlei-production"
    assert installation.copied_from() is None
    return settings


def command(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command says to people."""
    capsys.readouterr()
    call_command(*words, stdout=StringIO())
    return capsys.readouterr().err


def page(login: str, path: str = "/") -> str:
    browser = Client(headers={"accept-language": "en"})
    browser.force_login(user(login))
    return browser.get(path).content.decode()


def operator() -> None:
    import_document({"version": 1, "operators": [{"id": "root", "name": "Betrieb", "password": "root-log-in-1"}]}, actor="test")


# Whose database is it?


@pytest.mark.parametrize(
    ("stored", "here", "expected"),
    [
        (None, "a", None),
        (None, "", None),
        ("a", "a", None),
        ("a", "b", "a"),
        ("a", "", "a"),
    ],
)
def test_u5_a_database_is_a_copy_where_the_stored_installation_is_another_one(
    settings: Any, stored: str | None, here: str, expected: str | None
) -> None:
    if stored is not None:
        Installation.objects.create(name=stored)
    settings.INSTALLATION_ID = here
    assert installation.copied_from() == expected
    now = list(Installation.objects.values_list("name", flat=True))
    assert now == [name for name in [stored or here] if name], (
        "an empty database belongs to whoever starts first, if that has a name"
    )


def test_u5_the_embedded_default_has_a_name_of_its_own(settings: Any) -> None:
    if settings.EMBEDDED:
        assert len(settings.INSTALLATION_ID) > 30
        assert (settings.VAR_DIR / "installation_id").read_text() == settings.INSTALLATION_ID
    else:
        assert settings.INSTALLATION_ID == ""


# In the copy


def test_u5_a_copy_puts_nothing_on_the_wire(smtp_server: CountingServer, production: Any) -> None:
    """Neither what was queued before nor what is queued there, not even redirected."""
    move_in(smtp_server)
    submit(user("bernd"), invoice(1))
    production.INSTALLATION_ID = "test"
    submit(user("bernd"), invoice(2))
    assert deliver()["sent"] == 0
    assert smtp_server.connections == 0
    assert list(MailJob.objects.order_by("pk").values_list("state", flat=True)) == ["new", "new"]


def test_u5_direct_mail_in_a_copy_stays_new(smtp_server: CountingServer, production: Any) -> None:
    move_in(smtp_server, parameters={"send_system": 0})
    production.INSTALLATION_ID = "test"
    assert submit(user("bernd"), invoice()).status == "new"
    assert smtp_server.connections == 0


def test_u5_deliver_until_empty_ends_at_once_in_a_copy_and_says_why(
    smtp_server: CountingServer, production: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    move_in(smtp_server)
    submit(user("bernd"), invoice())
    production.INSTALLATION_ID = "test"
    said = command("deliver", "--until-empty", capsys=capsys)
    assert "Paused: this database is a copy of the installation kanzlei-production" in said


def test_u5_what_was_claimed_before_the_database_became_a_stranger_s_stays_off_the_wire(
    smtp_server: CountingServer, production: Any
) -> None:
    """Two installations on one database: who adopts it stops the other."""
    move_in(smtp_server)
    submit(user("bernd"), invoice())
    [job] = queue.claim("worker", 1)
    mark = queue.Mark(job.pk, job.epoch, (job.tenant_id,), tenant("huber").policy_epoch, 0)
    Installation.objects.update(name="somebody else")
    assert queue.mark_on_wire([mark]) == [False]
    Installation.objects.update(name="kanzlei-production")
    assert queue.mark_on_wire([mark]) == [True]


@pytest.mark.parametrize("addresses", [[], ["probe@kanzlei-huber.example"]], ids=["dummy", "named"])
def test_u5_every_mail_counts_as_redirected_in_a_copy(production: Any, addresses: list[str]) -> None:
    move_in(parameters={"redirect_addresses": addresses})
    assert not facts_of(user("bernd"), Request()).tenant.copied
    production.INSTALLATION_ID = "test"
    assert facts_of(user("bernd"), Request()).tenant.copied
    tenant("huber").print_models.update(delivery_mode="background_client")
    submit(user("bernd"), invoice())
    job = MailJob.objects.get()
    expected = addresses or ["bernd@test-dummy.at"]
    assert job.redirected_then == expected
    assert email.message_from_bytes(eml_of(job, FrozenMail.objects.get()))["To"] == expected[0]


def test_u4_u5_mail_queued_in_a_copy_never_goes_to_its_real_recipients(
    smtp_server: CountingServer, production: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    move_in(smtp_server)
    submit(user("bernd"), invoice(1))
    production.INSTALLATION_ID = "test"
    submit(user("bernd"), invoice(2))
    command("adopt", capsys=capsys)
    submit(user("bernd"), invoice(3))
    deliver()
    assert arrived(smtp_server) == {"klient1@kunde.example", "bernd@test-dummy.at", "klient3@kunde.example"}


def test_u5_every_page_says_that_it_is_a_copy(production: Any) -> None:
    move_in()
    operator()
    assert "banner-copy" not in page("anna")
    production.INSTALLATION_ID = "test"
    for login in ("anna", "mia", "root"):
        shown = page(login, "/jobs/")
        assert "banner-copy" in shown
        assert "copy of the installation kanzlei-production" in shown
        assert "manage.py adopt" in shown
    assert "every mail goes to mia@test-dummy.at instead" in page("mia"), "and the redirect has its own banner (U3)"


def test_u5_readyz_says_that_it_is_a_copy(client: Client, production: Any) -> None:
    queue.heartbeat("worker", [])
    assert client.get("/readyz").json() == {"ready": True, "reason": None}
    production.INSTALLATION_ID = "test"
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["reason"]) == (503, "copied_database")


# The way out


def test_u5_adopt_ends_it_audited_and_says_how_many_mails_may_go_out(
    smtp_server: CountingServer, production: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    move_in(smtp_server)
    submit_many(user("bernd"), [invoice(n) for n in range(3)])
    production.INSTALLATION_ID = "test"
    epoch = tenant("huber").policy_epoch
    said = command("adopt", capsys=capsys)
    assert "3 pending mails may go out now" in said
    assert "manage.py restored" in said
    assert installation.copied_from() is None
    assert tenant("huber").policy_epoch > epoch, "what was judged before is judged anew"
    event = AuditEvent.objects.get(action="adopt")
    assert (event.actor, event.subject, event.after) == ("command line", "kanzlei-production", {"held": 0, "pending": 3})
    assert deliver()["sent"] == 3
    production.INSTALLATION_ID = "kanzlei-production"
    assert installation.copied_from() == "test"


def test_u5_adopt_can_hold_what_is_pending(
    smtp_server: CountingServer, production: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    move_in(smtp_server)
    submit_many(user("bernd"), [invoice(n) for n in range(3)])
    production.INSTALLATION_ID = "test"
    said = command("adopt", "--hold-pending", capsys=capsys)
    assert "3 mails are held" in said
    assert "may go out" not in said
    assert deliver()["sent"] == 0
    assert set(MailJob.objects.values_list("state", "held_reason", "held_for")) == {("held", "restored", "operator")}


def test_u5_adopt_of_the_own_database_changes_nothing(production: Any, capsys: pytest.CaptureFixture[str]) -> None:
    move_in()
    said = command("adopt", "--hold-pending", capsys=capsys)
    assert "nothing to adopt" in said
    assert not AuditEvent.objects.filter(action="adopt").exists()


def test_u5_an_installation_without_a_name_can_adopt_too(production: Any, capsys: pytest.CaptureFixture[str]) -> None:
    production.INSTALLATION_ID = ""
    command("adopt", capsys=capsys)
    assert installation.copied_from() is None
    assert not Installation.objects.exists()


# After a restore in place


def test_u5_restored_holds_whatever_is_pending_for_the_operator(
    smtp_server: CountingServer, capsys: pytest.CaptureFixture[str]
) -> None:
    move_in(smtp_server)
    submit_many(user("bernd"), [invoice(n) for n in range(5)])
    ids = list(MailJob.objects.order_by("pk").values_list("pk", flat=True))
    MailJob.objects.filter(pk=ids[0]).update(state="deferred")
    MailJob.objects.filter(pk=ids[1]).update(state="sent")
    MailJob.objects.filter(pk=ids[2]).update(state="failed")
    [leased] = queue.claim_these("gone", [ids[3]])
    assert "3 mails are held for the operator" in command("restored", capsys=capsys)
    states = list(MailJob.objects.order_by("pk").values_list("state", flat=True))
    assert states == ["held", "sent", "failed", "held", "held"]
    assert AuditEvent.objects.get(action="restored").after == {"held": 3}
    mark = queue.Mark(leased.pk, leased.epoch, (leased.tenant_id,), tenant("huber").policy_epoch, 0)
    assert queue.mark_on_wire([mark]) == [False], "who had it leased cannot send it any more"
    assert deliver()["sent"] == 0


def test_u5_the_operator_releases_restored_mail_on_the_page_of_mail_jobs(
    smtp_server: CountingServer, capsys: pytest.CaptureFixture[str]
) -> None:
    move_in(smtp_server)
    operator()
    submit_many(user("bernd"), [invoice(1), invoice(2)])
    command("restored", capsys=capsys)
    first, second = MailJob.objects.order_by("pk")
    assert [may_release(user(login), first) for login in ("bernd", "anna", "root")] == [False, False, True]
    assert "The database was restored; the mail may have been sent since." in page("root", f"/jobs/{first.pk}/")
    browser = Client()
    browser.force_login(user("root"))
    browser.post("/jobs/", {"action": "release", "pk": [first.pk]})
    browser.post(f"/jobs/{second.pk}/", {"action": "cancel"})
    assert deliver()["sent"] == 1
    assert arrived(smtp_server) == {"klient1@kunde.example"}
    assert AuditEvent.objects.get(action="release").after == {"jobs": [first.pk], "holds": ["restored"]}


def test_u5_what_waited_for_somebody_else_waits_for_the_operator_after_that(
    smtp_server: CountingServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The firm may have released it since the backup: it could go out twice."""
    move_in(smtp_server)
    operator()
    let_send_as_firm("beispiel", "hold")
    result = submit(user("eva"), invoice())
    command("restored", capsys=capsys)
    assert held() == ("held", "held_by_firm", "firm")
    assert release(user("anna"), [result.id or 0]) == 1
    deliver()
    assert held() == ("held", "restored", "operator")
    assert release(user("root"), [result.id or 0]) == 1
    assert deliver()["sent"] == 1


def test_u5_restored_mail_obeys_the_other_policies_when_it_is_released(
    smtp_server: CountingServer, capsys: pytest.CaptureFixture[str]
) -> None:
    move_in(smtp_server)
    operator()
    result = submit(user("eva"), invoice())
    command("restored", capsys=capsys)
    let_send_as_firm("beispiel", "hold")
    switch("on", "probe@kanzlei-huber.example")
    release(user("root"), [result.id or 0])
    deliver()
    assert held() == ("held", "held_by_firm", "firm")
    release(user("anna"), [result.id or 0])
    deliver()
    assert arrived(smtp_server) == {"probe@kanzlei-huber.example"}


# Deployment


@pytest.mark.parametrize(
    ("embedded", "name", "warned"), [(True, "", False), (False, "", True), (False, "kanzlei-production", False)]
)
def test_u5_a_deployment_without_a_name_is_warned_of(settings: Any, embedded: bool, name: str, warned: bool) -> None:
    settings.EMBEDDED, settings.INSTALLATION_ID = embedded, name
    found = [message.id for message in run_checks(include_deployment_checks=True)]
    assert ("postausgang.W001" in found) is warned

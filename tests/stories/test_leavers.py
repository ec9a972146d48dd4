"""Stories of people who leave (T6): their mails find somebody, and what still names them is decided one by one."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from mailjobs import delivery
from mailjobs.models import InternalMessage, MailJob
from mailjobs.selectors import jobs_visible_to
from mailjobs.submission import cancel, may_release, release, requeue, submit
from mailsettings.changes import Book, save_account, save_print_model, save_user, set_deputy
from mailsettings.leavers import still_named
from mailsettings.models import EmailAccount, PrintModel, Tenant, User
from tests.cast import invoice, move_in, user
from tests.services import CountingServer

pytestmark = pytest.mark.django_db(transaction=True)
BERND = "bernd@kanzlei-huber.example"
KIND = InternalMessage.Kind


def activate(login: str, *, active: bool) -> None:
    """What the page does when somebody leaves or comes back."""
    row = user(login)
    kept: dict[str, Any] = {"login": login, "name": row.name, "email": row.email, "role": row.role_enum, "tenant": row.tenant}
    save_user(Book("anna"), **kept, active=active)


def name_deputy(login: str, deputy: str | None) -> None:
    set_deputy(Book("anna"), user(login), user(deputy) if deputy else None)


def colleagues(server: CountingServer) -> None:
    """Anna administers; Bernd, Carla and Dora work at the firm. Invoices of Bernd's go out over his own account."""
    people = [("anna", "firm_admin"), ("bernd", "firm_user"), ("carla", "firm_user"), ("dora", "firm_user")]
    users = [{"id": login, "name": login.title(), "role": role, "password": f"{login}-log-in-1"} for login, role in people]
    accounts = [{"id": "bernds", "sender_address": BERND, "user": "bernd"}]
    move_in(server, users=users, email_accounts=accounts)


def handed_in(login: str, number: int = 1) -> int:
    """The job of an invoice of this user's."""
    job = submit(user(login), invoice(number)).id
    assert job is not None
    return job


def deliver() -> None:
    delivery.run(until_empty=True)


def sees(login: str) -> set[int]:
    return set(jobs_visible_to(user(login)).values_list("pk", flat=True))


def told(kind: str) -> list[str]:
    return sorted(InternalMessage.objects.filter(kind=kind, read_at=None).values_list("user__login", flat=True))


def logged_in(login: str) -> Client:
    client = Client()
    client.force_login(user(login))
    return client


def test_a_leaver_with_a_deputy_whose_failures_and_pending_mails_the_deputy_takes_over(smtp_server: CountingServer) -> None:
    colleagues(smtp_server)
    name_deputy("bernd", "carla")
    smtp_server.refuse["klient1@kunde.example"] = "550 5.1.1 User unknown"
    failed = handed_in("bernd")
    deliver()
    pending = handed_in("bernd", 2)
    assert sees("carla") == {failed, pending}, "J3: a deputy sees them while Bernd is there"
    assert told(KIND.FAILED) == ["bernd"], "who is there is told himself"

    activate("bernd", active=False)
    [letter] = InternalMessage.objects.filter(kind=KIND.PASSED_ON)
    assert (letter.user.login, letter.subject, letter.mails) == ("carla", "bernd", 2)
    inbox = logged_in("carla").get("/inbox/").content.decode()
    assert "The mails of bernd, who was deactivated, are now yours" in inbox
    assert f'href="{reverse("jobs")}?user=bernd"' in inbox
    assert "2 mails" in inbox
    jobs = logged_in("carla").get(f"{reverse('jobs')}?user=bernd")
    assert {row.pk for row in jobs.context["page"].rows} == {failed, pending}
    assert "Acting user" in jobs.content.decode(), "whose mails these are"

    deliver()  # what was queued still goes, as the mail it was made
    assert [mail.sender for mail in smtp_server.received] == [BERND]
    requeue(user("carla"), [failed])
    deliver()
    assert told(KIND.FAILED) == ["bernd", "carla"], "failed again: the deputy is told"
    smtp_server.refuse.clear()
    requeue(user("carla"), [failed])
    deliver()
    assert set(MailJob.objects.values_list("state", flat=True)) == {"sent"}
    assert submit(user("bernd"), invoice(3)).code == "user_inactive"


def test_a_leaver_without_a_deputy_leaves_the_mails_to_the_administrators(smtp_server: CountingServer) -> None:
    colleagues(smtp_server)
    save_user(Book("test"), login="dora", name="Dora", role=user("anna").role_enum, tenant=user("anna").tenant)
    smtp_server.refuse["klient1@kunde.example"] = "550 5.1.1 User unknown"
    submit(user("bernd"), invoice(1))
    activate("bernd", active=False)
    assert told(KIND.PASSED_ON) == ["anna", "dora"]
    deliver()
    assert told(KIND.FAILED) == ["anna", "dora"]
    assert sees("carla") == set()
    job = MailJob.objects.get()
    assert cancel(user("anna"), [job.pk]) == 0, "failed, no longer to be withdrawn"
    assert requeue(user("dora"), [job.pk]).ids == (job.pk,)
    assert cancel(user("anna"), [job.pk]) == 1


def test_a_deputy_who_leaves_too_is_passed_over_for_theirs_and_who_comes_back_has_everything_again(
    smtp_server: CountingServer,
) -> None:
    colleagues(smtp_server)
    name_deputy("bernd", "carla")
    name_deputy("carla", "dora")
    job = handed_in("bernd")
    activate("carla", active=False)
    assert sees("dora") == set(), "Bernd is there"
    activate("bernd", active=False)
    assert (sees("dora"), told(KIND.PASSED_ON)) == ({job}, ["dora"])
    assert cancel(user("dora"), [job]) == 1
    requeue(user("dora"), [job])
    activate("carla", active=True)
    assert sees("dora") == set()
    assert sees("carla") == {job}
    activate("bernd", active=True)
    assert told(KIND.PASSED_ON) == [], "they are no longer anybody else's"
    deliver()
    assert sees("dora") == set()


def test_mails_of_a_leaver_who_is_nobodys_at_a_com_customer_are_the_firms(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    Tenant.objects.filter(slug="beispiel").update(sends_as_firm="warn")
    job = MailJob.objects.get(pk=handed_in("eva"))
    assert (job.state, job.held_for) == ("held", "sender")
    assert not may_release(user("anna"), job), "the sender's own to confirm"
    activate("eva", active=False)
    assert told(KIND.PASSED_ON) == ["anna"]
    assert may_release(user("anna"), job)
    assert not may_release(user("max"), job)
    assert release(user("anna"), [job.pk]) == 1
    deliver()
    assert len(smtp_server.received) == 1


def test_a_held_mail_of_a_leaver_is_released_by_the_deputy_and_by_nobody_else(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    Tenant.objects.filter(slug="muster").update(sends_as_firm="warn")
    Tenant.objects.get(slug="muster").parameter_set.delete()
    people = {"moritz": "Moritz", "marta": "Marta"}
    for login, name in people.items():
        save_user(Book("test"), login=login, name=name, role=user("mia").role_enum, tenant=user("mia").tenant)
    name_deputy("mia", "moritz")
    job = MailJob.objects.get(pk=handed_in("mia"))
    assert (job.state, job.held_for) == ("held", "sender")
    assert not may_release(user("moritz"), job), "J3 gives a deputy the reset, not the confirmation, while Mia is there"
    assert release(user("moritz"), [job.pk]) == 0
    activate("mia", active=False)
    page = logged_in("moritz").get(reverse("job", args=[job.pk])).content.decode()
    assert 'value="release"' in page
    assert not may_release(user("marta"), job)
    assert release(user("marta"), [job.pk]) == 0
    assert release(user("moritz"), [job.pk]) == 1
    deliver()
    assert len(smtp_server.received) == 1


def test_a_held_mail_says_who_has_it_now(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    Tenant.objects.filter(slug="muster").update(sends_as_firm="warn")
    Tenant.objects.get(slug="muster").parameter_set.delete()
    job = handed_in("mia")
    page = reverse("job", args=[job])
    assert "The sender" in logged_in("anna").get(page).content.decode()
    activate("mia", active=False)
    assert "The administrators take care of them: Max Muster (max)." in logged_in("anna").get(page).content.decode()


def test_nobody_is_told_of_a_leaver_without_open_mails(smtp_server: CountingServer) -> None:
    colleagues(smtp_server)
    submit(user("bernd"), invoice(1))
    deliver()
    activate("bernd", active=False)
    assert told(KIND.PASSED_ON) == []


def test_the_list_of_who_is_still_named_empties_as_somebody_decides(smtp_server: CountingServer) -> None:
    colleagues(smtp_server)
    huber = Tenant.objects.get(slug="huber")
    book, account = Book("anna"), EmailAccount.objects.get(slug="bernds")
    model = PrintModel.objects.get(tenant=huber)
    PrintModel.objects.filter(pk=model.pk).update(account=account)
    model.user_accounts.create(user=user("bernd"), account=account)
    name_deputy("dora", "bernd")
    smtp_server.refuse["klient1@kunde.example"] = "550 5.1.1 User unknown"
    job = handed_in("bernd")
    deliver()
    activate("bernd", active=False)

    def listed() -> list[str]:
        return [mention.text.split(":")[0].split(".")[0] for leaver in still_named(huber) for mention in leaver.mentions]

    assert listed() == [
        "The e-mail account bernds belongs to bernd",
        "The print model invoices has the e-mail account bernds for bernd",
        "The user dora has bernd as deputy",
        "Mail jobs of bernd",
    ]
    name_deputy("dora", "carla")
    smtp_server.refuse.clear()
    requeue(user("anna"), [job])
    deliver()
    text: dict[str, Any] = {
        "subject": model.subject,
        "text": model.text,
        "html": model.html,
        "delivery_mode": model.delivery_mode,
    }
    save_print_model(book, tenant=huber, slug="invoices", account=account, user_accounts={}, **text)
    assert listed() == ["The e-mail account bernds belongs to bernd"]
    save_account(book, tenant=huber, slug="bernds", sender_address=BERND, values={}, user=User.objects.get(login="carla"))
    assert listed() == []

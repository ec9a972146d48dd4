"""Who would use a print model or an e-mail account: decided as for a mail, not read from what is written (A2, R1, P8, C1)."""

import pytest

from mailjobs.core.plan import make_plan
from mailsettings import changes
from mailsettings.changes import Book
from mailsettings.core.facts import Request
from mailsettings.core.send_systems import Stage
from mailsettings.core.sender import SenderRefusal
from mailsettings.models import Tenant
from mailsettings.selectors import facts_of
from mailsettings.usage import NAMED, WITHOUT, Use, active_world, senders_of, uses_of
from mailsettings.wording import SENDER_REFUSALS
from tests.pages.conftest import LogIn, person
from tests.pages.test_print_models import account, change, model, page_of, put, show, tenant, text

pytestmark = pytest.mark.django_db


def test_r1_the_users_of_a_print_model_are_grouped_by_the_sender_that_is_decided(log_in: LogIn) -> None:
    change(model(), account=account("rechnungen"), user_accounts={person("bernd"): account("bernd-eigen")})
    answer = log_in("anna").get(page_of(model()))
    assert [(use.address, use.level, use.users) for use in answer.context["uses"]] == [
        ("rechnungen@huber.example", "print_model_account", ("anna",)),
        ("bernd-eigen@huber.example", "print_model_user_account", ("bernd",)),
    ]
    account("rechnungen", active=False)
    page = show(log_in("anna"), page_of(model()))
    assert "anna@kanzlei-huber.example Own settings of the user anna (1 user)" in page


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("allow", "Carries the firm's address"),
        ("warn", "held until the sender confirms it"),
        ("hold", "held until the firm releases it"),
    ],
)
def test_p8_who_would_send_as_the_firm_is_told_in_words(log_in: LogIn, policy: str, words: str) -> None:
    Tenant.objects.filter(slug="beispiel").update(sends_as_firm=policy)
    page = show(log_in("eva"), page_of(model("beispiel")))
    assert words in page
    assert "office@kanzlei-huber.example General settings of the firm eva (1 user)" in page
    assert words not in show(log_in("max"), page_of(model("muster")))


def test_c1_who_would_be_refused_is_told_in_words(log_in: LogIn) -> None:
    changes.save_parameters(Book("t"), tenant(), {**changes.own_values(tenant()), "check_sender": True})
    page = show(log_in("anna"), page_of(model()))
    assert "no active employee is linked (rule C1). " in page
    assert "office@kanzlei-huber.example General settings of the firm bernd (1 user)" in page


def test_r5_without_any_sender_the_mode_says_client_or_refused(log_in: LogIn) -> None:
    changes.save_parameters(Book("t"), tenant("gruber"), {"smtp_server": "mail.gruber.example"})
    row = model("gruber")
    assert "Refused: no level yields a sender address (rule R5)." in show(log_in("greta"), page_of(row))
    put(row, Stage.DRAFT)
    assert "the mail client decides" in show(log_in("greta"), page_of(row))


def test_a2_an_account_tells_whose_mail_would_carry_it_and_where_it_is_named_in_vain(log_in: LogIn) -> None:
    own = account("bernd-eigen", login="bernd")
    changes.save_print_model(Book("t"), tenant=tenant(), slug="alt", account=own, user_accounts={}, active=False)
    changes.save_print_model(Book("t"), tenant=tenant(), slug="lohn", account=own, user_accounts={})
    changes.save_print_model(
        Book("t"), tenant=tenant(), slug="alle", account=own,
        user_accounts={person(login): account(f"{login}-a") for login in ("anna", "bernd")},
    )  # fmt: skip
    answer = log_in("anna").get(f"/email-accounts/{own.pk}/")
    found = {(use.print_models, use.level, use.users) for use in answer.context["uses"]}
    assert found == {
        ((WITHOUT, "invoices"), "user_account", ("bernd",)),
        (("lohn",), "print_model_account", ("anna", "bernd")),
    }
    page = text(answer)
    assert "Without a print model, invoices E-mail account of the user bernd (1 user)" in page
    assert "The print model alt. Unused: the print model is deactivated." in page
    assert "The print model alle. Unused: nobody active is left who has no account of their own there." in page
    assert "The print model lohn." not in page  # where somebody's mail uses it there is nothing to remark
    account("bernd-eigen", login="bernd", active=False)
    page = show(log_in("anna"), f"/email-accounts/{own.pk}/")
    assert "Nobody's, as things stand." in page
    assert page.count("Unused: the account is deactivated.") == 4


def test_an_account_that_nobody_names_is_used_by_nobody(log_in: LogIn) -> None:
    assert "Nobody yet: name it in a print model" in show(log_in("anna"), f"/email-accounts/{account('neu').pk}/")


def test_who_would_use_it_agrees_with_the_plan_of_every_single_mail(cast: None) -> None:
    own, shared = account("bernd-eigen", login="bernd"), account("rechnungen")
    change(model(), account=shared, user_accounts={person("bernd"): own})
    changes.save_print_model(Book("t"), tenant=tenant(), slug="lohn", account=None, user_accounts={})
    changes.save_parameters(Book("t"), person("anna"), {"sender_address": "anna@kanzlei-huber.example"})
    world = active_world(tenant())
    for login in ("anna", "bernd"):
        for slug in (WITHOUT, "invoices", "lohn"):
            plan = make_plan(facts_of(person(login), Request(slug or None)))
            carries = plan.sender.offer.account.id if plan.sender.offer and plan.sender.offer.account else ""
            for row in (own, shared):
                told = any(login in use.users and slug in use.print_models for use in uses_of(row, world))
                assert told is (carries == row.slug), (login, slug, row)
            if slug:
                [use] = [use for use in senders_of(model(name=slug), world) if login in use.users]
                assert (use.address, use.level) == (plan.sender.mailbox and plan.sender.mailbox.address, plan.sender.level)


def test_many_users_with_addresses_of_their_own_are_one_line(cast: None) -> None:
    for number in range(NAMED + 3):
        login = f"u{number:02}"
        user = changes.save_user(Book("t"), login=login, name=login, role=person("bernd").role_enum, tenant=tenant())
        changes.save_parameters(Book("t"), user, {"sender_address": f"{login}@kanzlei-huber.example"})
    uses = senders_of(model(), active_world(tenant()))
    assert [(use.addresses, len(use.users), use.more) for use in uses] == [(NAMED + 4, NAMED + 4, 4), (1, 1, 0)]
    assert uses[0].address == ""


def test_a_use_names_some_users_and_counts_the_others() -> None:
    use = Use((WITHOUT, "a", "b"), tuple(f"u{number}" for number in range(NAMED + 2)), None, "")
    assert (use.more, use.models, use.without) == (2, "a, b", True)
    assert use.named.endswith(f"u{NAMED - 1}")


def test_every_refusal_of_a_sender_has_its_words() -> None:
    assert set(SENDER_REFUSALS) == set(SenderRefusal)
    assert all(str(words).startswith("Refused: ") for words in SENDER_REFUSALS.values())

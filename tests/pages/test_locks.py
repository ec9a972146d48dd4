"""The page on which parameters are locked: who opens it, what it shows, what saving does (T5, U2, P9)."""

from typing import Any

import pytest
from django.test import Client

from mailsettings.changes import Book, own_values, save_account, save_parameters, save_secret
from mailsettings.core.facts import Request
from mailsettings.core.parameters import CONNECTION_KEYS
from mailsettings.core.sender import decide_sender
from mailsettings.models import AuditEvent, ParameterSet, Tenant, User
from mailsettings.selectors import facts_of, layers_of
from tests.pages.com_customers import shown, tenant, text_of
from tests.pages.conftest import PASSWORD, LogIn, person, save

LOCKS = "/settings/locks/"
pytestmark = pytest.mark.django_db


def lock(slug: str, kind: str, *keys: str) -> None:
    Tenant.objects.filter(slug=slug).update(**{kind: list(keys)})


# ---- The page


@pytest.mark.parametrize(
    ("login", "url", "status"),
    [
        ("anna", LOCKS, 200),
        ("anna", f"{LOCKS}?tenant=muster", 200),
        ("anna", f"{LOCKS}?tenant=gruber", 404),
        ("bernd", LOCKS, 404),
        ("max", LOCKS, 200),
        ("max", f"{LOCKS}?tenant=huber", 404),
        ("max", f"{LOCKS}?tenant=beispiel", 404),
        ("mia", LOCKS, 404),
        ("root", f"{LOCKS}?tenant=gruber", 200),
    ],
)
def test_t4_who_opens_the_locks_of_whom(log_in: LogIn, login: str, url: str, status: int) -> None:
    assert log_in(login).get(url).status_code == status
    if status == 404:
        assert log_in(login).post(url, {"lock-smtp_server": "on"}).status_code == 404
        assert not any(row.locked or row.locked_by_operator for row in Tenant.objects.all())


def test_the_settings_lead_to_the_locks(log_in: LogIn) -> None:
    assert f'href="{LOCKS}?tenant=muster"' in log_in("anna").get("/settings/?tenant=muster").content.decode()


def rows(client: Client, url: str = LOCKS) -> dict[str, Any]:
    return {row.key: row for section in client.get(url).context["form"].sections for row in section.rows}


def test_the_page_shows_the_value_in_force_beside_each(log_in: LogIn) -> None:
    found = rows(log_in("anna"))
    assert (found["smtp_server"].value, found["smtp_server"].origin) == ("mail.kanzlei-huber.example", "Set here")
    assert (found["smtp_tls"].value, found["smtp_tls"].origin) == ("STARTTLS required", "Default")
    assert (found["smtp_user"].value, found["smtp_user"].origin) == ("Not set", "")


def test_t4_a_com_administrator_reads_nothing_of_the_firms_server(log_in: LogIn) -> None:
    save_parameters(
        Book("test"), tenant("huber"), {**own_values(tenant("huber")), "smtp_user": "relay-login", "smtp_port": 52525}
    )
    page = shown(log_in("max"), LOCKS)
    for hidden in ("mail.kanzlei-huber.example", "relay-login", "52525"):
        assert hidden not in page
    assert rows(log_in("max"))["smtp_server"].value == "Mail server of the firm"


def test_t5_a_firm_locks_and_the_change_is_audited(log_in: LogIn) -> None:
    save(log_in("anna"), LOCKS, {"lock-retention_days": "on", "lock-smtp_tls": "on"})
    assert tenant("huber").locked == ["retention_days", "smtp_tls"]
    event = AuditEvent.objects.get(action="tenant", actor="anna")
    assert (event.subject, event.after) == ("huber", {"locked": ["retention_days", "smtp_tls"]})
    save(log_in("anna"), LOCKS, {"lock-smtp_tls": "on"})
    assert tenant("huber").locked == ["smtp_tls"]


def test_t5_the_server_shows_the_whole_connection_as_locked_and_forgets_no_single_lock(log_in: LogIn) -> None:
    lock("huber", "locked", "smtp_server", "smtp_user")
    found = rows(log_in("anna"))
    assert {key for key, row in found.items() if row.locks[0].implied} == CONNECTION_KEYS - {"smtp_server"}
    page = log_in("anna").get(LOCKS).content.decode()
    assert '<input type="hidden" name="lock-smtp_user" value="on">' in page
    assert 'name="lock-smtp_port"' not in page
    save(log_in("anna"), LOCKS, {"lock-smtp_user": "on"})  # what the browser posts when only the server is unticked
    assert tenant("huber").locked == ["smtp_user"]


@pytest.mark.parametrize("kind", ["locked", "locked_by_operator"])
def test_t5_what_is_locked_above_stays_as_it_is_here(log_in: LogIn, kind: str) -> None:
    lock("huber", kind, "sender_address")
    lock("muster", "locked", "sender_address")
    why = rows(log_in("max"))["sender_address"].locks[0].why
    assert why == ("Locked by Kanzlei Huber" if kind == "locked" else "Locked by the operator")
    save(log_in("max"), LOCKS, {"lock-retention_days": "on"})
    assert tenant("muster").locked == ["retention_days", "sender_address"]
    save(log_in("max"), LOCKS, {"lock-smtp_user": "on", "lock-sender_address": ""})
    assert tenant("muster").locked == ["sender_address", "smtp_user"]


def test_t5_the_operators_lock_is_only_the_operators(log_in: LogIn) -> None:
    save(log_in("root"), f"{LOCKS}?tenant=huber", {"operator-smtp_port": "on"})
    assert (tenant("huber").locked, tenant("huber").locked_by_operator) == ([], ["smtp_port"])
    assert rows(log_in("anna"))["smtp_port"].locks[0].why == "Locked by the operator"
    save(log_in("anna"), LOCKS, {"lock-smtp_port": "on", "operator-smtp_user": "on", "lock-per_day": "on"})
    assert (tenant("huber").locked, tenant("huber").locked_by_operator) == (["per_day"], ["smtp_port"])
    page = shown(log_in("anna"), "/settings/")
    assert "Locked by the operator" in page


def test_a_com_administrator_does_not_lock_what_only_the_firm_switches(log_in: LogIn) -> None:
    save_parameters(Book("test"), person("mia"), {"check_sender": True})
    assert rows(log_in("max"))["check_sender"].locks[0].why == "Only the firm's administrator changes this."
    save(log_in("max"), LOCKS, {"lock-check_sender": "on"})
    assert tenant("muster").locked == []
    assert layers_of(person("mia"))[0].holder.values["check_sender"] is True
    save(log_in("anna"), f"{LOCKS}?tenant=muster", {"lock-check_sender": "on"})
    assert tenant("muster").locked == ["check_sender"]


def test_the_page_names_whose_values_are_ignored(log_in: LogIn) -> None:
    save_parameters(Book("test"), person("mia"), {"sender_address": "mia@musterkunde.example"})
    save_account(
        Book("test"),
        tenant=tenant("muster"),
        slug="own",
        sender_address="own@musterkunde.example",
        values={"smtp_server": "own.example"},
    )
    save_secret(Book("test"), person("bernd"), "smtp_password", "streng-geheim-4711")
    assert rows(log_in("anna"))["sender_address"].ignored == ()
    lock("huber", "locked", "sender_address", "smtp_server")
    found = rows(log_in("anna"))
    assert found["sender_address"].ignored == (
        "anna (anna@kanzlei-huber.example)",
        "mia (mia@musterkunde.example)",
        "Musterkunde GmbH (rechnung@musterkunde.example)",
    )
    assert found["smtp_server"].ignored == ("Musterkunde GmbH, account own (own.example)",)
    assert found["smtp_password"].ignored == ("bernd",)
    assert "streng-geheim-4711" not in log_in("anna").get(LOCKS).content.decode()


def test_t4_a_com_administrator_reads_of_the_own_users_only(log_in: LogIn) -> None:
    for login in ("mia", "eva", "bernd"):
        save_parameters(Book("test"), person(login), {"retention_days": 7})
    lock("muster", "locked", "retention_days")
    assert rows(log_in("max"))["retention_days"].ignored == ("mia (7)",)


def test_many_ignored_values_are_counted(log_in: LogIn) -> None:
    for number in range(9):
        user = User.objects.create(login=f"u{number}", name="U", role="firm_user", tenant=tenant("huber"))
        ParameterSet.objects.create(user=user, values={"retention_days": 7})
    lock("huber", "locked", "retention_days")
    row = rows(log_in("anna"))["retention_days"]
    assert (len(row.ignored), row.more) == (4, 5)
    assert "and 5 more" in shown(log_in("anna"), LOCKS)


def test_p9_a_lock_is_saved_only_after_its_cells_and_ignored_values_were_shown(log_in: LogIn) -> None:
    save_parameters(Book("test"), person("anna"), {})
    anna, data = log_in("anna"), {"lock-sender_address": "on"}
    answer = anna.post(LOCKS, data)
    foresight = answer.context["form"].foresight
    assert {(cell.place.tenant, cell.place.user) for cell in foresight.changed} == {("muster", "max"), ("muster", "mia")}
    assert all("office@kanzlei-huber.example" in str(cell.after) for cell in foresight.changed)
    assert foresight.consequences == ("Sender address is ignored from now on: Musterkunde GmbH (rechnung@musterkunde.example).",)
    assert "checked" in answer.content.decode()
    assert tenant("huber").locked == []
    anna.post(LOCKS, {**data, "foreseen": foresight.digest})
    assert tenant("huber").locked == ["sender_address"]
    assert decide_sender(facts_of(person("max"), Request()), client_possible=True).from_firm
    again = anna.post(LOCKS, {})
    assert "Sender address counts again: Musterkunde GmbH" in text_of(again)


@pytest.mark.parametrize(
    ("at", "firm_is_on", "asked"),
    [("com", False, True), ("user", False, True), ("com", True, False), ("", False, False)],
    ids=["a Com customer's on", "a user's on", "on at the firm too", "off everywhere"],
)
def test_u2_a_lock_that_lets_the_redirect_go_off_asks_for_the_password(
    log_in: LogIn, at: str, firm_is_on: bool, asked: bool
) -> None:
    if at:
        owner = person("mia") if at == "user" else tenant("muster")
        save_parameters(Book("test"), owner, {"redirect_enabled": True})
    if firm_is_on:
        save_parameters(Book("test"), tenant("huber"), {**own_values(tenant("huber")), "redirect_enabled": True})
    anna, data = log_in("anna"), {"lock-redirect_enabled": "on"}
    answer = anna.post(LOCKS, data)
    if not asked:
        save(anna, LOCKS, data)
        assert tenant("huber").locked == ["redirect_enabled"]
        return
    assert "Enter your log-in password to switch the redirect mode off." in text_of(answer)
    assert "This is not your log-in password." in text_of(anna.post(LOCKS, {**data, "login_password": "wrong"}))
    assert tenant("huber").locked == []
    foresight = anna.post(LOCKS, {**data, "login_password": PASSWORD})
    names = "mia" if at == "user" else "max, mia, Musterkunde GmbH"
    assert f"The redirect mode goes off, and mail goes to its real recipients: {names}." in text_of(foresight)
    assert PASSWORD not in foresight.content.decode()
    save(anna, LOCKS, {**data, "login_password": PASSWORD})
    assert tenant("huber").locked == ["redirect_enabled"]


def test_u2_the_yes_alone_does_not_replace_the_password(log_in: LogIn) -> None:
    save_parameters(Book("test"), tenant("muster"), {"redirect_enabled": True})
    anna, data = log_in("anna"), {"lock-redirect_enabled": "on"}
    digest = anna.post(LOCKS, {**data, "login_password": PASSWORD}).context["form"].foresight.digest
    anna.post(LOCKS, {**data, "foreseen": digest})
    anna.post(LOCKS, {**data, "foreseen": digest, "kept-login_password": "made-up"})
    assert tenant("huber").locked == []


@pytest.mark.parametrize("data", [{"lock-whatever": "on"}, {"operator-smtp_server": "on"}, {"lock-allowed_networks": "on"}])
def test_what_cannot_be_locked_here_is_passed_over(log_in: LogIn, data: dict[str, str]) -> None:
    assert log_in("max").post(LOCKS, data).status_code in {200, 302}
    assert (tenant("muster").locked, tenant("muster").locked_by_operator) == ([], [])

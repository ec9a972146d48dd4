"""Settings, e-mail accounts, employees and the admin: who sees what, and what saving does."""

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from mailsettings import changes
from mailsettings.changes import Book
from mailsettings.core.parameters import PARAMETERS, Kind
from mailsettings.forms.words import HELP, advice_on
from mailsettings.models import AuditEvent, EmailAccount, Employee, ParameterSet, PrintModel, Secret, Tenant, User
from tests.pages.conftest import PASSWORD, LogIn, filled, person, save, text_of

SERVER = "mail.kanzlei-huber.example"
SECRET = "streng-geheim-4711"
SETTINGS, OWN, ACCOUNTS, EMPLOYEES = "/settings/", "/settings/own/", "/email-accounts/", "/employees/"
PAGES = (SETTINGS, OWN, ACCOUNTS, "/email-accounts/new/", EMPLOYEES, "/employees/new/")
pytestmark = pytest.mark.django_db


def firm() -> Tenant:
    return Tenant.objects.get(slug="huber")


def own(owner: Tenant | User) -> dict[str, Any]:
    return changes.own_values(owner)


def put(owner: Tenant | User, **values: Any) -> None:
    """What stood there before the page was opened."""
    changes.save_parameters(Book("test"), owner, {**own(owner), **values})


def post(client: Client, url: str, changed: Mapping[str, str], *, saved: bool = True) -> str:
    """Post the page with something changed; the text of the answer, after a redirect of the next page."""
    answer = save(client, url, {**filled(client, url), **changed})
    assert bool(answer.redirect_chain) is saved, answer.context["form"].errors if not saved else answer.context.get("form")
    return unescape(answer.content.decode())


# ---- Who may open what


@pytest.mark.parametrize(
    ("login", "seen"),
    [
        ("anna", set(PAGES)),
        ("bernd", {OWN}),
        ("max", set(PAGES)),
        ("mia", {OWN}),
        ("root", set(PAGES) - {OWN}),
    ],
)
def test_t_each_role_sees_its_pages_and_404_elsewhere(log_in: LogIn, login: str, seen: set[str]) -> None:
    client = log_in(login)
    assert {url for url in PAGES if client.get(url).status_code == 200} == seen
    assert {url for url in PAGES if client.get(url).status_code == 404} == set(PAGES) - seen


def test_who_is_not_logged_in_is_sent_to_the_log_in(cast: None) -> None:
    for url in PAGES:
        assert Client().get(url).url.startswith(reverse("login"))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("login", "tenant", "status"),
    [("anna", "muster", 200), ("anna", "gruber", 404), ("max", "huber", 404), ("max", "beispiel", 404), ("root", "gruber", 200)],
)
def test_t4_only_visible_tenants_can_be_chosen(log_in: LogIn, login: str, tenant: str, status: int) -> None:
    for url in (SETTINGS, ACCOUNTS, EMPLOYEES, "/employees/new/"):
        assert log_in(login).get(url, {"tenant": tenant}).status_code == status


def test_foreign_accounts_and_employees_are_not_found(log_in: LogIn) -> None:
    book = Book("test")
    gruber = Tenant.objects.get(slug="gruber")
    account = changes.save_account(book, tenant=gruber, slug="a", sender_address="a@gruber.example", values={})
    employee = changes.save_employee(book, tenant=gruber, number="1", name="Greta")
    for login in ("anna", "max"):
        for name, row in (("account", account), ("employee", employee)):
            url = reverse(name, args=[row.pk])
            assert log_in(login).get(url).status_code == 404
            assert log_in(login).post(url, {"name": "x", "sender_address": "x@y.example"}).status_code == 404
    employee.refresh_from_db()
    assert employee.name == "Greta"


@pytest.mark.parametrize("login", ["max", "mia", "eva"])
def test_t4_nothing_of_the_firms_server_reaches_a_com_customer(log_in: LogIn, login: str) -> None:
    put(firm(), smtp_user="relay-login", smtp_port=52525, ntlm_domain="HUBERDOM", retention_days=31337, smtp_tls="implicit")
    changes.save_secret(Book("test"), firm(), "smtp_password", SECRET)
    for url in PAGES:
        page = unescape(log_in(login).get(url).content.decode())
        for hidden in (SERVER, "relay-login", "52525", "HUBERDOM", "31337", "Inherited from Kanzlei Huber: Implicit", SECRET):
            assert hidden not in page, (url, hidden)
    assert "Mail server of the firm" in text_of(log_in(login), OWN)
    assert "office@kanzlei-huber.example" in text_of(log_in("eva"), SETTINGS)  # the address its mail would carry


def test_p4_own_settings_say_that_mail_carries_the_firms_address(log_in: LogIn) -> None:
    assert "your mail carries the firm's address office@kanzlei-huber.example" in text_of(log_in("eva"), OWN)
    assert "carries the firm's address" not in text_of(log_in("max"), OWN)


# ---- General settings


def test_saving_changes_exactly_what_was_typed_and_is_audited(log_in: LogIn) -> None:
    before = own(firm())
    page = post(log_in("anna"), SETTINGS, {"smtp_port": "2525", "always_use_sender_address": "no"})
    assert own(firm()) == {**before, "smtp_port": 2525, "always_use_sender_address": False}
    event = AuditEvent.objects.filter(action="parameters").latest("id")
    assert (event.actor, event.subject, event.after) == ("anna", "huber", {"smtp_port": 2525, "always_use_sender_address": False})
    assert "Saved." in page


def test_saving_without_a_change_writes_nothing(log_in: LogIn) -> None:
    before = AuditEvent.objects.count()
    assert "Nothing to save" in post(log_in("anna"), SETTINGS, {})
    assert AuditEvent.objects.count() == before


def test_all_kinds_of_parameters_can_be_typed(log_in: LogIn) -> None:
    typed = {
        "redirect_addresses": "a@huber.example\nb@huber.example",
        "send_system": "0",
        "smtp_tls": "off",
        "check_sender": "yes",
    }
    typed |= {"allowed_networks": "10.0.0.0/8", "log_background_sends": "no"}
    post(log_in("anna"), SETTINGS, typed)
    stored = own(firm())
    assert stored["redirect_addresses"] == ["a@huber.example", "b@huber.example"]
    assert (stored["send_system"], stored["smtp_tls"], stored["check_sender"]) == (0, "off", True)
    assert (stored["allowed_networks"], stored["log_background_sends"]) == (["10.0.0.0/8"], False)


def test_a_firm_administrator_sets_a_com_customers_settings_and_sees_where_values_come_from(log_in: LogIn) -> None:
    url = f"{SETTINGS}?tenant=muster"
    page = text_of(log_in("anna"), url)
    assert f'placeholder="{SERVER}"' in page
    assert "Inherited from Kanzlei Huber" in page
    assert "Allowed private networks" not in page  # firms only
    post(log_in("anna"), url, {"per_minute": "30"})
    assert own(Tenant.objects.get(slug="muster"))["per_minute"] == 30
    assert "per_minute" not in own(firm())


def test_the_inherit_button_unsets_and_keeps_the_rest(log_in: LogIn) -> None:
    put(firm(), smtp_port=2525)
    post(log_in("anna"), SETTINGS, {"inherit": "smtp_port", "smtp_port": "2525", "per_day": "500"})
    assert "smtp_port" not in own(firm())
    assert own(firm())["per_day"] == 500


def test_enter_never_presses_an_inherit_button(log_in: LogIn) -> None:
    page = text_of(log_in("anna"), SETTINGS)
    form = page[page.index('<form method="post" data-warn-unsaved') :]
    first = re.search(r"<button[^>]*>", form)
    assert first is not None
    assert "inherit" not in first[0]


def test_bad_input_is_kept_and_nothing_is_written(log_in: LogIn) -> None:
    before = own(firm())
    typed = {"smtp_port": "abc", "sender_address": "Huber, Anna <a@b.example>", "smtp_server": "mail.example:25", "per_day": "7"}
    page = post(log_in("anna"), SETTINGS, typed, saved=False)
    for value in ('value="abc"', 'value="7"', 'value="mail.example:25"'):
        assert value in page
    assert own(firm()) == before
    for message in ("Enter a whole number.", "Put a name with a comma", "without port or scheme"):
        assert message in page
    assert "1-65535" in post(log_in("anna"), SETTINGS, {"smtp_port": "99999"}, saved=False)


def test_p3_a_server_without_a_general_sender_address_warns(log_in: LogIn) -> None:
    page = post(log_in("anna"), SETTINGS, {"inherit": "sender_address"})
    assert "an SMTP server is set, but no general sender address" in page
    assert "message-warning" in page


def test_s3_a_shared_identity_needs_check_sender_or_a_confirmation(log_in: LogIn) -> None:
    sentence = "With this setting any employee can send with any sender address, the managing director's included."
    assert sentence in post(log_in("anna"), SETTINGS, {"send_system": "2"}, saved=False)
    assert own(firm())["send_system"] == 1
    assert sentence in post(log_in("anna"), SETTINGS, {"send_system": "2", "confirm_shared_identity": "yes"})
    assert own(firm())["send_system"] == 2
    choices = dict(log_in("max").get(SETTINGS).context["form"].fields["send_system"].choices)
    assert {0, 1} <= set(choices)
    assert not {2, 3} & set(choices)


def test_t5_a_locked_parameter_shows_who_locked_it_and_ignores_what_is_posted(log_in: LogIn) -> None:
    Tenant.objects.filter(slug="huber").update(locked=["smtp_server"], locked_by_operator=["sender_address"])
    page = text_of(log_in("max"), SETTINGS)
    assert "Locked by Kanzlei Huber" in page
    post(
        log_in("max"),
        SETTINGS,
        {"smtp_server": "mail.evil.example", "smtp_user": "x", "per_minute": "1", "send_option": "client"},
    )
    assert set(own(Tenant.objects.get(slug="muster"))) == {"sender_address", "send_option"}
    assert "Locked by the operator" in text_of(log_in("anna"), SETTINGS)
    post(log_in("anna"), SETTINGS, {"sender_address": "neu@kanzlei-huber.example"})
    assert own(firm())["sender_address"] == "office@kanzlei-huber.example"
    post(log_in("root"), f"{SETTINGS}?tenant=huber", {"sender_address": "neu@kanzlei-huber.example"})
    assert own(firm())["sender_address"] == "neu@kanzlei-huber.example"


def test_check_sender_is_the_firms_to_switch(log_in: LogIn) -> None:
    post(log_in("max"), SETTINGS, {"check_sender": "yes"})
    assert "check_sender" not in own(Tenant.objects.get(slug="muster"))
    post(log_in("anna"), f"{SETTINGS}?tenant=muster", {"check_sender": "yes"})
    assert own(Tenant.objects.get(slug="muster"))["check_sender"] is True


def test_u2_switching_redirect_off_asks_for_the_log_in_password(log_in: LogIn) -> None:
    put(firm(), redirect_enabled=True, redirect_addresses=["test@kanzlei-huber.example"])
    anna = log_in("anna")
    assert "login_password" not in text_of(anna, SETTINGS)
    assert "Enter your log-in password" in post(anna, SETTINGS, {"redirect_enabled": "no"}, saved=False)
    assert "not your log-in password" in post(
        anna, SETTINGS, {"inherit": "redirect_enabled", "login_password": "no"}, saved=False
    )
    assert own(firm())["redirect_enabled"] is True
    post(anna, SETTINGS, {"redirect_enabled": "no", "login_password": PASSWORD})
    assert own(firm())["redirect_enabled"] is False
    post(anna, SETTINGS, {"redirect_enabled": "yes"})
    assert own(firm())["redirect_enabled"] is True


def test_u2_a_com_administrator_sees_that_the_firms_redirect_stays_on(log_in: LogIn) -> None:
    put(firm(), redirect_enabled=True, redirect_addresses=["test@kanzlei-huber.example"])
    page = text_of(log_in("max"), SETTINGS)
    assert "Switched on by Kanzlei Huber, and on whatever is chosen here" in page
    assert "test@kanzlei-huber.example" in page


def test_secrets_are_stored_and_never_shown(log_in: LogIn) -> None:
    anna = log_in("anna")
    page = post(anna, SETTINGS, {"smtp_user": "relay", "smtp_password": SECRET})
    assert Secret.objects.count() == 1
    assert SECRET not in page
    assert "Entered on" in page
    wrong = post(anna, SETTINGS, {"smtp_port": "abc", "smtp_password": SECRET}, saved=False)
    assert SECRET not in wrong
    assert SECRET not in str(list(AuditEvent.objects.values()))


def test_p5_a_changed_server_asks_for_the_password_again_and_says_whose(log_in: LogIn) -> None:
    anna = log_in("anna")
    put(person("bernd"), smtp_user="bernd")
    changes.save_secret(Book("test"), person("bernd"), "smtp_password", SECRET)
    post(anna, SETTINGS, {"smtp_user": "relay", "smtp_password": SECRET})
    assert "must be entered again" not in text_of(anna, SETTINGS)
    page = post(anna, SETTINGS, {"smtp_server": "neu.kanzlei-huber.example"})
    for name in ("huber", "bernd"):
        assert f"{name}: the password must be entered again" in page
    assert "must be entered again because server, port, user or TLS have changed" in text_of(anna, SETTINGS)
    assert "must be entered again because" in text_of(log_in("bernd"), OWN)
    post(anna, SETTINGS, {"smtp_password": SECRET})
    assert "must be entered again" not in text_of(anna, SETTINGS)


def test_the_inherit_button_forgets_a_secret(log_in: LogIn) -> None:
    anna = log_in("anna")
    post(anna, SETTINGS, {"smtp_user": "relay", "smtp_password": SECRET})
    post(anna, SETTINGS, {"inherit": "smtp_password"})
    assert not Secret.objects.exists()
    assert AuditEvent.objects.latest("id").before == {"entered": True}


def test_every_parameter_is_explained(log_in: LogIn) -> None:
    form = log_in("anna").get(SETTINGS).context["form"]
    assert set(form.fields) == set(PARAMETERS)
    assert all(form.fields[key].help_text and str(HELP[key]).endswith(".") for key in PARAMETERS)
    assert "Exchange in the house: 2" in str(advice_on("send_system"))


# ---- Own settings


@pytest.mark.parametrize("login", ["bernd", "mia"])
def test_t_users_set_their_address_and_login_only(log_in: LogIn, login: str) -> None:
    client = log_in(login)
    assert set(client.get(OWN).context["form"].fields) == {"sender_address", "smtp_user", "smtp_password"}
    typed = {"sender_address": f"{login}@eigene.example", "smtp_user": login, "smtp_password": SECRET, "smtp_server": "x.example"}
    assert SECRET not in post(client, OWN, {**typed, "check_sender": "no", "redirect_enabled": "no"})
    assert own(person(login)) == {"sender_address": f"{login}@eigene.example", "smtp_user": login}
    assert Secret.objects.get().parameter_set == ParameterSet.objects.get(user=person(login))


@pytest.mark.parametrize("login", ["anna", "max"])
def test_t_administrators_also_set_a_server_of_their_own(log_in: LogIn, login: str) -> None:
    post(log_in(login), OWN, {"smtp_server": "mein.server.example"})
    assert own(person(login))["smtp_server"] == "mein.server.example"
    fields = log_in(login).get(OWN).context["form"].fields
    assert not {"check_sender", "redirect_enabled", "allowed_networks", "confirm_shared_identity"} & set(fields)


def test_an_imported_own_value_stays_and_shows(log_in: LogIn) -> None:
    put(person("mia"), send_option="client")
    assert "Only an administrator changes this." in text_of(log_in("mia"), OWN)
    post(log_in("mia"), OWN, {"smtp_user": "mia", "send_option": "smtp"})
    assert own(person("mia")) == {"send_option": "client", "smtp_user": "mia"}


def test_c2_an_own_sender_address_is_one_of_the_employees(log_in: LogIn) -> None:
    anna = log_in("anna")
    page = post(anna, OWN, {"sender_address": "chef@kanzlei-huber.example"}, saved=False)
    assert "none of the e-mail addresses of the linked employee Anna Huber" in page
    assert 'value="chef@kanzlei-huber.example"' in page
    Employee.objects.update(additional_emails=["chef@kanzlei-huber.example"])
    post(anna, OWN, {"sender_address": "Chefin <Chef@Kanzlei-Huber.example>"})
    assert own(person("anna"))["sender_address"] == "Chefin <Chef@Kanzlei-Huber.example>"


# ---- E-mail accounts


def test_an_account_is_made_listed_and_changed(log_in: LogIn) -> None:
    anna = log_in("anna")
    typed = {"slug": "rechnungen", "sender_address": "rechnungen@kanzlei-huber.example", "is_active": "on"}
    connection = {"smtp_server": "out.example.com", "smtp_port": "465", "smtp_tls": "implicit", "smtp_user": "r"}
    page = post(anna, "/email-accounts/new/", {**typed, **connection, "smtp_password": SECRET, "user": str(person("bernd").pk)})
    account = EmailAccount.objects.get()
    assert account.values == {"smtp_server": "out.example.com", "smtp_port": 465, "smtp_tls": "implicit", "smtp_user": "r"}
    assert (account.user, account.tenant, account.is_active) == (person("bernd"), firm(), True)
    assert Secret.objects.get().account == account
    assert "out.example.com" in page
    PrintModel.objects.filter(tenant=firm()).update(account=account)
    url = reverse("account", args=[account.pk])
    assert "The print model invoices" in text_of(anna, url)
    assert "invoices" in text_of(anna, ACCOUNTS)
    page = post(anna, url, {"smtp_server": "", "smtp_port": "", "smtp_tls": "", "smtp_user": "", "slug": "other"})
    account.refresh_from_db()
    assert (account.values, account.slug) == ({}, "rechnungen")
    assert "Borrowed" in page
    assert SECRET not in page + text_of(anna, url)
    assert "must be entered again" in text_of(anna, url)


def test_an_account_of_a_com_customer_is_made_by_the_firm_or_by_itself(log_in: LogIn) -> None:
    typed = {"sender_address": "a@musterkunde.example", "is_active": "on"}
    post(log_in("anna"), "/email-accounts/new/?tenant=muster", {**typed, "slug": "a"})
    post(log_in("max"), "/email-accounts/new/", {**typed, "slug": "b"})
    assert set(EmailAccount.objects.values_list("slug", "tenant__slug")) == {("a", "muster"), ("b", "muster")}
    assert "a@musterkunde.example" not in text_of(log_in("eva"), ACCOUNTS)


def test_a_second_account_with_the_same_id_is_refused_and_input_is_kept(log_in: LogIn) -> None:
    typed = {"slug": "a", "sender_address": "a@kanzlei-huber.example", "is_active": "on"}
    post(log_in("anna"), "/email-accounts/new/", typed)
    page = post(log_in("anna"), "/email-accounts/new/", {**typed, "sender_address": "b@kanzlei-huber.example"}, saved=False)
    assert "There is an account with this ID already." in page
    assert 'value="b@kanzlei-huber.example"' in page
    bad = post(
        log_in("anna"), "/email-accounts/new/", {**typed, "slug": "c", "sender_address": "x", "smtp_port": "zz"}, saved=False
    )
    assert 'value="zz"' in bad
    assert EmailAccount.objects.get().sender_address == "a@kanzlei-huber.example"


def test_an_account_never_belongs_to_a_foreign_user(log_in: LogIn) -> None:
    typed = {"slug": "a", "sender_address": "a@kanzlei-huber.example", "user": str(person("greta").pk)}
    post(log_in("anna"), "/email-accounts/new/", typed, saved=False)
    assert not EmailAccount.objects.exists()


def test_t5_a_firm_that_locks_the_server_locks_its_customers_accounts(log_in: LogIn) -> None:
    Tenant.objects.filter(slug="huber").update(locked=["smtp_server"])
    typed = {"slug": "a", "sender_address": "a@musterkunde.example", "smtp_server": "x.example", "smtp_password": SECRET}
    post(log_in("max"), "/email-accounts/new/", typed)
    assert EmailAccount.objects.get().values == {}
    assert not Secret.objects.exists()


def test_s3_holds_for_accounts_too(log_in: LogIn) -> None:
    typed = {"slug": "a", "sender_address": "a@kanzlei-huber.example", "smtp_server": "ex.example.com", "send_system": "2"}
    assert "any employee can send" in post(log_in("anna"), "/email-accounts/new/", typed, saved=False)
    assert not EmailAccount.objects.exists()
    post(log_in("anna"), "/email-accounts/new/", {**typed, "confirm_shared_identity": "yes"})
    assert EmailAccount.objects.get().values["send_system"] == 2


# ---- Employees


def test_p6_an_employees_new_e_mail_reaches_the_users_own_sender_address_and_says_so(log_in: LogIn) -> None:
    url = "/employees/new/"
    typed = {"number": "2", "name": "Bernd Moser", "email": "bernd@kanzlei-huber.example", "is_active": "on"}
    further = {
        "additional_emails": "lohn@kanzlei-huber.example\n\n office@kanzlei-huber.example ",
        "user": str(person("bernd").pk),
    }
    page = post(log_in("anna"), url, {**typed, **further})
    employee = Employee.objects.get(number="2")
    assert employee.additional_emails == ["lohn@kanzlei-huber.example", "office@kanzlei-huber.example"]
    assert own(person("bernd"))["sender_address"] == "bernd@kanzlei-huber.example"
    assert "The own sender address of the user bernd is now bernd@kanzlei-huber.example." in page
    page = text_of(log_in("anna"), reverse("employee", args=[employee.pk]))
    assert "lohn@kanzlei-huber.example\noffice@kanzlei-huber.example" in page


def test_c2_an_address_in_use_does_not_vanish_from_the_employee(log_in: LogIn) -> None:
    put(firm(), update_sender_from_employee=False)
    put(person("anna"), sender_address="anna@kanzlei-huber.example")
    url = reverse("employee", args=[Employee.objects.get(number="1").pk])
    page = post(log_in("anna"), url, {"email": "neu@kanzlei-huber.example"}, saved=False)
    assert "The own settings of the user anna still send as anna@kanzlei-huber.example." in page
    assert 'value="neu@kanzlei-huber.example"' in page
    assert Employee.objects.get(number="1").email == "anna@kanzlei-huber.example"
    post(log_in("anna"), url, {"email": "neu@kanzlei-huber.example", "additional_emails": "anna@kanzlei-huber.example"})
    assert Employee.objects.get(number="1").email == "neu@kanzlei-huber.example"


def test_c2_lets_the_e_mail_change_where_p6_carries_it_on(log_in: LogIn) -> None:
    put(person("anna"), sender_address="anna@kanzlei-huber.example")
    post(log_in("anna"), reverse("employee", args=[Employee.objects.get(number="1").pk]), {"email": "neu@kanzlei-huber.example"})
    assert own(person("anna"))["sender_address"] == "neu@kanzlei-huber.example"


def test_c2_an_account_in_use_keeps_its_address_while_check_sender_is_on(log_in: LogIn) -> None:
    changes.save_account(
        Book("test"), tenant=firm(), slug="anna", sender_address="anna@kanzlei-huber.example", values={}, user=person("anna")
    )
    url = reverse("employee", args=[Employee.objects.get(number="1").pk])
    put(firm(), check_sender=True)
    page = post(log_in("anna"), url, {"email": "neu@kanzlei-huber.example"}, saved=False)
    assert "The e-mail account anna of the user anna still sends as anna@kanzlei-huber.example" in page
    put(firm(), check_sender=False)
    post(log_in("anna"), url, {"email": "neu@kanzlei-huber.example"})


def test_bad_employee_input_is_kept(log_in: LogIn) -> None:
    typed = {"number": "7", "name": "Karl", "email": "karl@", "additional_emails": "a@b.example\nund noch was"}
    page = post(log_in("anna"), "/employees/new/", typed, saved=False)
    assert 'value="karl@"' in page
    page = post(log_in("anna"), "/employees/new/", {**typed, "email": ""}, saved=False)
    assert "und noch was</textarea>" in page
    assert post(log_in("anna"), "/employees/new/", {**typed, "number": "1", "email": ""}, saved=False).count("ID already") == 2


@pytest.mark.parametrize(("query", "found"), [("anna", True), ("ANNA@kanzlei", True), ("huber anna", True), ("bernd", False)])
def test_employees_are_searched(log_in: LogIn, query: str, found: bool) -> None:
    page = text_of(log_in("anna"), f"{EMPLOYEES}?q={query}")
    assert ("row-link" in page) is found
    assert ("No employee matches your search" in page) is not found


def test_an_empty_list_says_the_next_step(log_in: LogIn) -> None:
    assert "No employee yet" in text_of(log_in("anna"), f"{EMPLOYEES}?tenant=muster")
    assert "/employees/new/?tenant=muster" in text_of(log_in("anna"), f"{EMPLOYEES}?tenant=muster")
    assert "No e-mail account yet" in text_of(log_in("max"), ACCOUNTS)


# ---- The operator's admin


def test_the_admin_is_the_operators_and_only_to_read(log_in: LogIn) -> None:
    changes.save_secret(Book("test"), firm(), "smtp_password", SECRET)
    root = log_in("root")
    assert log_in("anna").get("/admin/").status_code == 302
    index = root.get("/admin/")
    for app in index.context["app_list"]:
        for model in app["models"]:
            assert model["perms"] == {"add": False, "change": False, "delete": False, "view": True}, model["name"]
            page = text_of(root, model["admin_url"])
            first = model["model"].objects.first()
            if first:
                page += text_of(root, f"{model['admin_url']}{first.pk}/change/")
            for hidden in (SECRET, "argon2", "md5$"):
                assert hidden not in page


def test_the_admin_logs_in_with_the_portals_users(cast: None) -> None:
    client = Client()
    assert client.get("/admin/login/").status_code == 200
    answer = client.post("/admin/login/", {"username": "root", "password": PASSWORD}, follow=True)
    assert answer.redirect_chain
    assert answer.context["user"] == person("root")


def test_no_secret_parameter_is_ever_echoed() -> None:
    assert {key for key, row in PARAMETERS.items() if row.kind is Kind.SECRET} == {
        "smtp_password",
        "imap_password",
        "oauth_client_secret",
    }

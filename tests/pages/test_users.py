"""The pages for users: who sees and changes whom (T2, T4), rights, passwords, deputies, leavers (T6), own settings (P, C2)."""

from collections.abc import Mapping
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from mailsettings import changes
from mailsettings.changes import Book
from mailsettings.core.parameters import PARAMETERS
from mailsettings.models import AuditEvent, Employee, ParameterSet, PrintModel, Secret, Tenant, User
from tests.pages.conftest import PASSWORD, LogIn, filled, mail, person, save, text_of

USERS, NEW = "/users/", "/users/new/"
SECRET = "streng-geheim-4711"
GOOD = "ein-wirklich-langes-Kennwort"
pytestmark = pytest.mark.django_db


def tenant(slug: str = "huber") -> Tenant:
    return Tenant.objects.select_related("firm").get(slug=slug)


def put(owner: Tenant | User, **values: Any) -> None:
    changes.save_parameters(Book("test"), owner, {**changes.own_values(owner), **values})


def url_of(login: str, name: str = "user") -> str:
    return reverse(name, args=[person(login).pk])


def post(client: Client, url: str, changed: Mapping[str, str | None], *, saved: bool = True) -> str:
    """Post the page with something changed (None: left out), yes said where it asks; the text of the answer."""
    data = {name: value for name, value in {**filled(client, url), **changed}.items() if value is not None}
    answer = save(client, url, data)
    assert bool(answer.redirect_chain) is saved, answer.context["form"].errors if not answer.redirect_chain else answer
    return unescape(answer.content.decode())


def new(**more: str) -> dict[str, str]:
    return {"login": "neu", "name": "Nina Neu", "role": "firm_user", "is_active": "on", **more}


# ---- Who sees whom


@pytest.mark.parametrize(
    ("login", "seen", "unseen"),
    [
        ("anna", {"anna", "bernd"}, {"max", "mia", "greta", "root"}),
        ("max", {"max", "mia"}, {"anna", "bernd", "eva", "greta", "root"}),
        ("root", {"greta"}, {"anna", "max"}),
    ],
)
def test_t4_the_list_shows_the_own_tenants_users(log_in: LogIn, login: str, seen: set[str], unseen: set[str]) -> None:
    rows = {row.user.login for row in log_in(login).get(USERS).context["table"].data}
    assert rows == seen
    assert not unseen & rows


def test_t4_a_firm_administrator_chooses_a_com_customer_and_nobody_a_foreign_tenant(log_in: LogIn) -> None:
    page = text_of(log_in("anna"), f"{USERS}?tenant=muster")
    assert "Mia Muster" in page
    assert "Bernd Moser" not in page
    assert "/users/new/?tenant=muster" in page
    for login, slug in (("anna", "gruber"), ("max", "huber"), ("max", "beispiel")):
        assert log_in(login).get(f"{USERS}?tenant={slug}").status_code == 404
        assert log_in(login).get(f"{NEW}?tenant={slug}").status_code == 404


@pytest.mark.parametrize("login", ["bernd", "mia"])
def test_t4_for_users_these_pages_do_not_exist(log_in: LogIn, login: str) -> None:
    for url in (USERS, NEW, url_of(login), url_of(login, "user_settings")):
        assert log_in(login).get(url).status_code == 404
        assert log_in(login).post(url, new()).status_code == 404
    assert Client().get(USERS).status_code == 302


@pytest.mark.parametrize(
    ("login", "others"), [("anna", ["greta", "root"]), ("max", ["anna", "bernd", "eva", "root"]), ("root", ["root"])]
)
def test_t4_others_users_are_not_found_and_not_changed(log_in: LogIn, login: str, others: list[str]) -> None:
    for other in others:
        for url in (url_of(other), url_of(other, "user_settings")):
            assert log_in(login).get(url).status_code == 404
            assert log_in(login).post(url, new(name="x")).status_code == 404
        assert person(other).name != "x"


def test_the_list_is_searched_and_split_by_whether_somebody_has_left(log_in: LogIn) -> None:
    User.objects.filter(login="bernd").update(is_active=False)
    anna = log_in("anna")
    assert [row.user.login for row in anna.get(f"{USERS}?show=deactivated").context["table"].data] == ["bernd"]
    tabs = anna.get(USERS).context["tabs"]
    assert [(tab["count"], tab["active"]) for tab in tabs] == [(1, True), (1, False)]
    for query, found in (("huber", 1), ("ANNA@kanzlei", 1), ("firm administrator", 1), ("bernd", 0)):
        assert len(anna.get(USERS, {"q": query}).context["table"].data) == found, query
    assert "No user matches your search" in text_of(anna, f"{USERS}?q=zzz")
    assert "Nobody is deactivated" in text_of(anna, f"{USERS}?tenant=muster&show=deactivated")
    assert "No user yet" in _of_nobody(anna)


def _of_nobody(client: Client) -> str:
    User.objects.filter(tenant__slug="beispiel").delete()
    return text_of(client, f"{USERS}?tenant=beispiel")


@pytest.mark.parametrize("junk", ["?tenant=%00", "?page=zzz&sort=nix", "?q=%00%FF&show=%27", "?page=-1", "?q=" + "x" * 3000])
def test_whatever_the_address_says_there_is_no_error(log_in: LogIn, junk: str) -> None:
    assert log_in("anna").get(USERS + junk).status_code in {200, 404}
    assert log_in("anna").get("/users/99999999999999999999999/").status_code == 404


def test_p4_every_page_that_shows_a_com_user_says_that_their_mail_carries_the_firms_address(log_in: LogIn) -> None:
    words = "carries the firm's address office@kanzlei-huber.example"
    for login, slug in (("anna", "beispiel"), ("eva", "beispiel")):
        client = log_in(login)
        pages = (f"{USERS}?tenant={slug}", url_of("eva"), url_of("eva", "user_settings"))
        assert all(words in text_of(client, url) for url in pages), login
    for url in (USERS, url_of("mia"), url_of("mia", "user_settings")):
        assert "carries the firm's address" not in text_of(log_in("max"), url)
    assert "carries the firm's address" not in text_of(log_in("anna"), USERS)


def test_p4_counts_a_print_model_that_forces_nothing_but_gets_the_firms_address(log_in: LogIn) -> None:
    put(tenant("muster"), sender_address=None)
    account = changes.save_account(
        Book("test"), tenant=tenant("muster"), slug="a", sender_address="a@musterkunde.example", values={}, user=person("mia")
    )
    rows = {row.user.login: row.firm_address for row in log_in("max").get(USERS).context["table"].data}
    assert rows == {"max": "office@kanzlei-huber.example", "mia": ""}
    PrintModel.objects.filter(tenant__slug="muster").update(account=account)
    account.user = None
    account.save()
    rows = {row.user.login: row.firm_address for row in log_in("max").get(USERS).context["table"].data}
    assert set(rows.values()) == {"office@kanzlei-huber.example"}, "mail without a print model still does"


# ---- The form


def test_a_user_is_made_logs_in_and_is_changed(log_in: LogIn) -> None:
    anna = log_in("anna")
    post(anna, NEW, new(email="nina@kanzlei-huber.example", password=GOOD, language="en", deputy=str(person("bernd").pk)))
    nina = person("neu")
    assert (nina.tenant, nina.role, nina.language, nina.deputy, nina.is_active) == (
        tenant(), "firm_user", "en", person("bernd"), True,
    )  # fmt: skip
    assert Client().login(username="neu", password=GOOD)
    post(anna, url_of("neu"), {"name": "Nina Alt", "role": "firm_admin", "login": "other", "language": None, "deputy": None})
    nina.refresh_from_db()
    assert (nina.login, nina.name, nina.role, nina.language, nina.deputy) == ("neu", "Nina Alt", "firm_admin", "", None)
    assert nina.check_password(GOOD)
    event = AuditEvent.objects.filter(action="user", subject="neu").first()
    assert event is not None
    assert (event.actor, event.after) == ("anna", {"deputy": None})


@pytest.mark.parametrize(
    ("login", "url", "roles"),
    [
        ("anna", NEW, {"firm_admin", "firm_user", "service_user"}),
        ("anna", f"{NEW}?tenant=muster", {"com_admin", "com_user", "service_user"}),
        ("max", NEW, {"com_admin", "com_user", "service_user"}),
        ("root", f"{NEW}?tenant=huber", {"firm_admin", "firm_user", "service_user"}),
    ],
)
def test_t2_the_roles_are_those_of_the_tenant(log_in: LogIn, login: str, url: str, roles: set[str]) -> None:
    client = log_in(login)
    assert {value for value, _label in client.get(url).context["form"].fields["role"].choices} == roles
    for role in {"operator", "firm_admin", "firm_user", "com_admin", "com_user"} - roles:
        post(client, url, new(role=role), saved=False)
    assert not User.objects.filter(login="neu").exists()


def test_t4_an_administrator_makes_users_of_the_own_tenant_only_whatever_is_posted(log_in: LogIn) -> None:
    post(log_in("max"), NEW, new(role="com_user", tenant="huber"))
    post(log_in("anna"), f"{NEW}?tenant=muster", new(login="neu2", role="com_admin"))
    assert person("neu").tenant == person("neu2").tenant == tenant("muster")
    post(log_in("max"), url_of("mia"), {"deputy": str(person("bernd").pk)}, saved=False)
    assert person("mia").deputy is None


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"login": "Neu Er"}, "A user ID has small letters"),
        ({"login": "_neu"}, "A user ID has small letters"),
        ({"login": "x" * 65}, "at most 64 characters"),
        ({"login": "greta"}, "The user ID greta is taken"),
        ({"name": ""}, "This field is required."),
        ({"email": "nina@"}, "The domain after the @ is not valid."),
        ({"password": "kurz"}, "at least 12 characters"),
        ({"password": "password1234"}, "too common"),
        ({"login": "nina.neumann", "password": "nina.neumann1"}, "too similar to the"),
        ({"password": "\0" * 14}, "Null characters are not allowed."),
        ({"deputy": "0"}, "not one of the available choices"),
        ({"deputy": "9" * 30}, "not one of the available choices"),
        ({"deputy": "x\0"}, "Null characters are not allowed."),
        ({"role": "x" * 5000}, "not one of the available choices"),
        ({"language": "xx"}, "not one of the available choices"),
        ({"name": "x" * 201}, "at most 200 characters"),
    ],
)
def test_bad_input_is_kept_and_explained(log_in: LogIn, typed: dict[str, str], message: str) -> None:
    page = post(log_in("anna"), NEW, new(**{"email": "nina@kanzlei-huber.example", **typed}), saved=False)
    assert message in page
    assert 'value="Nina Neu"' in page or "name" in typed
    assert typed.get("password", GOOD) not in page
    assert not User.objects.filter(login__in=["neu", typed.get("login", "neu")]).exclude(login="greta").exists()


def test_an_unusable_password_is_allowed_given_later_and_taken_away_again(log_in: LogIn) -> None:
    anna = log_in("anna")
    post(anna, NEW, new(role="service_user"))
    assert not person("neu").has_usable_password()
    assert "No password is set" in text_of(anna, url_of("neu"))
    post(anna, url_of("neu"), {"password": GOOD})
    assert person("neu").check_password(GOOD)
    both = post(anna, url_of("neu"), {"password": f"{GOOD}2", "no_password": "on"}, saved=False)
    assert "Either enter a password, or take it away." in both
    post(anna, url_of("neu"), {"no_password": "on"})
    assert not person("neu").has_usable_password()
    events = AuditEvent.objects.filter(action="log-in password", subject="neu", actor="anna")
    assert events.count() == 2
    assert GOOD not in str(list(AuditEvent.objects.values()))


def test_replacing_ones_own_password_keeps_this_session_and_ends_the_others(log_in: LogIn) -> None:
    here, elsewhere = log_in("anna"), log_in("anna")
    page = post(here, url_of("anna"), {"password": GOOD})
    assert "Saved." in page
    assert here.get(USERS).status_code == 200
    assert elsewhere.get(USERS).status_code == 302
    assert "no_password" not in here.get(url_of("anna")).context["form"].fields


def test_a_typed_password_survives_the_question_and_is_never_shown(log_in: LogIn) -> None:
    put(person("bernd"), sender_address="bernd@kanzlei-huber.example")
    anna = log_in("anna")
    typed = {**filled(anna, url_of("bernd")), "password": GOOD}
    del typed["is_active"]
    asked = anna.post(url_of("bernd"), typed)
    assert "Not saved yet" in asked.content.decode()
    assert GOOD not in asked.content.decode()
    assert (person("bernd").is_active, person("bernd").check_password(PASSWORD)) == (True, True)
    save(anna, url_of("bernd"), typed)
    assert (person("bernd").is_active, person("bernd").check_password(GOOD)) == (False, True)


# ---- Rights


def test_t2_nobody_changes_their_own_rights(log_in: LogIn) -> None:
    anna = log_in("anna")
    assert "Another administrator changes this for you." in text_of(anna, url_of("anna"))
    anna.post(url_of("anna"), {"login": "anna", "name": "Anna Huber", "role": "firm_user"})
    assert (person("anna").role, person("anna").is_active) == ("firm_admin", True)


@pytest.mark.parametrize("changed", [{"is_active": None}, {"role": "com_user"}], ids=["deactivated", "demoted"])
def test_t2_the_last_administrator_stays(log_in: LogIn, changed: dict[str, str | None]) -> None:
    page = post(log_in("anna"), url_of("max"), changed, saved=False)
    assert "max is the last active administrator of Musterkunde GmbH (rule T2)." in page
    assert (person("max").role, person("max").is_active) == ("com_admin", True)
    post(log_in("anna"), url_of("mia"), {"role": "com_admin"})
    post(log_in("anna"), url_of("max"), changed)


def test_t6_a_deputy_is_an_active_colleague_and_no_circle_comes_about(log_in: LogIn) -> None:
    anna = log_in("anna")
    post(anna, NEW, new())
    post(anna, NEW, new(login="stapel", role="service_user"))
    User.objects.filter(login="neu").update(is_active=False)
    offered = {str(row) for row in anna.get(url_of("bernd")).context["form"].fields["deputy"].queryset}
    assert offered == {"anna"}
    post(anna, url_of("bernd"), {"deputy": str(person("neu").pk)}, saved=False)
    User.objects.filter(login="neu").update(is_active=True)
    post(anna, url_of("bernd"), {"deputy": str(person("neu").pk)})
    page = post(anna, url_of("neu"), {"deputy": str(person("bernd").pk)}, saved=False)
    assert "neu already stands in for bernd, directly or through others (rule T6)." in page
    User.objects.filter(login="neu").update(is_active=False)
    post(anna, url_of("bernd"), {"name": "B. Moser"})  # the deputy who has left stays named until somebody decides
    assert person("bernd").deputy == person("neu")


# ---- T6


def leave(client: Client, login: str) -> str:
    return post(client, url_of(login), {"is_active": None})


def test_t6_deactivating_first_lists_what_still_names_the_user_and_asks(log_in: LogIn) -> None:
    anna = log_in("anna")
    put(person("bernd"), sender_address="bernd@kanzlei-huber.example")
    changes.save_account(
        Book("test"), tenant=tenant(), slug="bernds", sender_address="b@kanzlei-huber.example", values={}, user=person("bernd")
    )
    mail("bernd", 1)
    mail("bernd", 2, state="failed", last_error="550 5.1.1 no")
    data = filled(anna, url_of("bernd"))
    del data["is_active"]
    asked = unescape(anna.post(url_of("bernd"), data).content.decode())
    for words in (
        "Not saved yet",
        "The e-mail account bernds belongs to bernd.",
        "bernd has own settings: Sender address bernd@kanzlei-huber.example.",
        "Mail jobs of bernd: 1 waiting, 1 failed or uncertain. The administrators take care of them: Anna Huber (anna).",
    ):
        assert words in asked, words
    assert person("bernd").is_active
    assert not AuditEvent.objects.filter(subject="bernd", action="user", after__is_active=False).exists()
    page = leave(anna, "bernd")
    assert not person("bernd").is_active
    assert "Has left and is still named" in page
    assert "Mail jobs of bernd: 1 waiting, 1 failed or uncertain." in page
    assert f"{reverse('jobs')}?user=bernd" in page


def test_t6_a_user_whom_nothing_names_is_deactivated_without_a_question(log_in: LogIn) -> None:
    anna = log_in("anna")
    data = filled(anna, url_of("bernd"))
    del data["is_active"]
    assert anna.post(url_of("bernd"), data).status_code == 302
    assert "Has left and is still named" not in text_of(anna, USERS)


def test_t6_deactivating_an_employee_asks_too(log_in: LogIn) -> None:
    put(tenant(), update_sender_from_employee=False, redirect_addresses=["anna@kanzlei-huber.example"])
    anna, url = log_in("anna"), reverse("employee", args=[Employee.objects.get(number="1").pk])
    data = filled(anna, url)
    del data["is_active"]
    ParameterSet.objects.filter(user=person("anna")).delete()
    asked = unescape(anna.post(url, data).content.decode())
    assert "The user anna is active and linked to Anna Huber." in asked
    assert "“Redirect address(es)” in the general settings of Kanzlei Huber names anna@kanzlei-huber.example" in asked
    assert Employee.objects.get(number="1").is_active
    post(anna, url, {"is_active": None})
    assert not Employee.objects.get(number="1").is_active
    assert "Anna Huber</a>" in text_of(anna, USERS)
    assert "Has left and is still named" in text_of(anna, url)


def test_c1_at_a_com_customer_the_form_says_whose_mail_check_sender_will_refuse(log_in: LogIn) -> None:
    put(tenant("muster"), check_sender=True)
    book = Book("test")
    mia: dict[str, Any] = {"tenant": tenant("muster"), "number": "1", "name": "Mia Muster", "user": person("mia")}
    employee = changes.save_employee(book, **mia, email="mia@musterkunde.example")
    anna, url = log_in("anna"), reverse("employee", args=[employee.pk])
    asked = unescape(anna.post(url, {**filled(anna, url), "user": ""}).content.decode())
    assert "The own settings of the user mia still send as mia@musterkunde.example." in asked
    assert "Such mail is refused from then on (rule C1)." in asked
    post(anna, url, {"user": None})
    assert Employee.objects.get(pk=employee.pk).user is None


def test_t6_a_deactivated_user_cannot_log_in_and_their_sessions_end(log_in: LogIn) -> None:
    bernd = log_in("bernd")
    assert bernd.get("/").status_code == 200
    leave(log_in("anna"), "bernd")
    assert bernd.get("/").status_code == 302
    assert not Client().login(username="bernd", password=PASSWORD)


def test_t6_the_dashboard_counts_who_is_still_named(log_in: LogIn) -> None:
    anna = log_in("anna")
    assert "Nothing names a user or employee who has left" in text_of(anna, "/")
    put(person("bernd"), sender_address="bernd@kanzlei-huber.example")
    leave(anna, "bernd")
    page = text_of(anna, "/")
    assert "1 user or employee has left and is still named" in page
    assert 'href="/users/#still-named"' in page
    put(person("bernd"), sender_address=None)
    assert "Nothing names a user or employee who has left" in text_of(anna, "/")


# ---- A user's own settings


def test_p_an_administrator_sets_everything_that_a_user_can_have(log_in: LogIn) -> None:
    url = url_of("bernd", "user_settings")
    fields = set(log_in("anna").get(url).context["form"].fields)
    assert fields == set(PARAMETERS) - {"allowed_networks"}
    typed = {"sender_address": "bernd@kanzlei-huber.example", "smtp_server": "eigener.example.com", "smtp_user": "b"}
    page = post(log_in("anna"), url, {**typed, "smtp_password": SECRET, "always_use_sender_address": "yes"})
    assert changes.own_values(person("bernd")) == {**typed, "always_use_sender_address": True}
    assert Secret.objects.get().parameter_set == ParameterSet.objects.get(user=person("bernd"))
    assert SECRET not in page + text_of(log_in("anna"), url)
    assert AuditEvent.objects.filter(action="parameters", subject="bernd", actor="anna").exists()


def test_c1_only_the_firms_administrator_switches_check_sender_of_a_com_user(log_in: LogIn) -> None:
    url = url_of("mia", "user_settings")
    post(log_in("max"), url, {"check_sender": "yes", "smtp_user": "mia"})
    assert changes.own_values(person("mia")) == {"smtp_user": "mia"}
    assert "Only the firm's administrator changes this." in text_of(log_in("max"), url)
    post(log_in("anna"), url, {"check_sender": "yes"})
    assert changes.own_values(person("mia"))["check_sender"] is True


def test_t4_a_com_administrator_reads_nothing_of_the_firms_server_there(log_in: LogIn) -> None:
    put(tenant(), smtp_user="relay-login", smtp_port=52525, ntlm_domain="HUBERDOM", retention_days=31337)
    page = text_of(log_in("max"), url_of("mia", "user_settings"))
    for hidden in ("mail.kanzlei-huber.example", "relay-login", "52525", "HUBERDOM", "31337"):
        assert hidden not in page, hidden
    assert "Mail server of the firm" in page
    assert "mail.kanzlei-huber.example" in text_of(log_in("anna"), url_of("mia", "user_settings"))


def test_t5_locks_hold_there_too(log_in: LogIn) -> None:
    Tenant.objects.filter(slug="huber").update(locked=["smtp_server"])
    page = text_of(log_in("anna"), url_of("bernd", "user_settings"))
    assert "Locked by Kanzlei Huber" in page
    post(
        log_in("anna"), url_of("bernd", "user_settings"), {"smtp_server": "x.example", "smtp_user": "x", "send_option": "client"}
    )
    assert changes.own_values(person("bernd")) == {"send_option": "client"}


def test_u2_switching_a_users_redirect_off_asks_for_the_administrators_password(log_in: LogIn) -> None:
    put(person("bernd"), redirect_enabled=True)
    url = url_of("bernd", "user_settings")
    assert "Enter your log-in password" in post(log_in("anna"), url, {"redirect_enabled": "no"}, saved=False)
    post(log_in("anna"), url, {"redirect_enabled": "no", "login_password": PASSWORD})


@pytest.mark.parametrize("url", ["own", "administrator's"])
def test_c2_with_check_sender_an_own_address_needs_the_link_first(log_in: LogIn, url: str) -> None:
    put(tenant(), check_sender=True)
    login, where = ("bernd", "/settings/own/") if url == "own" else ("anna", url_of("bernd", "user_settings"))
    typed = {"sender_address": "bernd@kanzlei-huber.example"}
    page = post(log_in(login), where, typed, saved=False)
    assert "no employee is linked to the user bernd" in page
    assert "Link the employee first, then enter the address." in page
    assert 'value="bernd@kanzlei-huber.example"' in page
    assert changes.own_values(person("bernd")) == {}
    made: dict[str, Any] = {"number": "2", "name": "Bernd Moser", "email": "moser@kanzlei-huber.example"}
    changes.save_employee(Book("test"), tenant=tenant(), user=person("bernd"), **made)
    assert "none of the e-mail addresses of the linked employee Bernd Moser" in post(log_in(login), where, typed, saved=False)
    post(log_in(login), where, {"sender_address": "moser@kanzlei-huber.example"})


def test_c2_switching_check_sender_on_for_a_user_judges_the_address_that_stands_there(log_in: LogIn) -> None:
    put(person("bernd"), sender_address="bernd@kanzlei-huber.example")
    page = post(log_in("anna"), url_of("bernd", "user_settings"), {"check_sender": "yes"}, saved=False)
    assert "no employee is linked to the user bernd" in page
    post(log_in("anna"), url_of("bernd", "user_settings"), {"check_sender": "yes", "sender_address": None})


def test_p6_has_its_say_before_c2_where_the_parameter_is_switched_on_with_an_address(log_in: LogIn) -> None:
    put(person("anna"), update_sender_from_employee=False, sender_address=None)
    url = url_of("anna", "user_settings")
    post(log_in("root"), url, {"update_sender_from_employee": "yes", "sender_address": "chef@kanzlei-huber.example"})
    assert changes.own_values(person("anna"))["sender_address"] == "anna@kanzlei-huber.example"

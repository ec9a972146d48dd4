"""Log-in: limits, second step, confirmation before what is sensitive, log-ins elsewhere (Z13, Z14)."""

import re
import time
from typing import Any

import pyotp
import pytest
from django.test import Client

from mailjobs.people import limits, second_factor
from mailjobs.people.models import Authenticator, FailedTry, RecoveryCode, SignIn
from mailsettings import changes
from mailsettings.changes import Book
from mailsettings.models import AuditEvent, ParameterSet, Secret, User
from tests.cast import move_in, user
from tests.pages.conftest import filled, save
from tests.people.conftest import NEW, PASSWORD, is_in, log_in

pytestmark = pytest.mark.django_db(transaction=True)
WRONG = "falsch"


@pytest.fixture(autouse=True)
def cast() -> None:
    move_in()


def settle_down(client: Client) -> None:
    """Let the confirmation of this browser be long ago."""
    session = client.session
    session["confirmed_at"] = time.time() - 10_000
    session.save()


# ---- Limits


def test_z14_too_many_tries_stop_this_user_here_and_nobody_else() -> None:
    for _try in range(limits.OF_USER_AND_ADDRESS):
        assert b"15 " not in log_in("anna", WRONG).content
    answer = log_in("anna", PASSWORD)
    assert answer.status_code == 200
    assert "15 minutes" in answer.content.decode()
    assert log_in("bernd", "bernd-log-in-1").status_code == 302, "a colleague in the same office"
    assert log_in("anna", PASSWORD, REMOTE_ADDR="203.0.113.7").status_code == 302, "herself from elsewhere"


def test_z14_who_tries_many_users_from_one_address_is_stopped() -> None:
    for number in range(limits.OF_ADDRESS):
        log_in(f"user{number}", WRONG, REMOTE_ADDR="203.0.113.9")
    assert log_in("anna", PASSWORD, REMOTE_ADDR="203.0.113.9").status_code == 200
    assert log_in("anna", PASSWORD, REMOTE_ADDR="203.0.113.10").status_code == 302


def test_z14_guessing_from_many_addresses_does_not_lock_out_who_was_here_before() -> None:
    browser = Client()
    log_in("anna", PASSWORD, browser)
    browser.post("/accounts/logout/")
    for number in range(limits.OF_USER):
        log_in("anna", WRONG, REMOTE_ADDR=f"198.51.100.{number}")
    assert log_in("anna", PASSWORD, REMOTE_ADDR="192.0.2.1").status_code == 200, "an unknown browser waits"
    assert log_in("anna", PASSWORD, browser).status_code == 302
    assert SignIn.objects.filter(user=user("anna")).count() == 1


def test_a_success_begins_to_count_anew_and_what_was_typed_is_not_stored() -> None:
    for _try in range(limits.OF_USER_AND_ADDRESS - 1):
        log_in("anna", WRONG)
    log_in("mein-kennwort-im-falschen-feld", WRONG)
    assert "kennwort" not in str(list(FailedTry.objects.values()))
    assert log_in("anna", PASSWORD).status_code == 302
    assert FailedTry.objects.count() == 1


def test_the_address_behind_proxies(rf: Any, settings: Any) -> None:
    request = rf.get("/", REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.5"})
    assert limits.address_of(request) == "10.0.0.1"
    settings.PROXY_COUNT = 1
    assert limits.address_of(request) == "203.0.113.5"
    settings.PROXY_COUNT = 3
    assert limits.address_of(request) == "10.0.0.1"


# ---- The second step


def with_app(login: str = "anna") -> tuple[Client, str]:
    """A browser in which this user has set an authenticator app up, and its secret."""
    client = Client()
    log_in(login, f"{login}-log-in-1", client)
    page = client.get("/accounts/access/authenticator/").content.decode()
    found = re.search(r"<code>([A-Z2-7 ]+)</code>", page)
    assert found
    secret = found[1].replace(" ", "")
    assert "data:image/svg+xml" in page
    answer = client.post("/accounts/access/authenticator/", {"code": pyotp.TOTP(secret).now()})
    assert answer["Location"] == "/accounts/access/recovery-codes/"
    return client, secret


def test_z14_a_code_is_asked_for_and_serves_once(monkeypatch: pytest.MonkeyPatch) -> None:
    _client, secret = with_app()
    later = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: later)
    code = pyotp.TOTP(secret).at(int(later))
    browser = Client()
    assert log_in("anna", PASSWORD, browser)["Location"] == "/accounts/second-step/"
    assert not is_in(browser)
    assert browser.post("/accounts/second-step/", {"code": "000000" if code != "000000" else "111111"}).status_code == 200
    assert browser.post("/accounts/second-step/", {"code": code}).status_code == 302
    assert is_in(browser)
    again = Client()
    log_in("anna", PASSWORD, again)
    assert again.post("/accounts/second-step/", {"code": code}).status_code == 200
    assert not is_in(again)


def test_the_secret_is_sealed_to_its_user() -> None:
    _client, secret = with_app()
    row = Authenticator.objects.get()
    assert secret.encode() not in bytes(row.sealed)
    Authenticator.objects.filter(pk=row.pk).update(user=user("bernd"))
    assert not second_factor.code_is_right(user("bernd"), pyotp.TOTP(secret).now())


def test_a_recovery_code_serves_once_and_the_second_step_is_limited() -> None:
    client, _secret = with_app()
    codes = re.findall(r"<code>(\w+-\w+)</code>", client.post("/accounts/access/recovery-codes/").content.decode())
    assert len(codes) == 10
    assert codes[0] not in str(list(RecoveryCode.objects.values()))
    for expected in (302, 200):
        browser = Client()
        log_in("anna", PASSWORD, browser)
        assert browser.post("/accounts/second-step/", {"code": f" {codes[0].upper()} "}).status_code == expected
    browser = Client()
    log_in("anna", PASSWORD, browser, REMOTE_ADDR="203.0.113.1")
    for _try in range(limits.OF_USER_AND_ADDRESS):
        browser.post("/accounts/second-step/", {"code": "123123"}, REMOTE_ADDR="203.0.113.1")
    assert browser.post("/accounts/second-step/", {"code": codes[1]}, REMOTE_ADDR="203.0.113.1").status_code == 200
    assert not is_in(browser)


def test_nobody_reaches_the_second_step_without_the_password() -> None:
    with_app()
    browser = Client()
    assert browser.get("/accounts/second-step/").status_code == 302
    assert browser.post("/accounts/second-step/", {"code": "123456"})["Location"] == "/accounts/login/"


def test_an_administrator_takes_a_lost_second_step_away_and_it_is_audited() -> None:
    with_app("bernd")
    anna = Client()
    anna.force_login(user("anna"))
    url = f"/users/{user('bernd').pk}/access/"
    anna.post(url, {"action": "forget"})
    assert log_in("bernd", "bernd-log-in-1")["Location"] == "/"
    assert AuditEvent.objects.filter(action="second factor", actor="anna", subject="bernd").exists()
    with_app("bernd")
    settle_down(anna)
    assert "/accounts/confirm/" in anna.post(url, {"action": "forget"})["Location"]
    assert Authenticator.objects.count() == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 60_000, b'{"rawId": 5}', b'{"id": "x", "rawId": "y"}', b"\xff"])
def test_what_no_passkey_has_said_proves_nothing(body: bytes) -> None:
    browser = Client(enforce_csrf_checks=False)
    browser.post("/accounts/passkey/ask/")
    answer = browser.post("/accounts/passkey/prove/", body, content_type="application/json")
    assert "error" in answer.json()
    assert browser.post("/accounts/passkey/prove/", {"rawId": "x"}).status_code == 200
    assert not is_in(browser)


def test_a_form_where_a_script_should_speak_is_no_error() -> None:
    browser = Client(enforce_csrf_checks=True)
    page = browser.get("/accounts/login/").content.decode()
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found
    assert browser.post("/accounts/passkey/prove/", {"csrfmiddlewaretoken": found[1]}).status_code == 200


# ---- Confirmation (Z13)


@pytest.fixture
def anna() -> Client:
    client = Client()
    client.force_login(user("anna"))
    return client


def test_z13_a_new_user_with_a_password_needs_the_own_password_once(anna: Client) -> None:
    settle_down(anna)
    data = {"login": "nina", "name": "Nina", "role": "firm_user", "is_active": "on", "password": NEW}
    answer = anna.post("/users/new/", data)
    assert answer.status_code == 200
    assert b'name="confirm_password"' in answer.content
    assert not User.objects.filter(login="nina").exists()
    assert b'aria-invalid="true"' in anna.post("/users/new/", {**data, "confirm_password": WRONG}).content
    assert anna.post("/users/new/", {**data, "confirm_password": PASSWORD}).status_code == 302
    assert anna.post("/users/new/", {**data, "login": "nora"}).status_code == 302, "not asked again within the time"


def test_z13_a_role_is_not_changed_unconfirmed(anna: Client) -> None:
    settle_down(anna)
    url = f"/users/{user('bernd').pk}/"
    data = {"name": "Bernd Moser", "role": "firm_admin", "is_active": "on"}
    assert anna.post(url, data).status_code == 200
    assert user("bernd").role == "firm_user"
    assert anna.post(url, {**data, "name": "Bernd M.", "role": "firm_user"}).status_code == 302, "a name needs no confirmation"


def test_z13_redirect_is_not_switched_off_unconfirmed(anna: Client) -> None:
    huber = user("anna").tenant
    assert huber is not None
    on = {"redirect_enabled": True, "redirect_addresses": ["test@kanzlei-huber.example"]}
    changes.save_parameters(Book("test"), huber, {**changes.own_values(huber), **on})
    settle_down(anna)
    data = {**filled(anna, "/settings/"), "redirect_enabled": "no"}
    assert b'name="login_password"' in save(anna, "/settings/", data).content
    for _try in range(limits.OF_BROWSER):
        save(anna, "/settings/", {**data, "login_password": WRONG})
    save(anna, "/settings/", {**data, "login_password": PASSWORD})
    assert ParameterSet.objects.get(tenant=huber).values["redirect_enabled"] is True, "guessed too often"
    FailedTry.objects.all().delete()
    save(anna, "/settings/", {**data, "login_password": PASSWORD})
    assert ParameterSet.objects.get(tenant=huber).values["redirect_enabled"] is False


def test_z13_a_secret_is_not_stored_unconfirmed_nor_typed_twice(anna: Client) -> None:
    settle_down(anna)
    data = {**filled(anna, "/settings/"), "smtp_user": "relay", "smtp_password": "Server-Kennwort-1"}
    answer = anna.post("/settings/", {**data, "confirm_password": ""})
    assert b'name="confirm_password"' in answer.content
    assert "Server-Kennwort-1" not in answer.content.decode()
    assert not Secret.objects.exists()
    saved = save(anna, "/settings/", {**data, "confirm_password": PASSWORD})
    assert saved.redirect_chain
    assert Secret.objects.count() == 1


def test_z13_pages_of_factors_ask_first_and_lead_back(anna: Client) -> None:
    settle_down(anna)
    asked = anna.get("/accounts/access/authenticator/")
    assert asked["Location"] == "/accounts/confirm/?next=%2Faccounts%2Faccess%2Fauthenticator%2F"
    assert anna.post(asked["Location"], {"confirm_password": WRONG}).status_code == 200
    assert anna.post(asked["Location"], {"confirm_password": PASSWORD})["Location"] == "/accounts/access/authenticator/"
    assert anna.post("/accounts/confirm/?next=https://evil.example/", {})["Location"] == "/accounts/access/"


# ---- Log-ins


def test_others_are_logged_out_and_this_browser_stays() -> None:
    here, there = Client(), Client()
    log_in("anna", PASSWORD, here, headers={"User-Agent": "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0"})
    log_in("anna", PASSWORD, there, headers={"User-Agent": "Mozilla/5.0 (iPhone) Safari/605"})
    text = here.get("/accounts/access/").content.decode()
    assert "Firefox, Windows" in text
    assert "Safari, iPhone" in text
    here.post("/accounts/access/log-ins/end/")
    assert (is_in(here), is_in(there)) == (True, False)


def test_nobody_ends_somebody_elses_log_in() -> None:
    anna, bernd = Client(), Client()
    log_in("anna", PASSWORD, anna)
    log_in("bernd", "bernd-log-in-1", bernd)
    row = SignIn.objects.get(user=user("anna"))
    assert bernd.post("/accounts/access/log-ins/end/", {"pk": row.pk}).status_code == 404
    assert is_in(anna)


def test_a_changed_password_logs_out_everywhere_else_and_is_argon2(settings: Any) -> None:
    settings.PASSWORD_HASHERS = [*settings.PASSWORD_HASHERS[1:], settings.PASSWORD_HASHERS[0]]  # as in earnest
    here, there = Client(), Client()
    log_in("anna", PASSWORD, here)
    log_in("anna", PASSWORD, there)
    form = {"old": WRONG, "password": NEW, "again": NEW}
    assert here.post("/accounts/access/password/", form).status_code == 200
    assert here.post("/accounts/access/password/", {**form, "old": PASSWORD}).status_code == 302
    assert (is_in(here), is_in(there)) == (True, False)
    assert user("anna").password.startswith("argon2")
    assert len(SignIn.objects.filter(user=user("anna"))) == 2
    here.get("/accounts/access/")
    assert [row.session_key for row in SignIn.objects.filter(user=user("anna"))] == [here.session.session_key]


@pytest.mark.parametrize(
    "url", ["/accounts/access/", "/accounts/access/password/", "/accounts/access/authenticator/", "/accounts/confirm/"]
)
def test_strangers_are_sent_to_the_log_in(url: str) -> None:
    assert Client().get(url)["Location"].startswith("/accounts/login/")

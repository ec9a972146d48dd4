"""Log-in with OpenID Connect against a provider over TLS: connecting, coming back, and everything that proves nothing (Z14)."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client

from mailjobs.people import openid
from mailjobs.people.models import Identity
from mailsettings.models import User
from tests.cast import move_in, user
from tests.people.conftest import is_in
from tests.people.issuer import CLIENT, SECRET, Issuer

pytestmark = pytest.mark.django_db(transaction=True)
ASK, BACK = "/accounts/openid/", "/accounts/openid/back/"


@pytest.fixture
def issuer(tmp_path: Any, settings: Any) -> Iterator[Issuer]:
    made = Issuer(tmp_path)
    move_in()
    openid._known.clear()
    settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = made.url, CLIENT, SECRET
    settings.OIDC_NAME, settings.OUTBOUND_CA_FILE = "Kanzlei-Konto", str(made.ca_file)
    yield made
    made.close()


def come_back(client: Client, issuer: Issuer, **claims: Any) -> Any:
    asked = client.post(ASK, {"next": "/jobs/"})
    assert asked["Location"].startswith(issuer.url)
    return client.get(f"{BACK}?{issuer.authorize(asked['Location'], **claims)}")


def connect(issuer: Issuer, login: str = "anna", **claims: Any) -> None:
    client = Client()
    client.force_login(user(login))
    assert come_back(client, issuer, **claims)["Location"] == "/accounts/access/"


def test_z14_a_connected_identity_logs_in(issuer: Issuer) -> None:
    assert "Kanzlei-Konto" in Client().get("/accounts/login/").content.decode()
    connect(issuer)
    browser = Client()
    assert come_back(browser, issuer)["Location"] == "/jobs/"
    assert is_in(browser)
    assert Identity.objects.get().label == "anna@kanzlei-huber.example"


def test_a_stranger_at_the_provider_is_nobody_here(issuer: Issuer) -> None:
    browser = Client()
    answer = come_back(browser, issuer)
    assert answer["Location"] == "/accounts/login/"
    assert not is_in(browser)
    assert not Identity.objects.exists()


def test_the_operator_may_trust_a_claim_to_name_the_user(issuer: Issuer, settings: Any) -> None:
    settings.OIDC_USER_CLAIM = "preferred_username"
    browser = Client()
    come_back(browser, issuer)
    assert is_in(browser)
    assert Identity.objects.get().user == user("anna")
    impostor = Client()
    come_back(impostor, issuer, sub="0815")
    assert not is_in(impostor), "the name is somebody else's by now"


def test_a_deactivated_user_is_not_let_in(issuer: Issuer) -> None:
    connect(issuer, "bernd")
    User.objects.filter(login="bernd").update(is_active=False)
    browser = Client()
    come_back(browser, issuer)
    assert not is_in(browser)


def test_an_identity_belongs_to_one_user(issuer: Issuer) -> None:
    connect(issuer)
    connect(issuer, "bernd")
    assert Identity.objects.get().user == user("anna")


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "somebody-else"},
        {"iss": "https://evil.example"},
        {"nonce": "another"},
        {"exp": int(time.time()) - 3600},
        {"aud": [CLIENT, "other"], "azp": "other"},
        {"sub": None},
        {"sub": "4711\x00"},
    ],
    ids=["audience", "issuer", "nonce", "expired", "azp", "nobody", "no text"],
)
def test_an_id_token_that_is_not_for_us_proves_nothing(issuer: Issuer, claims: dict[str, Any]) -> None:
    connect(issuer)
    browser = Client()
    assert come_back(browser, issuer, **claims)["Location"] == "/accounts/login/"
    assert issuer.redeemed == 2
    assert not is_in(browser)


def test_a_signature_by_another_key_or_a_shared_one_proves_nothing(issuer: Issuer) -> None:
    connect(issuer)
    issuer.published, browser = rsa.generate_private_key(public_exponent=65537, key_size=2048), Client()
    come_back(browser, issuer)
    assert not is_in(browser)
    issuer.published, issuer.algorithm = issuer.key, "HS256"
    come_back(browser, issuer)
    assert not is_in(browser)


def test_an_answer_serves_once_and_only_here(issuer: Issuer) -> None:
    connect(issuer)
    browser, thief = Client(), Client()
    query = issuer.authorize(browser.post(ASK)["Location"])
    assert not is_in(thief)
    assert thief.get(f"{BACK}?{query}")["Location"] == "/accounts/login/"
    assert browser.get(f"{BACK}?{query}")["Location"] == "/"
    browser.post("/accounts/logout/")
    browser.get(f"{BACK}?{query}")
    assert not is_in(browser)


def test_a_provider_that_is_away_leaves_the_password(issuer: Issuer) -> None:
    issuer.close()
    assert Client().post(ASK)["Location"] == "/accounts/login/"


def test_without_a_provider_there_is_no_page(issuer: Issuer, settings: Any) -> None:
    settings.OIDC_ISSUER = ""
    assert Client().post(ASK).status_code == 404
    assert Client().get(BACK).status_code == 404

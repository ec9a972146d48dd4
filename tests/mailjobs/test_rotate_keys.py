"""`rotate_keys`: every secret under the newest key, without losing what somebody changes meanwhile (Z8). On both databases."""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from mailjobs.models import AccessToken
from mailsettings import rotation
from mailsettings.changes import Book, save_account, save_parameters, save_secret
from mailsettings.changes.secrets import save_consent
from mailsettings.models import EmailAccount, Secret, Tenant
from mailsettings.rotation import Count, rotate
from mailsettings.vault import SecretUnreadable, is_newest, seal, unseal
from tests.cast import move_in, user

pytestmark = pytest.mark.django_db
OLD, NEW = b"o" * 32, b"n" * 32
SERVER = {"send_system": 1, "smtp_server": "mail.kanzlei-huber.example", "smtp_user": "office"}
OAUTH = {
    "send_system": 11,
    "smtp_user": "office@kanzlei-huber.example",
    "oauth_client_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
}


@pytest.fixture
def secrets(settings: Any) -> dict[int, str]:
    """Secrets of a firm, a user and an account, sealed under the old key; id → what they are."""
    settings.FIELD_KEYS = [OLD]
    move_in()
    book, huber, anna = Book("anna"), Tenant.objects.get(slug="huber"), user("anna")
    save_parameters(book, huber, SERVER)
    save_secret(book, huber, "smtp_password", "of the firm")
    save_parameters(book, anna, {"smtp_user": "anna"})
    save_secret(book, anna, "smtp_password", "of anna")
    account = save_account(book, tenant=huber, slug="graph", sender_address="graph@kanzlei-huber.example", values=OAUTH)
    save_secret(book, account, "oauth_client_secret", "of the program")
    save_consent(book, account, "refresh token", mailbox="")
    return {row.pk: opened(row) for row in Secret.objects.all()}


def opened(row: Secret) -> str:
    owner, key, binding = rotation.sealed_tables[0].bound(row)
    return unseal(bytes(row.sealed), owner=owner, key=key, binding=binding)


def test_all_secrets_can_be_read_without_the_old_key(secrets: dict[int, str], settings: Any) -> None:
    assert sorted(secrets.values()) == ["of anna", "of the firm", "of the program", "refresh token"]
    settings.FIELD_KEYS = [NEW, OLD]
    changed = list(Secret.objects.order_by("pk").values_list("changed_at", "binding"))
    assert rotate() == Count(rotated=4)
    settings.FIELD_KEYS = [NEW]
    assert {row.pk: opened(row) for row in Secret.objects.all()} == secrets
    assert list(Secret.objects.order_by("pk").values_list("changed_at", "binding")) == changed
    settings.FIELD_KEYS = [OLD]
    with pytest.raises(SecretUnreadable):
        opened(Secret.objects.all()[0])


def test_a_second_run_has_nothing_to_do_and_one_that_broke_off_goes_on(
    secrets: dict[int, str], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FIELD_KEYS = [NEW, OLD]
    monkeypatch.setattr(rotation, "AT_ONCE", 1)
    done = iter((True, True, False))

    def break_off(sealed: bytes) -> bool:
        if not next(done):
            raise KeyboardInterrupt
        return is_newest(sealed)

    monkeypatch.setattr(rotation, "is_newest", break_off)
    with pytest.raises(KeyboardInterrupt):
        rotate()
    monkeypatch.setattr(rotation, "is_newest", is_newest)
    assert rotate() == Count(rotated=2, current=2)
    assert rotate() == Count(current=4)


def test_what_somebody_enters_meanwhile_stands(secrets: dict[int, str], settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose process still has the old key as its newest, between reading and writing of the same row."""
    settings.FIELD_KEYS = [NEW, OLD]
    late: list[bytes] = []

    def seal_after_another(secret: str, *, owner: str, key: str, binding: str) -> bytes:
        if secret == "of the firm" and not late:
            settings.FIELD_KEYS = [OLD, NEW]
            late.append(seal("entered meanwhile", owner=owner, key=key, binding=binding))
            settings.FIELD_KEYS = [NEW, OLD]
            Secret.objects.filter(key=key, binding=binding, account=None, parameter_set__tenant__slug="huber").update(
                sealed=late[0]
            )
        return seal(secret, owner=owner, key=key, binding=binding)

    monkeypatch.setattr(rotation, "seal", seal_after_another)
    assert rotate() == Count(rotated=4)
    assert late
    settings.FIELD_KEYS = [NEW]
    found = Secret.objects.get(parameter_set__tenant__slug="huber")
    assert opened(found) == "entered meanwhile"


def test_secrets_from_before_there_were_field_keys_are_taken_along(settings: Any) -> None:
    settings.FIELD_KEYS = []
    sealed = seal("x", owner="a", key="b", binding="c")
    settings.FIELD_KEYS = [NEW]
    assert not is_newest(sealed)
    assert unseal(sealed, owner="a", key="b", binding="c") == "x"
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 10, [settings.SECRET_KEY]
    assert unseal(sealed, owner="a", key="b", binding="c") == "x"


def test_the_command_counts_forgets_tokens_and_fails_for_what_cannot_be_read(
    secrets: dict[int, str], settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    token = AccessToken.objects.create(place="p", owner="account:1", sealed=seal("t", owner="p", key="access_token", binding=""))
    settings.FIELD_KEYS = [NEW, OLD]
    account = EmailAccount.objects.get(slug="graph")
    Secret.objects.filter(account=account, key="oauth_client_secret").update(binding="elsewhere")
    with pytest.raises(CommandError):
        call_command("rotate_keys")
    assert json.loads(capsys.readouterr().out) == {"rotated": 3, "current": 0, "unreadable": 1, "tokens": 1}
    token.refresh_from_db()
    assert token.sealed is None

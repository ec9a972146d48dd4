"""Every refusal names the rule, the address, the employee and what to do, in German and English."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import translation

from mailjobs.core.plan import Refusal
from mailjobs.explanation import document_of
from mailjobs.matrix import plan_in
from mailjobs.submission import submit
from mailjobs.wording import REFUSALS, say_refusal
from mailsettings.changes import Book, Trust, save_parameters
from mailsettings.core.facts import Request
from mailsettings.models import Employee, Tenant, User
from mailsettings.selectors import world_of
from tests.cast import OFFICE, invoice, move_in, user

pytestmark = pytest.mark.django_db
SERVER = {"smtp_server": "mail.kanzlei-huber.example"}


def _cast(**parameters: Any) -> Callable[[], None]:
    return lambda: move_in(parameters={**SERVER, **parameters})


def _leaver() -> None:
    move_in(parameters=SERVER)
    User.objects.filter(login="bernd").update(is_active=False)


def _check(**employee: Any) -> Callable[[], None]:
    def prepare() -> None:
        move_in(parameters={**SERVER, "check_sender": True})
        if employee:
            Employee.objects.create(
                tenant=Tenant.objects.get(slug="huber"), number="2", name="Bernd Moser", user=user("bernd"), **employee
            )

    return prepare


def _unconfirmed() -> None:
    move_in(parameters=SERVER)
    save_parameters(Book("mia", trust=Trust.CLAIMANT), user("mia"), {"sender_address": "mia@musterkunde.example"})


# code: what makes it, who asks, with what, the words that must be in the answer besides the rule
CASES: dict[Refusal, tuple[Callable[[], None], str, dict[str, Any], tuple[str, ...]]] = {
    Refusal.USER_INACTIVE: (_leaver, "bernd", {}, ("bernd",)),
    Refusal.PRINT_MODEL_UNKNOWN: (_cast(), "bernd", {"print_model": "mahnung"}, ("mahnung", "bernd")),
    Refusal.ADDRESS_INVALID: (_cast(), "bernd", {"context_sender": "bernd@ﬁrma.example"}, ("bernd@ﬁrma.example",)),
    Refusal.FOREIGN_ADDRESS: (_cast(), "mia", {"context_sender": OFFICE}, (OFFICE, "mia")),
    Refusal.ADDRESS_UNCONFIRMED: (_unconfirmed, "mia", {}, ("mia@musterkunde.example",)),
    Refusal.CHECK_SENDER_NO_EMPLOYEE: (_check(), "bernd", {}, (OFFICE, "bernd")),
    Refusal.CHECK_SENDER_NOT_ON_EMPLOYEE: (
        _check(email="bernd@kanzlei-huber.example"),
        "bernd",
        {},
        (OFFICE, "Bernd Moser", "bernd@kanzlei-huber.example"),
    ),
    Refusal.NO_SENDER: (_cast(sender_address=""), "stapel", {}, ("stapel",)),
    Refusal.NO_CONNECTION: (_cast(smtp_server=""), "stapel", {}, ("stapel",)),
    Refusal.SHARED_IDENTITY: (_cast(send_system=3), "bernd", {}, (OFFICE,)),
    Refusal.SECRET_NEEDED: (_cast(smtp_user="relay"), "bernd", {}, ("huber",)),
}
RULES = {
    Refusal.USER_INACTIVE: "T6", Refusal.PRINT_MODEL_UNKNOWN: "M1", Refusal.ADDRESS_INVALID: "P7", Refusal.FOREIGN_ADDRESS: "P8",
    Refusal.ADDRESS_UNCONFIRMED: "T4", Refusal.CHECK_SENDER_NO_EMPLOYEE: "C1", Refusal.CHECK_SENDER_NOT_ON_EMPLOYEE: "C1",
    Refusal.NO_SENDER: "R5", Refusal.NO_CONNECTION: "P2", Refusal.SHARED_IDENTITY: "S3", Refusal.SECRET_NEEDED: "P5",
    Refusal.HOST_NOT_ALLOWED: "Z6", Refusal.REDIRECT_UNREADABLE: "U2", Refusal.VARIABLE_MISSING: "M1",
}  # fmt: skip
DO = {  # what a person can do stands in the last sentence
    "en": ("administrator", "Choose", "Correct", "Use ", "Open ", "Switch", "Enter", "entered again", "Hand "),
    "de": ("Administrator", "Wählen", "Korrigieren", "Verwenden", "Öffnen", "Schalten", "Geben", "neu eingegeben", "Übergeben"),
}


@pytest.mark.parametrize("code", CASES)
@pytest.mark.parametrize("language", ["en", "de"])
def test_a_refusal_names_rule_address_employee_and_what_to_do(code: Refusal, language: str) -> None:
    prepare, login, request, named = CASES[code]
    prepare()
    world = world_of(user(login).tenant, [user(login)])  # type: ignore[arg-type]
    with translation.override(language):
        refused = document_of(plan_in(world, login, Request(**{"print_model": "invoices", **request})))["refused"]
    assert refused["code"] == code
    rule = f"{'Regel' if language == 'de' else 'rule'} {RULES[code]}"
    for word in (rule, *named):
        assert word in refused["message"], word
    assert "–" not in refused["message"], "a name is missing"
    assert any(word in refused["message"] for word in DO[language]), refused["message"]


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_refusal_has_its_rule_and_says_what_to_do(language: str) -> None:
    with translation.override(language):
        for code in Refusal:
            text = say_refusal(code)
            assert RULES[code] in text
            assert any(word in text for word in DO[language]), text
    assert set(REFUSALS) == set(Refusal)


def test_missing_values_are_named_with_their_print_model() -> None:
    move_in(parameters=SERVER)
    result = submit(user("bernd"), invoice(variables={"name": "Muster"}))
    assert result.code == "variable_missing"
    for word in ("rule M1", "invoices", "number"):
        assert word in result.message


def test_a_refusal_in_the_log_is_told_in_the_readers_language(client: Any) -> None:
    move_in(parameters={**SERVER, "check_sender": True})
    submit(user("bernd"), invoice())
    client.force_login(user("anna"))
    entry = user("bernd").mail_log.get()
    for language, word in (("en", "no active employee is linked"), ("de", "kein aktiver Mitarbeiter")):
        client.cookies["django_language"] = language
        assert word in client.get(f"/log/{entry.pk}/").content.decode()

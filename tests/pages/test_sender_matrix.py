"""The sender matrix: its cells, filters, pages, empty states and the file; its cost in queries (R4, P8, Z12)."""

from collections.abc import Sequence
from html import unescape
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from mailjobs.core.plan import Hazard, Hold, Refusal
from mailjobs.explanation import document_of
from mailjobs.matrix import matrix
from mailjobs.views import short_words
from mailsettings.configuration import import_document
from mailsettings.models import Tenant, User
from tests.pages.conftest import LogIn, document
from tests.pages.test_senders import FILE, PAGE, SERVER, file_of, logins, move_in, somebody, text_of

pytestmark = pytest.mark.django_db


def test_r4_every_cell_says_what_explain_says(db: None) -> None:
    move_in(
        firm={
            "parameters": {"redirect_enabled": True},
            "print_models": [*document()["firms"][0]["print_models"], {"id": "letters"}],
        },
        beispiel={"sends_as_firm": "hold"},
    )
    client = Client()
    client.force_login(User.objects.get(login="root"))
    for tenant in Tenant.objects.select_related("firm"):
        lines = client.get(PAGE, {"tenant": tenant.slug}).context["lines"]
        shown = {(line.user.login, cell.model): cell.answer for line in lines for cell in line.cells if cell.model}
        expected = {(doc["user"], doc["print_model"]): doc for doc in map(document_of, matrix(tenant))}
        assert set(shown) == set(expected)
        for place, doc in expected.items():
            answer = shown[place]
            assert answer.address == doc["sender"]["address"]
            assert (answer.system, answer.server) == (doc["connection"]["send_system"], doc["connection"]["server"])
            assert answer.stop == ("held" if doc["held"] else "refused" if doc["refused"] else "")
            assert [danger.code for danger in answer.hazards] == [hazard["code"] for hazard in doc["hazards"]]


def test_each_cell_leads_to_its_case(log_in: LogIn) -> None:
    client = log_in("anna")
    line = client.get(f"{PAGE}?tenant=muster").context["lines"][0]
    assert [cell.model for cell in line.cells] == ["", "invoices"]
    for cell in line.cells:
        answer = client.get(PAGE + cell.url)
        assert (answer.context["asked"].login, answer.context["case"].print_model) == ("max", cell.model)
        assert 'aria-current="true"' in answer.content.decode()


def test_p8_hazards_are_red_and_in_words(log_in: LogIn) -> None:
    body = log_in("eva").get(PAGE).content.decode()
    assert body.count('<td class="is-hazard">') == 2
    assert body.count("sends as the firm</small>") == 3  # two cells, and the card that stands for both on a phone
    assert "The mail carries the firm's address instead of the Com customer's." in unescape(body)  # the legend


@pytest.mark.parametrize(
    ("only", "tenant", "left"),
    [
        ("hazards", "beispiel", ["eva"]),
        ("firm", "beispiel", ["eva"]),
        ("sends_as_firm", "beispiel", ["eva"]),
        ("stopped", "beispiel", []),
        ("hazards", "muster", []),
        ("firm", "muster", []),
        ("firm", "huber", []),
        ("nonsense", "muster", ["max", "mia"]),
    ],
)
def test_the_filters_leave_the_cells_that_are_so(log_in: LogIn, only: str, tenant: str, left: list[str]) -> None:
    client = log_in("anna")
    assert logins(client, f"{PAGE}?tenant={tenant}&only={only}") == left
    assert {row["User ID"] for row in file_of(client, f"{FILE}?tenant={tenant}&only={only}")} == set(left)


def test_the_filters_count_cells(db: None) -> None:
    move_in(beispiel={"sends_as_firm": "hold"})
    client = Client()
    client.force_login(User.objects.get(login="eva"))
    tabs = {tab["label"]: tab["count"] for tab in client.get(PAGE).context["tabs"]}
    assert tabs == {"All": 2, "With hazards": 2, "Refused or held": 2, "As the firm": 2}


def test_equal_answers_are_told_once_for_each_user(db: None) -> None:
    account = {"id": "mahnung", "sender_address": "mahnung@musterkunde.example"}
    models = [{"id": name} for name in ("a", "b", "c", "d")]
    move_in(muster={"email_accounts": [account], "print_models": [*models, {"id": "reminders", "account": "mahnung"}]})
    client = Client()
    client.force_login(User.objects.get(login="max"))
    lines = {line.user.login: line for line in client.get(f"{PAGE}?only=").context["lines"]}
    told = [([cell.model for cell in group.cells], group.label, group.answer.address) for group in lines["max"].groups]
    assert told[0] == (["reminders"], "", "mahnung@musterkunde.example")
    assert told[-1][1:] == ("All other print models", "rechnung@musterkunde.example")


def test_one_answer_for_all_is_told_as_one(log_in: LogIn) -> None:
    line = log_in("max").get(PAGE).context["lines"][0]
    assert [(group.label, group.answer.address) for group in line.groups] == [
        ("All print models", "rechnung@musterkunde.example")
    ]


def test_the_users_are_searched_and_paged(db: None) -> None:
    crowd = [somebody(f"user{number:02}", f"Öttl {number:02}", "firm_user") for number in range(30)]
    move_in(firm={"users": [*document()["firms"][0]["users"], *crowd]})
    client = Client()
    client.force_login(User.objects.get(login="anna"))
    first = client.get(PAGE).context
    assert len(first["lines"]) == 25
    assert first["turn"]["before"] == ""
    second = client.get(PAGE + first["turn"]["after"]).context
    assert len(second["lines"]) == 7
    assert logins(client, f"{PAGE}?q=ÖTTL 07") == ["user07"]
    assert logins(client, f"{PAGE}?q=user1&page=99") == [f"user{number}" for number in range(10, 20)]
    assert len(file_of(client)) == 32 * 2


def _crowd(users: int, models: int) -> dict[str, Any]:
    people = [somebody(f"user{number:02}", f"Muster {number:02}", "firm_user") for number in range(users - 2)]
    accounts = [{"id": f"a{number}", "sender_address": f"a{number}@kanzlei-huber.example"} for number in range(models)]
    prints = [{"id": f"m{number}", "account": f"a{number}"} for number in range(models - 1)]
    for person in people:
        person["parameters"] = {"sender_address": f"{person['id']}@kanzlei-huber.example"}
    return {
        "users": [*document()["firms"][0]["users"], *people],
        "email_accounts": accounts,
        "print_models": [*document()["firms"][0]["print_models"], *prints],
    }


@pytest.mark.parametrize("query", ["", "?user=anna&print_model=invoices", "?only=hazards"])
def test_r4_the_matrix_asks_the_database_the_same_whatever_its_size(db: None, query: str) -> None:
    counted = []
    for users, models in ((2, 1), (50, 10)):
        move_in(firm=_crowd(users, models))
        client = Client()
        client.force_login(User.objects.get(login="anna"))
        client.get(PAGE)
        for url in (PAGE, FILE):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert client.get(url + query).status_code == 200
            counted.append(len(queries))
    assert counted[:2] == counted[2:]
    assert counted[0] <= 30  # most of them are every page's


# ---- Nothing to show


def test_empty_states_say_why(db: None, settings_of_nobody: None) -> None:
    client = Client()
    client.force_login(User.objects.get(login="root"))
    assert "There is no firm yet" in text_of(client, PAGE)
    assert client.get(FILE).status_code == 404


@pytest.fixture
def settings_of_nobody(db: None) -> None:
    """An installation with nothing but an operator."""
    import_document({"version": 1, "operators": document()["operators"], "firms": []}, actor="test")


def test_a_tenant_without_users_or_print_models_says_so(db: None) -> None:
    configuration = document()
    configuration["firms"][0]["com_customers"] += [{"id": "leer", "name": "Leere GmbH"}]
    configuration["firms"][0]["print_models"] = []
    import_document(configuration, actor="test")
    client = Client()
    client.force_login(User.objects.get(login="anna"))
    assert "No user yet" in text_of(client, f"{PAGE}?tenant=leer")
    assert "There is no print model yet" in text_of(client, PAGE)
    assert logins(client) == ["anna", "bernd"]
    assert "No user matches your search" in text_of(client, f"{PAGE}?q=zzz")
    assert "No cell is like this" in text_of(client, f"{PAGE}?only=stopped")
    User.objects.filter(tenant__slug="beispiel").update(is_active=False)
    assert "No active user" in text_of(client, f"{PAGE}?tenant=beispiel")


# ---- The file


def test_z12_no_cell_of_the_file_is_a_formula(db: None) -> None:
    people = [somebody(f"user{number}", f"{sign}1+1", "firm_user") for number, sign in enumerate("=+-@")]
    move_in(firm={"users": [*document()["firms"][0]["users"], *people]})
    client = Client()
    client.force_login(User.objects.get(login="anna"))
    rows = file_of(client)
    assert {row["User"] for row in rows if row["User ID"].startswith("user")} == {"'=1+1", "'+1+1", "'-1+1", "'@1+1"}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_the_file_is_separated_as_the_readers_spreadsheet_expects(log_in: LogIn) -> None:
    first = {
        language: log_in("anna").get(FILE, headers={"accept-language": language}).content.decode("utf-8-sig").split("\r\n")[0]
        for language in ("de", "en")
    }
    assert first["en"].startswith("User ID,")
    assert first["de"].startswith("User-ID;")


def test_the_file_says_what_the_matrix_says(db: None) -> None:
    move_in(beispiel={"sends_as_firm": "hold"})
    client = Client()
    client.force_login(User.objects.get(login="anna"))
    row = file_of(client, f"{FILE}?tenant=beispiel")[1]
    assert (row["User ID"], row["Print model"], row["Sender address"]) == ("eva", "invoices", "office@kanzlei-huber.example")
    assert (row["Result"], row["Reason"], row["Hazards"]) == ("held", "until the firm releases it", "sends as the firm")
    assert (row["Mail server"], row["Send system"]) == (SERVER, "1")


# ---- Words


@pytest.mark.parametrize(
    ("members", "words"),
    [(Refusal, short_words.SHORT_REFUSALS), (Hold, short_words.SHORT_HOLDS), (Hazard, short_words.SHORT_HAZARDS)],
    ids=["refusals", "holds", "hazards"],
)
@pytest.mark.parametrize("language", [code for code, _name in settings.LANGUAGES])
def test_everything_in_a_mails_way_has_short_words(members: Sequence[str], words: Any, language: str) -> None:
    with translation.override(language):
        assert [member for member in members if not 3 <= len(str(words[member])) <= 60] == []

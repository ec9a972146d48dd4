"""Before a general setting, an account or a print model is saved, the page says which cells of the matrix change (P9)."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from mailsettings.changes import own_values
from mailsettings.models import AuditEvent, EmailAccount, Secret, Tenant
from tests.cast import move_in, user
from tests.pages.conftest import HIDDEN

pytestmark = pytest.mark.django_db
SERVER = {"smtp_server": "mail.kanzlei-huber.example", "send_system": 1}


def log_in(login: str) -> Client:
    client = Client()
    client.force_login(user(login))
    return client


def text(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", unescape(answer.content.decode())).split())


def typed(client: Client, url: str, **changed: str) -> dict[str, str]:
    form = client.get(url).context["form"]
    found = {field.html_name: field.field.prepare_value(field.value()) for field in form if not field.field.disabled}
    values = {name: "\n".join(value) if isinstance(value, list) else str(value) for name, value in found.items() if value}
    return {**values, **changed}


def test_p9_a_general_address_is_saved_only_after_the_changed_cells_were_shown() -> None:
    move_in(parameters=SERVER)
    anna, before = log_in("anna"), AuditEvent.objects.count()
    data = typed(anna, "/settings/", sender_address="neu@kanzlei-huber.example")
    shown = anna.post("/settings/", data)
    foresight = shown.context["form"].foresight
    # Three users of the firm and Eva would send as the new address; Musterkunde's own is not concerned.
    assert {cell.place.user for cell in foresight.changed} == {"bernd", "stapel", "eva"}
    assert foresight.total == 6
    assert "Not saved yet: this changes 3 of 6 cells of the sender matrix" in text(shown)
    assert "office@kanzlei-huber.example over mail.kanzlei-huber.example:587" in text(shown)
    assert own_values(Tenant.objects.get(slug="huber"))["sender_address"].endswith("<office@kanzlei-huber.example>")
    assert AuditEvent.objects.count() == before

    anna.post("/settings/", {**data, "foreseen": foresight.digest})
    assert own_values(Tenant.objects.get(slug="huber"))["sender_address"] == "neu@kanzlei-huber.example"


def test_p9_a_yes_counts_only_for_what_was_shown() -> None:
    move_in(parameters=SERVER)
    anna = log_in("anna")
    data = typed(anna, "/settings/", sender_address="neu@kanzlei-huber.example")
    yes = anna.post("/settings/", data).context["form"].foresight.digest
    other = anna.post("/settings/", {**data, "sender_address": "anders@kanzlei-huber.example", "foreseen": yes})
    assert other.context["form"].foresight
    assert own_values(Tenant.objects.get(slug="huber"))["sender_address"].endswith("<office@kanzlei-huber.example>")


def test_p9_removing_the_server_says_that_everybody_falls_back_to_the_client() -> None:
    move_in(parameters=SERVER)
    anna = log_in("anna")
    shown = anna.post("/settings/", typed(anna, "/settings/", smtp_server=""))
    assert len(shown.context["form"].foresight.changed) == 6
    assert "refused (no_connection)" in text(shown)


def test_p9_what_changes_no_cell_is_saved_at_once() -> None:
    move_in(parameters=SERVER)
    anna = log_in("anna")
    assert anna.post("/settings/", typed(anna, "/settings/", retention_days="60")).status_code == 302


def test_p9_an_account_tells_whose_mail_it_would_take_over() -> None:
    move_in(parameters=SERVER)
    anna = log_in("anna")
    data = {"slug": "neu", "sender_address": "bernd@kanzlei-huber.example", "user": str(user("bernd").pk), "is_active": "on"}
    shown = anna.post("/email-accounts/new/", data)
    assert [cell.place.user for cell in shown.context["form"].foresight.changed] == ["bernd"]
    assert not EmailAccount.objects.exists()
    anna.post("/email-accounts/new/", {**data, "foreseen": shown.context["form"].foresight.digest})
    assert EmailAccount.objects.get().user == user("bernd")


def test_a_typed_password_survives_the_question_and_is_never_echoed() -> None:
    move_in(parameters={**SERVER, "smtp_user": "relay"})
    anna, secret = log_in("anna"), "Geheim-und-lang-1"
    shown = anna.post("/settings/", typed(anna, "/settings/", smtp_password=secret, smtp_port="2525"))
    page = shown.content.decode()
    assert secret not in page
    kept = {match["name"]: unescape(match["value"]) for match in HIDDEN.finditer(page)}
    assert set(kept) == {"kept-smtp_password"}
    data = typed(anna, "/settings/", smtp_port="2525", **kept, foreseen=shown.context["form"].foresight.digest)
    assert anna.post("/settings/", data).status_code == 302
    assert Secret.objects.filter(key="smtp_password").count() == 1
    forged = anna.post("/settings/", {**data, "kept-smtp_password": "bm8="}, follow=True)
    assert forged.status_code == 200


def test_t4_a_com_administrator_sees_the_cells_of_their_own_without_the_firms_server() -> None:
    move_in(parameters={**SERVER, "smtp_user": "relay-login", "smtp_password": "Relay-pw-4"})
    max_ = log_in("max")
    shown = max_.post("/settings/", typed(max_, "/settings/", send_system="0"))
    found = text(shown)
    assert {cell.place.tenant for cell in shown.context["form"].foresight.changed} == {"muster"}
    assert "over the mail server of the firm [0]" in found
    assert "relay-login" not in found
    assert "mail.kanzlei-huber.example" not in found

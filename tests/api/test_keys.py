"""Keys: whose they are, what they open, when they stop (Z1, Z15)."""

from datetime import timedelta

import pytest
from django.test import Client, override_settings
from django.utils import timezone

from mailjobs.keys import Scope, key_of, revoke
from mailjobs.models import ApiKey, MailJob
from mailsettings.models import AuditEvent, User
from tests.api.conftest import Programs, invoice
from tests.pages.conftest import mail, person

SCOPED = [
    ("post", "messages", Scope.SUBMIT),
    ("post", "messages/batch", Scope.SUBMIT),
    ("get", "messages/{pk}", Scope.READ),
    ("post", "messages/{pk}/requeue", Scope.MANAGE),
    ("post", "messages/{pk}/cancel", Scope.MANAGE),
    ("get", "jobs", Scope.READ),
    ("get", "log", Scope.READ),
    ("post", "explain", Scope.EXPLAIN),
]


@pytest.mark.parametrize(("method", "path", "scope"), SCOPED, ids=[path for _method, path, _scope in SCOPED])
def test_a_key_without_the_scope_gets_403_and_without_a_key_401(program: Programs, method: str, path: str, scope: Scope) -> None:
    address = path.format(pk=mail("bernd").pk)
    other = program("bernd", *(each for each in Scope if each is not scope))
    status, problem = other.get(address) if method == "get" else other.post(address, {})
    assert (status, problem["code"]) == (403, "scope_missing")
    answer = getattr(Client(), method)(f"/api/v1/{address}")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    status, _document = program("bernd", scope).get(address) if method == "get" else program("bernd", scope).post(address, {})
    assert status not in (401, 403)


@pytest.mark.parametrize("stranger", ["greta", "max", "eva", "mia"])
def test_what_another_tenant_has_is_not_there(program: Programs, stranger: str) -> None:
    """Z1: 404, never 403, and in no list."""
    job = mail("anna")
    other = program(stranger)
    for status, problem in (
        other.get(f"messages/{job.pk}"),
        other.post(f"messages/{job.pk}/requeue"),
        other.post(f"messages/{job.pk}/cancel"),
        other.post("explain", {"user": "anna"}),
    ):
        assert (status, problem["code"]) == (404, "not_found")
    assert other.get("jobs")[1]["jobs"] == []
    assert MailJob.objects.get().state == "new"


def test_a_key_of_another_tenant_is_another_key(program: Programs) -> None:
    first = program("bernd").post("messages", invoice(), Idempotency_Key="k")[1]["id"]
    assert program("greta").post("messages", invoice(), Idempotency_Key="k")[1]["id"] not in (None, first)


def test_a_user_sees_what_their_pages_show(program: Programs) -> None:
    """T4, T7: the own ones; an administrator the tenant's and the Com customers'."""
    jobs = {login: mail(login).pk for login in ("anna", "bernd", "max", "greta")}
    assert [job["id"] for job in program("bernd").get("jobs")[1]["jobs"]] == [jobs["bernd"]]
    assert [job["id"] for job in program("anna").get("jobs")[1]["jobs"]] == [jobs["max"], jobs["bernd"], jobs["anna"]]


def test_a_com_customer_does_not_read_the_firms_server(program: Programs) -> None:
    """T4."""
    status, document = program("max").post("explain", {"print_model": "invoices"})
    assert status == 200
    assert "mail.kanzlei-huber.example" not in str(document)
    assert "office@kanzlei-huber.example" not in str(document["levels"])
    assert document["connection"]["port"] is None
    assert "mail.kanzlei-huber.example" in str(program("anna").post("explain", {"user": "max"})[1])


def test_a_revoked_key_stops_at_once(program: Programs) -> None:
    bernd = program("bernd")
    assert bernd.get("jobs")[0] == 200
    revoke(person("anna"), bernd.key)
    assert bernd.get("jobs")[0] == 401
    assert [event.action for event in AuditEvent.objects.filter(subject__startswith="bernd/")] == [
        "api_key_revoked",
        "api_key_made",
    ]


def test_an_expired_key_and_one_of_a_deactivated_user_open_nothing(program: Programs) -> None:
    assert program("bernd", expires_at=timezone.now() - timedelta(seconds=1)).get("jobs")[0] == 401
    assert program("bernd", expires_at=timezone.now() + timedelta(minutes=1)).get("jobs")[0] == 200
    gone = program("bernd")
    User.objects.filter(login="bernd").update(is_active=False)
    assert gone.get("jobs")[0] == 401


@pytest.mark.parametrize("words", ["", "Bearer", "Bearer pa_", "Basic YTpi", "Bearer pa_" + "x" * 43, "Bearer pa_\ud83d\ude00"])
def test_what_is_no_key_opens_nothing(cast: None, words: str) -> None:
    headers = {"Authorization": words.encode("utf-8", "surrogatepass").decode("latin-1")}
    assert Client().get("/api/v1/jobs", headers=headers).status_code == 401


def test_the_key_itself_is_not_stored(program: Programs) -> None:
    bernd = program("bernd")
    row = ApiKey.objects.values().get()
    assert bernd.text not in str(row)
    assert bernd.text.startswith(row["prefix"])
    assert len(bernd.text) >= 43
    assert row["last_used_at"] is None
    bernd.get("jobs")
    assert ApiKey.objects.get().last_used_at is not None
    assert key_of(bernd.text + "x") is None


def test_limits_of_key_and_tenant_answer_429_with_a_time(program: Programs) -> None:
    first, second, other = program("bernd"), program("anna"), program("greta")
    with override_settings(API_KEY_PER_MINUTE=2, API_TENANT_PER_MINUTE=3):
        assert [first.get("jobs")[0] for _time in range(3)] == [200, 200, 429]
        assert 1 <= int(first.last.headers["Retry-After"]) <= 60
        assert second.get("jobs")[0] == 429, "the tenant's limit is shared by its keys"
        assert other.get("jobs")[0] == 200

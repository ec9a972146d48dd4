"""The page of connections: who sees which, what it says of them, and what *Freigeben* does (J8, T4)."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from mailjobs import notices, sharing
from mailjobs.models import Incident, MailJob, SessionLease, SharedConnection, StateChoices
from mailsettings.changes import Book, own_values, save_account, save_parameters
from mailsettings.models import AuditEvent, Tenant
from tests.pages.conftest import LogIn, mail, text_of

FIRM = "mail.kanzlei-huber.example"
OWN = "mx.musterkunde.example"
GRUBER = "mail.gruber.example"


@pytest.fixture
def connections(log_in: LogIn) -> LogIn:
    """The firm's connection with a mail of Bernd's, an account's of Musterkunde, another firm's."""
    muster = Tenant.objects.get(slug="muster")
    values: dict[str, Any] = {"smtp_server": OWN, "smtp_user": "muster", "max_connections": 2, "per_minute": 7}
    save_account(Book("test"), tenant=muster, slug="rechnungen", sender_address="rechnung@musterkunde.example", values=values)
    for login in ("bernd", "mia", "greta"):
        mail(login)
    sharing.ids_of([f"{OWN}:587|muster|0"])
    return log_in


def stop(host: str, **changes: Any) -> SharedConnection:
    shared = SharedConnection.objects.get(key__startswith=host)
    SharedConnection.objects.filter(pk=shared.pk).update(**changes)
    return shared


@pytest.mark.parametrize(
    ("login", "sees", "lacks"),
    [
        ("anna", [FIRM, OWN], [GRUBER]),
        ("max", [OWN], [FIRM, GRUBER]),
        ("eva", [], [FIRM, OWN, GRUBER]),
        ("greta", [GRUBER], [FIRM, OWN]),
        ("root", [FIRM, OWN, GRUBER], []),
    ],
)
def test_t4_everybody_sees_the_connections_they_administer(
    connections: LogIn, login: str, sees: list[str], lacks: list[str]
) -> None:
    page = text_of(connections(login), "/connections/")
    assert [host for host in sees if host not in page] == []
    assert [host for host in lacks if host in page] == []


@pytest.mark.parametrize("login", ["bernd", "mia"])
def test_the_page_is_not_there_for_users(connections: LogIn, login: str) -> None:
    assert connections(login).get("/connections/").status_code == 404


@pytest.mark.parametrize(
    ("login", "host", "status"),
    [("anna", FIRM, 302), ("anna", OWN, 302), ("max", OWN, 302), ("max", FIRM, 404), ("greta", FIRM, 404)],
)
def test_j8_a_connection_is_released_by_those_who_see_it_audited(connections: LogIn, login: str, host: str, status: int) -> None:
    shared = stop(host, paused_at=timezone.now(), paused_reply="535 5.7.8 no")
    answer = connections(login).post("/connections/", {"action": "release", "pk": shared.pk})
    assert answer.status_code == status
    shared.refresh_from_db()
    assert (shared.paused_at is None) is (status == 302)
    audited = AuditEvent.objects.filter(action="release_connection", actor=login, subject=shared.key)
    assert audited.exists() is (status == 302)


def test_t4_a_com_customer_who_types_the_firms_login_neither_sees_nor_releases_it(connections: LogIn) -> None:
    muster = Tenant.objects.get(slug="muster")
    save_account(Book("test"), tenant=muster, slug="fremd", sender_address="a@musterkunde.example", values={"smtp_server": FIRM})
    shared = stop(FIRM, paused_at=timezone.now())
    client = connections("max")
    assert FIRM not in text_of(client, "/connections/")
    assert client.post("/connections/", {"action": "release", "pk": shared.pk}).status_code == 404


def test_j8_release_resets_the_mails_that_failed_because_of_it(connections: LogIn) -> None:
    job = MailJob.objects.get(user__login="bernd")
    MailJob.objects.filter(pk=job.pk).update(state="failed", last_error="535 5.7.8 no", finished_at=timezone.now())
    notices.record([notices.Settled(job, StateChoices.FAILED, "535 5.7.8 no", reason="login_refused")])
    shared = stop(FIRM, paused_at=timezone.now())
    connections("anna").post("/connections/", {"action": "release", "pk": shared.pk})
    job.refresh_from_db()
    assert job.state == "new"
    assert Incident.objects.get().closed_at is not None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"paused_at": True, "paused_reply": "535 5.7.8 no such user"},
            ["Login paused", "Nothing tries it by itself", "535 5.7.8 no such user"],
        ),
        (
            {"block_reason": "breaker", "breaker_open": True, "block_reply": "refused"},
            ["Not reached", "One mail tries it again at", "Try now"],
        ),
        ({"block_reason": "throttled"}, ["The server asked for a pause"]),
        ({"block_reason": "quota"}, ["The allowance of the login is used up"]),
        ({"block_reason": "per_minute"}, ["The limit per minute is reached"]),
        ({"block_reason": "per_day"}, ["The limit per day is reached"]),
    ],
)
def test_the_state_is_said_in_words_with_cause_and_time(connections: LogIn, changes: dict[str, Any], said: list[str]) -> None:
    now = timezone.now()
    if changes.pop("paused_at", False):
        changes["paused_at"] = now
    else:
        changes |= {"blocked_until": now + timedelta(minutes=5), "breaker_since": now}
    stop(FIRM, **changes)
    page = text_of(connections("anna"), "/connections/")
    assert [words for words in said if words not in page] == []


def test_limits_are_shown_with_their_origin_and_sessions_as_they_are(connections: LogIn) -> None:
    shared = stop(OWN, learned_per_minute=5)
    SessionLease.objects.create(connection=shared, worker="w", until=timezone.now() + timedelta(seconds=30))
    huber = Tenant.objects.get(slug="huber")
    save_parameters(Book("test"), huber, {**own_values(huber), "smtp_server": "smtp.office365.com"})
    sharing.ids_of(["smtp.office365.com:587||0"])
    page = text_of(connections("anna"), "/connections/")
    for words in ("2 sessions (set)", "5 mails a minute (learned from the server)", "1 of 2"):
        assert words in page
    for words in ("3 sessions (preset)", "30 mails a minute (preset)", "10,000 recipients a day (preset)"):
        assert words in page


def test_waiting_mails_are_counted_as_the_reader_sees_them(connections: LogIn) -> None:
    mail("anna", 2)
    shared = SharedConnection.objects.get(key__startswith=FIRM)
    rows = {row["pk"]: row for row in connections("anna").get("/connections/").context["rows"]}
    assert rows[shared.pk]["waiting"] == 3


@pytest.mark.parametrize(
    "data",
    [{}, {"action": "x"}, {"action": "release"}, {"action": "release", "pk": "x" * 40}, {"action": "release", "pk": "9" * 30}],
)
def test_what_makes_no_sense_is_no_server_error(connections: LogIn, data: dict[str, str]) -> None:
    assert connections("anna").post("/connections/", data).status_code in (400, 404)


def test_the_navigation_leads_there(connections: LogIn) -> None:
    for login in ("anna", "max", "root"):
        assert 'href="/connections/"' in text_of(connections(login), "/")
    assert 'href="/connections/"' not in text_of(connections("bernd"), "/")

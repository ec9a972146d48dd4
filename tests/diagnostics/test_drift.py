"""The drift watch: a login that no longer works is known before the morning, tried once, and nothing is sent."""

from datetime import datetime, timedelta
from html import unescape
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.test import Client

from diagnostics import drift
from mailjobs.models import Incident, InternalMessage, SharedConnection
from mailsettings.models import Installation
from tests.cast import move_in, user
from tests.services import CountingServer

pytestmark = pytest.mark.django_db(transaction=True)
NIGHT = datetime(2026, 11, 25, 4, 55, tzinfo=ZoneInfo("Europe/Vienna"))


def test_a_connection_that_works_is_checked_once_a_night_and_nothing_is_sent() -> None:
    with CountingServer() as server:
        move_in(server)
        assert drift.watch(NIGHT) == 1
        assert (server.connections, server.received) == (1, [])
        assert drift.watch(NIGHT + timedelta(minutes=3)) == 0
    shared = SharedConnection.objects.get()
    assert shared.proven
    assert shared.checked_at
    assert not Incident.objects.exists()


def test_a_refused_login_is_an_incident_before_the_morning_and_is_not_tried_again() -> None:
    with CountingServer() as server:
        move_in(server)
        server.password = "changed-elsewhere-1"
        assert drift.watch(NIGHT) == 1
        assert server.refused_logins == 1
        for _run in range(3):
            assert drift.watch(NIGHT) == 0
        SharedConnection.objects.update(paused_at=None)
        assert drift.watch(NIGHT) == 0, "these very settings were refused"
        assert server.refused_logins == 1
    incident = Incident.objects.get()
    assert (incident.tenant.slug, incident.reason, incident.closed_at) == ("huber", "login_refused", None)
    assert [letter.user.login for letter in InternalMessage.objects.all()] == ["anna"]
    client = Client()
    client.force_login(user("anna"))
    for address in ("/", "/inbox/", f"/inbox/incidents/{incident.pk}/"):
        answer = client.get(address)
        assert answer.status_code == 200, address
    text = unescape(client.get(f"/inbox/incidents/{incident.pk}/").content.decode())
    assert "The mail server does not accept user or password" in text
    assert "Nightly check of the connection" in text
    assert f"/inbox/incidents/{incident.pk}/" in client.get("/").content.decode(), "the overview shows it in the morning"
    client.force_login(user("bernd"))
    assert f"/inbox/incidents/{incident.pk}/" not in client.get("/").content.decode()
    assert client.get(f"/inbox/incidents/{incident.pk}/").status_code == 404


def test_what_works_again_closes_its_incident() -> None:
    with CountingServer() as server:
        move_in(server)
    assert drift.watch(NIGHT) == 1
    assert Incident.objects.get().reason == "retry"
    assert drift.watch(NIGHT) == 1, "not reached is tried again in the same night"
    assert InternalMessage.objects.count() == 1, "and told once"
    with CountingServer(port=server.port) as again:
        move_in(again)  # with its certificate authority
        assert drift.watch(NIGHT) == 1
    assert Incident.objects.get().closed_at


def test_the_night_is_spread_and_the_day_left_alone() -> None:
    with CountingServer() as server:
        accounts = [
            {
                "id": f"a{number}",
                "sender_address": f"a{number}@kanzlei-huber.example",
                "smtp_user": f"u{number}",
                "smtp_password": "x",
            }
            for number in range(11)
        ]
        move_in(server, email_accounts=accounts)
        assert drift.watch(NIGHT.replace(hour=12)) == 0
        assert drift.watch(NIGHT.replace(hour=5, minute=0)) == 0
        assert drift.watch(NIGHT.replace(hour=4, minute=20)) == 3, "12 in the 4 runs that are left"
    assert {run["task"] for run in settings.CELERY_BEAT_SCHEDULE.values()} >= {"diagnostics.watch_connections"}


def test_a_copy_of_a_database_logs_in_nowhere() -> None:
    with CountingServer() as server:
        move_in(server)
        Installation.objects.update_or_create(pk=1, defaults={"name": "elsewhere"})
        assert drift.watch(NIGHT) == 0
        assert server.connections == 0

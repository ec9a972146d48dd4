"""The audit log is a chain: whoever changes, removes or inserts an event is found out (Z16). On both databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from mailsettings.audit_chain import Broken, Head, digest_of, head, verify
from mailsettings.audit_models import AuditEvent, AuditLink
from mailsettings.changes import audit
from mailsettings.models import Tenant
from tests.cast import move_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def events() -> list[AuditEvent]:
    """Ten events beside those of moving in."""
    move_in()
    huber = Tenant.objects.get(slug="huber")
    for number in range(10):
        audit(
            "anna", huber, "release", str(number), {"jobs": [number], "share": 0.5, "whole": 1.0, "many": 1e22, "Wort": "größer"}
        )
    _commit()
    return list(AuditEvent.objects.order_by("pk"))


def _commit() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # the deferred triggers run as at the end of the transaction
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


@contextmanager
def mighty() -> Iterator[None]:
    """As somebody who has the whole database in his hands."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield
        cursor.execute("SET session_replication_role = origin")


def test_an_untouched_log_is_intact(events: list[AuditEvent]) -> None:
    assert list(verify()) == []
    assert head().position == len(events) == AuditLink.objects.count()


@pytest.mark.parametrize(
    "change", [{"actor": "bernd"}, {"after": {"jobs": [4711]}}, {"subject": "x"}, {"tenant": None}, {"digest": "0" * 64}], ids=str
)
def test_a_changed_event_is_found(events: list[AuditEvent], change: dict[str, Any]) -> None:
    with mighty():
        AuditEvent.objects.filter(pk=events[-3].pk).update(**change)
    assert list(verify()) == [Broken("changed", events[-3].pk)]


def test_a_changed_event_is_found_although_its_digest_was_made_anew(events: list[AuditEvent]) -> None:
    victim = events[-3]
    victim.actor = "bernd"
    digest = digest_of(victim)
    with mighty():
        AuditEvent.objects.filter(pk=victim.pk).update(actor="bernd", digest=digest)
    assert list(verify()) == [Broken("changed", victim.pk)]


def test_a_removed_event_is_found(events: list[AuditEvent]) -> None:
    with mighty():
        AuditEvent.objects.filter(pk=events[-3].pk)._raw_delete("default")
    assert list(verify()) == [Broken("removed", events[-3].pk)]


def test_an_event_that_was_removed_with_its_link_is_found(events: list[AuditEvent]) -> None:
    position = AuditLink.objects.get(event=events[-3]).position
    with mighty():
        AuditLink.objects.filter(event=events[-3])._raw_delete("default")
        AuditEvent.objects.filter(pk=events[-3].pk)._raw_delete("default")
    assert list(verify()) == [Broken("removed", position)]


def test_an_inserted_event_is_found(events: list[AuditEvent]) -> None:
    with mighty():
        forged = AuditEvent.objects.create(at=events[0].at, actor="anna", action="release", subject="forged")
    assert list(verify()) == [Broken("inserted", forged.pk)]


def test_an_end_that_was_cut_off_is_found_by_a_head_that_was_noted(events: list[AuditEvent]) -> None:
    noted = head()
    with mighty():
        AuditLink.objects.filter(event=events[-1])._raw_delete("default")
        AuditEvent.objects.filter(pk=events[-1].pk)._raw_delete("default")
    assert list(verify()) == []
    assert list(verify(noted)) == [Broken("head", noted.position)]


def test_a_noted_head_stays_a_part_of_the_chain(events: list[AuditEvent]) -> None:
    noted = head()
    audit("anna", None, "release", "later", {})
    _commit()
    assert list(verify(noted)) == []
    assert list(verify(Head())) == []


def test_the_command_says_which_row(events: list[AuditEvent], capsys: pytest.CaptureFixture[str]) -> None:
    call_command("audit", "verify")
    noted = capsys.readouterr().out.strip()
    assert noted == str(head())
    call_command("audit", "verify", f"--head={noted}")
    with mighty():
        AuditEvent.objects.filter(pk=events[4].pk).update(actor="nobody")
    with pytest.raises(CommandError):
        call_command("audit", "verify")
    assert f"Event {events[4].pk} was changed." in capsys.readouterr().err

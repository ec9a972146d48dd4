"""Switching redirect mode as people do, and who got what, for the tests of rules U."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import pytest
from django.db import transaction

from mailjobs import delivery, finishing, queue
from mailjobs.models import MailJob
from mailjobs.results import Finished
from mailsettings.changes import Book, own_values, save_parameters, save_tenant
from mailsettings.core.send_systems import TenantKind
from mailsettings.models import ParameterSet, Tenant, User
from tests.cast import user
from tests.services import CountingServer

Mode = Literal["off", "on", "capture"]
MODES: tuple[Mode, ...] = ("off", "on", "capture")


def just_before_the_body(monkeypatch: pytest.MonkeyPatch, happen: Callable[[], object]) -> None:
    """Makes something happen once, after mails were prepared and just before the first is put on the wire."""
    write = finishing.write
    done: list[bool] = []

    def happen_first(items: Sequence[queue.Mark | Finished]) -> list[bool]:
        if not done and any(isinstance(item, queue.Mark) for item in items):
            done.append(True)
            happen()
        return write(items)

    monkeypatch.setattr(finishing, "write", happen_first)


def tenant(slug: str) -> Tenant:
    return Tenant.objects.select_related("firm").get(slug=slug)


def owner_of(level: str) -> Tenant | User:
    """Whose settings they are in which Mia's redirect can stand."""
    return user("mia") if level == "user" else tenant({"firm": "huber", "com customer": "muster"}[level])


def change(owner: Tenant | User, **values: object) -> None:
    """Change parameters as a page does: in one transaction, whose end the call waits for (U2)."""
    with transaction.atomic():
        save_parameters(Book("test"), owner, {**own_values(owner), **values})


def switch(mode: Mode, address: str = "probe@kanzlei-huber.example", *, owner: Tenant | User | None = None) -> None:
    """Redirect mode off, on to this address, or capturing only; the firm's unless it is said whose."""
    change(
        owner or tenant("huber"),
        redirect_enabled=mode != "off",
        redirect_addresses=[address],
        redirect_capture_only=mode == "capture",
    )


def damage(owner: Tenant | User, values: object) -> None:
    """Write into the database what no door lets in; an object is added to what stands there."""
    own = {"tenant": owner} if isinstance(owner, Tenant) else {"user": owner}
    row, _created = ParameterSet.objects.get_or_create(**own)
    row.values = {**row.values, **values} if isinstance(values, dict) else values
    row.save()


def let_send_as_firm(slug: str, policy: str) -> None:
    """The firm's decision about a Com customer's mail that carries its address (P8)."""
    row = tenant(slug)
    with transaction.atomic():
        save_tenant(
            Book("test"),
            slug=slug,
            name=row.name,
            kind=TenantKind(row.kind),
            firm=row.firm,
            sends_as_firm=policy,
            locked=row.locked,
        )


def deliver(**options: Any) -> dict[str, float]:
    return delivery.run(until_empty=True, **options).document()


def arrived(server: CountingServer) -> set[str]:
    """Everybody who got something."""
    return set(server.recipients)


def held(job_id: int | None = None) -> tuple[str, str, str]:
    """State, reason and whom it waits for, of this job or the only one."""
    job = MailJob.objects.get() if job_id is None else MailJob.objects.get(pk=job_id)
    return job.state, job.held_reason, job.held_for

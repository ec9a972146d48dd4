"""Uncertain mails looked for where the mailbox keeps copies itself, over Graph and EWS (delivery contract 2, 9)."""

from collections.abc import Iterator
from typing import Any

import pytest

from mailjobs import delivery, lost
from mailjobs.models import Incident, InternalMessage, JobRecipient, MailJob, MailLogEntry, SentErrand
from mailjobs.submission import submit
from mailjobs.transports import web_session
from tests.cast import invoice, move_in, user
from tests.peers.ews_standin import EwsStandIn
from tests.peers.graph_standin import App, GraphStandIn

pytestmark = pytest.mark.django_db(transaction=True)

OFFICE = "office@test.local"
PAST = "2020-01-01T00:00:00Z"


@pytest.fixture(autouse=True)
def nobody_looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session itself: what a worker would do that was lost."""
    monkeypatch.setattr(web_session, "LOOK_AFTER", ())


@pytest.fixture
def graph() -> Iterator[GraphStandIn]:
    with GraphStandIn(apps={"portal": App(granted="Mail.Send Mail.ReadWrite", mailbox=OFFICE)}) as running:
        yield running


def over_graph(graph: GraphStandIn, **more: Any) -> dict[str, Any]:
    return {
        "send_system": 11,
        "graph_url": graph.graph_url,
        "oauth_authority": graph.authority,
        "oauth_tenant": "huber.example",
        "oauth_client_id": "portal",
        "oauth_client_secret": App().secret,
        "ca_certificate": graph.ca_pem,
        "smtp_user": OFFICE,
        "sender_address": OFFICE,
        **more,
    }


def deliver() -> None:
    delivery.run(until_empty=True)


def lose_the_worker() -> MailJob:
    """The mail went, and the worker that sent it was killed before it wrote that down."""
    submit(user("bernd"), invoice())
    deliver()
    job = MailJob.objects.get()
    assert job.state == "sent"
    MailLogEntry.objects.all().delete()
    job.tries.all().delete()
    JobRecipient.objects.update(state="pending", reply="", accepted_epoch=None)
    MailJob.objects.update(state="sending", on_wire_at=PAST, lease_until=PAST, finished_at=None, attempts=0)
    lost.reap()
    job.refresh_from_db()
    assert (job.state, InternalMessage.objects.filter(read_at=None).count()) == ("unknown", 1)
    return job


def settled() -> tuple[str, str]:
    job = MailJob.objects.get()
    return job.state, job.last_error


def test_a_mail_whose_worker_was_lost_is_found_in_sent_items_of_graph(graph: GraphStandIn) -> None:
    move_in(parameters=over_graph(graph))
    lose_the_worker()
    deliver()
    assert (settled(), len(graph.taken)) == (("sent", ""), 1)
    recipient = JobRecipient.objects.get()
    assert (recipient.state, recipient.reply) == ("accepted", lost.FOUND)
    assert InternalMessage.objects.filter(read_at=None).count() == 0
    assert not Incident.objects.filter(closed_at=None).exists()
    outcomes = MailLogEntry.objects.order_by("pk").values_list("outcome", "error")
    assert list(outcomes)[-1] == ("handed_over", "")


def test_one_that_is_not_there_stays_uncertain_and_is_looked_for_again(graph: GraphStandIn) -> None:
    move_in(parameters=over_graph(graph))
    lose_the_worker()
    taken, graph.taken[:] = list(graph.taken), []
    deliver()
    errand = SentErrand.objects.get()
    assert (settled()[0], errand.state, errand.tries, errand.error) == ("unknown", "wanted", 1, "")
    graph.taken.extend(taken)
    SentErrand.objects.update(due_at=PAST)
    deliver()
    assert settled() == ("sent", "")


def test_after_a_day_it_is_looked_for_no_more(graph: GraphStandIn) -> None:
    move_in(parameters=over_graph(graph))
    lose_the_worker()
    graph.taken.clear()
    SentErrand.objects.update(wanted_at=PAST)
    deliver()
    assert (settled()[0], SentErrand.objects.get().state) == ("unknown", "failed")


@pytest.mark.parametrize(("copy", "state"), [(True, "sent"), (False, "unknown")])
def test_over_ews_a_copy_that_was_asked_for_settles_it(copy: bool, state: str) -> None:
    with EwsStandIn() as exchange:
        password = {"smtp_user": "anna", "smtp_password": exchange.users["anna"], "ntlm_domain": "TEST"}
        where = {"ews_url": exchange.ews_url, "ews_auth": "ntlm", "ca_certificate": exchange.ca_pem, "sent_copy": copy}
        move_in(parameters={"send_system": 7, **where, **password, "sender_address": "anna@test.local"})
        lose_the_worker()
        deliver()
        assert (settled()[0], len(exchange.taken), exchange.complaints) == (state, 1, [])


def test_what_is_to_be_sent_again_is_looked_for_first(graph: GraphStandIn) -> None:
    graph.faults.append("drop")
    move_in(parameters=over_graph(graph, unknown_policy="resend"))
    submit(user("bernd"), invoice())
    deliver()
    assert (settled(), len(graph.taken)) == (("sent", ""), 1)


@pytest.mark.parametrize("why", ["somebody has it", "a try named others"])
def test_what_may_be_another_tries_copy_settles_nothing(graph: GraphStandIn, why: str) -> None:
    move_in(parameters=over_graph(graph))
    job = lose_the_worker()
    if why == "somebody has it":
        JobRecipient.objects.create(job=job, kind="to", address="other@kunde.example", state="accepted")
    else:
        before = {"job": job, "epoch": 0, "started_at": PAST, "ended_at": PAST, "outcome": "unknown"}
        job.tries.create(**before, redirected_to=["test@kanzlei-huber.example"])
    deliver()
    assert (settled()[0], SentErrand.objects.get().state) == ("unknown", "failed")


def test_a_mail_that_a_person_has_answered_for_is_left_alone(graph: GraphStandIn) -> None:
    move_in(parameters=over_graph(graph))
    lose_the_worker()
    MailJob.objects.update(state="cancelled")
    deliver()
    assert settled()[0] == "cancelled"
    assert lost.found(MailJob.objects.get(), "x") is False


def test_over_smtp_nobody_looks(graph: GraphStandIn) -> None:
    move_in(parameters=over_graph(graph))
    job = lose_the_worker()
    SentErrand.objects.all().delete()
    MailJob.objects.update(send_system=1, state="sending", on_wire_at=PAST, lease_until=PAST)
    lost.reap()
    job.refresh_from_db()
    assert (job.state, SentErrand.objects.count()) == ("unknown", 0)

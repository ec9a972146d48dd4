"""Drafts over Graph and EWS, where that is the connection in force, against their stand-ins: X1, T7, P5, U2."""

from collections.abc import Iterator
from typing import Any

import pytest

from mailjobs import drafting
from mailjobs.models import MailDraft, MailJob
from mailjobs.submission import submit, submit_many
from tests.cast import invoice, user
from tests.mailjobs.test_drafting import BERND, deliver, held, live, redirect
from tests.peers.ews_standin import EwsStandIn
from tests.peers.graph_standin import App, GraphStandIn

pytestmark = pytest.mark.django_db(transaction=True)

State = MailDraft.State


@pytest.fixture
def graph() -> Iterator[GraphStandIn]:
    with GraphStandIn(apps={"portal": App(granted="Mail.Send Mail.ReadWrite", mailbox=BERND)}) as running:
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
        **more,
    }


def test_a_mail_becomes_a_draft_over_graph_where_that_is_the_connection(graph: GraphStandIn) -> None:
    live(over_graph(graph), smtp_user="", smtp_password="")
    content = {"filename": "1.pdf", "content_type": "application/pdf", "content_base64": "JVBERi0x" * 600_000}
    submit(user("bernd"), invoice(bcc=["blind@kunde.example"], attachments=[content]))
    deliver()
    [made], draft = graph.drafts.values(), MailDraft.objects.get()
    assert (draft.state, draft.mailbox, draft.error, graph.taken) == (State.PLACED, BERND, "", [])
    assert (made.mailbox, made.mail["Bcc"]) == (BERND, "blind@kunde.example")
    assert made.mail["Message-ID"] == MailJob.objects.get().message_id
    assert len(made.files) == 1, "what is too large for one request goes by an upload"
    assert held() == ("held", "by_client")


def test_graph_that_does_not_allow_drafts_says_so_and_nothing_is_sent(graph: GraphStandIn) -> None:
    graph.apps["portal"].granted = "Mail.Send"
    live(over_graph(graph), smtp_user="", smtp_password="")
    submit(user("bernd"), invoice())
    deliver()
    draft = MailDraft.objects.get()
    assert (draft.state, graph.drafts, graph.taken) == (State.FAILED, {}, [])
    assert "ErrorAccessDenied" in draft.error


@pytest.mark.parametrize(("fault", "made"), [("drop", 1), ("504", 0)], ids=["it was there", "it was not"])
def test_a_draft_whose_answer_graph_lost_is_looked_for_before_another_try(graph: GraphStandIn, fault: str, made: int) -> None:
    graph.draft_faults.append(fault)
    live(over_graph(graph), smtp_user="", smtp_password="")
    submit(user("bernd"), invoice())
    deliver()
    draft = MailDraft.objects.get()
    assert (draft.state, draft.uncertain, len(graph.drafts)) == (State.WANTED, True, made)
    try_again()
    assert (MailDraft.objects.get().state, len(graph.drafts)) == (State.PLACED, 1)


def try_again() -> None:
    MailDraft.objects.update(due_at="2020-01-01T00:00:00Z")
    deliver()


# EWS


@pytest.fixture
def exchange() -> Iterator[EwsStandIn]:
    with EwsStandIn() as running:
        yield running
        assert running.complaints == []


def over_ews(exchange: EwsStandIn, **more: Any) -> dict[str, Any]:
    settings = {"send_system": 7, "ews_url": exchange.ews_url, "ews_auth": "ntlm", "ca_certificate": exchange.ca_pem}
    return {**settings, **more}


def test_a_mail_becomes_a_draft_over_ews_in_the_mailbox_of_the_login(exchange: EwsStandIn) -> None:
    live(over_ews(exchange), ntlm_domain="TEST", smtp_user="bernd")
    submit(user("bernd"), invoice(bcc=["blind@kunde.example"]))
    deliver()
    [made], draft = exchange.drafts, MailDraft.objects.get()
    assert (draft.state, draft.mailbox, draft.error, exchange.taken) == (State.PLACED, "bernd", "", [])
    assert (made.mailbox, made.recipients) == (BERND, ("klient1@kunde.example", "blind@kunde.example"))
    assert (made.message_id, made.mail["X-Unsent"]) == (MailJob.objects.get().message_id, "1")
    assert held() == ("held", "by_client"), "never called sent"
    assert exchange.requests == ["ntlm GetFolder", "ntlm CreateItem"]


def test_u2_a_draft_over_ews_is_redirected_by_the_state_of_the_last_moment(exchange: EwsStandIn) -> None:
    live(over_ews(exchange), smtp_user="bernd")
    submit(user("bernd"), invoice(bcc=["blind@kunde.example"]))
    redirect(redirect_addresses=["test@kanzlei-huber.example"])
    deliver()
    assert [made.recipients for made in exchange.drafts] == [("test@kanzlei-huber.example",)]


@pytest.mark.parametrize(("fault", "made"), [("drop", 1), ("504", 0)], ids=["it was there", "it was not"])
def test_a_draft_whose_answer_ews_lost_is_looked_for_before_another_try(exchange: EwsStandIn, fault: str, made: int) -> None:
    exchange.faults.append(fault)
    live(over_ews(exchange), smtp_user="bernd")
    submit(user("bernd"), invoice())
    deliver()
    assert (MailDraft.objects.get().uncertain, len(exchange.drafts)) == (True, made)
    try_again()
    assert (MailDraft.objects.get().state, len(exchange.drafts)) == (State.PLACED, 1)
    assert exchange.requests.count("ntlm FindItem") == 1


def test_ews_that_refuses_a_draft_says_why(exchange: EwsStandIn) -> None:
    exchange.faults.append("ErrorMessageSizeExceeded")
    live(over_ews(exchange), smtp_user="bernd")
    submit(user("bernd"), invoice())
    deliver()
    draft = MailDraft.objects.get()
    assert (draft.state, draft.uncertain, exchange.drafts) == (State.FAILED, False, [])
    assert "ErrorMessageSizeExceeded" in draft.error


def test_j8_a_login_that_ews_refuses_for_a_draft_is_tried_once(exchange: EwsStandIn) -> None:
    live(over_ews(exchange), smtp_user="bernd", smtp_password="Falsches-Passwort-9")
    submit_many(user("bernd"), [invoice(number) for number in range(3)])
    deliver()
    assert sorted(MailDraft.objects.values_list("state", flat=True)) == [State.FAILED, State.WANTED, State.WANTED]
    assert exchange.connections == 1
    assert "Falsches" not in MailDraft.objects.get(state=State.FAILED).error


@pytest.mark.parametrize(
    ("named", "mailbox"), [(BERND, BERND), ("office@test.local", "")], ids=["the sender's own", "a service account's"]
)
def test_t7_a_mailbox_that_general_settings_log_in_to_is_used_where_it_is_the_senders(
    exchange: EwsStandIn, named: str, mailbox: str
) -> None:
    live(over_ews(exchange, smtp_user=named, smtp_password=exchange.users["bernd"]), smtp_user="", smtp_password="")
    submit(user("bernd"), invoice())
    deliver()
    draft = MailDraft.objects.get()
    assert (draft.mailbox, [made.mailbox for made in exchange.drafts]) == (mailbox, [mailbox] if mailbox else [])
    assert draft.error == ("" if mailbox else drafting.NO_MAILBOX)

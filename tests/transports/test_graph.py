"""Send systems 10 and 11 against a strict stand-in of Graph: what is handed over, refused, lost and withdrawn."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from mailjobs.core.envelope import Endpoint, Envelope, HandOver, Phase, TokenSource, TransportError, Trouble
from mailjobs.core.lifecycle import Outcome, RecipientState, State, settle
from mailjobs.core.reply import ReplyClass
from mailjobs.transports import graph, https, registry, web_session
from mailjobs.transports.graph import GraphSession
from mailjobs.transports.web_session import DRAFTS
from tests.peers.graph_standin import GraphStandIn
from tests.peers.tokens import SMTP_AUDIENCE, issue
from tests.transports.web_letters import WebLetter

OFFICE = "office@test.local"
CLIENT = "kunde@kanzlei.test"
LOOPBACK = ("127.0.0.0/8", "::1/128")
QUICK = https.Timeouts(connect=5, block=5, answer=5, final=5)


@pytest.fixture
def service() -> Iterator[GraphStandIn]:
    with GraphStandIn() as running:
        yield running


def endpoint(service: GraphStandIn, *, scope: str = "Mail.Send", seconds: float = 3600, **changes: Any) -> Endpoint:
    """An endpoint whose secret is a token of the stand-in."""
    token = issue(audience=service.authority, scope=scope, user=OFFICE, seconds=seconds)
    made = Endpoint(
        host="localhost",
        port=service.port,
        tls="implicit",
        send_system=11,
        username=OFFICE,
        secret=token,
        ca_certificate=service.ca_pem,
        allowed_networks=LOOPBACK,
        url=service.graph_url,
    )
    return replace(made, **changes)


class Letter(WebLetter):
    """From the mailbox of the tests to a customer."""

    def __init__(self, *files: bytes, to: str = CLIENT, sender: str = OFFICE, go_on: bool = True, head: str = "") -> None:
        fields = [f"From: {sender}", f"To: {to}", "Subject: Test", *([head] if head else [])]
        super().__init__(fields, files, to=CLIENT, sender=sender, go_on=go_on)


@asynccontextmanager
async def session_to(to: Endpoint) -> AsyncIterator[GraphSession]:
    session = await graph.open_session(to, timeouts=QUICK)
    try:
        yield session
    finally:
        await session.close()
        assert not session.usable


def settled(handover: HandOver, *recipients: str) -> Outcome:
    return settle(handover, recipients or (CLIENT,), sender=OFFICE)


def test_registry_hands_10_and_11_to_graph() -> None:
    assert registry.TRANSPORTS[10] is registry.TRANSPORTS[11] is graph.open_session


async def test_submit_hands_the_mail_over_as_it_was_frozen(service: GraphStandIn) -> None:
    letter, second = Letter(b"%PDF-1"), Letter()
    async with session_to(endpoint(service)) as session:
        outcome = await letter.over(session)
        session.begin_transcript()
        assert session.usable
        assert (await second.over(session)).final is not None
    assert (outcome.final and outcome.final.code, outcome.recipients[CLIENT].code, outcome.error) == (202, 202, None)
    assert settled(outcome).state is State.SENT
    assert [taken.message_id for taken in service.taken] == [letter.message_id, second.message_id]
    mail = service.taken[0].mail
    text, file = mail.iter_parts()
    assert text.get_payload(decode=True) == ".ein Punkt\r\nGrüße".encode()
    assert file.get_payload(decode=True) == b"%PDF-1"
    assert (letter.asked, service.taken[0].recipients) == (1, (CLIENT,))


async def test_submit_names_exactly_the_envelopes_recipients(service: GraphStandIn) -> None:
    letter = Letter(to=f"=?utf-8?q?M=C3=BCller?= <{CLIENT}>, schon@kanzlei.test", head="Cc: KOPIE@Kanzlei.test")
    async with session_to(endpoint(service)) as session:
        outcome = await letter.over(session, CLIENT, "kopie@kanzlei.test", "blind@kanzlei.test")
    assert set(outcome.recipients) == {CLIENT, "kopie@kanzlei.test", "blind@kanzlei.test"}
    [taken] = service.taken
    assert {address.lower() for address in taken.recipients} == set(outcome.recipients)
    assert (str(taken.mail["To"]), taken.mail["Bcc"]) == (f"Müller <{CLIENT}>", None)


async def test_submit_asks_before_the_body_and_withdraws(service: GraphStandIn) -> None:
    letter = Letter(go_on=False)
    async with session_to(endpoint(service)) as session:
        outcome = await letter.over(session)
        assert not session.usable
    assert (outcome.withdrawn, letter.asked, service.taken) == (True, 1, [])
    assert settled(outcome).state is State.NEW


async def test_submit_closes_where_asking_fails(service: GraphStandIn) -> None:
    letter = Letter()

    async def broken() -> bool:
        raise ValueError("the database is away")

    async with session_to(endpoint(service)) as session:
        with pytest.raises(ValueError, match="away"):
            await session.submit(Envelope(OFFICE, (CLIENT,)), letter.parts, size=1, before_body=broken)
        assert not session.usable
    assert service.taken == []


# Large mails

SMALL, LARGE = b"s" * 2_000_000, bytes(range(256)) * 28_000  # 7.2 MB


async def test_submit_takes_a_large_mail_by_draft_and_uploads(service: GraphStandIn) -> None:
    letter = Letter(LARGE, SMALL, b"%PDF-1")
    async with session_to(endpoint(service, scope="Mail.Send Mail.ReadWrite")) as session:
        outcome = await letter.over(session)
        dialogue = "\n".join(session.transcript)
    assert settled(outcome).state is State.SENT
    [taken] = service.taken
    files = [part.get_payload(decode=True) for part in taken.mail.iter_attachments()]
    assert sorted(map(len, filter(None, files))) == [6, len(SMALL), len(LARGE)]
    assert LARGE in files
    assert taken.message_id == letter.message_id
    assert (letter.asked, service.drafts) == (1, {})
    assert "authtoken" not in dialogue


@pytest.mark.parametrize("fault", ["", "403:ErrorSendAsDenied", "503:ServiceUnavailable"], ids=["withdrawn", "refused", "busy"])
async def test_submit_leaves_no_draft_behind(service: GraphStandIn, fault: str) -> None:
    letter = Letter(LARGE, go_on=bool(fault))
    service.faults.extend([fault] if fault else [])
    async with session_to(endpoint(service, scope="Mail.Send Mail.ReadWrite")) as session:
        outcome = await letter.over(session)
    assert outcome.withdrawn is not bool(fault)
    assert (service.taken, service.drafts, letter.asked) == ([], {}, 1)


async def test_submit_needs_a_permission_more_for_a_large_mail(service: GraphStandIn) -> None:
    letter = Letter(LARGE)
    async with session_to(endpoint(service)) as session:
        outcome = settled(await letter.over(session))
    assert (outcome.state, outcome.login_refused, letter.asked) == (State.FAILED, True, 0)
    assert outcome.error.startswith("403 HTTP ErrorAccessDenied")


# Refusals: what each comes to


@pytest.mark.parametrize(
    ("fault", "reason", "state", "recipient"),
    [
        ("403:ErrorSendAsDenied", ReplyClass.SENDER_REFUSED, State.FAILED, RecipientState.PENDING),
        ("400:ErrorInvalidRecipients", ReplyClass.RECIPIENT_REFUSED, State.FAILED, RecipientState.REFUSED),
        ("400:ErrorMessageSizeExceeded", ReplyClass.CONTENT_REFUSED, State.FAILED, RecipientState.REFUSED),
        ("413:RequestEntityTooLarge", ReplyClass.CONTENT_REFUSED, State.FAILED, RecipientState.REFUSED),
        ("403:ErrorAccessDenied", ReplyClass.LOGIN_REFUSED, State.FAILED, RecipientState.PENDING),
        ("401:InvalidAuthenticationToken", ReplyClass.LOGIN_REFUSED, State.FAILED, RecipientState.PENDING),
        ("404:ErrorInvalidUser", ReplyClass.CONFIGURATION, State.FAILED, RecipientState.PENDING),
        ("429:ErrorExceededMessageLimit", ReplyClass.THROTTLED, State.DEFERRED, RecipientState.DEFERRED),
        ("throttle:120", ReplyClass.THROTTLED, State.DEFERRED, RecipientState.DEFERRED),
        ("503:ServiceUnavailable", ReplyClass.TEMPORARY, State.DEFERRED, RecipientState.DEFERRED),
        ("500:ErrorInternalServerTransientError", ReplyClass.TEMPORARY, State.DEFERRED, RecipientState.DEFERRED),
        ("504", ReplyClass.LOST_IN_BODY, State.UNKNOWN, RecipientState.UNKNOWN),
        ("502", ReplyClass.LOST_IN_BODY, State.UNKNOWN, RecipientState.UNKNOWN),
        ("500", ReplyClass.LOST_IN_BODY, State.UNKNOWN, RecipientState.UNKNOWN),
        ("drop", ReplyClass.LOST_IN_BODY, State.UNKNOWN, RecipientState.UNKNOWN),
    ],
)
async def test_submit_says_what_every_answer_means(
    service: GraphStandIn, fault: str, reason: ReplyClass, state: State, recipient: RecipientState
) -> None:
    service.faults.append(fault)
    async with session_to(endpoint(service)) as session:
        outcome = settled(await Letter().over(session))
    assert (outcome.state, outcome.reason) == (state, reason)
    assert outcome.recipients[CLIENT][0] is recipient
    assert outcome.wait == (120 if fault.startswith("throttle") else 0)
    assert outcome.login_refused is (reason is ReplyClass.LOGIN_REFUSED)


async def test_submit_is_refused_a_sender_of_somebody_else(service: GraphStandIn) -> None:
    async with session_to(endpoint(service)) as session:
        allowed = settled(await Letter(sender="rechnungen@test.local").over(session))
        refused = settled(await Letter(sender="chef@test.local").over(session))
    assert (allowed.state, refused.state, refused.reason) == (State.SENT, State.FAILED, ReplyClass.SENDER_REFUSED)


async def test_submit_blames_the_sender_where_each_has_a_mailbox_of_its_own(service: GraphStandIn) -> None:
    service.faults.append("403:ErrorAccessDenied")
    source = TokenSource("", "", "", "", "")
    async with session_to(endpoint(service, username="", token=source)) as session:
        outcome = settled(await Letter().over(session))
    assert (outcome.state, outcome.login_refused) == (State.FAILED, False)


async def test_submit_meets_the_limit_of_requests_at_once(service: GraphStandIn) -> None:
    service.at_once = 0
    async with session_to(endpoint(service)) as session:
        outcome = settled(await Letter().over(session))
    assert (outcome.state, outcome.throttled) == (State.DEFERRED, True)


# The token


@pytest.mark.parametrize("kind", ["expired", "wrong audience", "somebody else's", "none"])
async def test_open_session_is_refused_a_token(service: GraphStandIn, kind: str) -> None:
    tokens = {
        "expired": issue(audience=service.authority, scope="Mail.Send", user=OFFICE, seconds=-1),
        "wrong audience": issue(audience=SMTP_AUDIENCE, scope="Mail.Send", user=OFFICE),
        "somebody else's": issue(audience=service.authority, scope="Mail.Send", user=OFFICE, key=b"another"),
        "none": "x",
    }
    with pytest.raises(TransportError) as caught:
        await graph.open_session(endpoint(service, secret=tokens[kind]), timeouts=QUICK)
    error = caught.value
    assert (error.phase, error.reply and error.reply.code) == (Phase.AUTH, 401)
    assert settled(HandOver(error=error)).login_refused
    assert "InvalidAuthenticationToken" in str(error)
    assert not any(tokens[kind] in line for line in error.transcript if len(tokens[kind]) > 1)


async def test_session_is_not_used_beyond_its_token(service: GraphStandIn) -> None:
    async with session_to(endpoint(service, secret_until=0.0)) as session:
        assert not session.usable


@pytest.mark.parametrize(
    ("changes", "mailbox"),
    [
        ({"username": "", "token": TokenSource("", "", "", "", "", consent="2026")}, "/v1.0/me/sendMail"),
        ({"username": "", "token": TokenSource("", "", "", "", "")}, f"/v1.0/users/{OFFICE}/sendMail"),
        ({"username": OFFICE}, f"/v1.0/users/{OFFICE}/sendMail"),
    ],
    ids=["who consented", "the sender", "the one named"],
)
async def test_submit_uses_the_mailbox(service: GraphStandIn, changes: dict[str, Any], mailbox: str) -> None:
    async with session_to(endpoint(service, **changes)) as session:
        assert settled(await Letter().over(session)).state is State.SENT
    assert service.requests[-1] == f"POST {mailbox}"


# The network (Z5, Z6)


@pytest.mark.parametrize(
    ("changes", "phase", "trouble"),
    [
        ({"ca_certificate": ""}, Phase.TLS, Trouble.CERTIFICATE_UNTRUSTED),
        ({"allowed_networks": ()}, Phase.RESOLVE, Trouble.HOST_NOT_ALLOWED),
        ({"url": "https://127.1/v1.0"}, Phase.RESOLVE, Trouble.HOST_NOT_ALLOWED),
        ({"url": "https://0x7f.1/v1.0"}, Phase.RESOLVE, Trouble.HOST_NOT_ALLOWED),
        ({"url": "https://localhost:22/v1.0"}, Phase.RESOLVE, Trouble.HOST_NOT_ALLOWED),
        ({"url": "http://localhost/v1.0"}, Phase.RESOLVE, Trouble.HOST_NOT_ALLOWED),
        ({"url": "https://user:password@localhost/v1.0"}, Phase.RESOLVE, Trouble.HOST_NOT_ALLOWED),
        ({"url": "https://nowhere.invalid/v1.0"}, Phase.RESOLVE, Trouble.HOST_UNKNOWN),
    ],
)
async def test_z6_open_session_goes_nowhere_else(
    service: GraphStandIn, changes: dict[str, Any], phase: Phase, trouble: Trouble
) -> None:
    with pytest.raises(TransportError) as caught:
        await graph.open_session(endpoint(service, **changes), timeouts=QUICK)
    assert (caught.value.phase, caught.value.trouble) == (phase, trouble)
    assert service.requests == []


async def test_submit_knows_when_nothing_was_said(service: GraphStandIn) -> None:
    async with session_to(endpoint(service)) as session:
        service.__exit__(None, None, None)
        await session._https.close()
        outcome = await Letter().over(session)
        service.__enter__()
    assert outcome.error is not None
    assert outcome.error.phase is Phase.CONNECT
    assert settled(outcome).state is State.DEFERRED


# A mail whose reply was lost, and drafts (X1)


@pytest.mark.parametrize(
    ("scope", "fault", "state"),
    [
        ("Mail.Send Mail.ReadWrite", "drop", State.SENT),
        ("Mail.Send Mail.ReadWrite", "leave", State.UNKNOWN),
        ("Mail.Send", "drop", State.UNKNOWN),
    ],
    ids=["it is there", "not there proves nothing", "nobody may look"],
)
async def test_a_lost_reply_is_settled_by_the_copy_in_sent_items(
    service: GraphStandIn, monkeypatch: pytest.MonkeyPatch, scope: str, fault: str, state: State
) -> None:
    monkeypatch.setattr(web_session, "LOOK_AFTER", (0.0, 0.1))
    service.faults.append(fault)
    service.look_faults.append(503)
    letter = Letter()
    async with session_to(endpoint(service, scope=scope)) as session:
        outcome = settled(await letter.over(session))
    assert outcome.state is state
    looks = sum("sentitems" in request for request in service.requests)
    assert looks == (1 if "Mail.ReadWrite" not in scope else 2)


async def test_find_looks_for_exactly_this_message_id(service: GraphStandIn) -> None:
    odd, other = Letter(), Letter()
    odd.message_id = "<o'brien & co@test.local>"
    async with session_to(endpoint(service, scope="Mail.Send Mail.ReadWrite")) as session:
        await other.over(session)
        assert await session.find(other.message_id, OFFICE)
        assert not await session.find(odd.message_id, OFFICE)
        assert not await session.find(other.message_id, OFFICE, DRAFTS)


async def test_put_draft_says_where_nobody_knows_whether_it_is_there(service: GraphStandIn) -> None:
    octets = b"Message-ID: <1@test.local>\r\nFrom: office@test.local\r\n\r\nGuten Tag\r\n"
    async with session_to(endpoint(service, scope="Mail.ReadWrite")) as session:
        assert await session.put_draft(OFFICE, octets) == OFFICE
        assert await session.find("<1@test.local>", OFFICE, DRAFTS)
        service.draft_faults.extend(["503", "drop", "504"])
        for phase in (Phase.MAIL, Phase.BODY, Phase.BODY):
            with pytest.raises(TransportError) as caught:
                await session.put_draft(OFFICE, octets)
            assert caught.value.phase is phase
    assert service.taken == []

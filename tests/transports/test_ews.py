"""Send systems 6 and 7 against a strict stand-in of Exchange Web Services: what is handed over, refused, lost and withdrawn."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from exchangelib.autodiscover import autodiscover_cache
from exchangelib.protocol import CachingProtocol

from mailjobs.core.envelope import Envelope, Exchange, HandOver, Phase, TransportError
from mailjobs.core.lifecycle import RecipientState, State
from mailjobs.core.reply import ReplyClass
from mailjobs.remedies import remedy_for
from mailjobs.transports import web_session
from mailjobs.transports.ews import EwsSession
from mailjobs.transports.web_session import DRAFTS
from tests.peers.ews_standin import EwsStandIn
from tests.peers.ews_xml import SCHEMA_DIR
from tests.transports.ews_sessions import (
    ANNA,
    ANY,
    BASIC,
    CLIENT,
    COPIED,
    NTLM,
    OFFICE,
    QUICK,
    Letter,
    endpoint,
    find,
    program,
    refusal,
    session_to,
    settled,
    with_token,
)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[EwsStandIn]:
    monkeypatch.setattr(web_session, "LOOK_AFTER", (0.0, 0.1))
    with EwsStandIn() as running:
        yield running
        assert running.complaints == []


def test_requests_are_checked_against_the_schema_of_microsoft() -> None:
    if not SCHEMA_DIR:
        pytest.skip("EWS_SCHEMA_DIR is not set: requests and answers of EWS are not checked against Microsoft's schema")
    with EwsStandIn() as service, pytest.raises(Exception, match="not expected"):
        service._request(ANNA, "basic", b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><m:CreateItem '
                         b'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"><m:Junk/></m:CreateItem>'
                         b"</s:Body></s:Envelope>")  # fmt: skip


# Sending


@pytest.mark.parametrize(
    "way", ["basic", "ntlm", "ntlm bound to TLS", "ntlm by Negotiate", "whatever is offered", "basic is offered", "a token"]
)
async def test_submit_hands_the_mail_over_as_it_was_frozen(service: EwsStandIn, way: str) -> None:
    to = {"basic": endpoint(service), "a token": with_token(service)}.get(way) or endpoint(
        service, NTLM if "ntlm" in way else ANY
    )
    service.bound = way == "ntlm bound to TLS"
    service.ntlm_by = ("Negotiate",) if way == "ntlm by Negotiate" else service.ntlm_by
    service.offered = ("basic",) if way == "basic is offered" else service.offered
    letter, second = Letter(b"%PDF-1"), Letter()
    async with session_to(to) as session:
        outcome = await letter.over(session)
        session.begin_transcript()
        assert session.usable
        assert (await second.over(session)).final is not None
    assert (outcome.final and outcome.final.code, outcome.recipients[CLIENT].code, outcome.error) == (200, 200, None)
    assert settled(outcome).state is State.SENT
    assert [taken.message_id for taken in service.taken] == [letter.message_id, second.message_id]
    mail = service.taken[0].mail
    text, file = mail.iter_parts()
    assert (mail["Subject"], mail["From"], mail["Importance"]) == ("Grüße", f"Büro <{ANNA}>", "high")
    assert text.get_payload(decode=True) == ".ein Punkt\r\nGrüße".encode()
    assert file.get_payload(decode=True) == b"%PDF-1"
    assert (letter.asked, service.taken[0].recipients, service.taken[0].copied) == (1, (CLIENT,), False)
    by = "ntlm" if "ntlm" in way or "whatever" in way else "bearer" if "token" in way else "basic"
    assert service.requests == [f"{by} GetFolder", f"{by} CreateItem", f"{by} CreateItem"]
    assert (bytes(service.told), service.connections) == (b"", 1), "no mail goes out before it is known who asks"


async def test_submit_names_exactly_the_envelopes_recipients_and_hides_the_others(service: EwsStandIn) -> None:
    letter = Letter(to=f"=?utf-8?q?M=C3=BCller?= <{CLIENT}>, schon@kanzlei.test", head="Cc: KOPIE@Kanzlei.test")
    async with session_to(endpoint(service)) as session:
        outcome = await letter.over(session, CLIENT, "kopie@kanzlei.test", "blind@kanzlei.test")
    assert set(outcome.recipients) == {CLIENT, "kopie@kanzlei.test", "blind@kanzlei.test"}
    [taken] = service.taken
    assert {address.lower() for address in taken.recipients} == set(outcome.recipients)
    assert "blind" not in str(taken.mail)
    assert str(taken.mail["To"]) == f"Müller <{CLIENT}>"


async def test_submit_asks_before_the_body_and_withdraws(service: EwsStandIn) -> None:
    letter = Letter(go_on=False)
    async with session_to(endpoint(service, NTLM)) as session:
        outcome = await letter.over(session)
        assert not session.usable
    assert (outcome.withdrawn, letter.asked, service.taken) == (True, 1, [])
    assert settled(outcome).state is State.NEW


async def test_submit_closes_where_asking_fails(service: EwsStandIn) -> None:
    async def broken() -> bool:
        raise ValueError("the database is away")

    async with session_to(endpoint(service)) as session:
        with pytest.raises(ValueError, match="away"):
            await session.submit(Envelope(ANNA, (CLIENT,)), Letter().parts, size=1, before_body=broken)
        assert not session.usable
    assert service.taken == []


async def test_submit_takes_a_large_mail(service: EwsStandIn) -> None:
    data = bytes(range(256)) * 40_000  # 10 MB
    async with session_to(endpoint(service, NTLM)) as session:
        assert settled(await Letter(data).over(session)).state is State.SENT
    [file] = service.taken[0].mail.iter_attachments()
    assert file.get_payload(decode=True) == data


async def test_submit_is_refused_a_sender_of_somebody_else(service: EwsStandIn) -> None:
    async with session_to(endpoint(service)) as session:
        allowed = settled(await Letter(sender=OFFICE).over(session))
        refused = settled(await Letter(sender="chef@test.local").over(session))
        again = settled(await Letter().over(session))
    assert (allowed.state, refused.state, refused.reason) == (State.SENT, State.FAILED, ReplyClass.SENDER_REFUSED)
    assert refused.error.startswith("500 HTTP EWS ErrorSendAsDenied: The user account")
    assert again.state is State.SENT
    assert [taken.author for taken in service.taken] == [OFFICE, ANNA]


@pytest.mark.parametrize("named", ["", OFFICE])
async def test_submit_of_a_program_names_the_mailbox(service: EwsStandIn, named: str) -> None:
    letter = Letter(sender=OFFICE)
    async with session_to(program(service, username=named)) as session:
        assert settled(await letter.over(session)).state is State.SENT
    assert [(taken.mailbox, taken.author) for taken in service.taken] == [(OFFICE, OFFICE)]


async def test_submit_of_a_program_blames_the_sender_where_each_has_a_mailbox_of_its_own(service: EwsStandIn) -> None:
    for named, paused in ((OFFICE, True), ("", False)):
        service.faults.append("ErrorAccessDenied")
        async with session_to(program(service, username=named)) as session:
            outcome = settled(await Letter(sender=OFFICE).over(session))
        assert (outcome.state, outcome.login_refused) == (State.FAILED, paused)
        remedy = remedy_for(outcome.error, state="failed")
        assert remedy is not None
        assert str(remedy.title) == "The login may not use this mailbox"


async def test_sessions_of_two_logins_to_one_server_are_apart(service: EwsStandIn) -> None:
    bernd = endpoint(service, NTLM, username="bernd", secret=service.users["bernd"])
    async with session_to(endpoint(service, NTLM)) as annas, session_to(bernd) as bernds:
        for session, sender in ((annas, ANNA), (bernds, "bernd@test.local")) * 2:
            assert settled(await Letter(sender=sender).over(session)).state is State.SENT
    assert [taken.mailbox for taken in service.taken] == [ANNA, "bernd@test.local"] * 2
    assert service.connections == 2
    assert (CachingProtocol._protocol_cache, len(autodiscover_cache)) == ({}, 0), "exchangelib keeps nobody's login"


# What each answer comes to


@pytest.mark.parametrize(
    ("fault", "reason", "state", "recipient"),
    [
        ("ErrorSendAsDenied", ReplyClass.SENDER_REFUSED, State.FAILED, RecipientState.PENDING),
        ("ErrorInvalidRecipients", ReplyClass.RECIPIENT_REFUSED, State.FAILED, RecipientState.REFUSED),
        ("ErrorMessageSizeExceeded", ReplyClass.CONTENT_REFUSED, State.FAILED, RecipientState.REFUSED),
        ("ErrorMimeContentInvalid", ReplyClass.CONTENT_REFUSED, State.FAILED, RecipientState.REFUSED),
        ("413", ReplyClass.CONTENT_REFUSED, State.FAILED, RecipientState.REFUSED),
        ("ErrorAccessDenied", ReplyClass.LOGIN_REFUSED, State.FAILED, RecipientState.PENDING),
        ("401", ReplyClass.LOGIN_REFUSED, State.FAILED, RecipientState.PENDING),
        ("403", ReplyClass.LOGIN_REFUSED, State.FAILED, RecipientState.PENDING),
        ("ErrorNonExistentMailbox", ReplyClass.CONFIGURATION, State.FAILED, RecipientState.PENDING),
        ("!ErrorInvalidServerVersion", ReplyClass.CONFIGURATION, State.FAILED, RecipientState.PENDING),
        ("ErrorItemSave", ReplyClass.PERMANENT, State.FAILED, RecipientState.REFUSED),
        ("busy:120000", ReplyClass.THROTTLED, State.DEFERRED, RecipientState.DEFERRED),
        ("ErrorServerBusy", ReplyClass.THROTTLED, State.DEFERRED, RecipientState.DEFERRED),
        ("ErrorQuotaExceeded", ReplyClass.QUOTA, State.DEFERRED, RecipientState.DEFERRED),
        ("ErrorSubmissionQuotaExceeded", ReplyClass.QUOTA, State.DEFERRED, RecipientState.DEFERRED),
        ("!ErrorMailboxMoveInProgress", ReplyClass.TEMPORARY, State.DEFERRED, RecipientState.DEFERRED),
        ("ErrorMailboxStoreUnavailable", ReplyClass.TEMPORARY, State.DEFERRED, RecipientState.DEFERRED),
        ("503", ReplyClass.TEMPORARY, State.DEFERRED, RecipientState.DEFERRED),
        ("302", ReplyClass.LOST_BEFORE_BODY, State.DEFERRED, RecipientState.DEFERRED),
        ("ErrorTimeoutExpired", ReplyClass.LOST_IN_BODY, State.UNKNOWN, RecipientState.UNKNOWN),
        ("500", ReplyClass.LOST_IN_BODY, State.UNKNOWN, RecipientState.UNKNOWN),
        ("504", ReplyClass.LOST_IN_BODY, State.UNKNOWN, RecipientState.UNKNOWN),
        ("junk", ReplyClass.LOST_IN_BODY, State.UNKNOWN, RecipientState.UNKNOWN),
        ("drop", ReplyClass.LOST_IN_BODY, State.UNKNOWN, RecipientState.UNKNOWN),
        ("leave", ReplyClass.LOST_IN_BODY, State.UNKNOWN, RecipientState.UNKNOWN),
    ],
)
async def test_submit_says_what_every_answer_means(
    service: EwsStandIn, fault: str, reason: ReplyClass, state: State, recipient: RecipientState
) -> None:
    service.faults.append(fault)
    letter = Letter()
    async with session_to(endpoint(service)) as session:
        outcome = settled(await letter.over(session))
    assert (outcome.state, outcome.reason) == (state, reason), outcome.error
    assert outcome.recipients[CLIENT][0] is recipient
    assert outcome.wait == (120 if fault.startswith("busy") else 0)
    assert outcome.login_refused is (reason is ReplyClass.LOGIN_REFUSED)
    assert (letter.asked, len(service.taken)) == (1, fault == "drop")
    assert service.requests.count("basic CreateItem") == 1, "one attempt, once"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("busy:1500", ReplyClass.THROTTLED),
        ("!ErrorMailboxMoveInProgress", ReplyClass.RETRY),
        ("503", ReplyClass.RETRY),
        ("junk", ReplyClass.RETRY),
        ("drop", ReplyClass.RETRY),
        ("404", ReplyClass.CONFIGURATION),
        ("ErrorNonExistentMailbox", ReplyClass.CONFIGURATION),
        ("ErrorAccessDenied", ReplyClass.LOGIN_REFUSED),
        ("403", ReplyClass.LOGIN_REFUSED),
    ],
)
async def test_open_session_says_what_every_answer_means(service: EwsStandIn, fault: str, reason: ReplyClass) -> None:
    service.login_faults.append(fault)
    error = await refusal(endpoint(service))
    outcome = settled(HandOver(error=error))
    assert (error.phase, outcome.reason) == (Phase.AUTH, reason), str(error)
    assert outcome.wait == (1.5 if fault.startswith("busy") else 0)


async def test_403_says_that_ews_is_switched_off_and_what_to_do(service: EwsStandIn) -> None:
    service.login_faults.append("403")
    error = await refusal(endpoint(service))
    assert str(error) == "403 HTTP EWS is switched off for this login"
    remedy = remedy_for(str(error), state="failed")
    assert remedy is not None
    assert "User and password are not to blame" in str(remedy.text)
    online = EwsSession(replace(endpoint(service), host="outlook.office365.com"), QUICK)._switched_off()
    remedy = remedy_for(f"403 {online}", state="failed")
    assert remedy is not None
    assert (str(remedy.title), "Microsoft Graph (10 or 11)" in str(remedy.text)) == ("Exchange Online has switched EWS off", True)


@pytest.mark.parametrize(
    ("set_to", "said"),
    [("", "Exchange2013_SP1"), ("2016", "Exchange2016"), ("Exchange2010", "Exchange2010"), ("?", "Exchange2013_SP1")],
)
async def test_open_session_asks_in_the_version_of_the_settings(service: EwsStandIn, set_to: str, said: str) -> None:
    service.version = said
    async with session_to(endpoint(service, Exchange("basic", set_to))):
        pass
    service.version = "Exchange2007"
    error = await refusal(endpoint(service, Exchange("basic", set_to)))
    assert settled(HandOver(error=error)).reason is ReplyClass.CONFIGURATION


# A lost reply


async def test_submit_finds_what_was_sent_though_the_reply_was_lost(service: EwsStandIn) -> None:
    service.faults.extend(["drop", "leave"])
    there, nowhere = Letter(), Letter()
    for letter, state in ((there, State.SENT), (nowhere, State.UNKNOWN)):
        async with session_to(endpoint(service, COPIED)) as session:
            assert settled(await letter.over(session)).state is state
    assert [taken.message_id for taken in service.taken] == [there.message_id]
    assert service.requests.count("basic CreateItem") == 2


async def test_submit_leaves_it_open_where_nobody_can_tell(service: EwsStandIn) -> None:
    service.faults.append("drop")
    service.login_faults.extend(["", "503", "503"])
    async with session_to(endpoint(service, COPIED)) as session:
        assert settled(await Letter().over(session)).state is State.UNKNOWN


async def test_find_looks_into_sent_items(service: EwsStandIn) -> None:
    letter, uncopied = Letter(), Letter()
    for sent, exchange in ((letter, COPIED), (uncopied, BASIC)):
        async with session_to(endpoint(service, exchange)) as session:
            assert settled(await sent.over(session)).state is State.SENT
    assert await find(endpoint(service), letter.message_id, ANNA)
    assert not await find(endpoint(service), uncopied.message_id, ANNA)
    assert not await find(endpoint(service), "<\"&'>@test.local>", ANNA)
    by_program = program(service, username="")
    assert await find(by_program, letter.message_id, ANNA)
    assert not await find(by_program, letter.message_id, OFFICE)
    service.login_faults.extend(["", "ErrorAccessDenied"])
    with pytest.raises(TransportError, match="ErrorAccessDenied"):
        await find(endpoint(service), letter.message_id, ANNA)


# Drafts (X1)


@pytest.mark.parametrize("by", ["login", "program"])
async def test_put_draft_leaves_the_mail_in_the_mailbox_and_sends_nothing(service: EwsStandIn, by: str) -> None:
    letter = Letter(to=CLIENT, head="Bcc: =?utf-8?q?M=C3=BCller?= <blind@kanzlei.test>")
    octets = b"".join(each for part in letter.parts for each in ([part] if isinstance(part, bytes) else part))
    to = endpoint(service) if by == "login" else program(service, username="")
    async with session_to(to) as session:
        assert await session.put_draft(ANNA, octets) == ("" if by == "login" else ANNA)
        assert await session.find(letter.message_id, ANNA, DRAFTS)
        assert not await session.find(letter.message_id, ANNA)
        service.faults.extend(["ErrorQuotaExceeded", "drop", "503", "504", "ErrorTimeoutExpired"])
        for phase in (Phase.MAIL, Phase.BODY, Phase.MAIL, Phase.BODY, Phase.BODY):
            with pytest.raises(TransportError) as caught:
                await session.put_draft(ANNA, octets)
            assert caught.value.phase is phase
    assert service.taken == []
    [draft, _lost] = service.drafts
    assert (draft.recipients, draft.mailbox) == ((CLIENT, "blind@kanzlei.test"), ANNA)
    text = next(draft.mail.iter_parts())
    assert text.get_payload(decode=True) == "..ein Punkt\r\nGrüße".encode()

"""Send systems 0 and 1 against a real Postfix and a faulty server: every phase, every reply, no second attempt."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from mailjobs.core.envelope import Endpoint, Envelope, HandOver, Phase, Reply, TransportError, Trouble
from mailjobs.transports import registry, smtp_login, smtp_password
from mailjobs.transports.smtp_connection import SmtpConnection, Timeouts
from mailjobs.transports.smtp_dialogue import SmtpSession
from tests.peers.fixtures import Faulty, Postfix
from tests.transports.letters import ANNA, PATIENT, SHORT, STRANGER, Letter

pytestmark = pytest.mark.peers

TAKEN = Reply(250, "2.0.0", "taken")


@pytest.fixture(params=[False, True], ids=["lockstep", "pipelined"])
def pipelining(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@asynccontextmanager
async def session_to(endpoint: Endpoint, pipelining: bool, timeouts: Timeouts = SHORT) -> AsyncIterator[SmtpSession]:
    session = await smtp_password.open_session(endpoint, timeouts=timeouts, pipelining=pipelining)
    try:
        yield session
    finally:
        await session.close()
        assert not session.usable


async def refused(endpoint: Endpoint) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await smtp_password.open_session(endpoint, timeouts=SHORT)
    return caught.value


# Logging in


@pytest.mark.parametrize(("port", "tls"), [("submission", "starttls"), ("smtps", "implicit"), ("clear", "off")])
@pytest.mark.parametrize("user", ["anna", "grete"])
async def test_open_session_logs_in_and_delivers(postfix: Postfix, port: str, tls: str, user: str, pipelining: bool) -> None:
    letter = Letter()
    sender = f"{user}@test.local"
    async with session_to(postfix.endpoint(port, tls, user=user), pipelining, PATIENT) as session:
        outcome = await letter.over(session, STRANGER, sender=sender)
        assert (session.tls_object is not None) == (tls != "off")
    assert outcome.final is not None
    assert (outcome.final.code, outcome.recipients[STRANGER].code, outcome.error) == (250, 250, None)
    [mail] = postfix.delivered(letter.message_id)
    assert mail["Return-Path"] == f"<{sender}>"
    assert mail.get_payload(decode=True) == b"Gr\xc3\xbc\xc3\x9fe\n.\n"


@pytest.mark.parametrize(("port", "mechanism"), [("clear", "PLAIN"), ("login", "LOGIN"), ("cram", "CRAM-MD5")])
@pytest.mark.parametrize("user", ["anna", "grete"])
async def test_open_session_takes_what_the_server_offers(postfix: Postfix, port: str, mechanism: str, user: str) -> None:
    async with session_to(postfix.endpoint(port, "off", user=user), False) as session:
        assert next(line for line in session.transcript if line.startswith("C: AUTH")).split()[2] == mechanism
        assert session.transcript[-1].startswith("S: 235")


@pytest.mark.parametrize(("port", "tls"), [("submission", "starttls"), ("login", "off"), ("cram", "off")])
async def test_open_session_gives_the_refusal_of_a_login_after_one_attempt(postfix: Postfix, port: str, tls: str) -> None:
    error = await refused(postfix.endpoint(port, tls, user="anna", secret="Falsches-Passwort-9"))
    assert (error.phase, error.reply and error.reply.code, error.reply and error.reply.enhanced) == (Phase.AUTH, 535, "5.7.8")
    assert str(error).startswith("535 5.7.8")
    assert len([line for line in error.transcript if line.startswith("C: AUTH")]) == 1


async def test_open_session_sends_no_auth_without_a_user(postfix: Postfix, pipelining: bool) -> None:
    letter = Letter()
    async with session_to(postfix.endpoint("mx", "off"), pipelining) as session:
        assert not any("AUTH" in line for line in session.transcript)
        assert (await letter.over(session, STRANGER)).final is not None


async def test_open_session_says_that_no_mechanism_fits(postfix: Postfix) -> None:
    error = await refused(postfix.endpoint("mx", "off", user="anna"))
    assert (error.phase, error.trouble) == (Phase.AUTH, Trouble.MECHANISM_MISSING)


async def test_s7_open_session_refuses_a_login_without_tls(postfix: Postfix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SmtpConnection, "is_loopback", False)
    error = await refused(postfix.endpoint("clear", "off", user="anna"))
    assert (error.phase, error.trouble) == (Phase.AUTH, Trouble.AUTH_NEEDS_TLS)
    assert not any("AUTH" in line for line in error.transcript if line.startswith("C: "))
    allowed = postfix.endpoint("clear", "off", user="anna", allow_plain_auth=True)
    async with session_to(allowed, False) as session:
        assert session.usable


@pytest.mark.parametrize(
    ("encrypted", "loopback", "allow_plain_auth", "expected"),
    [(True, False, False, True), (False, True, False, True), (False, False, True, True), (False, False, False, False)],
)
def test_s7_may_send_login(encrypted: bool, loopback: bool, allow_plain_auth: bool, expected: bool) -> None:
    found = smtp_login.may_send_login(encrypted=encrypted, loopback=loopback, allow_plain_auth=allow_plain_auth)
    assert found is expected


async def test_z8_transcript_and_errors_hide_secrets(postfix: Postfix) -> None:
    endpoint = postfix.endpoint("login", "off", user="anna", secret="Ganz-geheim-1")
    error = await refused(endpoint)
    shown = "\n".join([*error.transcript, str(error), repr(error), repr(endpoint)])
    for secret in ("Ganz-geheim-1", "R2Fuei1nZWhlaW0tMQ==", "YW5uYQ=="):
        assert secret not in shown
    assert "C: AUTH LOGIN\nS: 334 ***\nC: ***\nS: 334 ***\nC: ***\nS: 535 5.7.8" in shown


async def test_verify_opens_and_asks_once_more(postfix: Postfix) -> None:
    session = await smtp_password.verify(postfix.endpoint("submission", "starttls", user="anna"), timeouts=SHORT)
    assert session.transcript[-2:] == ["C: NOOP", "S: 250 2.0.0 Ok"]
    assert session.usable
    await session.close()


async def test_registry_opens_what_it_knows_and_refuses_the_rest(postfix: Postfix) -> None:
    endpoint = postfix.endpoint("submission", "starttls", user="anna")
    for known in (0, 1):
        session = await registry.open_session(replace(endpoint, send_system=known))
        await session.close()
    with pytest.raises(TransportError) as caught:
        await registry.open_session(replace(endpoint, send_system=99))
    assert caught.value.trouble is Trouble.UNSUPPORTED


# TLS


@pytest.mark.parametrize(
    ("port", "trouble"),
    [
        ("expired", Trouble.CERTIFICATE_EXPIRED),
        ("wrongname", Trouble.CERTIFICATE_NAME),
        ("selfsigned", Trouble.CERTIFICATE_UNTRUSTED),
        ("oldtls", Trouble.TLS_VERSION),
        ("mx", Trouble.OTHER),
    ],
)
async def test_z5_open_session_refuses_bad_tls(postfix: Postfix, port: str, trouble: Trouble) -> None:
    error = await refused(postfix.endpoint(port, "implicit", user="anna"))
    assert (error.phase, error.trouble) == (Phase.TLS, trouble)


async def test_z5_open_session_trusts_no_ca_but_the_systems_and_the_named_one(postfix: Postfix) -> None:
    untrusted = postfix.endpoint("submission", "starttls", user="anna", ca_certificate="")
    assert (await refused(untrusted)).trouble is Trouble.CERTIFICATE_UNTRUSTED
    async with session_to(replace(untrusted, ca_file=str(postfix.ca_file)), False) as session:
        assert session.tls_object
    own = replace(postfix.endpoint("selfsigned", "implicit", user="anna"), ca_file=str(postfix.state / "tls" / "selfsigned.pem"))
    async with session_to(own, False) as session:
        assert session.tls_object


@pytest.mark.parametrize("change", [{"ca_certificate": "no certificate"}, {"ca_file": "/nowhere.pem"}])
async def test_open_session_says_that_a_ca_cannot_be_read(postfix: Postfix, change: dict[str, str]) -> None:
    error = await refused(postfix.endpoint("submission", "starttls", **change))
    assert (error.phase, error.trouble) == (Phase.TLS, Trouble.OTHER)


async def test_tls_min_is_kept(postfix: Postfix) -> None:
    async with session_to(postfix.endpoint("smtps", "implicit", user="anna", tls_min="1.3"), False) as session:
        assert session.tls_object
        assert session.tls_object.version() == "TLSv1.3"


async def test_z5_open_session_never_goes_on_without_starttls(fault: Faulty) -> None:
    error = await refused(fault.endpoint("stripped", "starttls", user="anna"))
    assert (error.phase, error.trouble) == (Phase.TLS, Trouble.STARTTLS_MISSING)
    assert not [event for event in fault.events("stripped") if event["event"] == "auth"]


async def test_z5_open_session_ends_where_words_were_injected_before_tls(fault: Faulty) -> None:
    error = await refused(fault.endpoint("inject", "starttls", user="anna"))
    assert (error.phase, error.trouble) == (Phase.TLS, Trouble.NOT_SMTP)
    assert not [event for event in fault.events("inject") if event["event"] == "auth"]


# Replies, one by one


async def test_submit_keeps_every_recipients_reply(postfix: Postfix, pipelining: bool) -> None:
    recipients = (STRANGER, "reject-a@kanzlei.test", "grey-b@kanzlei.test", "full-c@kanzlei.test", "policy-d@kanzlei.test")
    letter = Letter()
    async with session_to(postfix.endpoint("submission", "starttls", user="anna"), pipelining) as session:
        outcome = await letter.over(session, *recipients)
        assert session.usable
    codes = {recipient: (reply.code, reply.enhanced) for recipient, reply in outcome.recipients.items()}
    expected = [(250, "2.1.5"), (550, "5.1.1"), (450, "4.2.0"), (452, "4.2.2"), (554, "5.7.1")]
    assert codes == dict(zip(recipients, expected, strict=True))
    assert outcome.final is not None
    assert outcome.final.positive
    assert len(postfix.delivered(letter.message_id)) == 1


async def test_submit_ends_without_data_where_all_are_refused(postfix: Postfix, pipelining: bool) -> None:
    letter, second = Letter(), Letter()
    async with session_to(postfix.endpoint("submission", "starttls", user="anna"), pipelining) as session:
        outcome = await letter.over(session, "reject-a@kanzlei.test", "grey-b@kanzlei.test")
        assert [reply.code for reply in outcome.recipients.values()] == [550, 450]
        assert (outcome.final, outcome.error, letter.asked) == (None, None, 0)
        assert "C: RSET" in session.transcript
        assert (await second.over(session, STRANGER)).final is not None


async def test_submit_stops_at_a_421(postfix: Postfix, pipelining: bool) -> None:
    letter = Letter()
    async with session_to(postfix.endpoint("submission", "starttls", user="anna"), pipelining) as session:
        outcome = await letter.over(session, STRANGER, "bye-a@kanzlei.test", "later@kanzlei.test")
        assert not session.usable
    assert {recipient: reply.code for recipient, reply in outcome.recipients.items()} == {
        STRANGER: 250,
        "bye-a@kanzlei.test": 421,
    }
    assert outcome.error is not None
    assert outcome.error.reply is not None
    assert (outcome.error.phase, outcome.error.reply.code, outcome.final, letter.asked) == (Phase.RCPT, 421, None, 0)


async def test_submit_says_that_the_sender_is_not_owned(postfix: Postfix, pipelining: bool) -> None:
    """Postfix says so at RCPT: the sender's fault, in a recipient's reply."""
    letter = Letter()
    async with session_to(postfix.endpoint("submission", "starttls", user="anna"), pipelining) as session:
        outcome = await letter.over(session, STRANGER, sender="bernd@test.local")
        assert session.usable
    assert outcome.recipients[STRANGER].code == 553
    assert "not owned by user anna" in outcome.recipients[STRANGER].text
    assert letter.asked == 0


async def test_submit_carries_many_mails_over_one_session(postfix: Postfix, pipelining: bool) -> None:
    letters = [Letter() for _ in range(30)]
    async with session_to(postfix.endpoint("submission", "starttls", user="anna"), pipelining, PATIENT) as session:
        for number, letter in enumerate(letters):
            lines = session.begin_transcript()
            outcome = await letter.over(session, STRANGER, "reject-a@kanzlei.test")
            assert outcome.final is not None
            assert any(line.startswith("C: EHLO") for line in lines) == (number == 0)
            assert f"C: <{len(letter.octets)} octets>" in lines
            assert not any("Subject" in line for line in lines)
    assert [len(postfix.delivered(letter.message_id)) for letter in letters] == [1] * 30


async def test_submit_takes_a_large_mail_in_parts(postfix: Postfix, pipelining: bool) -> None:
    letter = Letter(b"0123456789" * 6 + b"\r\n")
    parts = [letter.octets, *[b"x" * 70 + b"\r\n"] * 100_000]
    size = sum(map(len, parts))
    async with session_to(postfix.endpoint("smtps", "implicit", user="anna"), pipelining, PATIENT) as session:
        outcome = await session.submit(Envelope(ANNA, (STRANGER,)), parts, size=size, before_body=letter.before_body)
    assert outcome.final is not None
    assert outcome.final.positive
    [mail] = postfix.delivered(letter.message_id)
    assert len(mail.get_payload()) > 7_000_000


async def test_submit_checks_the_size_before_mail(postfix: Postfix, pipelining: bool) -> None:
    async with session_to(postfix.endpoint("submission", "starttls", user="anna"), pipelining) as session:
        outcome = await session.submit(
            Envelope(ANNA, (STRANGER,)), b"x\r\n", size=10_485_761, before_body=Letter(go_on=False).before_body
        )
        assert session.usable
        assert not any("MAIL" in line for line in session.transcript)
    assert outcome.error is not None
    assert (outcome.error.phase, outcome.error.trouble) == (Phase.MAIL, Trouble.SIZE)


async def test_j6_a_bounce_is_asked_to_carry_headers_only_where_the_server_offers_it(postfix: Postfix, pipelining: bool) -> None:
    async with session_to(postfix.endpoint("submission", "starttls", user="relay"), pipelining) as session:
        asked = []
        for offered in (session.capabilities, {name: what for name, what in session.capabilities.items() if name != "dsn"}):
            session.capabilities = offered
            session.begin_transcript()
            outcome = await Letter().over(session, "kunde@test.local")
            assert outcome.final is not None
            assert outcome.final.positive
            asked += [" RET=HDRS" in line for line in session.transcript if line.startswith("C: MAIL")]
    assert asked == [True, False]


async def test_submit_uses_smtputf8_only_where_an_address_needs_it(postfix: Postfix, pipelining: bool) -> None:
    async with session_to(postfix.endpoint("submission", "starttls", user="relay"), pipelining) as session:
        plain = await Letter().over(session, "kunde@müller.test", sender="büro@test.local")
        assert plain.final is not None
        [mail] = [line for line in session.transcript if line.startswith("C: MAIL")]
        assert mail.endswith(" SMTPUTF8")
        session.begin_transcript()
        session.begin_transcript()
        await Letter().over(session, "kunde@müller.test")
        assert "C: RCPT TO:<kunde@xn--mller-kva.test>" in session.transcript
        assert not any("SMTPUTF8" in line for line in session.transcript)
        session.capabilities = {name: value for name, value in session.capabilities.items() if name != "smtputf8"}
        missing = await Letter().over(session, "künde@müller.test")
    assert missing.error is not None
    assert (missing.error.phase, missing.error.trouble) == (Phase.MAIL, Trouble.SMTPUTF8_MISSING)


@pytest.mark.parametrize("address", ["a@b>\r\nRCPT TO:<c@d", "a b@c", "a@b> SIZE=1", "a\x00@b", "a\u2028@b", "a\x85@b"])
async def test_z3_submit_refuses_addresses_that_would_be_commands(postfix: Postfix, address: str) -> None:
    async with session_to(postfix.endpoint("mx", "off"), False) as session:
        for envelope in (Envelope(address, (STRANGER,)), Envelope(ANNA, (STRANGER, address))):
            with pytest.raises(ValueError, match="cannot stand"):
                await session.submit(envelope, b"x\r\n", size=3, before_body=Letter().before_body)
        assert session.usable
        assert not any("MAIL" in line for line in session.transcript)


@pytest.mark.parametrize("message", [b"", b"x", b"x\n", [b"x\r\n", b"y"], []])
async def test_z4_submit_refuses_a_message_whose_end_would_swallow_the_dot(
    postfix: Postfix, message: bytes | list[bytes]
) -> None:
    async with session_to(postfix.endpoint("mx", "off"), False) as session:
        with pytest.raises(ValueError, match="CRLF"):
            await session.submit(Envelope(ANNA, (STRANGER,)), message, size=3, before_body=Letter().before_body)


# What goes wrong


async def over_fault(
    fault: Faulty, letter: Letter, pipelining: bool, *recipients: str, sender: str = ANNA
) -> tuple[HandOver, bool]:
    """The outcome at the faulty server, and whether the session was usable afterwards."""
    async with session_to(fault.endpoint("fault", "starttls", user="anna"), pipelining) as session:
        outcome = await letter.over(session, *recipients, sender=sender)
        return outcome, session.usable


@pytest.mark.parametrize(
    ("scenario", "trouble", "stored"),
    [
        ("dropafterdata", Trouble.CLOSED_BY_SERVER, 1),
        ("rstafterdata", Trouble.CLOSED_BY_SERVER, 1),
        ("dropindata", Trouble.CLOSED_BY_SERVER, 0),
        ("silentafterdata", Trouble.TIMEOUT, 1),
    ],
)
async def test_submit_keeps_the_recipients_where_the_body_is_left_in_doubt(
    fault: Faulty, scenario: str, trouble: Trouble, stored: int, pipelining: bool
) -> None:
    letter = Letter(b"line\r\n" * 500_000 if scenario == "dropindata" else b"line\r\n")
    outcome, usable = await over_fault(fault, letter, pipelining, f"{scenario}@x.test", "second@x.test")
    assert [reply.code for reply in outcome.recipients.values()] == [250, 250]
    assert outcome.error is not None
    assert (outcome.error.phase, outcome.error.trouble) == (Phase.BODY, trouble)
    assert (outcome.final, outcome.withdrawn, usable) == (None, False, False)
    assert len(fault.stored(letter.message_id)) == stored


async def test_submit_takes_no_early_2xx_for_an_acceptance(fault: Faulty, pipelining: bool) -> None:
    letter = Letter()
    parts = [letter.octets, *[b"line\r\n" * 100_000] * 60]
    async with session_to(fault.endpoint("fault", "starttls", user="anna"), pipelining) as session:
        outcome = await session.submit(Envelope(ANNA, ("early2xx@x.test",)), parts, size=1, before_body=letter.before_body)
        assert not session.usable
    assert outcome.error is not None
    assert (outcome.error.phase, outcome.error.trouble, outcome.final) == (Phase.BODY, Trouble.NOT_SMTP, None)
    assert not fault.stored(letter.message_id)


async def test_submit_takes_an_early_refusal_for_final(fault: Faulty, pipelining: bool) -> None:
    letter = Letter()
    parts = [letter.octets, *[b"line\r\n" * 100_000] * 60]  # more than the buffers in between hold
    async with session_to(fault.endpoint("fault", "starttls", user="anna"), pipelining) as session:
        outcome = await session.submit(Envelope(ANNA, ("early5xx@x.test",)), parts, size=1, before_body=letter.before_body)
        assert not session.usable
    assert outcome.final is not None
    assert (outcome.final.code, outcome.error) == (552, None)
    assert not fault.stored(letter.message_id)


@pytest.mark.parametrize(
    ("scenario", "code", "still_usable"),
    [("4xxdata", 451, True), ("5xxdata", 554, True), ("421afterdata", 421, False)],
)
async def test_submit_takes_a_refusal_after_the_dot_for_final(
    fault: Faulty, scenario: str, code: int, still_usable: bool, pipelining: bool
) -> None:
    outcome, usable = await over_fault(fault, letter := Letter(), pipelining, f"{scenario}@x.test")
    assert outcome.final is not None
    assert (outcome.final.code, outcome.error, usable) == (code, None, still_usable)
    assert not fault.stored(letter.message_id)


@pytest.mark.parametrize(
    ("scenario", "phase", "kept"),
    [("421rcpt", Phase.RCPT, [421]), ("421data", Phase.DATA, [250, 250])],
)
async def test_submit_ends_the_session_at_a_421(
    fault: Faulty, scenario: str, phase: Phase, kept: list[int], pipelining: bool
) -> None:
    outcome, usable = await over_fault(fault, letter := Letter(), pipelining, f"{scenario}@x.test", "second@x.test")
    assert [reply.code for reply in outcome.recipients.values()] == kept
    assert outcome.error is not None
    assert outcome.error.reply is not None
    assert (outcome.error.phase, outcome.error.reply.code, usable, letter.asked) == (phase, 421, False, 0)


@pytest.mark.parametrize(
    ("scenario", "trouble"),
    [("droprcpt", Trouble.CLOSED_BY_SERVER), ("garbage", Trouble.NOT_SMTP), ("longline", Trouble.NOT_SMTP)],
)
async def test_submit_ends_the_session_at_what_is_no_reply(
    fault: Faulty, scenario: str, trouble: Trouble, pipelining: bool
) -> None:
    outcome, usable = await over_fault(fault, letter := Letter(), pipelining, f"{scenario}@x.test", "second@x.test")
    assert outcome.error is not None
    assert (outcome.error.phase, outcome.error.trouble, outcome.recipients) == (Phase.RCPT, trouble, {})
    assert len(outcome.error.detail) <= 200
    assert (usable, letter.asked) == (False, 0)


async def test_submit_says_that_the_server_went_at_mail(fault: Faulty, pipelining: bool) -> None:
    outcome, usable = await over_fault(fault, Letter(), pipelining, STRANGER, sender="dropmail@test.local")
    assert outcome.error is not None
    assert (outcome.error.phase, outcome.error.trouble, usable) == (Phase.MAIL, Trouble.CLOSED_BY_SERVER, False)


async def test_submit_gives_the_refusal_of_the_sender(fault: Faulty, pipelining: bool) -> None:
    outcome, usable = await over_fault(fault, Letter(), pipelining, STRANGER, "second@x.test", sender="refusemail@test.local")
    assert outcome.error is not None
    assert (outcome.error.phase, outcome.error.reply) == (Phase.MAIL, Reply(550, "5.7.1", "no mail from you"))
    assert (outcome.recipients, usable) == ({}, True)


async def test_submit_goes_on_with_those_who_were_accepted(fault: Faulty, pipelining: bool) -> None:
    outcome, usable = await over_fault(fault, letter := Letter(), pipelining, "half@x.test", "second@x.test", "third@x.test")
    assert [reply.code for reply in outcome.recipients.values()] == [250, 550, 550]
    assert (outcome.final, usable) == (TAKEN, True)
    assert [event["rcpts"] for event in fault.stored(letter.message_id)] == [["half@x.test"]]


async def test_submit_reads_a_reply_of_many_lines(fault: Faulty, pipelining: bool) -> None:
    outcome, usable = await over_fault(fault, Letter(), pipelining, "multi@x.test", "second@x.test")
    assert [(reply.code, reply.enhanced, len(reply.text) <= 500) for reply in outcome.recipients.values()] == [
        (250, "2.1.5", True)
    ] * 2
    assert (outcome.final, usable) == (TAKEN, True)


async def test_submit_sends_nothing_where_no_recipient_was_accepted_and_354_comes(fault: Faulty, pipelining: bool) -> None:
    outcome, usable = await over_fault(fault, letter := Letter(), pipelining, "lonely354@x.test", "second@x.test")
    assert [reply.code for reply in outcome.recipients.values()] == [550, 550]
    assert (outcome.final, outcome.error, letter.asked) == (None, None, 0)
    assert usable is not pipelining
    assert not fault.stored(letter.message_id)


async def test_submit_never_takes_a_second_reply_for_the_next_commands(fault: Faulty, pipelining: bool) -> None:
    """A server that says two things at once is not believed about the third: in lock-step the session ends there."""
    outcome, usable = await over_fault(fault, letter := Letter(), pipelining, "extra@x.test")
    if pipelining:
        assert outcome.final is None
    assert outcome.error is not None
    assert outcome.error.trouble is Trouble.NOT_SMTP
    assert (usable, letter.asked) == (False, 0)
    assert not fault.stored(letter.message_id)


async def test_usable_tells_that_the_server_said_good_bye_between_mails(fault: Faulty, pipelining: bool) -> None:
    async with session_to(fault.endpoint("fault", "starttls", user="anna"), pipelining) as session:
        assert (await Letter().over(session, "goaway@x.test")).final == TAKEN
        await asyncio.sleep(0.3)
        assert not session.usable
        outcome = await Letter().over(session, STRANGER)
    assert outcome.error is not None
    assert outcome.error.phase is Phase.MAIL
    assert outcome.final is None


# Withdrawing


async def test_submit_stores_nothing_where_the_caller_withdraws(fault: Faulty, pipelining: bool) -> None:
    outcome, usable = await over_fault(fault, letter := Letter(go_on=False), pipelining, STRANGER)
    assert (outcome.withdrawn, outcome.final, outcome.error, usable, letter.asked) == (True, None, None, False, 1)
    assert outcome.recipients[STRANGER].code == 250
    assert not fault.stored(letter.message_id)


async def test_submit_stores_nothing_at_a_real_server_either(postfix: Postfix, pipelining: bool) -> None:
    letter = Letter(go_on=False)
    async with session_to(postfix.endpoint("submission", "starttls", user="anna"), pipelining) as session:
        assert (await letter.over(session, STRANGER)).withdrawn
    assert not postfix.delivered(letter.message_id, timeout=1)


class BrokenError(Exception):
    pass


async def fail() -> bool:
    raise BrokenError


async def wait() -> bool:
    await asyncio.sleep(60)
    return True


@pytest.mark.parametrize(("before_body", "expected"), [(fail, BrokenError), (wait, TimeoutError)])
async def test_submit_stores_nothing_where_the_caller_fails_or_is_cancelled(
    fault: Faulty, before_body: Callable[[], Awaitable[bool]], expected: type[Exception], pipelining: bool
) -> None:
    letter = Letter()
    async with session_to(fault.endpoint("fault", "starttls", user="anna"), pipelining) as session:
        with pytest.raises(expected):
            async with asyncio.timeout(1):
                await session.submit(Envelope(ANNA, (STRANGER,)), letter.octets, size=1, before_body=before_body)
        assert not session.usable
    assert not fault.stored(letter.message_id)


async def test_submit_says_data_where_the_server_went_before_the_body(fault: Faulty, pipelining: bool) -> None:
    """Not a byte of the body was written, so nothing is in doubt."""
    async with session_to(fault.endpoint("fault", "starttls", user="anna"), pipelining) as session:

        async def server_goes() -> bool:
            session.abort()
            await asyncio.sleep(0)
            return True

        outcome = await session.submit(Envelope(ANNA, (STRANGER,)), b"x\r\n", size=3, before_body=server_goes)
    assert outcome.error is not None
    assert (outcome.error.phase, outcome.error.trouble) == (Phase.DATA, Trouble.CLOSED_BY_SERVER)

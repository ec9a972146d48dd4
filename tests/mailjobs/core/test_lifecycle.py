"""From what happened on the wire to the state of a mail (delivery contract 1 to 3, J7, S2)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailjobs.core.envelope import HandOver, Phase, Reply, TransportError, Trouble
from mailjobs.core.lifecycle import TRANSITIONS, Outcome, RecipientState, State, settle
from mailjobs.core.reply import ReplyClass
from mailjobs.core.retry import Retry

SENDER = "anna@kanzlei-huber.example"
A, B, C = "a@example.org", "b@example.org", "c@example.org"
OK = Reply(250, "2.1.5", "Ok")
QUEUED = Reply(250, "2.0.0", "Ok: queued as 1")
UNKNOWN_USER = Reply(550, "5.1.1", "User unknown")
GREYLISTED = Reply(450, "4.2.0", "Greylisted")
LATER = Reply(451, "4.3.0", "Local error")
MANY = Reply(452, "4.5.3", "Too many recipients")
CLOSING = Reply(421, "4.7.0", "Too many errors")
NOT_OWNED = Reply(553, "5.7.1", f"<{SENDER}>: Sender address rejected: not owned by user anna")
SPAM = Reply(554, "5.7.1", "Spam message rejected")
BAD_LOGIN = Reply(535, "5.7.8", "Authentication failed")


def _settle(recipients: dict[str, Reply], to: tuple[str, ...] = (A, B), **more: Any) -> Outcome:
    handover = HandOver(recipients, more.pop("final", None), more.pop("withdrawn", False), more.pop("error", None))
    return settle(handover, to, sender=SENDER, **more)


def _error(phase: Phase, reply: Reply | None = None, trouble: Trouble | None = None) -> TransportError:
    return TransportError(phase=phase, reply=reply, trouble=trouble)


def _states(outcome: Outcome) -> str:
    """The recipients' states by their first letters: p, a, r, d, u."""
    return "".join(state[0] for state, _ in outcome.recipients.values())


LOST = _error(Phase.BODY, trouble=Trouble.CLOSED_BY_SERVER)
GONE = _error(Phase.RCPT, trouble=Trouble.CLOSED_BY_SERVER)

# what came: replies at RCPT, final reply, error; then the state, the recipients' states, the wait, the beginning of the error
CAME: dict[str, tuple[dict[str, Reply], Reply | None, TransportError | None, str, str, str | None, str]] = {
    "2.4 all accepted": ({A: OK, B: OK}, QUEUED, None, "sent", "aa", None, ""),
    "J7 one refused": ({A: OK, B: UNKNOWN_USER}, QUEUED, None, "partly_sent", "ar", None, "550 5.1.1 User unknown <b@"),
    "all refused": ({A: UNKNOWN_USER, B: UNKNOWN_USER}, None, None, "failed", "rr", None, "550 5.1.1 User unknown <a@"),
    "all refused, DATA tried": (
        {A: UNKNOWN_USER, B: UNKNOWN_USER},
        None,
        _error(Phase.DATA, Reply(554, "5.5.1", "no valid recipients")),
        "failed",
        "rr",
        None,
        "550 5.1.1",
    ),
    "one greylisted": ({A: OK, B: GREYLISTED}, QUEUED, None, "deferred", "ad", "greylist", "450 4.2.0"),
    "all greylisted": ({A: GREYLISTED, B: GREYLISTED}, None, None, "deferred", "dd", "greylist", "450 4.2.0"),
    "refused and greylisted": ({A: UNKNOWN_USER, B: GREYLISTED}, None, None, "deferred", "rd", "greylist", "450 4.2.0"),
    "one later": ({A: OK, B: LATER}, QUEUED, None, "deferred", "ad", "backoff", "451 4.3.0 Local error <b@"),
    "many recipients split": ({A: OK, B: MANY}, QUEUED, None, "deferred", "ad", "split", "452 4.5.3"),
    "not offered is split": ({A: OK}, QUEUED, None, "deferred", "ad", "split", ""),
    "many recipients, none taken": ({A: MANY, B: MANY}, None, None, "deferred", "dd", "backoff", "452 4.5.3"),
    "421 at the second RCPT": ({A: OK, B: CLOSING}, None, _error(Phase.RCPT, CLOSING), "deferred", "dd", "connection", "421"),
    "421 at the first RCPT": ({A: CLOSING}, None, _error(Phase.RCPT, CLOSING), "deferred", "dd", "connection", "421 4.7.0"),
    "rate at one RCPT": (
        {A: OK, B: Reply(450, "4.7.1", "too much mail")}, QUEUED, None, "deferred", "ad", "connection", "450 4.7.1"
    ),
    "lost at RCPT": ({A: OK}, None, GONE, "deferred", "dd", "backoff", "closed_by_server"),
    "lost at RCPT after a refusal": ({A: UNKNOWN_USER}, None, GONE, "deferred", "rd", "backoff", "closed_by_server"),
    "DATA later": ({A: OK, B: OK}, None, _error(Phase.DATA, LATER), "deferred", "dd", "backoff", "451 4.3.0"),
    "DATA refused": ({A: OK, B: OK}, None, _error(Phase.DATA, Reply(554, "", "No")), "failed", "rr", None, "554 No"),
    "4xx after the dot": ({A: OK, B: OK}, LATER, None, "deferred", "dd", "backoff", "451 4.3.0"),
    "5xx after the dot": ({A: OK, B: OK}, SPAM, None, "failed", "rr", None, "554 5.7.1"),
    "5xx after the dot, one greylisted": ({A: OK, B: GREYLISTED}, SPAM, None, "deferred", "rd", "greylist", "554 5.7.1"),
    "threads after the dot": ({A: OK, B: OK}, Reply(432, "4.3.2", "threads"), None, "deferred", "dd", "connection", "432 4.3.2"),
    "quota after the dot": (
        {A: OK, B: OK}, Reply(550, "5.4.5", "Daily limit exceeded"), None, "deferred", "dd", "quota", "550 5.4.5"
    ),
    "2.7 lost in the body": ({A: OK, B: OK}, None, LOST, "unknown", "uu", None, "closed_by_server"),
    "2.7 lost in the body, one refused": ({A: OK, B: UNKNOWN_USER}, None, LOST, "unknown", "ur", None, "closed_by_server"),
    "2.7 lost in the body, one greylisted": ({A: OK, B: GREYLISTED}, None, LOST, "unknown", "ud", None, "closed_by_server"),
    "2.7 lost in the body, replies lost too": ({}, None, LOST, "unknown", "uu", None, "closed_by_server"),
    "2.7 lost in the body, one not offered": ({A: OK}, None, LOST, "unknown", "up", None, "closed_by_server"),
    "2.7 junk after the dot": ({A: OK, B: OK}, Reply(999, "", "what"), None, "unknown", "uu", None, "999 what"),
    "2.7 nothing said at all": ({A: OK, B: OK}, None, None, "unknown", "uu", None, "other"),
    "2.4 what breaks after the final reply is nothing": ({A: OK, B: OK}, QUEUED, LOST, "sent", "aa", None, ""),
    "sender refused at RCPT": ({A: NOT_OWNED, B: NOT_OWNED}, None, None, "failed", "pp", None, "553 5.7.1"),
    "sender refused at RCPT, one unknown": ({A: UNKNOWN_USER, B: NOT_OWNED}, None, None, "failed", "rp", None, "553 5.7.1"),
    "sender refused for one only": ({A: OK, B: NOT_OWNED}, QUEUED, None, "partly_sent", "ar", None, "553 5.7.1"),
    "sender refused at MAIL": ({}, None, _error(Phase.MAIL, NOT_OWNED), "failed", "pp", None, "553 5.7.1"),
    "sender refused after the dot": (
        {A: OK, B: OK}, Reply(550, "5.7.60", "Client may not"), None, "failed", "pp", None, "550 5.7.60"
    ),
    "size before MAIL": ({}, None, _error(Phase.MAIL, trouble=Trouble.SIZE), "failed", "pp", None, "too_large"),
    "login refused at MAIL": ({}, None, _error(Phase.MAIL, Reply(530, "5.7.0", "Log in")), "failed", "pp", None, "530 5.7.0"),
}  # fmt: skip


@pytest.mark.parametrize(("recipients", "final", "error", "state", "states", "retry", "text"), CAME.values(), ids=CAME.keys())
def test_delivery_2_hand_over_is_settled(
    *,
    recipients: dict[str, Reply],
    final: Reply | None,
    error: TransportError | None,
    state: str,
    states: str,
    retry: str | None,
    text: str,
) -> None:
    outcome = _settle(recipients, final=final, error=error)
    assert (outcome.state, _states(outcome), outcome.retry) == (state, states, retry)
    assert outcome.error.startswith(text)
    assert bool(outcome.error) is bool(text)
    assert outcome.throttled is (retry in {"connection", "quota"})
    assert outcome.login_refused is ("530" in text)


def test_delivery_2_3_withdrawn_goes_back_untouched() -> None:
    outcome = _settle({A: OK, B: UNKNOWN_USER}, withdrawn=True)
    assert (outcome.state, _states(outcome), outcome.error, outcome.retry) == (State.NEW, "pp", "", None)


def test_j7_accepted_recipient_carries_the_final_reply_and_a_refused_one_its_own() -> None:
    outcome = _settle({A: OK, B: UNKNOWN_USER}, final=QUEUED)
    assert outcome.recipients == {A: (RecipientState.ACCEPTED, QUEUED), B: (RecipientState.REFUSED, UNKNOWN_USER)}
    assert outcome.reason is ReplyClass.RECIPIENT_REFUSED


@pytest.mark.parametrize(
    ("reply", "accepted", "refused", "state"),
    [
        (OK, 1, 0, "sent"),
        (OK, 0, 1, "partly_sent"),
        (OK, 1, 1, "partly_sent"),
        (UNKNOWN_USER, 0, 1, "failed"),
        (UNKNOWN_USER, 1, 0, "partly_sent"),
        (NOT_OWNED, 1, 0, "partly_sent"),
        (GREYLISTED, 1, 1, "deferred"),
    ],
)
def test_j7_earlier_tries_count(reply: Reply, accepted: int, refused: int, state: str) -> None:
    final = QUEUED if reply is OK else None
    assert _settle({C: reply}, (C,), final=final, already_accepted=accepted, already_refused=refused).state == state


@pytest.mark.parametrize("end", [{"direct": True}, {"given_up": True}], ids=["S2 direct", "given up"])
@pytest.mark.parametrize(
    ("recipients", "final", "error", "state", "states"),
    [
        ({A: LATER, B: LATER}, None, None, "failed", "rr"),
        ({A: OK, B: GREYLISTED}, QUEUED, None, "partly_sent", "ar"),
        ({A: OK, B: OK}, LATER, None, "failed", "rr"),
        ({A: OK}, None, GONE, "failed", "pp"),
        ({}, None, _error(Phase.CONNECT, trouble=Trouble.REFUSED), "failed", "pp"),
        ({A: OK, B: OK}, None, LOST, "unknown", "uu"),
        ({A: MANY, B: MANY}, None, None, "failed", "rr"),
    ],
)
def test_s2_a_temporary_refusal_is_the_end(
    *,
    end: dict[str, Any],
    recipients: dict[str, Reply],
    final: Reply | None,
    error: TransportError | None,
    state: str,
    states: str,
) -> None:
    outcome = _settle(recipients, final=final, error=error, **end)
    assert (outcome.state, _states(outcome), outcome.retry) == (state, states, None)


def test_s2_only_the_rest_of_a_split_mail_still_goes() -> None:
    outcome = _settle({A: OK, B: MANY, C: LATER}, (A, B, C), final=QUEUED, direct=True)
    assert (outcome.state, _states(outcome), outcome.retry) == (State.DEFERRED, "adr", Retry.SPLIT)


# phase, reply, trouble, attempts, state, login refused, throttled
ERRORS: dict[str, tuple[Phase, Reply | None, Trouble | None, int, str, bool, bool]] = {
    "connect": (Phase.CONNECT, None, Trouble.REFUSED, 50, "deferred", False, False),
    "dns": (Phase.RESOLVE, None, Trouble.DNS_FAILURE, 50, "deferred", False, False),
    "nxdomain third": (Phase.RESOLVE, None, Trouble.HOST_UNKNOWN, 3, "deferred", False, False),
    "nxdomain fourth": (Phase.RESOLVE, None, Trouble.HOST_UNKNOWN, 4, "failed", False, False),
    "tls second": (Phase.TLS, None, Trouble.CERTIFICATE_NAME, 2, "deferred", False, False),
    "tls third": (Phase.TLS, None, Trouble.CERTIFICATE_NAME, 3, "failed", False, False),
    "login": (Phase.AUTH, BAD_LOGIN, None, 1, "failed", True, False),
    "login later": (Phase.AUTH, Reply(454, "4.7.0", "Temporary failure"), None, 9, "deferred", False, False),
    "S7 auth needs tls": (Phase.AUTH, None, Trouble.AUTH_NEEDS_TLS, 1, "failed", False, False),
    "Z6 host not allowed": (Phase.RESOLVE, None, Trouble.HOST_NOT_ALLOWED, 1, "failed", False, False),
    "mechanism": (Phase.AUTH, None, Trouble.MECHANISM_MISSING, 1, "failed", False, False),
    "unsupported": (Phase.CONNECT, None, Trouble.UNSUPPORTED, 1, "failed", False, False),
    "too many connections": (Phase.GREETING, CLOSING, None, 1, "deferred", False, True),
    "no service": (Phase.GREETING, Reply(554, "", "No service"), None, 1, "failed", False, False),
}


@pytest.mark.parametrize(
    ("phase", "reply", "trouble", "attempts", "state", "login_refused", "throttled"), ERRORS.values(), ids=ERRORS.keys()
)
def test_delivery_3_error_before_any_mail_is_settled(
    *,
    phase: Phase,
    reply: Reply | None,
    trouble: Trouble | None,
    attempts: int,
    state: str,
    login_refused: bool,
    throttled: bool,
) -> None:
    error = _error(phase, reply, trouble)
    outcome = settle(HandOver(error=error), (A, B), sender=SENDER, attempts=attempts)
    assert (outcome.state, outcome.login_refused, outcome.throttled) == (state, login_refused, throttled)
    assert (outcome.retry is not None) is (state == "deferred")
    assert outcome.error == str(error)
    assert _states(outcome) == ("dd" if state == "deferred" else "pp")
    assert settle(HandOver(error=error), (A, B), sender=SENDER, direct=True).state is State.FAILED


def test_j4_error_begins_with_the_reply_code() -> None:
    assert settle(HandOver(error=_error(Phase.AUTH, BAD_LOGIN)), (A,), sender=SENDER).error == "535 5.7.8 Authentication failed"


def test_nothing_open_and_nothing_accepted_is_never_sent() -> None:
    assert _settle({}, (), final=QUEUED).state is State.FAILED
    assert _settle({}, (), final=QUEUED, already_accepted=1).state is State.SENT


@pytest.mark.parametrize(
    ("state", "after"),
    [
        ("new", "cancelled held sending"),
        ("held", "cancelled new"),
        ("sending", "deferred failed held new partly_sent sent unknown"),
        ("deferred", "cancelled failed held partly_sent sending"),
        ("sent", ""),
        ("partly_sent", "new"),
        ("failed", "held new"),
        ("unknown", "new partly_sent sent"),
        ("cancelled", "new"),
    ],
)
def test_delivery_2_transitions_read_as_the_diagram(state: str, after: str) -> None:
    assert " ".join(sorted(TRANSITIONS[State(state)])) == after


def test_delivery_2_every_state_has_its_transitions() -> None:
    assert set(TRANSITIONS) == set(State)


_REPLIES = st.sampled_from([OK, UNKNOWN_USER, GREYLISTED, LATER, MANY, CLOSING, NOT_OWNED, SPAM, BAD_LOGIN, Reply(0), Reply(354)])
_ERRORS = st.builds(
    _error, st.sampled_from(Phase), st.one_of(st.none(), _REPLIES), st.one_of(st.none(), st.sampled_from(Trouble))
)


@given(
    recipients=st.dictionaries(st.sampled_from([A, B, C]), _REPLIES),
    final=st.one_of(st.none(), _REPLIES),
    error=st.one_of(st.none(), _ERRORS),
    accepted=st.integers(0, 2),
    refused=st.integers(0, 2),
    attempts=st.integers(1, 5),
    ends=st.sampled_from([{}, {"direct": True}, {"given_up": True}]),
)
def test_delivery_1_whatever_happens_the_mail_has_one_true_state(
    *,
    recipients: dict[str, Reply],
    final: Reply | None,
    error: TransportError | None,
    accepted: int,
    refused: int,
    attempts: int,
    ends: dict[str, bool],
) -> None:
    outcome = _settle(
        recipients,
        (A, B, C),
        final=final,
        error=error,
        already_accepted=accepted,
        already_refused=refused,
        attempts=attempts,
        **ends,
    )
    states = {state for state, _ in outcome.recipients.values()}
    took = RecipientState.ACCEPTED in states
    assert outcome.state in TRANSITIONS[State.SENDING]
    assert set(outcome.recipients) == {A, B, C}
    assert (outcome.retry is not None) is (outcome.state is State.DEFERRED)
    assert (RecipientState.UNKNOWN in states) is (outcome.state is State.UNKNOWN)
    assert not took or (final is not None and final.positive)
    assert (outcome.state is State.SENT) is (states == {RecipientState.ACCEPTED} and not refused)
    if outcome.state is State.FAILED:
        assert not took
        assert not accepted
    if outcome.state is State.PARTLY_SENT:
        assert took or accepted
    if outcome.state not in {State.DEFERRED, State.UNKNOWN}:
        assert RecipientState.DEFERRED not in states


def test_delivery_2_5_what_breaks_off_after_the_go_ahead_of_data_was_never_taken() -> None:
    outcome = _settle({A: OK}, (A,), error=_error(Phase.DATA, Reply(354), None))
    assert (outcome.state, outcome.retry) == (State.DEFERRED, Retry.BACKOFF)
    assert outcome.recipients[A][0] is RecipientState.DEFERRED

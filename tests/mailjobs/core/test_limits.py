"""How much may go over a connection, and what a throttle teaches (delivery contract 4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailjobs.core.limits import Learned, Limits, Origin, learn, limits_of
from mailjobs.core.providers import Preset
from mailjobs.core.reply import ReplyClass

PRESET = Preset("Some provider", 3, 30, 10_000, "https://provider.example/limits")
BARE = Preset("", 3)
SET, FROM_PRESET, LEARNED = Origin.SET, Origin.PRESET, Origin.LEARNED


def test_delivery_4_without_settings_the_preset_holds() -> None:
    limits = limits_of(preset=PRESET, max_connections=None, per_minute=None, per_day=None)
    assert limits == Limits(3, 30, 10_000, sessions_set=False, origins=(FROM_PRESET, FROM_PRESET, FROM_PRESET))


def test_delivery_4_what_an_administrator_set_wins_over_the_preset() -> None:
    limits = limits_of(preset=PRESET, max_connections=8, per_minute=100, per_day=50_000)
    assert limits == Limits(8, 100, 50_000, sessions_set=True, origins=(SET, SET, SET))


def test_delivery_4_what_the_server_was_found_to_take_wins_where_it_is_less() -> None:
    limits = limits_of(preset=PRESET, max_connections=8, per_minute=None, per_day=None, learned_sessions=2, learned_per_minute=12)
    assert limits == Limits(2, 12, 10_000, sessions_set=True, origins=(LEARNED, LEARNED, FROM_PRESET))


def test_delivery_4_what_was_learned_never_raises_a_limit() -> None:
    limits = limits_of(preset=PRESET, max_connections=2, per_minute=None, per_day=None, learned_sessions=3, learned_per_minute=31)
    assert limits == Limits(2, 30, 10_000, sessions_set=True, origins=(SET, FROM_PRESET, FROM_PRESET))


def test_delivery_4_without_a_limit_anywhere_there_is_none() -> None:
    limits = limits_of(preset=BARE, max_connections=None, per_minute=None, per_day=None)
    assert limits == Limits(3, origins=(FROM_PRESET, None, None))


def test_delivery_4_a_learned_rate_stands_where_nobody_named_one() -> None:
    limits = limits_of(preset=BARE, max_connections=None, per_minute=None, per_day=None, learned_per_minute=20)
    assert (limits.per_minute, limits.origins[1]) == (20, LEARNED)


SESSIONS = [
    ("postfix", "greeting", "421 4.7.0 mail.example.org Error: too many connections from 192.0.2.1"),
    ("dovecot", "auth", "421 4.7.0 Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)"),
    ("exim", "greeting", "421 Too many concurrent SMTP connections; please try again later."),
    ("exchange online", "body", "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded; [Hostname=AM0PR01]"),
    ("exchange online new", "body", "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending."),
    ("exchange server", "greeting", "421 4.3.2 The maximum number of concurrent server connections has exceeded a limit"),
    ("ionos", "greeting", "421 Too many connections from your host"),
    ("gmail", "auth", "421 4.7.0 Too many simultaneous connections, please try later"),
    ("no words", "greeting", "421 4.7.0 Try again later"),
    ("at mail", "mail", "450 4.7.1 Error: too many sessions of this user"),
]


@pytest.mark.parametrize(("phase", "reply"), [row[1:] for row in SESSIONS], ids=[row[0] for row in SESSIONS])
def test_delivery_4_too_many_connections_teach_one_less(phase: str, reply: str) -> None:
    assert learn(ReplyClass.THROTTLED, reply, phase, 4, 17) == Learned(sessions=3)


def test_delivery_4_a_single_session_stays() -> None:
    assert learn(ReplyClass.THROTTLED, "421 4.7.0 Too many connections", "greeting", 1, 5) == Learned(sessions=1)
    assert learn(ReplyClass.THROTTLED, "421 4.7.0 Try again later", "greeting", 1, 5) is None


RATES = [
    ("postfix anvil", "mail", "450 4.7.1 Error: too much mail from 192.0.2.1"),
    ("postfix anvil rcpt", "rcpt", "450 4.7.1 Error: too many recipients from 192.0.2.1"),
    ("exchange", "mail", "421 4.4.2 Message submission rate for this client has exceeded the configured limit"),
    ("google", "body", "421 4.7.28 Our system has detected an unusual rate of mail from your network"),
    ("google relay", "rcpt", "450 4.2.1 Peak SMTP relay limit exceeded for customer"),
    ("ionos", "rcpt", "450 Requested mail action aborted: Mail send limit exceeded."),
    ("office busy", "rcpt", "451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77714)"),
    ("421 alone", "data", "421 Try again later"),
]


@pytest.mark.parametrize(("phase", "reply"), [row[1:] for row in RATES], ids=[row[0] for row in RATES])
def test_delivery_4_a_rate_teaches_what_was_taken_in_the_last_minute(phase: str, reply: str) -> None:
    assert learn(ReplyClass.THROTTLED, reply, phase, 3, 28) == Learned(per_minute=28)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("450 4.7.1 30 messages per minute allowed", Learned(per_minute=30)),
        ("421 4.7.0 Rate limit: 20/min", Learned(per_minute=20)),
        ("451 max 100 mails in 60 seconds", Learned(per_minute=100)),
        ("451 4.7.1 You may send 5 e-mails each minute", Learned(per_minute=5)),
        ("421 messages per minute: 25", Learned(per_minute=25)),
        ("450 Maximal 40 Nachrichten pro Minute", Learned(per_minute=40)),
        ("421 max 3 connections", Learned(sessions=3)),
        ("421 4.7.0 Only 2 simultaneous connections allowed", Learned(sessions=2)),
        ("421 4.7.0 Too many connections (max. 4 concurrent sessions)", Learned(sessions=4)),
        ("421 4.7.0 connection limit: 3", Learned(sessions=3)),
        ("421 4.7.0 5 connections are allowed", Learned(sessions=5)),
    ],
)
def test_delivery_4_a_number_in_the_text_is_taken_at_its_word(reply: str, expected: Learned) -> None:
    assert learn(ReplyClass.THROTTLED, reply, "mail", 9, 17) == expected


def test_delivery_4_where_others_use_the_connections_too_one_less_is_learned_all_the_same() -> None:
    assert learn(ReplyClass.THROTTLED, "421 max 20 connections", "greeting", 3, 0) == Learned(sessions=2)


@pytest.mark.parametrize("phase", ["greeting", "mail", "rcpt", "body"])
@pytest.mark.parametrize(
    "reply",
    [
        "421 4.3.2 Service shutting down",
        "421 4.3.2 Service closing",
        "421 4.4.2 mail.example.org Error: timeout exceeded",
        "421 4.7.0 mail.example.org Error: too many errors",
        "452 4.3.1 Insufficient system storage",
        "421 4.3.0 Temporary System Problem. Try again later",
        "421 Server is down for maintenance",
        "421 4.7.0 You may send 500 messages per hour",
    ],
)
def test_delivery_4_a_server_with_a_trouble_of_its_own_teaches_nothing(phase: str, reply: str) -> None:
    assert learn(ReplyClass.THROTTLED, reply, phase, 3, 28) is None


@pytest.mark.parametrize("reason", [reason for reason in ReplyClass if reason is not ReplyClass.THROTTLED])
def test_delivery_4_only_a_throttle_teaches(reason: ReplyClass) -> None:
    assert learn(reason, "421 4.7.0 Too many connections, 30 messages per minute", "mail", 3, 28) is None


def test_delivery_4_where_nothing_was_taken_lately_no_rate_is_learned() -> None:
    assert learn(ReplyClass.THROTTLED, "450 4.7.1 Error: too much mail", "mail", 3, 0) is None


@given(
    st.text(max_size=200),
    st.sampled_from(["connect", "greeting", "ehlo", "tls", "auth", "mail", "rcpt", "data", "body"]),
    st.integers(0, 100),
    st.integers(0, 10**6),
)
def test_delivery_4_whatever_is_said_what_is_learned_leaves_at_least_one(
    text: str, phase: str, sessions: int, mails: int
) -> None:
    for reply in (text, f"421 4.7.0 {text}", f"450 4.7.1 {text} connections"):
        found = learn(ReplyClass.THROTTLED, reply, phase, sessions, mails)
        if found is not None:
            assert (found.sessions is None) is (found.per_minute is not None)
            assert (found.sessions or found.per_minute or 0) >= 1
            assert found.sessions is None or found.sessions <= max(1, sessions - 1)

"""Every registered enhanced status code in every phase (delivery contract 3).

The table was written from the text of the IANA registry "SMTP Enhanced Status Codes", not from the code. A letter for each phase,
in this order: greeting, EHLO, TLS, AUTH, MAIL, RCPT, DATA, body. The first word is for 4.x.x (said with 451), the second for
5.x.x (said with 554), both without any text.
"""

import pytest

from mailjobs.core.envelope import Phase, Reply
from mailjobs.core.reply import classify
from mailjobs.core.status_codes import STATUS_CODES

PHASES = (Phase.GREETING, Phase.EHLO, Phase.TLS, Phase.AUTH, Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.BODY)
LETTERS = {
    "r": "retry",
    "t": "tls_retry",
    "T": "temporary",
    "G": "greylisted",
    "W": "throttled",
    "Q": "quota",
    "L": "login_refused",
    "F": "configuration",
    "S": "sender_refused",
    "R": "recipient_refused",
    "M": "too_many_recipients",
    "C": "content_refused",
    "P": "permanent",
}
REGISTRY = """
0.0   rrtrTTTT PPtLPRPP  only the class of the error is known
1.0   rrtrTTTT PPtLSRPP  something about the address specified in the message
1.1   rrtrTTTT PPtLSRRR  the mailbox specified in the address does not exist
1.2   rrtrTTTT PPtLSRRR  the destination system does not exist or is incapable of accepting mail
1.3   rrtrTTTT PPtLSRRR  the destination address was syntactically invalid
1.4   rrtrTTTT PPtLSRRR  the mailbox address matches one or more recipients
1.5   rrtrTTTT PPtLSRPP  valid: for positive delivery reports
1.6   rrtrTTTT PPtLSRRR  at one time valid, mail is no longer accepted for that address
1.7   rrtrTTTT PPtLSSSS  the sender's address was syntactically invalid
1.8   rrtrTTTT PPtLSSSS  the sender's system does not exist or is incapable of accepting return mail
1.9   rrtrTTTT PPtLSRPP  relayed to a system that does not speak this protocol
1.10  rrtrTTTT PPtLSRRR  the address is marked as invalid using a null MX
2.0   rrtrTTTT PPtLPRPP  the mailbox exists, but something about it
2.1   rrtrTTTT PPtLPRRR  the mailbox exists, but is not accepting messages
2.2   rrtrTTTT PPtLPRRR  the mailbox is full
2.3   rrtrTTTT PPtLCRCC  a per-mailbox administrative message length limit has been exceeded
2.4   rrtrTTTT PPtLPRRR  the mailing list was unable to be expanded
3.0   rrtrTTTT PPtLPRPP  something about the system
3.1   WWWWWWWW PPtLPRPP  mail system storage has been exceeded; useful only as transient
3.2   WWWWWWWW PPtLPRPP  not accepting messages: shutdown, excessive load, maintenance
3.3   rrtrTTTT PPtLPRPP  features specified for the message are not supported
3.4   rrtrTTTT PPtLCCCC  larger than the per-message size limit
3.5   rrtrTTTT PPtLPRPP  not configured in a manner that will permit it to accept this message
3.6   rrtrTTTT PPtLPRPP  accepted, but the requested priority was not honoured
4.0   rrtrTTTT PPtLPRPP  something went wrong with the networking
4.1   rrtrTTTT PPtLPRPP  the outbound connection attempt was not answered
4.2   rrtrTTTT PPtLPRPP  established, but unable to complete the message transaction
4.3   rrtrTTTT PPtLPRPP  a directory server was unavailable
4.4   rrtrTTTT PPtLPRPP  unable to determine the next hop
4.5   WWWWWWWW QQQQQQQQ  the mail system was congested; 5.4.5 is Google's daily limit
4.6   rrtrTTTT PPtLPRPP  a routing loop
4.7   rrtrTTTT PPtLPRPP  considered too old by the rejecting system
5.0   rrtrTTTT PPtLPRPP  something was wrong with the protocol
5.1   rrtrTTTT PPtLPRPP  a command out of sequence or unsupported
5.2   rrtrTTTT PPtLPRPP  a command which could not be interpreted
5.3   rrtrTMTT PPtLPMPP  more recipients than could have been delivered: segmentation of the message into two
5.4   rrtrTTTT PPtLPRPP  a valid command with invalid arguments
5.5   rrtrTTTT PPtLPRPP  a protocol version mis-match
5.6   rrtrTTTT PPtFPRPP  fails the AUTH command: a BASE64 response longer than the maximum buffer size
6.0   rrtrTTTT PPtLCCCC  something about the content of a message
6.1   rrtrTTTT PPtLCCCC  the media of the message is not supported
6.2   rrtrTTTT PPtLCCCC  the content must be converted and such conversion is not permitted
6.3   rrtrTTTT PPtLCCCC  the message content must be converted but such conversion is not possible
6.4   rrtrTTTT PPtLCCCC  conversion with loss
6.5   rrtrTTTT PPtLCCCC  a conversion was required but was unsuccessful
6.6   rrtrTTTT PPtLCCCC  the message content could not be fetched from a remote system
6.7   rrtrTTTT PPtLSRCC  a MAIL or RCPT command that non-ASCII addresses are not permitted
6.8   rrtrTTTT PPtLSRCC  a reply containing a UTF-8 string is required to show the mailbox name
6.9   rrtrTTTT PPtLCCCC  UTF-8 header message cannot be transferred
6.10  rrtrTTTT PPtLSRCC  a duplicate of X.6.8
7.0   rrtrTGTT PPtLPRPP  something related to security
7.1   rrtrTGTT PPtLPRPP  the sender is not authorized to send to the destination
7.2   rrtrTGTT PPtLPRRR  not authorized to send a message to the intended mailing list
7.3   rrtrTGTT PPtLPRPP  a conversion from one secure messaging protocol to another was required
7.4   rrtrTGTT PPtFPRPP  security features such as secure authentication that could not be supported
7.5   rrtrTGTT PPtLPRCC  unable to validate or decrypt a message: key
7.6   rrtrTGTT PPtLPRCC  unable to validate or decrypt a message: algorithm
7.7   rrtrTGTT PPtLPRCC  unable to validate: the message was corrupted or altered
7.8   rrtrTGTT PPtLLLLL  authentication failed due to invalid or insufficient credentials
7.9   rrtrTGTT PPtLPRPP  to AUTH: the mechanism is weaker than server policy permits
7.10  rrtrTGTT PPtFFFFF  external strong privacy layer is needed
7.11  rrtrTGTT PPtFFFFF  the mechanism may only be used when the connection is encrypted
7.12  rrtLTGTT PPtLPRPR  to AUTH: password transition; Exchange says 5.7.12 of recipients that take mail of their own people only
7.13  rrtrTGTT PPtLLRPR  after authentication to a disabled account; Exchange says 5.7.13 of public folders
7.14  rrtrTGTT PPtLPRPP  a trust relationship with a third-party server
7.15  rrtrTGTT PPtLPPPP  the specified priority level is below the lowest acceptable
7.16  rrtrTGTT PPtLCCCC  too big for the specified priority
7.17  rrtrTGTT PPtLPRRR  the recipient mailbox has not been under continuous ownership
7.18  rrtrTGTT PPtLPRRR  the owner of the domain name of the recipient has changed
7.19  rrtrTGTT PPtLPRPP  cannot complete the requested evaluation
7.20  rrtrTGTT PPtLSSSS  no passing DKIM signatures: the sender's domain lacks them, no recipient is bad
7.21  rrtrTGTT PPtLSSSS  none of the DKIM signatures are acceptable
7.22  rrtrTGTT PPtLSSSS  none matches the author address in From
7.23  rrtrTGTT PPtLSSSS  an SPF check that produced a fail result
7.24  rrtrTGTT PPtLSSSS  evaluation of SPF resulted in an error
7.25  rrtrTGTT PPtLPPPP  the SMTP client's IP address failed a reverse DNS validation
7.26  rrtrTGTT PPtLSSSS  failed more than one message authentication check
7.27  rrtrTGTT PPtLSSSS  the sender address has a null MX
7.28  WWWWWWWW PPtLPPPP  part of a mail flood
7.29  rrtrTGTT PPtLPPPP  ARC validation failure, not the sender's making
7.30  rrtrTGTT LLLLLLLL  REQUIRETLS; Exchange Online says 5.7.30 of basic authentication
"""
ROWS = [line.split(None, 3)[:3] for line in REGISTRY.strip().splitlines()]


@pytest.mark.parametrize(("code", "soft", "hard"), ROWS, ids=[row[0] for row in ROWS])
def test_delivery_3_a_registered_code_means_what_the_registry_says(code: str, soft: str, hard: str) -> None:
    assert [classify(phase, Reply(451, f"4.{code}"), None).value for phase in PHASES] == [LETTERS[letter] for letter in soft]
    assert [classify(phase, Reply(554, f"5.{code}"), None).value for phase in PHASES] == [LETTERS[letter] for letter in hard]


def test_delivery_3_all_registered_codes_are_known_and_no_other() -> None:
    assert [row.code for row in STATUS_CODES] == [row[0] for row in ROWS]
    assert all(row.says for row in STATUS_CODES)


@pytest.mark.parametrize("basic", [550, 551, 553, 554, 571])
@pytest.mark.parametrize(("code", "hard"), [(row[0], row[2]) for row in ROWS if row[2][-1] != "P"])
def test_delivery_3_a_telling_code_goes_before_the_basic_one(code: str, hard: str, basic: int) -> None:
    assert classify(Phase.BODY, Reply(basic, f"5.{code}"), None) == LETTERS[hard[-1]]


@pytest.mark.parametrize("basic", [450, 451, 452, 454])
@pytest.mark.parametrize(("code", "hard"), [(row[0], row[2]) for row in ROWS])
def test_delivery_3_the_class_digit_of_the_enhanced_code_decides_where_the_two_differ(code: str, hard: str, basic: int) -> None:
    assert classify(Phase.RCPT, Reply(basic, f"5.{code}"), None) == LETTERS[hard[5]]


@pytest.mark.parametrize("severity", ["4", "5"])
@pytest.mark.parametrize("code", [row[0] for row in ROWS])
@pytest.mark.parametrize("phase", PHASES)
def test_delivery_3_a_421_is_a_throttle_whatever_its_enhanced_code(phase: Phase, code: str, severity: str) -> None:
    assert classify(phase, Reply(421, f"{severity}.{code}"), None).value == "throttled"


@pytest.mark.parametrize("code", [row[0] for row in ROWS])
def test_delivery_3_a_code_with_an_accepted_reply_refuses_nothing(code: str) -> None:
    assert classify(Phase.BODY, Reply(250, f"2.{code}"), None).value == "accepted"


@pytest.mark.parametrize("enhanced", ["5.1.99", "5.8.1", "5.7.300", "5.99.99", "5.7.x", "5.7."])
def test_delivery_3_an_unregistered_code_leaves_it_to_severity_and_phase(enhanced: str) -> None:
    assert classify(Phase.RCPT, Reply(554, enhanced), None).value == "recipient_refused"
    assert classify(Phase.BODY, Reply(554, enhanced), None).value == "permanent"

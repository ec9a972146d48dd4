"""Access tokens as SASL carries them: RFC 7628, XOAUTH2."""

import pytest

from mailjobs.core.envelope import Endpoint
from mailjobs.transports.bearer import MECHANISMS, status_of


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("OAUTHBEARER", b"n,a=a=3Db=2Cc@test.local,\x01host=mail.test.local\x01port=587\x01auth=Bearer t\x01\x01"),
        ("XOAUTH2", b"user=a=b,c@test.local\x01auth=Bearer t\x01\x01"),
    ],
)
def test_first_line_names_the_mailbox(name: str, line: bytes) -> None:
    to = Endpoint("mail.test.local", 587, "starttls", 8, username="a=b,c@test.local", secret="t")
    assert MECHANISMS[name].first_line(to) == line


@pytest.mark.parametrize(
    ("challenge", "said"),
    [
        (b'{"status":"401","schemes":"bearer","scope":"mail"}', "status 401, scope mail"),
        (b'{"status":"invalid_token"}', "status invalid_token"),
        (b"no json\x00\r\n", "no json"),
        (b"[1]", "[1]"),
        (b'{"status":"' + b"x" * 999 + b'"}', ("status " + "x" * 999)[:200]),
    ],
)
def test_status_of_says_what_the_server_says(challenge: bytes, said: str) -> None:
    assert status_of(challenge) == said

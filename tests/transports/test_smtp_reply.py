"""Raw replies as values, and their lines as a transcript (Z22)."""

import pytest

from mailjobs.core.envelope import Reply
from mailjobs.transports.smtp_reply import parse_reply
from mailjobs.transports.transcript import LONGEST_LINE, MOST_LINES, Transcript


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (250, "2.1.5 Ok", Reply(250, "2.1.5", "Ok")),
        (250, "OK", Reply(250, "", "OK")),
        (250, "", Reply(250)),
        (250, "2.0.0", Reply(250, "2.0.0")),
        (550, "5.7.60 SMTP; Client does not have permissions", Reply(550, "5.7.60", "SMTP; Client does not have permissions")),
        (550, "5.1.1 No such\n5.1.1 user here", Reply(550, "5.1.1", "No such user here")),
        (550, "Refused\n5.7.1 by policy", Reply(550, "5.7.1", "Refused by policy")),
        (550, "#5.1.0 Address rejected.", Reply(550, "5.1.0", "Address rejected.")),
        (250, "2.1.5x no code", Reply(250, "", "2.1.5x no code")),
        (250, "10.2.3 no code", Reply(250, "", "10.2.3 no code")),
        (220, "\x1b[31mred\x07\tand \u202etxt\x85", Reply(220, "", "[31mred and txt")),
        (554, "gr\udcfc\udcdfe", Reply(554, "", "gr\ufffd\ufffde")),
        (554, "Ungültig  \n   für   uns", Reply(554, "", "Ungültig für uns")),
    ],
)
def test_parse_reply_splits_codes_from_words(code: int, text: str, expected: Reply) -> None:
    assert parse_reply(code, text) == expected


def test_parse_reply_keeps_at_most_500_characters() -> None:
    assert len(parse_reply(250, "word " * 5000).text) == 500


def test_transcript_shows_each_line_of_a_reply_with_its_code() -> None:
    transcript = Transcript()
    transcript.client("EHLO [127.0.0.1]")
    transcript.server(250, "mail.firma.at\nSIZE 100\n8BIT\x00MIME")
    assert transcript.lines == ["C: EHLO [127.0.0.1]", "S: 250-mail.firma.at", "S: 250-SIZE 100", "S: 250 8BITMIME"]


def test_transcript_is_bounded_and_keeps_both_ends() -> None:
    transcript = Transcript()
    for number in range(1000):
        transcript.client(f"{number} {'x' * 1000}")
    assert len(transcript.lines) == MOST_LINES
    assert {len(line) for line in transcript.lines} == {LONGEST_LINE, len("...")}
    assert transcript.lines[0].startswith("C: 0 ")
    assert transcript.lines[-1].startswith("C: 999 ")
    assert transcript.lines.count("...") == 1

"""What arrives at the server: one From, equal to the envelope's sender and the plan's, and no header too many (Z2, Z3)."""

import email
import re
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from typing import Any

import pytest

from mailjobs import delivery
from mailjobs.core.message import Message, MessageInvalid, parse_message
from mailjobs.models import MailJob
from mailjobs.submission import Result, submit_many
from mailsettings.core.addresses import parse_recipient
from tests.addresses.corpus import ACCEPTED, RECIPIENTS, REFUSED
from tests.cast import move_in, user
from tests.services import CountingServer, Received

pytestmark = pytest.mark.django_db(transaction=True)

ALWAYS = ["Date", "From", "To", "Subject", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"]
FIELD = re.compile(rb"^([^\s:]+):", re.MULTILINE)
SHORT = {"subject": "Rechnung", "text": "Guten Tag"}
BCC = "Bcc: opfer@bank.example"
HOSTILE = [
    f"x\r\n{BCC}",
    f"x\n{BCC}",
    f"x\r{BCC}",
    f"x\r\n {BCC}",
    f"x\r\n\r\n{BCC}",
    f"x\n.\r\n{BCC}",
    f"x\0{BCC}",
    f"x\x0b{BCC}",
    f"x\x0c{BCC}",
    f"x\x1c{BCC}",
    f"x\x85{BCC}",
    f"x\u2028{BCC}",
    f"x\u2029{BCC}",
    "x\ud800",
    "x\ud83d",
    "x\u202e",
    "=?utf-8?q?x=0D=0ABcc:_opfer=40bank.example?=",
    "=?utf-8?q?x=0ABcc=3A_opfer=40bank.example?=",
    "=?utf-8?q?x=0DBcc:y?=",
    "=?utf-8?b?eA0KQmNjOiBvcGZlckBiYW5rLmV4YW1wbGU=?=",
    "=?utf-8?b?eA0KQmNjOiBvcGZlckBiYW5rLmV4YW1wbGU?=",
    "=?utf-8?b?eA0KQmNjOiBvcGZlckBiYW5rLmV4YW1wbGU=x?=",
    "=?utf-8?q?x=0D?= =?utf-8?q?=0ABcc:y?=",
    "=?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3D0ABcc=3Ay=3F=3D?=",
    "=?utf-8?q?=3D=3Futf-8=3Fq=3F=3D3D=3D3Futf-8=3D3Fq=3D3Fx=3D3D0ABcc=3D3F=3D3D=3F=3D?=",
    "=?utf-8*de?q?x=0ABcc:y?=",
    "=?utf-7?q?x+AA0ACg-Bcc:y?=",
    "=?x-niemand?q?x=0ABcc:y?=",
    "=?us-ascii?q?=FF=0ABcc:y?=",
    "=?utf-8?q?x=E2=80=A8Bcc:y?=",
    "=?utf-8?q?x=C2=85Bcc:y?=",
    "=?utf-8?q?x=00?=",
    '"\r\n' + BCC,
    f'x" <opfer@bank.example>\r\n{BCC}',
]
# Odd, but nothing hides in them: these arrive as they are read.
HARMLESS = {
    "Rechnung: 5 % = 2,50 € (brutto)": "Rechnung: 5 % = 2,50 € (brutto)",
    "=?utf-8?q?Rechnung_f=C3=BCr_M=C3=A4rz?=": "Rechnung für März",
    "Bcc: opfer@bank.example": "Bcc: opfer@bank.example",
    "=?utf-8?q?Bcc:_opfer=40bank.example?=": "Bcc: opfer@bank.example",
    "a=?b?=c": "a=?b?=c",
    "=?utf-8?q?": "=?utf-8?q?",
    "x" * 900: "x" * 900,
    "ü" * 300: "ü" * 300,
    "Soft\u00adhyphen": "Soft\u00adhyphen",
    "%0d%0aBcc: x": "%0d%0aBcc: x",
    "\\r\\nBcc: x": "\\r\\nBcc: x",
    ".": ".",
    "From anna": "From anna",
}


def arrived(server: CountingServer) -> Iterator[tuple[MailJob, Received]]:
    """Deliver everything, and give each job with what the server got."""
    delivery.run(until_empty=True)
    jobs = {job.message_id: job for job in MailJob.objects.all()}
    assert set(server.message_ids.values()) <= {1}
    assert set(server.message_ids) == set(jobs)
    for mail in server.received:
        yield jobs[mail.message_id], mail


def parsed(mail: Received, names: list[str]) -> EmailMessage:
    """The mail as a program reads it, after looking at its header block in four ways: the same names, each once."""
    block, _, _ = mail.content.partition(b"\r\n\r\n")
    assert [name.decode() for name in FIELD.findall(block)] == names
    assert block.isascii()
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", block)
    assert email.message_from_bytes(mail.content).keys() == names
    modern = email.message_from_bytes(mail.content, policy=policy.default)
    assert isinstance(modern, EmailMessage)
    assert modern.keys() == names
    assert email.message_from_bytes(modern.as_bytes(policy=policy.SMTP)).keys() == names  # written anew by who passes it on
    return modern


def message(**more: Any) -> Message | MessageInvalid:
    """A short mail to a client, or why it is none."""
    try:
        return parse_message({**SHORT, "to": ["klient@kunde.example"], **more})
    except MessageInvalid as invalid:
        return invalid


def submitted(messages: list[Message | MessageInvalid]) -> list[Result]:
    return submit_many(user("anna"), messages)


def test_z2_each_accepted_sender_is_the_one_from_and_the_envelope(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    results = submitted([message(sender=case.text, to=[f"k{number}@kunde.example"]) for number, case in enumerate(ACCEPTED)])
    assert {result.status for result in results} == {"new"}
    count = 0
    for job, mail in arrived(smtp_server):
        case = ACCEPTED[int(re.sub(r"\D", "", mail.recipients[0]))]
        (sender,) = parsed(mail, ALWAYS)["From"].addresses
        assert sender.addr_spec == mail.sender == job.sender_address == job.plan["sender"]["address"]
        assert (sender.addr_spec.lower(), sender.display_name) == (case.key, case.name)
        assert len(mail.headers["From"].rpartition("<")[0].strip()) <= 75
        count += 1
    assert count == len(ACCEPTED)


def test_z2_no_refused_sender_sends_or_stops_the_others(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    refused = [case for case in REFUSED if case.text.strip()]
    results = submitted([message(sender=case.text) for case in refused] + [message()])
    assert [(result.status, result.code) for result in results[:-1]] == [("refused", "address_invalid")] * len(refused)
    assert [mail.sender for _, mail in arrived(smtp_server)] == ["anna@kanzlei-huber.example"]


def test_z2_reply_to_is_written_like_from_and_changes_no_sender(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    by_place = {case.place: case for case in ACCEPTED[::4]}
    submitted([message(reply_to=[case.text], subject=case.place) for case in by_place.values()])
    for _, mail in arrived(smtp_server):
        found = parsed(mail, [*ALWAYS[:3], "Reply-To", *ALWAYS[3:]])
        (reply_to,) = found["Reply-To"].addresses
        case = by_place[str(found["Subject"])]
        assert (reply_to.addr_spec.lower(), reply_to.display_name) == (case.key, case.name)
        assert found["From"].addresses[0].addr_spec == mail.sender == "anna@kanzlei-huber.example"


def test_rfc6531_international_recipients_stand_in_the_envelope_only(
    smtp_server: CountingServer,
) -> None:
    move_in(smtp_server)
    wanted = {parse_recipient(case.text).address for case in RECIPIENTS if case.accepted}
    results = submitted([message(to=[case.text]) for case in RECIPIENTS])
    assert [result.status for result in results] == ["new" if case.accepted else "refused" for case in RECIPIENTS]
    found: set[str] = set()
    for _, mail in arrived(smtp_server):
        assert not parsed(mail, ALWAYS)["To"].addresses  # an empty group
        found.update(mail.recipients)
    assert found == wanted


@pytest.mark.parametrize(
    "field", ["subject", "name of to", "name of cc", "name of reply_to", "name of sender", "sender", "reply_to"]
)
def test_z3_hostile_text_never_adds_a_header(smtp_server: CountingServer, field: str) -> None:
    move_in(smtp_server)
    results = submitted([message(**placed(field, text)) for text in HOSTILE] + [message()])
    assert {result.status for result in results[:-1]} == {"refused"}
    assert results[-1].status == "new"
    for _, mail in arrived(smtp_server):
        parsed(mail, ALWAYS)


def placed(field: str, text: str) -> dict[str, Any]:
    """A message's part with a text as its subject, its address, or the name before an address, in quotes or not."""
    name = field.removeprefix("name of ")
    value = text if name == field else f'"{text}" <anna@kanzlei-huber.example>' if ":" in text else f"{text} <a@huber.example>"
    return {name: value if name in {"subject", "sender"} else [value]}


def test_z3_odd_subjects_arrive_as_they_are_read(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    results = submitted([message(subject=subject) for subject in HARMLESS])
    assert {result.status for result in results} == {"new"}
    found = {str(parsed(mail, ALWAYS)["Subject"]) for _, mail in arrived(smtp_server)}
    assert found == set(HARMLESS.values())


@pytest.mark.parametrize("evil", [text for text in HOSTILE if "=?" not in text])
def test_z3_hostile_values_of_placeholders_never_add_a_header(smtp_server: CountingServer, evil: str) -> None:
    move_in(smtp_server)
    raw = {"print_model": "invoices", "to": ["klient@kunde.example"], "variables": {"number": evil, "name": "Max"}}
    (result,) = submitted([parse_message(raw)])
    assert result.status == "refused"
    assert not MailJob.objects.exists()

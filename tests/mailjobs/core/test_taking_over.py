"""What is taken over of a mail that came over SMTP, and what is not."""

import base64
from email.message import EmailMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailjobs.core.message import MessageInvalid, parse_message
from mailjobs.core.taking_over import NotTakenOver, take_over

TO = ["max@kunde.example"]


def mail(**headers: str) -> EmailMessage:
    made = EmailMessage()
    for name, value in {"From": "Huber <office@huber.example>", "To": "max@kunde.example", "Subject": "Größe", **headers}.items():
        made[name.replace("_", "-")] = value
    made.set_content("Grüß Gott\n")
    return made


def test_texts_and_files_are_taken_over() -> None:
    made = mail()
    made.add_alternative("<p>Grüß Gott</p>", subtype="html")
    made.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Größe.pdf")
    made.add_attachment(mail(Subject="innen"), filename="innen.eml")
    raw = take_over(made.as_bytes(), "office@huber.example", TO).raw
    assert (raw["subject"], raw["text"], raw["html"]) == ("Größe", "Grüß Gott\n", "<p>Grüß Gott</p>\n")
    pdf, inner = raw["attachments"]
    assert (pdf["filename"], pdf["content_type"], base64.b64decode(pdf["content_base64"])) == (
        "Größe.pdf",
        "application/pdf",
        b"%PDF",
    )
    assert b"Subject: innen" in base64.b64decode(inner["content_base64"])
    message = parse_message(raw)
    assert [file.filename for file in message.attachments] == ["Größe.pdf", "innen.eml"]


def test_recipients_are_those_of_the_envelope_as_the_headers_name_them() -> None:
    made = mail(To='"Muster, Max" <MAX@kunde.example>, other@kunde.example', Cc="Eva <eva@kunde.example>")
    raw = take_over(
        made.as_bytes(), "office@huber.example", ["max@KUNDE.example", "eva@kunde.example", "blind@kunde.example"]
    ).raw
    assert raw["to"] == ['"Muster, Max" <MAX@kunde.example>']
    assert raw["cc"] == ["Eva <eva@kunde.example>"]
    assert raw["bcc"] == ["blind@kunde.example"]


def test_a_name_that_is_the_address_once_more_is_left_out() -> None:
    """Outlook writes so; as a name it could hide another address (Z2)."""
    raw = take_over(mail(To='"max@kunde.example" <max@kunde.example>').as_bytes(), "", TO).raw
    assert raw["to"] == ["max@kunde.example"]


def test_headers_name_print_model_document_and_key() -> None:
    made = mail(X_Postausgang_Print_Model="invoices", X_Postausgang_Document_Key="invoice 1", X_Postausgang_Run="November")
    taken = take_over(made.as_bytes(), "", TO)
    assert (taken.raw["print_model"], taken.raw["document_key"], taken.run) == ("invoices", "invoice 1", "November")
    assert take_over(mail(X_Postausgang_Idempotency_Key="k").as_bytes(), "", TO).raw["idempotency_key"] == "k"


def test_the_same_mail_again_has_the_same_key_and_no_other_has() -> None:
    def key(recipients: list[str] = TO, **headers: str) -> str | None:
        return take_over(mail(**headers).as_bytes(), "", recipients).raw["idempotency_key"]  # type: ignore[no-any-return]

    assert key() is None
    first = key(Message_ID="<1@huber.example>")
    assert first == key(Message_ID="<1@huber.example>", Received="from a by b; Tue, 24 Nov 2026 23:00:00 +0100")
    assert first is not None
    others = [
        key(Message_ID="<2@huber.example>"),
        key(Message_ID="<1@huber.example>", Subject="x"),
        key(["eva@kunde.example"], Message_ID="<1@huber.example>"),
    ]
    assert first not in others
    document = key(Message_ID="<1@huber.example>", X_Postausgang_Document_Key="d")
    assert document == key(Message_ID="<2@huber.example>", Date="Tue, 24 Nov 2026 23:00:00 +0100", X_Postausgang_Document_Key="d")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"From: a@b.example\r\nFrom: c@d.example\r\n\r\nx", "from"),
        (b"From: a@b.example\r\nSubject: 1\r\nSubject: 2\r\n\r\nx", "twice"),
        (b"From: a@b.example\r\nX-Postausgang-Document-Key: 1\r\nX-Postausgang-Document-Key: 2\r\n\r\nx", "twice"),
        (b"From: a@b.example\r\nContent-Type: application/pkcs7-mime\r\n\r\nx", "sealed"),
        (b"From: a@b.example\r\nContent-Type: multipart/signed; boundary=x\r\n\r\n--x\r\n\r\n--x--", "sealed"),
    ],
)
def test_what_would_be_another_mail_is_not_taken_over(content: bytes, code: str) -> None:
    with pytest.raises(NotTakenOver) as refused:
        take_over(content, "", TO)
    assert refused.value.code == code


def test_too_many_and_too_deep_parts_are_refused() -> None:
    many, deep = MIMEMultipart(), MIMEText("x")
    for _number in range(400):
        many.attach(MIMEText("x"))
    for _number in range(40):
        outer = MIMEMultipart()
        outer.attach(deep)
        deep = outer  # type: ignore[assignment]
    for made in (many, deep):
        with pytest.raises(NotTakenOver, match="parts"):
            take_over(made.as_bytes(), "", TO)


def test_octets_beyond_ascii_and_unknown_character_sets_are_read() -> None:
    head = 'From: Größe <a@b.example>\r\nSubject: Größe\r\nContent-Type: text/plain; charset="x-unknown"\r\n\r\n'.encode()
    raw = take_over(head + b"gr\xfc\xdfe", "", TO).raw
    assert (raw["subject"], raw["sender"], raw["text"]) == ("Größe", "Größe <a@b.example>", "grüße")


def test_line_breaks_in_encoded_words_add_no_header() -> None:
    """Z3: judged by the message's own check."""
    raw = take_over(b"From: a@b.example\r\nSubject: =?utf-8?q?a=0d=0aBcc:_x@y.example?=\r\n\r\nx", "", TO).raw
    with pytest.raises(MessageInvalid):
        parse_message({**raw, "idempotency_key": raw["subject"]})
    assert raw["bcc"] == TO


@given(st.binary(max_size=2000), st.booleans())
@settings(max_examples=300, deadline=None)
def test_whatever_comes_is_taken_over_or_refused(content: bytes, headed: bool) -> None:
    head = b'From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="x"\r\n' if headed else b""
    try:
        raw = take_over(head + content, "a@b.example", TO).raw
        parse_message(raw)
    except (NotTakenOver, MessageInvalid):
        pass

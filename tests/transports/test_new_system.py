"""S5, the exercise: a new send system is one new file (`folder`) and one registration; all the rest works as with any other."""

from pathlib import Path
from types import MappingProxyType

import pytest

from mailjobs import delivery
from mailjobs.models import JobRecipient, MailJob
from mailjobs.submission import submit, submit_many
from mailjobs.transports import registry
from tests.cast import invoice, move_in, user
from tests.transports import folder

pytestmark = pytest.mark.django_db(transaction=True)

SERVER = {"smtp_server": "mail.kanzlei-huber.example"}


@pytest.fixture
def mails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, registered for both timings: the one line that a new system needs beside its file."""
    registered = {**registry.TRANSPORTS, 0: folder.open_session, 1: folder.open_session}
    monkeypatch.setattr(registry, "TRANSPORTS", MappingProxyType(registered))
    monkeypatch.setenv(folder.FOLDER, str(tmp_path))
    return tmp_path


def test_s5_a_folder_takes_queued_and_direct_mail(mails: Path) -> None:
    move_in(parameters={**SERVER, "send_system": 1})
    submit_many(user("bernd"), [invoice(number) for number in range(20)])
    assert delivery.run(until_empty=True).document()["sent"] == 20
    move_in(parameters={**SERVER, "send_system": 0})
    assert submit(user("bernd"), invoice(20)).status == "sent"
    files = [file.read_text() for file in mails.glob("*.eml")]
    assert len(files) == 21
    ids = set(MailJob.objects.values_list("message_id", flat=True))
    assert {next(message_id for message_id in ids if message_id in text) for text in files} == ids
    assert set(JobRecipient.objects.values_list("state", flat=True)) == {"accepted"}


def test_s5_a_folder_refuses_recipients_like_any_server(mails: Path) -> None:
    move_in(parameters={**SERVER, "send_system": 1})
    submit_many(user("bernd"), [invoice(cc=["reject-a@kunde.example"]), invoice(2, to=["reject-b@kunde.example"])])
    delivery.run(until_empty=True)
    assert list(MailJob.objects.order_by("pk").values_list("state", flat=True)) == ["partly_sent", "failed"]


def test_s5_a_folder_that_is_gone_is_tried_again(mails: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(folder.FOLDER, str(mails / "gone"))
    move_in(parameters={**SERVER, "send_system": 1})
    submit(user("bernd"), invoice())
    delivery.run(until_empty=True)
    assert MailJob.objects.get().state == "deferred"

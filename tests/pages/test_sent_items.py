"""What the page of a mail says of its copy in the Sent folder, and of the look for an uncertain one (X3)."""

import pytest

from mailjobs import lost, sent_items
from mailjobs.models import MailJob, SentErrand
from mailjobs.submission import submit
from tests.cast import invoice, user
from tests.pages.conftest import LogIn

pytestmark = pytest.mark.django_db(transaction=True)

State = SentErrand.State
COPIES = [
    ({"state": State.WANTED}, "Is being put into the mailbox"),
    (
        {"state": State.WANTED, "error": "refused: nobody"},
        "Not there yet. The connection was refused: nobody. The next try follows",
    ),
    (
        {"state": State.DONE, "mailbox": "bernd@test.local", "folder": "Gesendet"},
        "In the mailbox bernd@test.local, folder Gesendet",
    ),
    ({"state": State.FAILED, "error": sent_items.NO_MAILBOX}, "The mail was sent all the same. The settings name no mailbox"),
    ({"state": State.FAILED, "error": sent_items.NOT_FOUND}, "The mail was sent all the same."),
]


def page(log_in: LogIn, job: MailJob, reader: str = "bernd") -> str:
    return log_in(reader).get(f"/jobs/{job.pk}/").content.decode()


@pytest.mark.parametrize(("became", "said"), COPIES)
def test_the_page_says_what_became_of_the_copy(log_in: LogIn, became: dict[str, str], said: str) -> None:
    submit(user("bernd"), invoice())
    job = MailJob.objects.get()
    assert "Sent items" not in page(log_in, job)
    MailJob.objects.update(state="sent")
    SentErrand.objects.create(job=job, kind="copy", **became)
    assert said in page(log_in, job)


def test_the_page_of_an_uncertain_mail_says_that_it_is_looked_for(log_in: LogIn) -> None:
    submit(user("bernd"), invoice())
    past = "2020-01-01T00:00:00Z"
    MailJob.objects.update(send_system=11, state="sending", on_wire_at=past, lease_until=past)
    lost.reap()
    job = MailJob.objects.get()
    assert "The portal looks for it there by itself, next at" in page(log_in, job)
    SentErrand.objects.update(state=State.FAILED)
    assert "That does not prove that it was not sent." in page(log_in, job)
    assert lost.found(job, "graph.microsoft.com:443")
    shown = page(log_in, job)
    assert "found in the mailbox&#x27;s Sent Items" in shown
    assert "Nobody knows whether it arrived" not in shown

"""`purge --recipient`: one recipient is forgotten everywhere, the others are not (issue 9, Z20). On both databases."""

import pytest
from django.core.management import CommandError, call_command

from mailjobs import bounces
from mailjobs.core.bounces import Fate, Recipient, Report
from mailjobs.erasing import erase_recipient
from mailjobs.models import FrozenMail, JobRecipient, MailJob, RecipientReport
from mailjobs.submission import submit_many
from mailsettings.models import AuditEvent, Tenant
from tests.canary import places_of
from tests.cast import invoice, move_in, user
from tests.mailjobs.test_delivery import deliver
from tests.services import CountingServer

pytestmark = pytest.mark.django_db(transaction=True)
WHO, OTHER = "klient1@kunde.example", "klient2@kunde.example"


@pytest.fixture
def mails(smtp_server: CountingServer) -> None:
    """One to WHO that was sent, one that the server refused while naming WHO, one to OTHER."""
    move_in(smtp_server)
    submit_many(user("bernd"), [invoice(1, subject="Rechnung an Klient Eins", cc=["zweiter@kunde.example"]), invoice(2)])
    deliver()
    smtp_server.refuse[WHO] = f"550 5.1.1 <{WHO}> User unknown in virtual alias table"
    submit_many(user("bernd"), [invoice(1, bcc=["nobody@kunde.example"])])
    submit_many(user("mia"), [invoice(1)])
    deliver()


def test_nothing_names_the_recipient_any_more(mails: None) -> None:
    before = places_of(WHO)
    assert any("dialogue" in place for place in before)
    assert any("recipients" in place for place in before)
    done = erase_recipient("Klient1@Kunde.EXAMPLE")
    assert done.mails == 3
    assert done.under_way == ()
    assert places_of(WHO) == []
    assert places_of("Rechnung an Klient Eins") == []
    assert erase_recipient(WHO).mails == 0


def test_what_came_back_names_the_recipient_no_more_and_of_others_it_stays(mails: None) -> None:
    for job in MailJob.objects.filter(state="sent"):
        for to in job.recipients.values_list("address", flat=True):
            said = Recipient(to, Fate.FAILED, "5.1.1", f"550 5.1.1 <{to}>, before that <{WHO}>: User unknown")
            bounces.take(job.tenant, [Report((said,), job.message_id)])
    assert any("recipientreport" in place for place in places_of(WHO))
    kept = RecipientReport.objects.exclude(recipient__address=WHO).count()
    erase_recipient(WHO)
    assert places_of(WHO) == []
    assert RecipientReport.objects.count() == kept > 0


def test_others_are_as_they_were(mails: None) -> None:
    other = MailJob.objects.get(recipients__address=OTHER)
    erase_recipient(WHO)
    assert FrozenMail.objects.get().pk == other.pk
    assert MailJob.objects.get(pk=other.pk).subject == other.subject
    assert set(MailJob.objects.get(pk=other.pk).recipients.values_list("address", "state")) == {(OTHER, "accepted")}
    kept = JobRecipient.objects.filter(address__in=["zweiter@kunde.example", "nobody@kunde.example"])
    assert kept.count() == 2


def test_one_tenant_forgets_and_the_others_do_not(mails: None) -> None:
    assert erase_recipient(WHO, Tenant.objects.get(slug="muster")).mails == 1
    assert set(JobRecipient.objects.filter(address=WHO).values_list("job__tenant__slug", flat=True)) == {"huber"}


def test_a_mail_under_way_is_left_and_reported(mails: None, capsys: pytest.CaptureFixture[str]) -> None:
    [waiting] = submit_many(user("bernd"), [invoice(1)])
    with pytest.raises(CommandError, match=str(waiting.id)):
        call_command("purge", "--recipient", WHO)
    assert "3 mails were erased" in capsys.readouterr().err
    assert waiting.id is not None
    assert MailJob.objects.get(pk=waiting.id).recipients.get().address == WHO
    event = AuditEvent.objects.get(action="erased")
    assert event.after["mails"] == 3
    assert WHO not in str(event.after)


@pytest.mark.parametrize(
    "words", [["--recipient", "no address"], ["--tenant", "huber"], ["--recipient", WHO, "--tenant", "nobody"]]
)
def test_what_makes_no_sense_is_refused(words: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("purge", *words)

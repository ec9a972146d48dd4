"""What the source document says of problems, answered by the diagnosis."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from mailjobs import delivery
from mailjobs.core.message import parse_message
from mailjobs.models import Incident, MailJob
from mailjobs.submission import submit
from mailsettings.configuration import import_document
from mailsettings.models import EmailAccount
from tests.cast import connection_to, user
from tests.diagnostics.conftest import diagnose, failing, firm, move_in
from tests.peers.fixtures import Postfix
from tests.services import CountingServer

pytestmark = pytest.mark.django_db(transaction=True)


def step(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in document["steps"] if each["step"] == name)


def letter(**more: Any) -> Any:
    return parse_message({"to": ["kunde@kunde.example"], "subject": "Rechnung 1", "text": "Guten Tag", **more})


def test_09_every_failed_job_and_its_incident_offer_the_diagnosis(smtp_server: CountingServer) -> None:
    move_in({**connection_to(smtp_server), "send_system": 1})
    smtp_server.reply = "554 5.6.0 no"
    submit(user("anna"), letter())
    delivery.run(until_empty=True)
    job = MailJob.objects.get()
    client = Client()
    client.force_login(user("anna"))
    offered = f"{reverse('diagnosis')}?job={job.pk}"
    for page in (reverse("job", args=[job.pk]), reverse("incident", args=[Incident.objects.get().pk])):
        assert offered in client.get(page).content.decode()
    assert client.get(offered).status_code == 200


def test_01_without_a_server_the_diagnosis_says_that_the_server_comes_first() -> None:
    move_in({})
    document = diagnose()
    assert failing(document) == ("configuration", "no_server")
    assert "Outlook" in step(document, "configuration")["remedy"]


def test_02_mail_through_the_client_is_told_and_the_server_is_checked(smtp_server: CountingServer) -> None:
    move_in({**connection_to(smtp_server), "send_option": "client"})
    document = diagnose()
    assert (document["verdict"], step(document, "configuration")["cause"]) == ("warned", "by_client")
    assert step(document, "test_mail")["verdict"] == "passed"


def test_24_a_batch_user_is_diagnosed_by_the_server_and_never_by_the_client(smtp_server: CountingServer) -> None:
    move_in({**connection_to(smtp_server), "send_option": "client", "send_system": 0})
    assert diagnose("stapel")["verdict"] == "passed"
    import_document(firm({}), actor="test")
    assert failing(diagnose("stapel")) == ("configuration", "no_server")


def test_28_the_reply_after_data_names_the_missing_right_and_where_to_set_it(smtp_server: CountingServer) -> None:
    """Exchange judges *send as* only there: a probe that stops earlier is green where real mail fails."""
    move_in(connection_to(smtp_server))
    smtp_server.reply = "550 5.7.60 SMTP; Client does not have permissions to send as this sender"
    assert diagnose(test_mail=False)["verdict"] == "passed"
    document = diagnose()
    assert failing(document) == ("test_mail", "sender_refused")
    said = step(document, "test_mail")
    assert said["reply"].startswith("550 5.7.60")
    assert said["who"] == "you"  # an administrator, who gives the right or asks for it
    assert "Add-RecipientPermission" in said["remedy"]


@pytest.mark.parametrize(
    ("sender", "found"), [("office@test.local", ("", "")), ("bernd@test.local", ("sender_accepted", "sender_refused"))]
)
def test_29_may_i_send_as_office(sender: str, found: tuple[str, str], postfix: Postfix) -> None:
    server = {"smtp_server": "localhost", "smtp_port": postfix.ports["submission"], "ca_certificate": postfix.ca_certificate}
    login = {"smtp_user": "anna", "smtp_password": postfix.users["anna"]}
    move_in({**server, **login}, email_accounts=[{"id": "office", "sender_address": sender}])
    assert failing(diagnose(account=EmailAccount.objects.get())) == found


def test_43_analyse_correct_and_diagnose_with_exactly_the_same_settings(smtp_server: CountingServer) -> None:
    move_in({**connection_to(smtp_server), "smtp_password": "another"})
    failed = submit(user("anna"), letter(sender="buero@test.local"))
    job = MailJob.objects.get(pk=failed.id or 0)
    assert failing(diagnose(job=job)) == ("authentication", "wrong_credentials")
    import_document(firm(connection_to(smtp_server)), actor="test")
    document = diagnose(job=job)
    assert document["verdict"] == "passed"
    assert step(document, "sender")["facts"]["address"] == "buero@test.local"


def test_46_credentials_tls_and_server_are_told_apart(smtp_server: CountingServer) -> None:
    right = connection_to(smtp_server)
    found = []
    for change in (
        {"smtp_password": "another"},
        {"smtp_user": "", "smtp_password": ""},
        {"smtp_tls": "implicit"},
        {"ca_certificate": ""},
        {"smtp_server": "gibts-nicht.invalid"},
    ):
        import_document(firm({**right, **change}), actor="test")
        found.append(failing(diagnose()))
    assert found == [
        ("authentication", "wrong_credentials"),
        ("authentication", "auth_needed"),
        ("tls", "tls_version"),
        ("tls", "certificate_untrusted"),
        ("name_resolution", "host_unknown"),
    ]


def test_47_what_the_diagnosis_shows_begins_with_the_reply_code(smtp_server: CountingServer) -> None:
    move_in(connection_to(smtp_server))
    smtp_server.refuse["weg@kunde.example"] = "550 5.1.1 User unknown"
    document = diagnose(to="weg@kunde.example")
    said = step(document, "recipient_accepted")
    assert (said["cause"], said["who"]) == ("recipient_refused", "recipient")
    assert said["reply"].startswith("550 5.1.1 ")
    assert said["meaning"]

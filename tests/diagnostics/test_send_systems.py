"""The diagnosis of every send system: green where mail goes out, step and cause where login or sender are refused."""

import pytest

from mailsettings.models import ParameterSet
from tests.diagnostics.conftest import diagnose, failing, move_in
from tests.peers.fixtures import Kerberos, Postfix
from tests.transports.ews_column import EwsColumn
from tests.transports.situations import Column, GraphColumn, KerberosColumn, NtlmColumn, OAuthColumn, PasswordColumn, Situation

pytestmark = pytest.mark.django_db(transaction=True)

COLUMNS: list[type[Column]] = [PasswordColumn, KerberosColumn, NtlmColumn, EwsColumn, OAuthColumn, GraphColumn]
REFUSED_LOGIN = {
    PasswordColumn: "wrong_credentials",
    KerberosColumn: "no_ticket",
    NtlmColumn: "wrong_credentials",
    EwsColumn: "wrong_credentials",
    OAuthColumn: "token_refused",
    GraphColumn: "token_refused",
}


@pytest.mark.parametrize("column", COLUMNS)
def test_what_works_is_green(column: type[Column], request: pytest.FixtureRequest) -> None:
    made = column(request)
    with made.arrange(Situation.ACCEPTED) as arranged:
        move_in({**arranged.parameters, "send_system": column.systems[0]})
        document = diagnose(to=arranged.to[0])
    assert failing(document) == ("", "")
    assert document["send_system"] == column.systems[0]
    verdicts = {step["step"]: step["verdict"] for step in document["steps"]}
    assert {verdicts[name] for name in ("name_resolution", "connection", "tls", "authentication", "test_mail")} == {"passed"}
    assert ("greeting" in verdicts) == (column not in {EwsColumn, GraphColumn})


@pytest.mark.parametrize("column", COLUMNS)
def test_refused_login(column: type[Column], request: pytest.FixtureRequest) -> None:
    made = column(request)
    with made.arrange(Situation.WRONG_CREDENTIALS) as arranged:
        move_in({**arranged.parameters, "send_system": column.systems[0]})
        document = diagnose(to=arranged.to[0])
    assert failing(document) == ("authentication", REFUSED_LOGIN[column])
    assert "Falsches" not in str(document)


@pytest.mark.parametrize("column", [EwsColumn, GraphColumn])
def test_sender_that_a_web_service_refuses_only_with_the_mail(column: type[Column], request: pytest.FixtureRequest) -> None:
    if Situation.SENDER_REFUSED in column.impossible:
        pytest.skip(f"for other reasons: {column.impossible[Situation.SENDER_REFUSED]}")
    made = column(request)
    with made.arrange(Situation.SENDER_REFUSED) as arranged:
        move_in({**arranged.parameters, "send_system": column.systems[0]})
        document = diagnose(to=arranged.to[0])
    assert failing(document) == ("test_mail", "sender_refused")


@pytest.mark.parametrize("column", COLUMNS)
def test_server_that_is_gone(column: type[Column], request: pytest.FixtureRequest) -> None:
    made = column(request)
    with made.arrange(Situation.SERVER_GONE) as arranged:
        move_in({**arranged.parameters, "send_system": column.systems[0]})
        document = diagnose(to=arranged.to[0])
    assert failing(document) == ("connection", "refused")


@pytest.mark.parametrize("column", COLUMNS)
def test_certificate_of_another_name(column: type[Column], request: pytest.FixtureRequest) -> None:
    made = column(request)
    with made.arrange(Situation.WRONG_CERTIFICATE) as arranged:
        move_in({**arranged.parameters, "send_system": column.systems[0]})
        document = diagnose(to=arranged.to[0])
    assert failing(document)[0] == "tls"
    assert failing(document)[1].startswith("certificate_")


def by_kerberos(postfix: Postfix) -> None:
    where = {"smtp_server": "localhost", "smtp_port": postfix.ports["submission"], "ca_certificate": postfix.ca_certificate}
    move_in({**where, "send_system": 2, "confirm_shared_identity": True})


def test_process_without_a_ticket(kerberos: Kerberos, postfix: Postfix) -> None:
    by_kerberos(postfix)
    document = diagnose()
    assert failing(document) == ("authentication", "no_ticket")
    assert next(step["who"] for step in document["steps"] if step["verdict"] == "failed") == "operator"


def test_kerberos_nobody_has_confirmed(kerberos: Kerberos, postfix: Postfix) -> None:
    where = {"smtp_server": "localhost", "smtp_port": postfix.ports["submission"], "ca_certificate": postfix.ca_certificate}
    move_in({**where, "send_system": 0})
    # An old installation has such a row; no door would store it now.

    row = ParameterSet.objects.get(tenant__slug="huber")
    row.values = {**row.values, "send_system": 2}
    row.save()
    assert failing(diagnose()) == ("configuration", "shared_identity")

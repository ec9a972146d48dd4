"""The diagnosis of every send system: green where mail goes out, step and cause where login or sender are refused."""

import time

import pytest

from mailjobs.transports import kerberos as identity_of_process
from mailsettings.models import ParameterSet
from tests.diagnostics.conftest import diagnose, failing, move_in, worker
from tests.peers.ews_standin import EwsStandIn
from tests.peers.fixtures import Kerberos, Postfix
from tests.peers.graph_standin import App, GraphStandIn
from tests.transports.ews_column import EwsColumn
from tests.transports.situations import (
    ANNA,
    Column,
    GraphColumn,
    KerberosColumn,
    NtlmColumn,
    OAuthColumn,
    PasswordColumn,
    Situation,
    as_program,
)

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


def test_kerberos_ticket_that_has_expired(kerberos: Kerberos, postfix: Postfix) -> None:
    kerberos.use_cache(kerberos.ticket("anna", lifetime="1s"))
    time.sleep(1.5)
    by_kerberos(postfix)
    document = diagnose()
    assert failing(document) == ("authentication", "no_ticket")
    assert any("ticket_expired" in (step["reply"] or "") for step in document["steps"])


def test_kerberos_clocks_that_differ(kerberos: Kerberos, postfix: Postfix) -> None:
    kerberos.configure(clockskew=-5, kdc_timesync=0)  # less than no difference at all is too much
    kerberos.use_keytab(kerberos.keytab("anna"))
    by_kerberos(postfix)
    assert failing(diagnose()) == ("authentication", "clock_skew")


def test_kerberos_that_is_not_installed(postfix: Postfix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_of_process, "gssapi", None)  # this machine has it
    by_kerberos(postfix)
    assert failing(diagnose()) == ("configuration", "libraries_missing")


def test_ews_that_is_switched_off_blames_no_password() -> None:
    with EwsStandIn() as service:
        service.login_faults.extend(["403"] * 3)
        login = {"smtp_user": "anna", "smtp_password": service.users["anna"], "ews_auth": "basic"}
        move_in({**login, "ews_url": service.ews_url, "ca_certificate": service.ca_pem, "send_system": 6})
        assert failing(diagnose()) == ("authentication", "ews_disabled")


def test_token_that_the_service_no_longer_takes() -> None:
    """An old one is replaced by itself; what is refused afterwards is told."""
    with GraphStandIn(apps={"portal": App(mailbox=ANNA)}) as authority:
        move_in(
            {
                **as_program(authority, right=True),
                "graph_url": authority.graph_url,
                "ca_certificate": authority.ca_pem,
                "send_system": 10,
            }
        )
        assert failing(diagnose()) == ("", "")
        authority.revoke_tokens()
        assert failing(diagnose()) == ("", "")


def test_worker_logs_in_with_its_own_identity_and_its_try_counts(kerberos: Kerberos, postfix: Postfix) -> None:
    """System 3: what the portal's process is says nothing about the worker's login."""
    kerberos.use_keytab(kerberos.keytab("anna"))
    where = {"smtp_server": "localhost", "smtp_port": postfix.ports["submission"], "ca_certificate": postfix.ca_certificate}
    move_in({**where, "send_system": 3, "confirm_shared_identity": True})
    with worker():
        document = diagnose()
        assert failing(document) == ("", "")
        login = next(step for step in document["steps"] if step["step"] == "authentication")
        assert login["verdict"] == "passed"
        kerberos.forget()
        assert failing(diagnose()) == ("authentication", "no_ticket")

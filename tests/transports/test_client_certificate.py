"""A client certificate is shown to the server it was entered for, its key is sealed like a password (P5, Z5, Z7, Z8)."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from django.test import Client

from mailjobs.core.envelope import Endpoint, Phase, TransportError, Trouble
from mailjobs.submission import submit
from mailjobs.transports import smtp_password
from mailsettings.changes import Book, Refused, own_values, save_parameters, save_secret, secret_fits, secrets_of
from mailsettings.configuration import import_document
from mailsettings.export import export_document
from mailsettings.models import Secret, Tenant
from tests.cast import document, invoice, move_in, user
from tests.peers.fixtures import Postfix
from tests.transports.letters import SHORT, STRANGER, Letter

pytestmark = pytest.mark.peers


def pem(postfix: Postfix, name: str) -> str:
    return (postfix.state / "tls" / name).read_text()


def protected() -> str:
    """A key with a passphrase."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase")).decode()


@pytest.fixture
def endpoint(postfix: Postfix) -> Endpoint:
    shown = {"client_certificate": pem(postfix, "client.pem"), "client_key": pem(postfix, "client.key")}
    return postfix.endpoint("mutual", "implicit", **shown)


@pytest.fixture
def parameters(postfix: Postfix) -> dict[str, Any]:
    return {
        "smtp_server": "localhost",
        "smtp_port": postfix.ports["mutual"],
        "smtp_tls": "implicit",
        "ca_certificate": postfix.ca_certificate,
        "client_certificate": pem(postfix, "client.pem"),
        "client_key": pem(postfix, "client.key"),
        "send_system": 0,
        "sender_address": "anna@test.local",
    }


async def refused(endpoint: Endpoint) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await smtp_password.open_session(endpoint, timeouts=SHORT)
    return caught.value


async def test_the_certificate_is_shown(postfix: Postfix, endpoint: Endpoint) -> None:
    letter = Letter()
    session = await smtp_password.open_session(endpoint, timeouts=SHORT)
    assert (await letter.over(session, STRANGER)).recipients[STRANGER].code == 250
    await session.close()
    assert "Trusted TLS connection established from" in postfix.log()
    assert "PRIVATE KEY" not in repr(endpoint)


async def test_without_it_or_with_a_stranger_s_the_server_takes_nothing(postfix: Postfix) -> None:
    stranger = {"client_certificate": pem(postfix, "selfsigned.pem"), "client_key": pem(postfix, "selfsigned.key")}
    for shown, words in (({}, "No client certificate presented"), (stranger, "Client certificate not trusted")):
        error = await refused(postfix.endpoint("mutual", "implicit", **shown))
        assert error.phase is Phase.GREETING
        assert str(error).startswith("421 4.7.1")
        assert words in str(error)


@pytest.mark.parametrize("change", [{"client_key": "no key"}, {"client_certificate": "no certificate"}])
async def test_what_cannot_be_read_is_said_and_not_quoted(endpoint: Endpoint, postfix: Postfix, change: dict[str, str]) -> None:
    whole = {"client_certificate": endpoint.client_certificate, "client_key": endpoint.client_key}
    error = await refused(postfix.endpoint("mutual", "implicit", **{**whole, **change}))
    assert (error.phase, error.trouble, error.detail) == (Phase.TLS, Trouble.OTHER, "the client certificate cannot be read")


@pytest.mark.django_db(transaction=True)
def test_z7_the_key_is_offered_to_no_other_server(parameters: dict[str, Any], postfix: Postfix) -> None:
    move_in(parameters=parameters)
    assert submit(user("bernd"), invoice()).status == "sent"
    firm = Tenant.objects.get(slug="huber")
    for change in ({"smtp_port": postfix.ports["smtps"]}, {"client_certificate": pem(postfix, "good.pem")}):
        book = Book("test")
        save_parameters(book, firm, {**own_values(firm), **change})
        assert not secret_fits(firm, Secret.objects.get(key="client_key"))
        result = submit(user("bernd"), invoice())
        assert (result.status, result.code) == ("refused", "secret_needed")
        assert "client key" in result.message
        save_parameters(book, firm, {key: value for key, value in parameters.items() if key != "client_key"})
    assert submit(user("bernd"), invoice()).status == "sent"


@pytest.mark.django_db(transaction=True)
def test_a_key_is_refused_that_is_none_or_another_s(parameters: dict[str, Any], postfix: Postfix) -> None:
    move_in(parameters=parameters)
    firm = Tenant.objects.get(slug="huber")
    sealed = bytes(secrets_of(firm).get(key="client_key").sealed)
    for key, code in ((pem(postfix, "good.key"), "another_key"), ("no key", "not_a_key"), (protected(), "not_a_key")):
        with pytest.raises(Refused) as caught:
            save_secret(Book("test"), firm, "client_key", key)
        assert [(objection.field, objection.code) for objection in caught.value.objections] == [("client_key", code)]
        assert "PRIVATE" not in str(caught.value)
    assert bytes(secrets_of(firm).get(key="client_key").sealed) == sealed


@pytest.mark.django_db(transaction=True)
def test_z8_the_key_is_in_no_page_and_no_export(parameters: dict[str, Any], client: Client) -> None:
    import_document(
        document(parameters={**parameters, "client_key": "${KEY}"}), actor="test", environment={"KEY": parameters["client_key"]}
    )
    client.force_login(user("anna"))
    shown = client.get("/settings/").content.decode()
    line = parameters["client_key"].splitlines()[1]
    assert 'name="client_key"' in shown
    assert line not in shown
    assert line not in str(export_document())
    assert parameters["client_certificate"].strip() in str(export_document()["firms"][0]["parameters"]["client_certificate"])


@pytest.mark.django_db(transaction=True)
def test_both_are_entered_on_the_page_of_the_settings(parameters: dict[str, Any], client: Client) -> None:
    """With line ends as browsers send them; a yes to what changes needs no second pasting, and an empty field keeps the key."""
    key, certificate = parameters.pop("client_key"), parameters.pop("client_certificate")
    move_in(parameters=parameters)
    client.force_login(user("anna"))
    page = client.get("/settings/")
    typed = {field.html_name: field.value() for field in page.context["form"] if field.value() is not None}
    posted = {**typed, "client_certificate": certificate.replace("\n", "\r\n"), "client_key": key.replace("\n", "\r\n")}
    answer = client.post("/settings/", posted)
    assert answer.status_code == 302, answer.content
    assert submit(user("bernd"), invoice()).status == "sent"
    save_parameters(Book("test"), Tenant.objects.get(slug="huber"), {**parameters, "client_certificate": certificate})
    assert submit(user("bernd"), invoice(2)).status == "sent"
    assert client.post("/settings/", {**posted, "client_key": ""}).status_code == 302
    assert submit(user("bernd"), invoice(3)).status == "sent"

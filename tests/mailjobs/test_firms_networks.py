"""Z6: what a firm allows of its own network is for servers that it names itself, whatever for: not for its Com customers'."""

from typing import Any

import pytest

from mailjobs.consenting import place_of
from mailjobs.mailboxes import own_mailbox_of
from mailjobs.models import MailJob
from mailjobs.routing import Route, Settings, route_of
from mailsettings.changes import Book, own_values, save_parameters, save_secret
from mailsettings.models import Tenant, User
from tests.cast import move_in, user

pytestmark = pytest.mark.django_db

HOUSE = "192.168.7.0/24"
BY_TOKEN = {"send_system": 9, "oauth_authority": "https://authority.example", "oauth_tenant": "t", "oauth_client_id": "portal"}


@pytest.fixture(autouse=True)
def house(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    move_in(parameters={"smtp_server": "mail.kanzlei-huber.example", "allowed_networks": [HOUSE]})


def tenant(slug: str) -> Tenant:
    return Tenant.objects.select_related("firm").get(slug=slug)


def with_own(login: str, address: str, values: dict[str, Any], **secrets: str) -> MailJob:
    """A mail of this user, who has these settings."""
    person = user(login)
    save_parameters(Book("test"), person, {**own_values(person), "sender_address": address, **values})
    for key, secret in secrets.items():
        save_secret(Book("test"), person, key, secret)
    job = MailJob(tenant=person.tenant, user=person, sender_address=address, sender_level="user_parameters", sender_origin="")
    job.channel, job.approved = "smtp", ["held_by_firm"]
    return job


@pytest.mark.parametrize(("login", "networks"), [("bernd", (HOUSE,)), ("mia", ())])
def test_z6_a_mailbox_over_imap(login: str, networks: tuple[str, ...]) -> None:
    address = f"{login}@somewhere.example"
    job = with_own(login, address, {"imap_server": "imap.example", "imap_user": address}, imap_password="secret-of-imap")
    assert own_mailbox_of(job).endpoint.allowed_networks == networks


@pytest.mark.parametrize(("slug", "networks"), [("huber", (HOUSE,)), ("muster", ())])
def test_z6_the_authority_of_a_consent(slug: str, networks: tuple[str, ...]) -> None:
    owner = tenant(slug)
    save_parameters(Book("test"), owner, {**own_values(owner), **BY_TOKEN})
    assert place_of(owner).endpoint.allowed_networks == networks
    person = User.objects.filter(tenant=owner).exclude(role="service_user").order_by("login").first()
    assert person is not None
    save_parameters(Book("test"), person, BY_TOKEN)
    assert place_of(person).endpoint.allowed_networks == networks


@pytest.mark.parametrize(("login", "networks"), [("bernd", (HOUSE,)), ("mia", ())])
def test_z6_an_authority_of_ones_own_at_the_firms_server(login: str, networks: tuple[str, ...]) -> None:
    """The server is the firm's, but the token is asked for where the user says."""
    address = f"{login}@kanzlei-huber.example" if login == "bernd" else "rechnung@musterkunde.example"
    job = with_own(login, address, BY_TOKEN, oauth_client_secret="client-secret-of-the-tests")
    settings = Settings()
    settings.refresh([job])
    found = route_of(settings, job)
    assert isinstance(found, Route)
    assert found.endpoint.token is not None
    assert found.endpoint.allowed_networks == networks

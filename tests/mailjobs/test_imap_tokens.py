"""Drafts over IMAP with access tokens, against Dovecot that checks them and a stand-in of the authority: X1, P5, Z7."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mailjobs import consenting, drafting
from mailjobs.models import AccessToken, InternalMessage, MailDraft
from mailjobs.submission import submit
from mailjobs.transports import imap_folders
from mailjobs.transports.bearer import MECHANISMS
from mailsettings.changes import Book, own_values, save_parameters, save_secret
from mailsettings.changes.secrets import warn_of_stale_secrets
from mailsettings.models import Secret, Tenant
from tests.cast import invoice, move_in, user
from tests.mailjobs.test_drafting import BERND, MODEL, deliver, drafts, imap
from tests.peers.fixtures import Peers
from tests.peers.graph_standin import GraphStandIn
from tests.peers.tokens import revoke

__all__ = ["imap"]
pytestmark = [pytest.mark.peers, pytest.mark.django_db(transaction=True)]

SECRET = "client-secret-of-the-tests"
State = MailDraft.State


@pytest.fixture
def authority() -> Iterator[GraphStandIn]:
    with GraphStandIn() as running:
        running.apps["portal"].mailbox = BERND
        yield running


def live(imap: Peers, authority: GraphStandIn, **changes: Any) -> Tenant:
    """A firm that sends over 9, with Dovecot for its mailboxes; Bernd's address is the sender."""
    parameters = {
        "send_system": 9,
        "smtp_server": "mail.kanzlei-huber.example",
        "imap_server": "localhost",
        "imap_port": imap.ports["imaps"],
        "sender_address": BERND,
        "oauth_authority": authority.authority,
        "oauth_client_id": "portal",
        "oauth_client_secret": SECRET,
        "ca_certificate": f"{imap.ca_certificate}\n{authority.ca_pem}",
        **changes,
    }
    move_in(parameters=parameters, print_models=[{**MODEL, "delivery_mode": "background_draft"}])
    return Tenant.objects.get(slug="huber")


def consent(authority: GraphStandIn, owner: Tenant, mailbox: str) -> list[str]:
    """Somebody agrees in the browser; the permissions that were asked for."""
    place = consenting.place_of(owner)
    asked = consenting.ask(place, state="x", redirect_uri="https://portal.example/mailboxes/callback/")
    assert asked is not None
    code = parse_qs(urlsplit(authority.consent(asked.url, mailbox)).query)["code"][0]
    uri = "https://portal.example/mailboxes/callback/"
    consenting.receive(Book("anna"), place, code=code, verifier=asked.verifier, redirect_uri=uri)
    return [each.rpartition("/")[2] for each in place.scope.split()]


def placed() -> MailDraft:
    submit(user("bernd"), invoice())
    deliver()
    return MailDraft.objects.latest("pk")


@pytest.mark.parametrize("mechanism", list(MECHANISMS))
def test_a_program_puts_drafts_into_the_mailbox_of_the_sender(
    imap: Peers, authority: GraphStandIn, mechanism: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap_folders, "MECHANISMS", {mechanism: MECHANISMS[mechanism]})
    live(imap, authority)
    draft = placed()
    assert (draft.state, draft.mailbox, draft.folder, draft.error) == (State.PLACED, BERND, "Drafts", "")
    assert [mail["From"] for mail in drafts(imap)] == [BERND]
    placed()
    assert len(authority.issued) == 1, "one token serves until it ends"


def test_a_mailbox_consents_to_smtp_and_imap_at_once_and_has_one_token(imap: Peers, authority: GraphStandIn) -> None:
    firm = live(imap, authority)
    assert {"SMTP.Send", "IMAP.AccessAsUser.All", "offline_access"} <= set(consent(authority, firm, BERND))
    draft = placed()
    assert (draft.state, draft.mailbox, len(drafts(imap))) == (State.PLACED, BERND, 1)
    assert authority.reused == 0


def test_a_consent_without_an_imap_server_asks_for_smtp_alone_and_drafts_need_another(
    imap: Peers, authority: GraphStandIn
) -> None:
    firm = live(imap, authority, imap_server=None)
    assert "IMAP.AccessAsUser.All" not in consent(authority, firm, BERND)
    save_parameters(Book("anna"), firm, own_values(firm) | {"imap_server": "localhost"})
    assert placed().error == drafting.NEEDS_PASSWORD
    assert "SMTP.Send" in consent(authority, firm, BERND)
    drafting.put_now(user("bernd"), MailDraft.objects.get().job)
    assert MailDraft.objects.get().state == State.PLACED


def test_t7_a_consent_of_the_general_settings_is_no_other_senders_mailbox(imap: Peers, authority: GraphStandIn) -> None:
    firm = live(imap, authority)
    consent(authority, firm, "anna@test.local")
    assert (placed().error, drafts(imap)) == (drafting.NO_MAILBOX, [])


def test_z7_tokens_are_offered_to_the_imap_server_they_were_allowed_for_only(imap: Peers, authority: GraphStandIn) -> None:
    firm = live(imap, authority)
    save_parameters(Book("anna"), firm, own_values(firm) | {"imap_server": "127.0.0.1"})
    assert (placed().error, authority.issued) == (drafting.NEEDS_PASSWORD, [])
    told = Book("anna")
    warn_of_stale_secrets(told, firm)
    assert [line.partition(": ")[2][:24] for line in told.warnings] == ["for the mailbox over IMA"], "SMTP needs nothing anew"
    save_secret(Book("anna"), firm, "oauth_client_secret", SECRET)
    save_parameters(Book("anna"), firm, own_values(firm) | {"ca_certificate": f"{imap.ca_certificate}\n{authority.ca_pem}"})
    drafting.put_now(user("bernd"), MailDraft.objects.get().job)
    assert MailDraft.objects.get().error != drafting.NEEDS_PASSWORD, "entered again, it may be offered"


def test_a_stored_token_that_the_mailbox_refuses_is_replaced_once(imap: Peers, authority: GraphStandIn) -> None:
    live(imap, authority)
    placed()
    revoke(authority.issued[0], imap.state)
    assert placed().state == State.PLACED
    assert (len(authority.issued), len(drafts(imap))) == (2, 2)


def test_j8_tokens_that_the_mailbox_refuses_pause_the_login_and_nothing_shows_them(imap: Peers, authority: GraphStandIn) -> None:
    authority.apps["portal"].granted = "User.Read"
    live(imap, authority)
    draft = placed()
    assert draft.state == State.FAILED
    assert draft.error.startswith("token_refused: ")
    assert "status" in draft.error, "what the challenge said (RFC 7628 3.2.2)"
    assert not any(token in draft.error for token in authority.issued)
    assert InternalMessage.objects.count() == 1
    asked = len(authority.issued)
    again = placed()
    assert (again.error, len(authority.issued)) == (drafting.LOGIN_PAUSED, asked)


def test_a_password_for_imap_goes_before_tokens(imap: Peers, authority: GraphStandIn) -> None:
    live(imap, authority)
    save_parameters(Book("test"), user("bernd"), {"smtp_user": BERND})
    save_secret(Book("test"), user("bernd"), "imap_password", "Bernd-pw-2")
    draft = placed()
    assert (draft.state, authority.issued, AccessToken.objects.count()) == (State.PLACED, [], 0)


def test_s7_no_token_goes_without_tls(imap: Peers, authority: GraphStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipaddress.IPv4Address.is_loopback", False)
    live(imap, authority, imap_port=imap.ports["imap"], imap_tls="off")
    assert placed().error == "auth_needs_tls"


def test_forgetting_the_secret_forgets_what_it_allowed(imap: Peers, authority: GraphStandIn) -> None:
    firm = live(imap, authority)
    consent(authority, firm, BERND)
    assert Secret.objects.filter(key__startswith="imap_by").count() == 2
    consenting.withdraw(Book("anna"), consenting.place_of(firm))
    assert list(Secret.objects.filter(key__startswith="imap_by").values_list("key", flat=True)) == ["imap_by_client_secret"]

"""Drafts in the user's mailbox, over IMAP against a real Dovecot: X1, M2, U2, J8, T7."""

from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

import pytest

from mailjobs import delivery, draft_queue, drafting, queue
from mailjobs.models import InternalMessage, MailDraft, MailJob, SharedConnection
from mailjobs.submission import submit, submit_many
from mailsettings.changes import Book, own_values, save_parameters, save_secret
from mailsettings.models import Secret, Tenant
from tests.cast import OFFICE, invoice, move_in, user
from tests.peers.fixtures import Peers
from tests.services import free_port

pytestmark = [pytest.mark.peers, pytest.mark.django_db(transaction=True)]

BERND, PASSWORD = "bernd@test.local", "Bernd-pw-2"
MODEL = {"id": "invoices", "subject": "Rechnung {{ number }}", "text": "Guten Tag {{ name }}", "html": "<p>Guten Tag</p>"}
State = MailDraft.State


@pytest.fixture
def imap(dovecot: Peers) -> Peers:
    """Dovecot with Bernd's mailbox empty."""
    folder = dovecot.state / "mail" / BERND / ".Drafts"
    for file in folder.glob("*/*"):
        file.unlink()
    return dovecot


def server(imap: Peers, **changes: Any) -> dict[str, Any]:
    """The firm's general parameters that lead to it."""
    return {
        "imap_server": "localhost",
        "imap_port": imap.ports["imaps"],
        "ca_certificate": imap.ca_certificate,
        "smtp_server": "mail.kanzlei-huber.example",
        **changes,
    }


def live(parameters: dict[str, Any], mode: str = "background_draft", **own: Any) -> None:
    """Bernd with his own log-in on the firm's server, and a print model of this delivery mode."""
    move_in(parameters=parameters, print_models=[{**MODEL, "delivery_mode": mode}])
    login = {"smtp_user": BERND, "sender_address": BERND, **own}
    password = login.pop("smtp_password", PASSWORD)
    save_parameters(Book("test"), user("bernd"), login)
    if password:
        save_secret(Book("test"), user("bernd"), "smtp_password", password)


def drafts(imap: Peers, owner: str = BERND) -> list[EmailMessage]:
    parser = BytesParser(EmailMessage, policy=policy.default)
    files = [file for place in ("new", "cur") for file in (imap.state / "mail" / owner / ".Drafts" / place).glob("*")]
    return [parser.parsebytes(file.read_bytes()) for file in files]


def deliver() -> dict[str, float]:
    return delivery.run(until_empty=True).document()


def held() -> tuple[str, str]:
    job = MailJob.objects.get()
    return job.state, job.held_reason


@pytest.mark.parametrize(("port", "tls"), [("imaps", "implicit"), ("imap", "starttls"), ("imap", "off")])
def test_m2_background_draft_puts_the_mail_into_the_users_mailbox_by_itself(imap: Peers, port: str, tls: str) -> None:
    live(server(imap, imap_port=imap.ports[port], imap_tls=tls))
    result = submit(user("bernd"), invoice(bcc=["blind@kunde.example"]))
    assert result.status == "held"
    deliver()
    draft, [mail] = MailDraft.objects.get(), drafts(imap)
    assert (draft.state, draft.mailbox, draft.folder, draft.error) == (State.PLACED, BERND, "Drafts", "")
    assert (mail["X-Unsent"], mail["From"], mail["To"]) == ("1", BERND, "klient1@kunde.example")
    assert mail["Bcc"] == "blind@kunde.example", "the client sends by the header alone"
    assert mail["Message-ID"] == MailJob.objects.get().message_id
    assert held() == ("held", "by_client"), "never called sent"
    [file] = (imap.state / "mail" / BERND / ".Drafts").glob("[nc]*/*")
    assert {"D", "S"} <= set(file.name.rpartition(",")[2]), "flags of a draft"


def test_m2_other_client_modes_wait_until_somebody_asks(imap: Peers) -> None:
    live(server(imap), "foreground")
    submit(user("bernd"), invoice())
    deliver()
    assert (drafts(imap), MailDraft.objects.count()) == ([], 0)
    placed = drafting.put_now(user("anna"), MailJob.objects.get())
    assert placed is not None
    assert (placed.state, len(drafts(imap))) == (State.PLACED, 1)


def test_many_drafts_are_put_each_once(imap: Peers) -> None:
    live(server(imap))
    submit_many(user("bernd"), [invoice(number) for number in range(12)])
    deliver()
    deliver()
    assert len({mail["Message-ID"] for mail in drafts(imap)}) == len(drafts(imap)) == 12
    assert set(MailDraft.objects.values_list("state", "tries")) == {(State.PLACED, 1)}


def test_grete_logs_in_with_umlauts(imap: Peers) -> None:
    live(server(imap), imap_user="grete")
    save_secret(Book("test"), user("bernd"), "imap_password", "Grüße-pw-6€")
    submit(user("bernd"), invoice())
    deliver()
    assert (MailDraft.objects.get().state, MailDraft.objects.get().mailbox) == (State.PLACED, "grete")


def redirect(**values: object) -> None:
    firm = Tenant.objects.get(slug="huber")
    save_parameters(Book("anna"), firm, own_values(firm) | {"redirect_enabled": True, **values})


def test_u2_a_draft_is_redirected_by_the_state_of_the_last_moment(imap: Peers) -> None:
    live(server(imap))
    submit(user("bernd"), invoice(cc=["kopie@kunde.example"], bcc=["blind@kunde.example"]))
    redirect(redirect_addresses=["test@kanzlei-huber.example"])
    deliver()
    [mail] = drafts(imap)
    assert (mail["To"], mail["Cc"], mail["Bcc"], mail["X-Unsent"]) == ("test@kanzlei-huber.example", None, None, "1")
    assert "klient1@kunde.example" in mail["X-Postausgang-Original-Recipients"]
    assert MailDraft.objects.get().redirected_to == ["test@kanzlei-huber.example"]


def test_u6_nothing_is_put_while_the_redirect_only_captures(imap: Peers) -> None:
    live(server(imap))
    submit(user("bernd"), invoice())
    redirect(redirect_addresses=["test@kanzlei-huber.example"], redirect_capture_only=True)
    deliver()
    assert (drafts(imap), MailDraft.objects.get().state) == ([], State.FAILED)


def test_u2_a_change_of_policies_waits_for_a_draft_on_its_way(imap: Peers) -> None:
    live(server(imap))
    submit(user("bernd"), invoice())
    draft = draft_queue.claim()
    assert draft is not None
    firm = Tenant.objects.get(slug="huber").pk
    assert queue.on_wire([firm]) == set()
    octets, withheld = drafting._ready(draft)
    assert (octets or b"")[:10] == b"X-Unsent: "
    assert (withheld, queue.on_wire([firm])) == ("", {(-draft.pk, 1)})
    draft_queue.placed(draft, mailbox=BERND, folder="Drafts")
    assert queue.on_wire([firm]) == set()


def test_c3_the_sender_is_judged_once_more(imap: Peers) -> None:
    live(server(imap))
    submit(user("bernd"), invoice())
    firm = Tenant.objects.get(slug="huber")
    save_parameters(Book("anna"), firm, own_values(firm) | {"check_sender": True})
    deliver()
    draft = MailDraft.objects.get()
    assert (drafts(imap), draft.state) == ([], State.FAILED)
    assert "employee" in draft.error


def test_j8_a_refused_login_is_tried_once_and_the_others_wait_for_other_settings(imap: Peers) -> None:
    live(server(imap), smtp_password="Falsches-Passwort-9")
    submit_many(user("bernd"), [invoice(number) for number in range(5)], run="Lauf")
    before = _log_ins(imap)
    deliver()
    assert _log_ins(imap) - before == 1
    assert sorted(MailDraft.objects.values_list("state", flat=True)) == [State.FAILED, *[State.WANTED] * 4]
    failed = MailDraft.objects.get(state=State.FAILED)
    assert failed.error.startswith("password_refused")
    assert "Falsches" not in failed.error
    [letter] = InternalMessage.objects.all()
    assert (letter.user.login, letter.error_code, letter.error) == ("bernd", "undrafted", failed.error)
    assert SharedConnection.objects.filter(paused_at__isnull=False).count() == 1
    save_secret(Book("test"), user("bernd"), "smtp_password", PASSWORD)
    placed = drafting.put_now(user("bernd"), failed.job)
    assert placed is not None
    assert placed.state == State.PLACED
    deliver()
    assert len(drafts(imap)) == 5
    assert not SharedConnection.objects.filter(paused_at__isnull=False).exists()


def _log_ins(imap: Peers) -> int:
    return (imap.state / "log" / "dovecot.log").read_text(errors="replace").count("imap-login: ")


TROUBLES: list[tuple[str, dict[str, Any], str]] = [
    ("nobody there", {"imap_port": 0}, "refused"),
    ("a certificate of nobody known", {"ca_certificate": ""}, "certificate_untrusted"),
    ("no IMAP server", {"imap_port": "dovesub", "imap_tls": "off"}, "not_imap"),
    ("Z6: a port of nobody's mailbox", {"imap_port": 22}, "host_not_allowed"),
]


@pytest.mark.parametrize(("changes", "trouble"), [row[1:] for row in TROUBLES], ids=[row[0] for row in TROUBLES])
def test_trouble_is_named_and_what_may_pass_is_tried_again(imap: Peers, changes: dict[str, Any], trouble: str) -> None:
    named = changes.get("imap_port")
    ports = {"imap_port": imap.ports[named] if isinstance(named, str) else named or free_port()} if "imap_port" in changes else {}
    live(server(imap, **{**changes, **ports}))
    submit(user("bernd"), invoice())
    deliver()
    draft = MailDraft.objects.get()
    assert draft.error.startswith(trouble)
    later = trouble in {"refused", "certificate_untrusted"}
    assert (draft.state, draft.tries) == (State.WANTED if later else State.FAILED, 1)
    assert InternalMessage.objects.count() == (0 if later else 1)


def test_z6_private_networks_are_refused_for_imap_too(imap: Peers, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = ()
    live(server(imap))
    submit(user("bernd"), invoice())
    deliver()
    assert MailDraft.objects.get().error == "host_not_allowed: this server name or port is not allowed"


def test_s7_a_password_does_not_go_without_tls_where_nobody_allowed_it(imap: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipaddress.IPv4Address.is_loopback", False)
    live(server(imap, imap_port=imap.ports["imap"], imap_tls="off"))
    submit(user("bernd"), invoice())
    deliver()
    assert MailDraft.objects.get().error == "auth_needs_tls"


def test_a_draft_whose_answer_was_lost_is_looked_for_first(imap: Peers) -> None:
    live(server(imap))
    submit(user("bernd"), invoice())
    deliver()
    MailDraft.objects.update(state=State.PLACING, on_wire=True, lease_until="2020-01-01T00:00:00Z")
    draft_queue.reap()
    assert MailDraft.objects.get().uncertain
    deliver()
    draft = MailDraft.objects.get()
    assert (draft.state, draft.tries, draft.uncertain, len(drafts(imap))) == (State.PLACED, 2, False, 1)


def test_p5_the_password_is_offered_to_the_server_it_was_entered_for_only(imap: Peers) -> None:
    live(server(imap))
    firm = Tenant.objects.get(slug="huber")
    save_parameters(Book("anna"), firm, own_values(firm) | {"imap_server": "127.0.0.1"})
    submit(user("bernd"), invoice())
    deliver()
    assert (MailDraft.objects.get().error, drafts(imap)) == (drafting.NEEDS_PASSWORD, [])


def test_z7_a_password_for_ones_own_server_is_not_offered_to_the_firms_mailboxes(imap: Peers) -> None:
    live(server(imap), smtp_server="mail.bernd.example")
    assert not Secret.objects.filter(key="imap_password").exists()
    submit(user("bernd"), invoice())
    deliver()
    assert (MailDraft.objects.get().error, drafts(imap)) == (drafting.NEEDS_PASSWORD, [])


@pytest.mark.parametrize(
    ("login", "own", "found"),
    [
        ("bernd", {}, drafting.NO_MAILBOX),
        ("anna", {"imap_user": "anna"}, "anna"),
        ("max", {}, drafting.NO_MAILBOX),
    ],
)
def test_t7_a_general_mailbox_is_used_where_it_is_named_as_one_and_never_by_com_customers(
    imap: Peers, login: str, own: dict[str, Any], found: str
) -> None:
    general = {"smtp_user": "relay", "smtp_password": "Relay-pw-4", "sender_address": OFFICE, **own}
    password = {"imap_password": "Anna-pw-1"} if own else {}
    parameters = server(imap, **general, **password)
    model = {**MODEL, "delivery_mode": "background_draft"}
    move_in(parameters=parameters, print_models=[model])
    if login == "max":
        Tenant.objects.get(slug="muster").print_models.update(delivery_mode="background_draft")
    submit(user(login), invoice())
    deliver()
    draft = MailDraft.objects.get()
    assert found in (draft.mailbox, draft.error)
    assert InternalMessage.objects.count() == 0, "what was never set up is no failure"


def test_a_withdrawn_mail_is_not_put(imap: Peers) -> None:
    live(server(imap))
    submit(user("bernd"), invoice())
    MailJob.objects.update(state="cancelled", held_reason="", held_for="")
    deliver()
    assert (drafts(imap), drafting.put_now(user("bernd"), MailJob.objects.get())) == ([], None)

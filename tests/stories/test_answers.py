"""The answers of the source document as stories, in its order; the number in a test's name is the row."""

from collections.abc import Callable
from typing import Any

import pytest

from mailjobs import delivery
from mailjobs.core.plan import Plan, make_plan
from mailjobs.models import InternalMessage, MailJob, MailLogEntry
from mailjobs.selectors import jobs_visible_to
from mailjobs.submission import requeue, submit, submit_many
from mailsettings.changes import Book, own_values, save_employee, save_parameters, save_secret
from mailsettings.configuration import import_document
from mailsettings.core.facts import Request
from mailsettings.core.send_systems import SEND_SYSTEMS
from mailsettings.models import Employee, Tenant, User
from mailsettings.selectors import facts_of
from tests.cast import INVOICES, OFFICE, connection_to, document, invoice, move_in, user
from tests.services import CountingServer

pytestmark = pytest.mark.django_db(transaction=True)
SERVER = {"smtp_server": "mail.kanzlei-huber.example"}


def plan(login: str, print_model: str | None = None, **request: Any) -> Plan:
    return make_plan(facts_of(user(login), Request(print_model, **request)))


def sender(made: Plan) -> str | None:
    return made.sender.mailbox.address if made.sender.mailbox else None


def set_firm(**values: object) -> None:
    firm = Tenant.objects.get(slug="huber")
    save_parameters(Book("test"), firm, {**own_values(firm), **values})


def deliver() -> dict[str, float]:
    return delivery.run(until_empty=True).document()


def test_01_without_a_server_everything_goes_through_the_client() -> None:
    move_in()
    assert plan("bernd").channel == "client"


@pytest.mark.parametrize(
    ("values", "channel"),
    [({}, "client"), (SERVER, "smtp"), ({**SERVER, "send_option": "client"}, "client"), ({"send_option": "smtp"}, "client")],
    ids=["no server", "server", "server, option client", "option smtp without server"],
)
def test_02_empty_server_means_client_and_with_one_the_option_decides(values: dict[str, Any], channel: str) -> None:
    move_in(parameters=values)
    assert plan("bernd").channel == channel


def test_03_a_server_without_a_general_sender_address_warns() -> None:
    book = import_document(document(parameters={**SERVER, "sender_address": ""}), actor="test")
    assert any("general sender address" in warning for warning in book.warnings)


def test_05_redirect_ignores_master_data_and_drops_cc_and_bcc(smtp_server: CountingServer) -> None:
    move_in(smtp_server, parameters={"redirect_enabled": True, "redirect_addresses": ["test@kanzlei-huber.example"]})
    submit(user("bernd"), invoice(cc=["cc@kunde.example"], bcc=["bcc@kunde.example"]))
    deliver()
    [mail] = smtp_server.received
    assert mail.recipients == ("test@kanzlei-huber.example",)
    assert (mail.headers["To"], mail.headers["Cc"], mail.headers["Bcc"]) == ("test@kanzlei-huber.example", None, None)


def test_06_redirect_without_address_goes_to_the_dummy_address(smtp_server: CountingServer) -> None:
    move_in(smtp_server, parameters={"redirect_enabled": True})
    submit(user("bernd"), invoice())
    deliver()
    assert set(smtp_server.recipients) == {"bernd@test-dummy.at"}


def test_07_a_com_user_without_an_address_would_send_as_the_firm_and_everybody_is_told() -> None:
    move_in(parameters=SERVER)
    assert (sender(plan("max")), plan("max").hazards) == ("rechnung@musterkunde.example", ())
    assert sender(plan("eva")) == OFFICE
    assert plan("eva").hazards == ("sends_as_firm",)


def test_08_a_com_user_without_credentials_uses_the_firm_s_with_their_own_address(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    submit(user("max"), invoice())
    deliver()
    assert [(mail.sender, mail.login) for mail in smtp_server.received] == [("rechnung@musterkunde.example", "relay")]


def test_13_credentials_stand_in_parameters_and_accounts_and_the_explanation_names_the_one_used() -> None:
    account = {"id": "rechnungen", "sender_address": INVOICES, "smtp_server": "mx.hoster.example"}
    models = [{"id": "mit", "account": "rechnungen"}, {"id": "ohne"}]
    move_in(parameters=SERVER, email_accounts=[account], print_models=models, com_customers=[])
    with_account, without = plan("bernd", "mit").connection, plan("bernd", "ohne").connection
    assert with_account is not None
    assert without is not None
    assert (with_account.level, with_account.source, with_account.host) == (
        "print_model_account",
        "rechnungen",
        "mx.hoster.example",
    )
    assert (without.level, without.source, without.host) == ("firm_parameters", "huber", "mail.kanzlei-huber.example")


@pytest.mark.parametrize(
    ("address", "refused"),
    [("anna@kanzlei-huber.example", None), (OFFICE, None), (INVOICES, "check_sender_not_on_employee")],
    ids=["E-Mail", "weitere E-Mail-Adresse", "another"],
)
def test_14_check_sender_allows_only_addresses_of_the_employee(address: str, refused: str | None) -> None:
    move_in(parameters={**SERVER, "check_sender": True})
    assert plan("anna", context_sender=address).refused == refused


def test_16_check_sender_needs_the_employee_linked() -> None:
    move_in(parameters={**SERVER, "check_sender": True})
    assert plan("bernd").refused == "check_sender_no_employee"


@pytest.mark.parametrize("system", [0, 1])
def test_18_direct_and_queued_mail_over_a_server_with_log_in(system: int, smtp_server: CountingServer) -> None:
    move_in(smtp_server, parameters={"send_system": system})
    result = submit(user("bernd"), invoice())
    assert result.status == ("sent" if system == 0 else "new")
    deliver()
    assert [(mail.sender, mail.login, mail.over_tls) for mail in smtp_server.received] == [(OFFICE, "relay", True)]


def test_22_the_default_is_0() -> None:
    move_in(parameters={**SERVER, "send_system": None})
    connection = plan("bernd").connection
    assert connection is not None
    assert connection.send_system == 0


@pytest.mark.parametrize("linked", [True, False], ids=["linked", "not linked"])
@pytest.mark.parametrize("switch", [True, False], ids=["1 - Ja", "0 - Nein"])
def test_25_the_employee_s_address_becomes_the_user_s_sender_address(switch: bool, linked: bool) -> None:
    move_in(parameters={**SERVER, "update_sender_from_employee": switch})
    employee = Employee.objects.get(number="1")
    set_to = user("anna") if linked else None
    save_employee(Book("test"), tenant=employee.tenant, number="1", name="Anna", email="neu@kanzlei-huber.example", user=set_to)
    changed = own_values(user("anna")).get("sender_address") == "neu@kanzlei-huber.example"
    assert changed == (switch and linked)


def test_26_a_batch_user_sends_with_own_settings_while_the_firm_sends_by_the_client(smtp_server: CountingServer) -> None:
    move_in(parameters={"send_option": "client", "sender_address": ""})
    assert submit(user("stapel"), invoice()).code == "no_sender"
    assert InternalMessage.objects.get().user.login == "anna"
    batch = User.objects.get(login="stapel")
    own = {**connection_to(smtp_server), "sender_address": "stapel@kanzlei-huber.example", "smtp_password": None}
    save_parameters(Book("test"), batch, own)
    save_secret(Book("test"), batch, "smtp_password", smtp_server.password)
    assert submit(user("stapel"), invoice()).status == "new"
    deliver()
    assert [mail.sender for mail in smtp_server.received] == ["stapel@kanzlei-huber.example"]


def test_27_an_account_is_used_where_the_context_names_it_or_it_is_the_user_s_own() -> None:
    accounts = [
        {"id": "kontext", "sender_address": "kontext@kanzlei-huber.example"},
        {"id": "bernds", "sender_address": "bernd@kanzlei-huber.example", "user": "bernd"},
        {"id": "sonst", "sender_address": "sonst@kanzlei-huber.example"},
    ]
    models = [{"id": "mit", "account": "kontext"}, {"id": "ohne"}]
    move_in(parameters=SERVER, email_accounts=accounts, print_models=models, com_customers=[])
    assert sender(plan("bernd", "mit")) == "kontext@kanzlei-huber.example"
    assert sender(plan("bernd", "ohne")) == "bernd@kanzlei-huber.example"
    assert sender(plan("stapel", "ohne")) == OFFICE


def test_30_always_use_sender_address_overrides_the_package_but_no_account() -> None:
    accounts = [{"id": "kontext", "sender_address": "kontext@kanzlei-huber.example"}]
    models = [{"id": "mit", "account": "kontext"}]
    move_in(
        parameters={**SERVER, "always_use_sender_address": True}, email_accounts=accounts, print_models=models, com_customers=[]
    )
    assert sender(plan("bernd", context_sender="paket@kanzlei-huber.example")) == OFFICE
    assert sender(plan("bernd", "mit")) == "kontext@kanzlei-huber.example"


def test_31_what_the_operator_locks_is_locked_for_everybody_below() -> None:
    move_in(parameters=SERVER, locked_by_operator=["smtp_server"])
    save_parameters(Book("test"), user("bernd"), {"smtp_server": "own.example.com"})
    connection = plan("bernd").connection
    assert connection is not None
    assert connection.host == "mail.kanzlei-huber.example"


def test_32_the_employee_s_address_is_used_only_by_the_crm_method() -> None:
    move_in(parameters={**SERVER, "update_sender_from_employee": False})
    assert sender(plan("anna")) == OFFICE
    assert sender(plan("anna", sender_method="crm")) == "anna@kanzlei-huber.example"


def test_36_html_or_text_is_decided_by_the_mail_and_html_carries_text_too(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    submit_many(
        user("bernd"),
        [
            invoice(1, print_model=None, subject="nur Text", text="Hallo"),
            invoice(2, print_model=None, subject="nur HTML", html="<p>Hallo</p>"),
        ],
    )
    deliver()
    types = {mail.headers["Subject"]: mail.headers.get_content_type() for mail in smtp_server.received}
    assert types == {"nur Text": "text/plain", "nur HTML": "multipart/alternative"}


def test_37_several_servers_in_one_run(smtp_servers: Callable[..., CountingServer]) -> None:
    one, other = smtp_servers(), smtp_servers()
    accounts = [{"id": "zweit", "sender_address": INVOICES, **connection_to(other)}]
    models = [{"id": "a", "subject": "S", "text": "T"}, {"id": "b", "account": "zweit", "subject": "S", "text": "T"}]
    move_in(one, email_accounts=accounts, print_models=models, com_customers=[])
    submit_many(user("bernd"), [invoice(n, print_model="ab"[n % 2]) for n in range(10)])
    deliver()
    assert (len(one.received), len(other.received)) == (5, 5)


def test_38_smtp_ok_means_handed_over(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    submit(user("bernd"), invoice())
    deliver()
    entry = MailLogEntry.objects.get()
    assert entry.outcome == "handed_over"
    assert entry.get_outcome_display() == "SMTP OK"


def test_39_the_fallback_levels_one_after_the_other() -> None:
    accounts = [
        {"id": "fuer-bernd", "sender_address": "level1a@kanzlei-huber.example"},
        {"id": "kontext", "sender_address": "level1b@kanzlei-huber.example"},
        {"id": "bernds", "sender_address": "level2@kanzlei-huber.example", "user": "bernd"},
    ]
    models = [{"id": "m", "account": "kontext", "user_accounts": {"bernd": "fuer-bernd"}}]
    move_in(
        parameters={**SERVER, "always_use_sender_address": True, "sender_address": "level6@kanzlei-huber.example"},
        email_accounts=accounts, print_models=models, com_customers=[],
    )  # fmt: skip
    bernd = user("bernd")
    found: list[tuple[str | None, str | None]] = []
    save_parameters(Book("test"), bernd, {"sender_address": "level5@kanzlei-huber.example"})
    steps: list[Callable[[], object]] = [
        lambda: Tenant.objects.get(slug="huber").print_models.get().user_accounts.all().delete(),
        lambda: Tenant.objects.get(slug="huber").print_models.update(account=None),
        lambda: Tenant.objects.get(slug="huber").email_accounts.filter(slug="bernds").update(user=None),
        lambda: set_firm(always_use_sender_address=False),
        lambda: save_parameters(Book("test"), bernd, {}),
        lambda: set_firm(sender_address=""),
    ]
    for step in [lambda: None, *steps]:
        step()
        made = plan("bernd", "m", context_sender="level4@kanzlei-huber.example" if len(found) == 4 else None)
        found.append((made.sender.level, sender(made)))
    assert found == [
        ("print_model_user_account", "level1a@kanzlei-huber.example"),
        ("print_model_account", "level1b@kanzlei-huber.example"),
        ("user_account", "level2@kanzlei-huber.example"),
        ("forced_sender", "level5@kanzlei-huber.example"),
        ("context_sender", "level4@kanzlei-huber.example"),
        ("firm_parameters", "level6@kanzlei-huber.example"),
        ("local_client", None),
    ]


def test_40_asynchronous_only_stores_a_task(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    assert submit(user("bernd"), invoice()).status == "new"
    assert smtp_server.connections == 0
    assert MailJob.objects.get().state == "new"


@pytest.mark.parametrize("system", [2, 3, 4, 5])
def test_41_one_identity_for_all_is_refused_unless_checked_or_confirmed(system: int) -> None:
    move_in(parameters={**SERVER, "send_system": system})
    assert plan("bernd").refused == "shared_identity"
    set_firm(confirm_shared_identity=True)
    assert plan("bernd").refused is None
    assert "shared_identity" in plan("bernd").hazards
    assert plan("max").refused == "shared_identity", "never for Com customers"
    assert SEND_SYSTEMS[system].number == system


def test_42_44_45_a_failure_is_told_once_corrected_reset_and_sent(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    smtp_server.password = "new-one"
    submit(user("bernd"), invoice())
    deliver()
    [job] = jobs_visible_to(user("bernd")).filter(state="failed")
    assert job.last_error == "535 5.7.8 Error: authentication failed"
    assert InternalMessage.objects.filter(user__login="bernd").count() == 1
    requeue(user("bernd"), [job.pk])
    deliver()
    assert InternalMessage.objects.filter(user__login="bernd").count() == 2, "failed again: a new message"
    save_secret(Book("test"), Tenant.objects.get(slug="huber"), "smtp_password", "new-one")
    requeue(user("bernd"), [job.pk])
    deliver()
    job.refresh_from_db()
    assert (job.state, job.last_error) == ("sent", "")
    assert list(MailLogEntry.objects.order_by("pk").values_list("outcome", flat=True)) == ["failed", "failed", "handed_over"]


def test_47_log_entries_begin_with_the_reply_code(smtp_server: CountingServer) -> None:
    move_in(smtp_server)
    smtp_server.refuse["klient1@kunde.example"] = "550 5.1.1 User unknown"
    submit(user("bernd"), invoice())
    deliver()
    assert MailLogEntry.objects.get().error.startswith("550 5.1.1 ")

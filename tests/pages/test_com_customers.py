"""Com customers: who sees them, the leak report against the decision, the form with its foresight, the release queue (P8, T7)."""

import csv
from io import StringIO

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from mailjobs.leaks import report_on
from mailjobs.matrix import plan_in
from mailsettings.changes import Book, save_account, save_parameters, save_print_model, save_tenant
from mailsettings.core.facts import Request
from mailsettings.core.send_systems import TenantKind
from mailsettings.models import AuditEvent, Tenant, User
from mailsettings.selectors import world_of
from tests.pages.com_customers import CSV, FIRM, LIST, NEW, OFFICE, QUEUE, decide, page_of, shown, tenant, text_of
from tests.pages.conftest import LogIn, mail, save

pytestmark = pytest.mark.django_db


# ---- Who sees what


@pytest.mark.parametrize(
    ("login", "seen"),
    [
        ("anna", {LIST, NEW, QUEUE, CSV}),
        ("bernd", set()),
        ("max", set()),
        ("mia", set()),
        ("eva", set()),
        ("root", {LIST, NEW, FIRM, CSV}),
    ],
)
def test_t4_each_role_sees_its_pages_and_404_elsewhere(log_in: LogIn, login: str, seen: set[str]) -> None:
    client = log_in(login)
    everything = {LIST, NEW, FIRM, QUEUE, CSV}
    assert {url for url in everything if client.get(url).status_code == 200} == seen
    assert {url for url in everything if client.get(url).status_code == 404} == everything - seen


def test_t4_a_com_customer_of_another_firm_is_not_found(log_in: LogIn) -> None:
    save_tenant(Book("test"), slug="fremd", name="Fremd OG", kind=TenantKind.COM_CUSTOMER, firm=tenant("gruber"))
    for login, url in (
        ("anna", page_of("fremd")),
        ("max", page_of("muster")),
        ("anna", page_of("huber")),
        ("greta", page_of("muster")),
    ):
        assert log_in(login).get(url).status_code == 404, (login, url)
        assert log_in(login).post(url, {"name": "x", "sends_as_firm": "hold"}).status_code == 404
    assert "Fremd OG" not in shown(log_in("anna"), LIST)
    for url in (f"{LIST}?tenant=gruber", f"{LIST}?tenant=muster", f"{NEW}?tenant=gruber", f"{CSV}?tenant=gruber"):
        assert log_in("anna").get(url).status_code == 404, url
    assert "Fremd OG" in shown(log_in("root"), f"{LIST}?tenant=gruber")
    assert Tenant.objects.get(slug="muster").sends_as_firm == "allow"


def test_the_navigation_leads_there_with_a_badge_for_what_waits(log_in: LogIn) -> None:
    assert 'href="/com-customers/releases/"' not in log_in("max").get("/").content.decode()
    decide("beispiel", "hold")
    mail("eva")
    items = {item.name: item for item in log_in("anna").get("/").context["navigation"]}
    assert items["releases"].badge == "1"
    assert items["com_customers"].badge == ""
    assert "releases" not in {item.name for item in log_in("root").get("/").context["navigation"]}


# ---- The list and the leak report


def test_p8_the_list_says_of_each_com_customer_what_matters(log_in: LogIn) -> None:
    decide("beispiel", "hold")
    mail("eva")
    customers = {row.tenant.slug: row for row in log_in("anna").get(LIST).context["customers"]}
    beispiel, muster = customers["beispiel"], customers["muster"]
    assert (beispiel.policy, beispiel.sender, beispiel.users, beispiel.as_firm, beispiel.held) == (
        "Hold for release by the firm",
        "",
        1,
        1,
        1,
    )
    assert (muster.policy, muster.sender, muster.users, muster.as_firm, muster.held) == (
        "Allow",
        "rechnung@musterkunde.example",
        2,
        0,
        0,
    )


def test_p4_the_leak_report_says_as_the_firm_in_words_with_the_address(log_in: LogIn) -> None:
    answer = log_in("anna").get(LIST)
    page = text_of(answer)
    assert f"Eva Beispiel eva {OFFICE} General settings of the firm as the firm" in page
    assert "Max Muster max rechnung@musterkunde.example General settings of the Com customer" in page
    assert f'<span class="leak-address is-error">{OFFICE}</span>' in answer.content.decode()


def test_p8_the_leak_report_is_the_one_decision_for_every_user_and_print_model(cast: None) -> None:
    beispiel = tenant("beispiel")
    own = save_account(Book("test"), tenant=beispiel, slug="own", sender_address="own@beispiel.example", values={})
    save_print_model(Book("test"), tenant=beispiel, slug="own", account=own, user_accounts={}, delivery_mode="background_smtp")
    users = list(beispiel.users.all())
    report, world = report_on(beispiel, users), world_of(beispiel, users)
    [leak] = report.leaks
    found = {model: part.identity for part in leak.parts for model in part.models}
    for model in ("", "own"):
        plan = plan_in(world, "eva", Request(model or None))
        identity = found[model]
        assert plan.sender.mailbox is not None
        assert (identity.address, identity.level, identity.as_firm) == (
            plan.sender.mailbox.address,
            plan.sender.level,
            plan.sender.from_firm,
        )
    assert set(found) == {"", "own"}, "invoices is as mail without a print model and is not named"
    assert (found[""].as_firm, found["own"].as_firm, leak.as_firm) == (True, False, True)


def test_a_print_model_that_differs_is_named_before_the_rest(log_in: LogIn) -> None:
    beispiel = tenant("beispiel")
    own = save_account(Book("test"), tenant=beispiel, slug="own", sender_address="own@beispiel.example", values={})
    save_print_model(Book("test"), tenant=beispiel, slug="own", account=own, user_accounts={}, delivery_mode="background_smtp")
    page = shown(log_in("anna"), LIST)
    assert f"own: own@beispiel.example Account of the print model otherwise: {OFFICE}" in page


def test_the_filter_leaves_only_those_who_would_send_as_the_firm(log_in: LogIn) -> None:
    customers = log_in("anna").get(f"{LIST}?only=firm").context["customers"]
    assert [(row.tenant.slug, [leak.user.login for leak in row.leaks]) for row in customers] == [("beispiel", ["eva"])]
    save_parameters(Book("test"), tenant("beispiel"), {"sender_address": "office@beispiel.example"})
    assert "Nobody would send as the firm" in shown(log_in("anna"), f"{LIST}?only=firm")


@pytest.mark.parametrize(
    ("query", "found"),
    [("musterkunde", ["muster"]), ("eva", ["beispiel"]), ("MIA MUSTER", ["muster"]), ("zzz", []), ("\0", [])],
)
def test_the_search_finds_by_name_id_and_user(log_in: LogIn, query: str, found: list[str]) -> None:
    answer = log_in("anna").get(LIST, {"q": query})
    assert [row.tenant.slug for row in answer.context["customers"]] == found
    if not found:
        assert "No Com customer matches" in text_of(answer)


def test_a_deactivated_user_sends_nothing_and_is_not_listed(log_in: LogIn) -> None:
    User.objects.filter(login="eva").update(is_active=False)
    customers = {row.tenant.slug: row for row in log_in("anna").get(LIST).context["customers"]}
    assert (customers["beispiel"].users, customers["beispiel"].leaks) == (0, ())


def test_z12_the_file_holds_the_report_and_no_formula(log_in: LogIn) -> None:
    User.objects.filter(login="eva").update(name="=1+1")
    answer = log_in("anna").get(CSV)
    lines = list(csv.reader(StringIO(answer.content.decode("utf-8-sig"))))
    assert lines[0][:4] == ["Com customer", "Name", "User ID", "User"]
    by_user = {line[2]: line for line in lines[1:]}
    assert set(by_user) == {"eva", "max", "mia"}
    assert by_user["eva"][3:] == ["'=1+1", "", OFFICE, "General settings of the firm", "Yes", "sent", "", "Allow"]
    narrowed = log_in("anna").get(f"{CSV}?only=firm").content.decode("utf-8-sig")
    assert "max" not in narrowed
    assert "eva" in narrowed


def test_the_queries_of_the_list_depend_on_the_com_customers_only(log_in: LogIn) -> None:
    client = log_in("anna")
    client.get(LIST)
    before = _queries(client)
    for number in range(20):
        User.objects.create(login=f"more{number}", name=f"More {number}", role="com_user", tenant=tenant("beispiel"))
    assert _queries(client) == before


def _queries(client: Client) -> int:
    with CaptureQueriesContext(connection) as captured:
        client.get(LIST)
    return len(captured)


def test_more_than_a_page_is_turned(log_in: LogIn) -> None:
    for number in range(30):
        save_tenant(
            Book("test"), slug=f"k{number:02}", name=f"Kunde {number:02}", kind=TenantKind.COM_CUSTOMER, firm=tenant("huber")
        )
    first = log_in("anna").get(LIST)
    assert len(first.context["customers"]) == 25
    second = log_in("anna").get(LIST + first.context["turn"]["after"])
    assert len(second.context["customers"]) == 7
    assert log_in("anna").get(f"{LIST}?page=zzz").status_code == 200
    assert log_in("anna").get(f"{LIST}?page=99").status_code == 200


# ---- Making and editing


def test_t1_a_com_customer_is_made_with_its_policy(log_in: LogIn) -> None:
    answer = save(log_in("anna"), NEW, {"slug": "neu", "name": "Neue GmbH", "sends_as_firm": "hold"})
    made = tenant("neu")
    assert answer.redirect_chain == [(reverse("com_customer", args=[made.pk]), 302)]
    assert (made.firm, made.name, made.sends_as_firm) == (tenant("huber"), "Neue GmbH", "hold")
    assert AuditEvent.objects.filter(action="tenant", subject="neu", actor="anna").exists()


@pytest.mark.parametrize(
    ("slug", "said"),
    [
        ("muster", "is taken"),
        ("gruber", "is taken"),
        ("Groß", "small letters"),
        ("", "This field is required"),
        ("a" * 70, "at most 64"),
    ],
)
def test_a_wrong_id_is_refused_and_what_was_typed_is_kept(log_in: LogIn, slug: str, said: str) -> None:
    before = Tenant.objects.count()
    answer = log_in("anna").post(NEW, {"slug": slug, "name": "Neue GmbH", "sends_as_firm": "warn"})
    assert answer.status_code == 200
    assert said in text_of(answer)
    assert 'value="Neue GmbH"' in answer.content.decode()
    assert Tenant.objects.count() == before


def test_an_impossible_policy_is_refused(log_in: LogIn) -> None:
    for url in (NEW, page_of("muster")):
        answer = log_in("anna").post(url, {"slug": "neu", "name": "x", "sends_as_firm": "whatever"})
        assert answer.status_code == 200
        assert answer.context["form"].errors["sends_as_firm"]


def test_p9_a_stricter_policy_is_saved_only_after_the_changed_cells_were_shown(log_in: LogIn) -> None:
    anna, data = log_in("anna"), {"name": "Beispiel Handels KG", "sends_as_firm": "hold"}
    answer = anna.post(page_of("beispiel"), data)
    foresight = answer.context["form"].foresight
    assert [
        (cell.place.user, cell.before.endswith("held for the firm"), cell.after.endswith("held for the firm"))
        for cell in foresight.changed
    ] == [("eva", False, True)]
    assert tenant("beispiel").sends_as_firm == "allow"
    anna.post(page_of("beispiel"), {**data, "foreseen": foresight.digest})
    assert tenant("beispiel").sends_as_firm == "hold"


def test_a_policy_that_moves_no_cell_is_saved_at_once(log_in: LogIn) -> None:
    answer = log_in("anna").post(page_of("muster"), {"name": "Muster AG", "sends_as_firm": "hold"})
    assert answer.status_code == 302
    assert (tenant("muster").name, tenant("muster").sends_as_firm) == ("Muster AG", "hold")


def test_the_id_cannot_be_changed(log_in: LogIn) -> None:
    log_in("anna").post(page_of("muster"), {"slug": "anders", "name": "Muster AG", "sends_as_firm": "allow"})
    assert tenant("muster").name == "Muster AG"


def test_locks_stay_when_a_com_customer_is_edited(log_in: LogIn) -> None:
    Tenant.objects.filter(slug="muster").update(locked=["sender_address"], locked_by_operator=["redirect_enabled"])
    log_in("anna").post(page_of("muster"), {"name": "Muster AG", "sends_as_firm": "warn"})
    assert (tenant("muster").locked, tenant("muster").locked_by_operator) == (["sender_address"], ["redirect_enabled"])


def test_the_page_of_one_leads_to_its_set_up_and_shows_leaks_and_claims(log_in: LogIn) -> None:
    answer = log_in("anna").get(page_of("muster"))
    page = answer.content.decode()
    for name in ("settings", "locks", "accounts", "users", "employees"):
        assert f'href="{reverse(name)}?tenant=muster"' in page, name
    assert "rechnung@musterkunde.example Confirmed by test on" in text_of(answer)
    assert "1 of 1 users would send as the firm" in shown(log_in("anna"), page_of("beispiel"))


def test_claimed_addresses_tell_who_confirmed_them_or_that_they_wait(log_in: LogIn) -> None:
    claims = tenant("muster").claimed_addresses
    claims.create(key="wartet@musterkunde.example", address="wartet@musterkunde.example", asked_by="max")
    claims.create(
        key="nein@musterkunde.example", address="nein@musterkunde.example", asked_by="max", disowned_at="2026-11-24T00:00:00Z"
    )
    page = shown(log_in("anna"), page_of("muster"))
    assert "wartet@musterkunde.example Waits for confirmation, entered by max" in page
    assert "nein@musterkunde.example Its mailbox says that it is not theirs" in page


def test_t2_the_operator_makes_the_first_firm_of_an_empty_installation(db: None) -> None:
    root = User.objects.create(login="root", name="Betrieb", role="operator")
    client = Client()
    client.force_login(root)
    assert "There is no firm yet" in shown(client, LIST)
    assert client.get(NEW).status_code == 404, "a Com customer needs a firm"
    data = {
        "slug": "neu",
        "name": "Kanzlei Neu",
        "login": "nora",
        "person": "Nora Neu",
        "email": "",
        "password": "viel-zu-lang-4711",
    }
    answer = save(client, FIRM, data)
    assert answer.redirect_chain == [(f"{LIST}?tenant=neu", 302)]
    nora = User.objects.get(login="nora")
    assert (nora.role, nora.tenant) == ("firm_admin", tenant("neu"))
    assert nora.check_password("viel-zu-lang-4711")
    assert "viel-zu-lang-4711" not in str(list(AuditEvent.objects.values()))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"password": "kurz"}, "password"),
        ({"password": "nora.neu2026"}, "password"),
        ({"login": "anna"}, "login"),
        ({"slug": "huber"}, "slug"),
        ({"email": "kein at zeichen"}, "email"),
        ({"login": "Nora Neu"}, "login"),
        ({"person": ""}, "person"),
    ],
)
def test_a_firm_that_cannot_be_leaves_nothing_behind(log_in: LogIn, changed: dict[str, str], field: str) -> None:
    data = {
        "slug": "neu",
        "name": "Kanzlei Neu",
        "login": "nora.neu",
        "person": "Nora",
        "email": "",
        "password": "viel-zu-lang-4711",
    }
    answer = log_in("root").post(FIRM, {**data, **changed})
    assert answer.status_code == 200
    assert set(answer.context["form"].errors) == {field}
    assert not Tenant.objects.filter(slug="neu").exists()
    assert not User.objects.filter(login="nora.neu").exists()
    assert "viel-zu-lang-4711" not in answer.content.decode()


def test_the_operator_renames_a_firm_and_makes_com_customers_of_it(log_in: LogIn) -> None:
    root = log_in("root")
    assert root.post(page_of("gruber"), {"name": "Kanzlei Gruber & Partner"}).status_code == 302
    assert tenant("gruber").name == "Kanzlei Gruber & Partner"
    save(root, f"{NEW}?tenant=gruber", {"slug": "neu", "name": "Neue GmbH", "sends_as_firm": "allow"})
    assert tenant("neu").firm == tenant("gruber")

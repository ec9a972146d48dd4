"""Users, deputies and employees: rights (T2), successors (T6), the own sender address in step (P6), no address vanishes (C2)."""

from collections.abc import Mapping
from typing import Any

import pytest
from django.db import transaction

from mailsettings.changes import (
    Book,
    Refused,
    own_values,
    refuse_deputy,
    refuse_losing_administrator,
    refuse_own_sender,
    refuse_vanishing_address,
    save_account,
    save_employee,
    save_parameters,
    save_print_model,
    save_tenant,
    save_user,
    set_deputy,
    set_password,
)
from mailsettings.configuration import import_document
from mailsettings.core.send_systems import Role, TenantKind
from mailsettings.deputies import deputy_of, passed_on_to, principals_of, successors_of
from mailsettings.leavers import mentions_of, still_named
from mailsettings.models import AuditEvent, EmailAccount, Employee, Tenant, User
from tests.cast import OFFICE, document, move_in, user

pytestmark = pytest.mark.django_db
ANNA, BERND = "anna@kanzlei-huber.example", "bernd@kanzlei-huber.example"
NEW = "neu@kanzlei-huber.example"
UPDATES = "update_sender_from_employee"


def tenant(slug: str = "huber") -> Tenant:
    return Tenant.objects.select_related("firm").get(slug=slug)


def put(owner: Tenant | User, **values: Any) -> None:
    save_parameters(Book("test"), owner, {**own_values(owner), **values})


def sender_of(login: str) -> str | None:
    return own_values(user(login)).get("sender_address")


def employee(number: str = "1", slug: str = "huber") -> Employee:
    return Employee.objects.select_related("tenant__firm", "user__tenant__firm").get(tenant__slug=slug, number=number)


def save(number: str = "1", slug: str = "huber", **changed: Any) -> Employee:
    """The employee with something changed, as a form saves it: refused where C2 says so."""
    before = Employee.objects.select_related("user__tenant__firm").filter(tenant__slug=slug, number=number).first()
    names = ("name", "email", "additional_emails", "user")
    known = {name: getattr(before, name) for name in names} | {"active": before.is_active} if before else {"name": "Neu"}
    with transaction.atomic():
        saved = save_employee(Book("test"), tenant=tenant(slug), number=number, **{**known, **changed})
        refuse_vanishing_address(saved, before)
    return saved


def activate(login: str, *, active: bool) -> None:
    row = user(login)
    kept: dict[str, Any] = {"login": login, "name": row.name, "email": row.email, "role": row.role_enum, "tenant": row.tenant}
    save_user(Book("test"), **kept, active=active)


def objections(refused: pytest.ExceptionInfo[Refused]) -> list[tuple[str, str]]:
    return [(objection.field, objection.code) for objection in refused.value.objections]


# ---- P6


@pytest.mark.parametrize(
    ("before", "changed", "expected"),
    [
        ({}, {"email": NEW}, NEW),
        ({}, {"email": f"Frau Huber <{NEW}>"}, f"Frau Huber <{NEW}>"),
        ({}, {"email": ""}, ANNA),
        ({}, {"name": "Anna Huber-Moser"}, OFFICE),
        ({}, {"additional_emails": [OFFICE, NEW]}, OFFICE),
        ({UPDATES: False}, {"email": NEW, "additional_emails": [OFFICE]}, OFFICE),
    ],
    ids=["e-mail", "display name of the e-mail", "empty e-mail", "name only", "further address only", "switched off"],
)
def test_p6_a_changed_e_mail_reaches_the_own_sender_address(
    before: Mapping[str, object], changed: Mapping[str, Any], expected: str
) -> None:
    move_in(parameters=dict(before))
    put(user("anna"), sender_address=ANNA if changed.get("email") == "" else OFFICE)
    book = Book("test")
    saved = {"name": "Anna Huber", "email": ANNA, "additional_emails": [OFFICE], **changed}
    save_employee(book, tenant=tenant(), number="1", user=user("anna"), **saved)
    assert sender_of("anna") == expected
    written = [record for record in book.records if record.action == "parameters"]
    assert len(written) == (expected not in {OFFICE, ANNA})
    assert AuditEvent.objects.filter(action="parameters", subject="anna", after__sender_address=expected).exists()


def test_p6_a_display_name_stays_while_the_mailbox_is_the_same() -> None:
    move_in(parameters={UPDATES: False})
    put(user("anna"), sender_address=f"Anna Huber <{ANNA}>")
    put(tenant(), **{UPDATES: True})
    assert sender_of("anna") == f"Anna Huber <{ANNA}>"
    save(email=f"Frau Mag. Huber <{ANNA}>")
    assert sender_of("anna") == f"Frau Mag. Huber <{ANNA}>"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("bernd", {"anna": ANNA, "bernd": ANNA}),
        (None, {"anna": ANNA, "bernd": None}),
    ],
    ids=["moved", "removed"],
)
def test_p6_a_moved_link_writes_for_the_new_user_and_takes_nothing_from_the_old(
    link: str | None, expected: dict[str, str | None]
) -> None:
    move_in()
    linked = user(link) if link else None
    save_employee(Book("test"), tenant=tenant(), number="1", name="Anna", email=ANNA, user=linked)
    assert {login: sender_of(login) for login in ("anna", "bernd")} == expected


def test_p6_a_link_that_is_made_writes_and_one_of_a_deactivated_employee_does_not() -> None:
    move_in()
    made: dict[str, Any] = {"tenant": tenant(), "number": "2", "name": "Bernd Moser", "email": BERND}
    save_employee(Book("test"), **made)
    save_employee(Book("test"), **made, user=user("bernd"), active=False)
    assert sender_of("bernd") is None
    save_employee(Book("test"), **made, user=user("bernd"), active=True)
    assert sender_of("bernd") == BERND


@pytest.mark.parametrize("switched", [True, None], ids=["to yes", "back to the default"])
@pytest.mark.parametrize(
    ("place", "reached"),
    [("huber", {"anna", "mia"}), ("muster", {"mia"}), ("anna", {"anna"}), ("mia", {"mia"})],
    ids=["firm", "Com customer", "firm's user", "Com user"],
)
def test_p6_switching_the_parameter_on_writes_for_everybody_below(place: str, reached: set[str], switched: bool | None) -> None:
    move_in()
    owner: Tenant | User = user(place) if place in {"anna", "mia"} else tenant(place)
    put(owner, **{UPDATES: False})
    mias: dict[str, Any] = {"tenant": tenant("muster"), "number": "1", "name": "Mia", "email": "mia@musterkunde.example"}
    save_employee(Book("test"), **mias, user=user("mia"))
    for login in ("anna", "mia"):
        put(user(login), sender_address="alt@anderswo.example")
    put(owner, **{UPDATES: switched})
    written = {login for login in ("anna", "mia") if sender_of(login) != "alt@anderswo.example"}
    assert written == reached


@pytest.mark.parametrize("values", [{UPDATES: True}, {}], ids=["yes after the default", "the default after yes"])
def test_p6_saying_yes_to_what_was_on_already_writes_nothing(values: dict[str, Any]) -> None:
    move_in(parameters={} if values else {UPDATES: True})
    put(user("anna"), sender_address=OFFICE)
    save_parameters(Book("test"), tenant(), values)
    assert sender_of("anna") == OFFICE


def test_p6_switching_on_above_writes_nothing_where_a_level_below_says_no() -> None:
    move_in(parameters={UPDATES: False})
    put(user("anna"), **{UPDATES: False, "sender_address": OFFICE})
    put(tenant(), **{UPDATES: True})
    assert sender_of("anna") == OFFICE


@pytest.mark.parametrize("lock", ["locked", "locked_by_operator"])
def test_p6_and_t5_a_locked_sender_address_is_not_written(lock: str) -> None:
    move_in(parameters={UPDATES: False})
    save_tenant(Book("test"), slug="huber", name="Kanzlei Huber", kind=TenantKind.FIRM, **{lock: ["sender_address"]})  # type: ignore[arg-type]
    put(tenant(), **{UPDATES: True})
    save_employee(Book("test"), tenant=tenant(), number="1", name="Anna", email=NEW, user=user("anna"))
    assert sender_of("anna") is None


def _with_user_parameters(own: dict[str, Any], **firm: Any) -> dict[str, Any]:
    made = document(**firm)
    made["firms"][0]["users"][0]["parameters"] = own
    return made


@pytest.mark.parametrize("more", [{}, {UPDATES: True}], ids=["default", "switched on in the same import"])
@pytest.mark.parametrize("firm", [{}, {UPDATES: False}], ids=["firm default", "firm no"])
def test_p6_in_an_import_an_explicit_own_sender_address_wins(more: dict[str, Any], firm: dict[str, Any]) -> None:
    explicit = _with_user_parameters({"sender_address": OFFICE, **more}, parameters=firm)
    import_document(explicit, actor="test")
    assert sender_of("anna") == OFFICE
    assert import_document(explicit, actor="test").records == []


def test_p6_in_an_import_the_e_mail_is_written_where_no_own_address_is_given() -> None:
    import_document(_with_user_parameters({}), actor="test")
    assert sender_of("anna") == ANNA
    assert import_document(_with_user_parameters({}), actor="test").records == []


def test_p6_an_import_that_does_not_name_a_user_leaves_their_own_sender_address() -> None:
    move_in()
    put(user("anna"), sender_address=OFFICE)
    import_document(document(users=[], com_customers=[]), actor="test")
    assert sender_of("anna") == OFFICE


# ---- C2


def test_c2_an_own_sender_address_needs_the_link_where_check_sender_is_on() -> None:
    move_in()
    refuse_own_sender(user("bernd"), BERND)  # nobody linked, nothing checked
    put(tenant(), check_sender=True)
    with pytest.raises(Refused) as refused:
        refuse_own_sender(user("bernd"), BERND)
    assert objections(refused) == [("sender_address", "no_employee")]
    for word in ("“Check sender” is on", "bernd", BERND, "rule C2", "Link the employee first"):
        assert word in str(refused.value)
    Employee.objects.update(is_active=False)
    with pytest.raises(Refused, match="the linked employee Anna Huber is deactivated"):
        refuse_own_sender(user("anna"), ANNA)


@pytest.mark.parametrize("checked", [False, True])
def test_c2_an_own_sender_address_is_on_the_employee_checked_or_not(checked: bool) -> None:
    move_in(parameters={"check_sender": checked})
    refuse_own_sender(user("anna"), f"Office <{OFFICE.upper()}>")
    with pytest.raises(Refused) as refused:
        refuse_own_sender(user("anna"), NEW)
    assert objections(refused) == [("sender_address", "not_on_employee")]
    for word in (NEW, "Anna Huber", "rule C2", "further e-mail addresses"):
        assert word in str(refused.value)
    refuse_own_sender(user("max"), NEW)  # C2 speaks of firms


GONE = {
    "e-mail changed": ({"email": NEW}, "email"),
    "further address removed": ({"additional_emails": []}, "email"),
    "link removed": ({"user": None}, "user"),
    "link moved": ({"user": "bernd"}, "user"),
    "deactivated": ({"active": False}, "is_active"),
}


@pytest.mark.parametrize(("changed", "where"), GONE.values(), ids=GONE.keys())
@pytest.mark.parametrize("checked", [False, True], ids=["unchecked", "check sender"])
def test_c2_an_own_sender_address_in_use_does_not_vanish(changed: dict[str, Any], where: str, checked: bool) -> None:
    move_in(parameters={UPDATES: False, "check_sender": checked})
    put(user("anna"), sender_address=OFFICE if "additional_emails" in changed else ANNA)
    if changed.get("user") == "bernd":
        changed = {"user": user("bernd")}
    with pytest.raises(Refused) as refused:
        save(**changed)
    assert objections(refused) == [(where, "address_in_use")]
    said = str(refused.value)
    for word in ("own settings of the user anna", own_values(user("anna"))["sender_address"], "Anna Huber", "rule C2", "first"):
        assert word in said
    assert ("invoices" in said) is checked


@pytest.mark.parametrize(("changed", "where"), GONE.values(), ids=GONE.keys())
def test_c2_with_check_sender_everything_that_depends_on_the_address_is_named(changed: dict[str, Any], where: str) -> None:
    """Accounts of the user and of print models, the general sender address, each print model; P6 has had its say."""
    address = OFFICE if "additional_emails" in changed else ANNA
    accounts = [
        {"id": "annas", "sender_address": address, "user": "anna"},
        {"id": "briefe", "sender_address": f"Briefe <{address}>"},
        {"id": "mahnung", "sender_address": address},
    ]
    models = [
        {"id": "invoices"},
        {"id": "letters", "account": "briefe"},
        {"id": "reminders", "user_accounts": {"anna": "mahnung"}},
        {"id": "retired", "account": "briefe", "active": False},
    ]
    move_in(parameters={"check_sender": True}, email_accounts=accounts, print_models=models, com_customers=[])
    save_parameters(Book("test"), user("anna"), {})
    if changed.get("user") == "bernd":
        changed = {"user": user("bernd")}
    with pytest.raises(Refused) as refused:
        save(**changed)
    assert set(objections(refused)) == {(where, "address_in_use")}
    said = [objection.message for objection in refused.value.objections]
    assert len(said) == 3
    assert f"The e-mail account annas of the user anna still sends as {address}" in said[0]
    assert "This concerns: mail without a print model, invoices." in said[0]
    assert f"Briefe <{address}> by the e-mail account briefe of a print model" in said[1]
    assert "This concerns: letters." in said[1]
    assert "by the e-mail account mahnung of a print model" in said[2]
    assert "This concerns: reminders." in said[2]
    assert all("rule C2" in sentence and "Anna Huber" in sentence for sentence in said)


def test_c2_names_the_general_sender_address_and_the_forced_one() -> None:
    move_in(parameters={"check_sender": True, UPDATES: False})
    save_parameters(Book("test"), user("anna"), {})
    with pytest.raises(Refused, match=rf"anna still sends as Kanzlei Huber <{OFFICE}> \(General settings of the firm\)"):
        save(additional_emails=[])
    put(tenant(), always_use_sender_address=True)
    with pytest.raises(Refused, match=r"\(Always use sender address\)"):
        save(additional_emails=[])


def test_c2_lets_an_address_go_that_p6_carries_on_or_that_moves_to_the_further_ones() -> None:
    move_in(parameters={"check_sender": True, "sender_address": ""})
    assert save(email=NEW).email == NEW
    assert sender_of("anna") == NEW
    put(tenant(), **{UPDATES: False})
    assert save(email=ANNA, additional_emails=[NEW]).addresses == [ANNA, NEW]


@pytest.mark.parametrize("changed", [{"additional_emails": [OFFICE, NEW]}, {"email": ""}, {"name": "Anna Moser"}])
def test_c2_minds_only_addresses_that_are_in_use(changed: dict[str, Any]) -> None:
    move_in(parameters={UPDATES: False, "check_sender": True})
    put(user("anna"), sender_address=OFFICE)
    save(**changed)


@pytest.mark.parametrize("changed", [{"email": NEW}, {"user": None}, {"active": False}])
def test_c2_minds_no_user_who_has_left_and_no_com_customer(changed: dict[str, Any]) -> None:
    move_in(parameters={UPDATES: False, "check_sender": True})
    put(user("anna"), sender_address=ANNA)
    activate("anna", active=False)
    save(**changed)
    put(tenant("muster"), check_sender=True)
    save(slug="muster", email="mia@musterkunde.example", user=user("mia"))
    put(user("mia"), sender_address="mia@musterkunde.example")
    save(slug="muster", **changed)


def test_c2_a_locked_own_sender_address_is_not_in_use() -> None:
    move_in(parameters={UPDATES: False}, locked=["sender_address"])
    put(user("anna"), sender_address=ANNA)
    save(email=NEW)


def test_c2_a_link_with_a_user_whose_own_sender_address_is_not_the_employees_is_refused() -> None:
    move_in(parameters={UPDATES: False})
    put(user("bernd"), sender_address=BERND)
    with pytest.raises(Refused) as refused:
        save("2", email=NEW, user=user("bernd"))
    assert objections(refused) == [("user", "not_on_employee")]
    assert save("2", email=NEW, additional_emails=[BERND], user=user("bernd")).user == user("bernd")


# ---- T2


@pytest.mark.parametrize(
    ("login", "role", "active", "actor", "code"),
    [
        ("anna", Role.FIRM_USER, True, "anna", "own_rights"),
        ("anna", Role.FIRM_ADMIN, False, "anna", "own_rights"),
        ("anna", Role.FIRM_USER, True, "root", "last_administrator"),
        ("anna", Role.FIRM_ADMIN, False, "root", "last_administrator"),
        ("max", Role.COM_USER, True, "anna", "last_administrator"),
        ("anna", Role.FIRM_ADMIN, True, "anna", None),
        ("bernd", Role.FIRM_USER, False, "anna", None),
        ("bernd", Role.FIRM_ADMIN, True, "anna", None),
    ],
)
def test_t2_nobody_takes_their_own_rights_and_the_last_administrator_stays(
    login: str, role: Role, active: bool, actor: str, code: str | None
) -> None:
    move_in()
    import_document({"version": 1, "operators": [{"id": "root"}]}, actor="test")

    def asked() -> None:
        refuse_losing_administrator(user(login), role=role, active=active, actor=user(actor))

    if code is None:
        asked()
    else:
        with pytest.raises(Refused) as refused:
            asked()
        assert objections(refused) == [("is_active" if not active else "role", code)]
    save_user(Book("test"), login="bernd", name="Bernd", role=Role.FIRM_ADMIN, tenant=tenant())
    save_user(Book("test"), login="mia", name="Mia", role=Role.COM_ADMIN, tenant=tenant("muster"))
    if code == "last_administrator":
        asked()  # no longer the last


@pytest.mark.parametrize(
    ("slug", "role"),
    [("muster", Role.FIRM_ADMIN), ("muster", Role.FIRM_USER), ("huber", Role.COM_ADMIN), ("huber", Role.OPERATOR)],
)
def test_t2_a_role_fits_the_kind_of_the_tenant(slug: str, role: Role) -> None:
    move_in()
    with pytest.raises(Refused):
        save_user(Book("test"), login="neu", name="Neu", role=role, tenant=tenant(slug))


def test_z16_a_replaced_password_is_audited_without_being_shown() -> None:
    move_in()
    book = Book("anna")
    set_password(book, user("bernd"), "ein-langes-Geheimnis")
    assert user("bernd").check_password("ein-langes-Geheimnis")
    set_password(book, user("bernd"), None)
    set_password(book, user("bernd"), None)
    assert not user("bernd").has_usable_password()
    events = AuditEvent.objects.filter(action="log-in password").order_by("pk").values_list("actor", "subject", "before", "after")
    assert list(events) == [("anna", "bernd", {}, {"changed": True}), ("anna", "bernd", {"set": True}, {})]


# ---- T6: who takes over


@pytest.fixture
def office() -> None:
    """Anna administers; Bernd, Carla and Dora work there, and the batch user runs at night."""
    people = [{"id": login, "name": login.title(), "role": "firm_user"} for login in ("bernd", "carla", "dora")]
    move_in(users=[{"id": "anna", "role": "firm_admin"}, {"id": "stapel", "role": "service_user"}, *people])


def deputies(**named: str | None) -> None:
    for login, deputy in named.items():
        set_deputy(Book("test"), user(login), user(deputy) if deputy else None)


@pytest.mark.parametrize(
    ("named", "gone", "expected"),
    [
        ({}, ["bernd"], ["anna"]),
        ({"bernd": "carla"}, ["bernd"], ["carla"]),
        ({"bernd": "carla", "carla": "dora"}, ["bernd", "carla"], ["dora"]),
        ({"bernd": "carla"}, ["bernd", "carla"], ["anna"]),
        ({"bernd": "carla", "carla": "bernd"}, ["bernd", "carla"], ["anna"]),
        ({"bernd": "carla", "carla": "dora", "dora": "carla"}, ["bernd", "carla", "dora"], ["anna"]),
    ],
    ids=["no deputy", "deputy", "deputy's deputy", "deputy gone without one", "circle of two", "circle beyond"],
)
def test_t6_a_leavers_successors(office: None, named: dict[str, str], gone: list[str], expected: list[str]) -> None:
    deputies(**named)
    for login in gone:
        activate(login, active=False)
    assert [person.login for person in successors_of(user("bernd"))] == expected
    everybody = list(User.objects.filter(tenant__slug="huber", is_active=True))
    assert [person.login for person in everybody if user("bernd").pk in passed_on_to(person)] == expected
    activate("bernd", active=True)
    assert not any(user("bernd").pk in passed_on_to(person) for person in everybody)


def test_t6_a_com_customer_without_administrators_passes_its_mails_to_the_firms() -> None:
    move_in()
    for login in ("mia", "max"):
        activate(login, active=False)
    assert [person.login for person in successors_of(user("mia"))] == ["anna"]
    assert passed_on_to(user("anna")) == {user("mia").pk, user("max").pk}
    activate("max", active=True)
    assert passed_on_to(user("anna")) == frozenset()
    assert passed_on_to(user("max")) == {user("mia").pk}


def test_j2_a_batch_users_failures_pass_over_a_deputy_who_has_left(office: None) -> None:
    deputies(stapel="bernd", bernd="carla")
    activate("bernd", active=False)
    deputy = deputy_of(user("stapel"))
    assert deputy is not None
    assert deputy.login == "carla"
    assert principals_of(user("carla")) == {user("bernd").pk, user("stapel").pk}
    assert user("stapel").pk not in passed_on_to(user("carla")), "a batch user has not left"


def test_t6_a_deputy_is_there_and_stands_in_for_nobody_in_a_circle(office: None) -> None:
    deputies(bernd="carla", carla="dora")
    with pytest.raises(Refused) as refused:
        refuse_deputy(user("dora"), user("bernd"))
    assert objections(refused) == [("deputy", "deputy_cycle")]
    activate("dora", active=False)
    with pytest.raises(Refused) as refused:
        refuse_deputy(user("anna"), user("dora"))
    assert objections(refused) == [("deputy", "deputy_inactive")]
    refuse_deputy(user("anna"), user("carla"))
    refuse_deputy(user("anna"), None)
    for wrong in ("dora", "max"):
        with pytest.raises(Refused):
            set_deputy(Book("test"), user("dora"), user(wrong))


# ---- T6: what still names somebody


def said(person: User | Employee) -> str:
    return "\n".join(mention.text for mention in mentions_of(person))


def test_t6_everything_that_names_a_user_is_listed_and_leaves_the_list_when_it_is_changed(office: None) -> None:
    huber = tenant()
    book = Book("test")
    save("2", name="Bernd Moser", email=BERND, additional_emails=[OFFICE], user=user("bernd"))
    account = save_account(book, tenant=huber, slug="bernds", sender_address="b@x.example", values={}, user=user("bernd"))
    save_print_model(book, tenant=huber, slug="letters", account=account, user_accounts={user("bernd"): account})
    save_account(book, tenant=huber, slug="privat", sender_address=f"Bernd <{BERND.upper()}>", values={})
    put(huber, redirect_addresses=["test@kanzlei-huber.example", BERND], smtp_user=BERND)
    put(user("bernd"), smtp_user="bernd.moser")
    put(user("carla"), sender_address=BERND)
    deputies(dora="bernd")
    activate("bernd", active=False)
    expected = [
        "The e-mail account bernds belongs to bernd. These print models send with it: letters.",
        "The print model letters has the e-mail account bernds for bernd.",
        f"bernd has own settings: Sender address {BERND}, Default user for SMTP bernd.moser.",
        "The employee Bernd Moser is active and linked to bernd.",
        "The user dora has bernd as deputy.",
        f"“Default user for SMTP” in the general settings of Kanzlei Huber names {BERND}, an address of bernd.",
        f"“Redirect address(es)” in the general settings of Kanzlei Huber names {BERND}, an address of bernd.",
        f"“Sender address” in the own settings of carla names {BERND}, an address of bernd.",
        "The e-mail account privat sends as Bernd <BERND@kanzlei-huber.example>, an address of bernd.",
    ]
    [leaver] = still_named(huber)
    assert leaver.name == "Bernd (bernd)"
    assert sorted(mention.text for mention in leaver.mentions) == sorted(expected)
    assert OFFICE not in said(user("bernd")), "office@ is no leaver's"
    save_print_model(book, tenant=huber, slug="letters", account=None, user_accounts={})
    save_account(book, tenant=huber, slug="bernds", sender_address="b@x.example", values={}, active=False)
    save_account(book, tenant=huber, slug="privat", sender_address="carla@kanzlei-huber.example", values={})
    save_parameters(book, user("bernd"), {"always_use_sender_address": True})  # names nobody
    save_parameters(book, user("carla"), {})
    save_parameters(book, huber, {"send_system": 1})
    deputies(dora="carla")
    save("2", active=False)
    assert still_named(huber) == []


def test_t6_an_employee_who_has_left_is_listed_until_nothing_names_them() -> None:
    move_in(parameters={UPDATES: False})
    save("2", name="Bernd Moser", email=BERND, additional_emails=[OFFICE], user=user("bernd"))
    save("2", active=False)
    put(tenant(), redirect_addresses=[BERND])
    put(user("bernd"), sender_address=BERND)
    [leaver] = still_named(tenant())
    assert (leaver.name, len(leaver.mentions)) == ("Bernd Moser", 3)
    put(tenant(), redirect_addresses=[])
    put(user("bernd"), sender_address=None)
    assert said(employee("2")) == "The user bernd is active and linked to Bernd Moser."
    activate("bernd", active=False)
    assert still_named(tenant()) == []


def test_t6_what_is_locked_or_somebody_elses_too_names_no_leaver() -> None:
    move_in(parameters={UPDATES: False}, locked=["sender_address"])
    put(user("bernd"), sender_address=OFFICE)
    save("2", name="Bernd Moser", email=OFFICE, user=user("bernd"))
    save("3", name="Carla", additional_emails=[OFFICE])
    save("2", active=False)
    activate("bernd", active=False)
    assert still_named(tenant()) == []


def test_t6_a_com_customers_list_says_nothing_of_its_firm_and_the_firms_knows_its_customers() -> None:
    move_in(parameters={"redirect_addresses": ["mia@musterkunde.example"]})
    User.objects.filter(login="mia").update(email="mia@musterkunde.example")
    User.objects.filter(login="bernd").update(email=BERND)
    put(tenant("muster"), redirect_addresses=[BERND])
    activate("mia", active=False)
    activate("bernd", active=False)
    assert still_named(tenant("muster")) == []
    [leaver] = still_named(tenant())
    assert [mention.url for mention in leaver.mentions] == ["/settings/?tenant=muster"]


def test_t6_an_account_that_is_deactivated_names_nobody() -> None:
    move_in()
    save_account(Book("test"), tenant=tenant(), slug="a", sender_address=BERND, values={}, user=user("bernd"))
    activate("bernd", active=False)
    assert len(still_named(tenant())) == 1
    EmailAccount.objects.update(is_active=False)
    assert still_named(tenant()) == []

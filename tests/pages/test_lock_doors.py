"""Locks hold at every door: each parameter at each level, locked by the Com customer, the firm and the operator (T5)."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailsettings import changes
from mailsettings.changes import Book, own_values, save_account, save_employee, save_parameters, save_secret
from mailsettings.configuration import import_document
from mailsettings.core.facts import Request
from mailsettings.core.parameters import CONNECTION_KEYS, PARAMETERS, SECRET_KEYS, Kind, locked_keys, resolve
from mailsettings.forms import AccountForm, ParameterForm, sheet_of_tenant, sheet_of_user
from mailsettings.models import ParameterSet, Tenant, User
from mailsettings.selectors import facts_of, general_layers, layers_of, world_of
from mailsettings.wording import PARAMETER_LABELS
from tests.pages.com_customers import tenant
from tests.pages.conftest import LogIn, document, person, save

pytestmark = pytest.mark.django_db
# A value that no default is, as it is stored.
VALUES: dict[str, Any] = {
    Kind.TEXT: "somewhere",
    Kind.HOST: "own.example",
    Kind.NUMBER: 7,
    Kind.SWITCH: True,
    Kind.SENDER: "own@musterkunde.example",
    Kind.ADDRESSES: ["own@musterkunde.example"],
    Kind.NETWORKS: ["10.0.0.0/8"],
    Kind.CERTIFICATE: "-----BEGIN CERTIFICATE-----\nx",
    Kind.SECRET: "streng-geheim-4711",
    Kind.DATE: "2027-03-31",
    Kind.KEY: generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
}
LEVELS = {"user": "mia", "com": "muster", "firm": "huber"}
# (who locks, as what) → the rank of the lowest level that keeps its value, and of the lowest whose own people may change it.
LOCKERS = {
    ("muster", "locked"): (1, 1),
    ("huber", "locked"): (2, 2),
    ("muster", "locked_by_operator"): (1, 2),
    ("huber", "locked_by_operator"): (2, 3),
}
RANK = {"user": 0, "com": 1, "firm": 2}


def value_of(key: str) -> Any:
    row = PARAMETERS[key]
    if row.kind is Kind.SWITCH:
        return row.default is not True
    return row.choices[-1] if row.kind is Kind.CHOICE else VALUES[row.kind]


def owner_at(level: str) -> Tenant | User:
    return person("mia") if level == "user" else tenant(LEVELS[level])


def keys_at(level: str) -> list[str]:
    """What can be set there: networks are a firm's, the shared identity is confirmed at firms."""
    return [key for key, row in PARAMETERS.items() if level == "firm" or not (row.firm_only or key == "confirm_shared_identity")]


def put(level: str, key: str) -> None:
    if key in SECRET_KEYS:
        save_secret(Book("test"), owner_at(level), key, value_of(key))
    else:
        save_parameters(Book("test"), owner_at(level), {key: value_of(key)}, sync=False)


def lock(slug: str, kind: str, *keys: str) -> None:
    Tenant.objects.filter(slug=slug).update(**{kind: list(keys)})


def layer_at(level: str) -> Any:
    """The layer of a level as a decision gets it."""
    owner = owner_at(level)
    if isinstance(owner, Tenant):
        return general_layers(owner)[0]
    return facts_of(owner, Request()).layers[0]


def form_at(level: str, reader: User, data: Any = None) -> ParameterForm:
    owner = owner_at(level)
    sheet = sheet_of_user(owner, reader) if isinstance(owner, User) else sheet_of_tenant(owner, reader)
    return ParameterForm(sheet, data)


# ---- Every parameter × level × who locks


@pytest.mark.parametrize("locker", LOCKERS, ids=" ".join)
@pytest.mark.parametrize("level", LEVELS)
def test_t5_a_locked_value_is_ignored_below_and_nowhere_else(cast: None, level: str, locker: tuple[str, str]) -> None:
    keeps, _changes = LOCKERS[locker]
    for key in keys_at(level):
        ParameterSet.objects.all().delete()
        put(level, key)
        lock(*locker, key)
        layer = layer_at(level)
        counts = key in layer.holder.values or key in layer.holder.secrets
        assert counts is (RANK[level] >= keeps), (key, level, locker)
        assert (key in layer.ignored) is (not counts), (key, level, locker)


@pytest.mark.parametrize("locker", LOCKERS, ids=" ".join)
@pytest.mark.parametrize("level", LEVELS)
def test_t5_the_form_shows_who_locked_and_ignores_what_is_posted(cast: None, level: str, locker: tuple[str, str]) -> None:
    """The reader is whoever administers the level: Max at the Com customer and for its users, Anna at the firm."""
    _keeps, changes_from = LOCKERS[locker]
    reader = person("anna" if level == "firm" else "max")
    said = "Locked by the operator" if locker[1] == "locked_by_operator" else f"Locked by {tenant(locker[0]).name}"
    closed = {"check_sender"} if reader.login == "max" else set()  # the firm's administrator's, locked or not
    for key in keys_at(level):
        if key in closed:
            continue
        lock(*locker, key)
        form = form_at(level, reader)
        if key not in form.fields:  # T: not every role sets everything for a user
            continue
        open_here = RANK[level] >= changes_from
        assert form.fields[key].disabled is not open_here, (key, level, locker)
        if not open_here:
            assert said in form.fields[key].origin["text"], (key, level, locker)  # type: ignore[attr-defined]
            posted = form_at(level, reader, {key: "nonsense that no parameter takes @@"})
            assert posted.is_valid(), (key, posted.errors)
            before = own_values(owner_at(level)).get(key)
            posted.save(Book("test"))
            assert own_values(owner_at(level)).get(key) == before
            assert not changes.secrets_of(owner_at(level)).exists()


@pytest.mark.parametrize("key", sorted(PARAMETERS))
def test_t5_the_operator_may_still_change_what_only_the_operator_has_locked(cast: None, key: str) -> None:
    lock("huber", "locked_by_operator", key)
    assert form_at("firm", person("anna")).fields[key].disabled
    assert not form_at("firm", person("root")).fields[key].disabled


@pytest.mark.parametrize("level", ["user", "com"])
def test_t5_an_import_stores_with_a_warning_that_names_who_locked(cast: None, level: str) -> None:
    for key in keys_at(level):
        lock("huber", "locked", key)
        value = value_of(key)
        config = document()
        muster = config["firms"][0]["com_customers"][0]
        owner = next(row for row in muster["users"] if row["id"] == "mia") if level == "user" else muster
        owner["parameters"] = {key: value}
        config["firms"][0]["locked"] = [key]
        book = import_document(config, actor="test")
        label = str(PARAMETER_LABELS[key])
        expected = f"{LEVELS[level]}: {label}: stored, but ignored (rule T5). Locked by Kanzlei Huber."
        assert expected in book.warnings, (key, book.warnings)
        if key not in SECRET_KEYS:
            assert own_values(owner_at(level)) == {key: value}
        assert key in layer_at(level).ignored


def test_t5_the_server_locks_the_whole_connection_for_users_com_customers_and_their_accounts(cast: None) -> None:
    lock("huber", "locked", "smtp_server")
    muster, account = tenant("muster"), {key: value_of(key) for key in CONNECTION_KEYS - set(SECRET_KEYS)}
    saved = save_account(Book("test"), tenant=muster, slug="own", sender_address="own@musterkunde.example", values=account)
    form = AccountForm(muster, person("max"), saved)
    for key in sorted(CONNECTION_KEYS - {"confirm_shared_identity"}):
        assert form.fields[key].disabled, key
        assert form.fields[key].origin["text"] == "Locked by Kanzlei Huber", key  # type: ignore[attr-defined]
    [facts] = world_of(muster).accounts.values()
    assert facts.holder.values == {}
    assert facts.address == "own@musterkunde.example", "its address is no part of the connection"


@pytest.mark.usefixtures("cast")
@pytest.mark.parametrize(
    ("slug", "kind", "reader", "bound", "counts"),
    [
        ("huber", "locked", "max", True, False),
        ("huber", "locked_by_operator", "max", True, False),
        ("muster", "locked", "max", False, True),
        ("muster", "locked_by_operator", "max", True, True),
        ("muster", "locked_by_operator", "root", False, True),
    ],
)
def test_t5_accounts_are_below_the_firm_not_below_their_own_com_customer(
    slug: str, kind: str, reader: str, bound: bool, counts: bool
) -> None:
    lock(slug, kind, "smtp_server")
    muster = tenant("muster")
    saved = save_account(
        Book("test"), tenant=muster, slug="own", sender_address="own@musterkunde.example", values={"smtp_server": "own.example"}
    )
    assert AccountForm(muster, person(reader), saved).fields["smtp_server"].disabled is bound
    [facts] = world_of(muster).accounts.values()
    assert ("smtp_server" in facts.holder.values) is counts


@pytest.mark.parametrize("slug", ["huber", "beispiel"])
def test_p6_writes_no_sender_address_that_is_locked(cast: None, slug: str) -> None:
    lock(slug, "locked", "sender_address")
    save_employee(
        Book("test"), tenant=tenant("beispiel"), number="1", name="Eva", email="eva@beispiel.example", user=person("eva")
    )
    assert own_values(person("eva")) == {}


def test_p6_a_lock_that_switches_the_parameter_on_writes_the_address(log_in: LogIn) -> None:
    eva, beispiel = person("eva"), tenant("beispiel")
    save_parameters(Book("test"), eva, {"update_sender_from_employee": False})
    save_employee(Book("test"), tenant=beispiel, number="1", name="Eva", email="eva@beispiel.example", user=eva)
    assert "sender_address" not in own_values(eva)
    save(log_in("anna"), "/settings/locks/", {"lock-update_sender_from_employee": "on"})
    assert own_values(eva)["sender_address"] == "eva@beispiel.example"


def test_resolving_agrees_with_what_the_page_says_is_locked(cast: None) -> None:
    lock("huber", "locked", "smtp_server")
    save_parameters(
        Book("test"), person("mia"), {key: value_of(key) for key in keys_at("user") if key not in SECRET_KEYS}, sync=False
    )
    layers = layers_of(person("mia"))
    for key in keys_at("user"):
        if key in SECRET_KEYS:
            continue
        from_user = resolve(layers, key).value == (tuple(value_of(key)) if isinstance(value_of(key), list) else value_of(key))
        assert from_user is (key not in locked_keys(frozenset(["smtp_server"]))), key

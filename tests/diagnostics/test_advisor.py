"""D5, S6: the advisor finds each planted hazard and nothing in a clean configuration; who may see it; one click."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from diagnostics.advisor import CHECKS, advise, counted
from mailsettings.configuration import import_document
from mailsettings.models import ParameterSet, Tenant
from tests.cast import user
from tests.diagnostics.hazards import HAZARDS, clean, settings

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def ending_soon() -> tuple[str, str]:
    """A certificate that ends in ten days, and its key, in PEM."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x.example")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now - timedelta(days=9)).not_valid_after(now + timedelta(days=10))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode(), private


def codes(slug: str) -> set[str]:
    return {advice.check.code for advice in advise(Tenant.objects.select_related("firm").get(slug=slug))}


def page(login: str, address: str = "/advisor/", language: str = "en") -> tuple[int, str]:
    client = Client(headers={"accept-language": language})
    client.force_login(user(login))
    answer = client.get(address)
    return answer.status_code, unescape(answer.content.decode())


def test_d5_a_clean_configuration_gives_nothing() -> None:
    import_document(clean(), actor="test")
    assert {slug: codes(slug) for slug in ("huber", "muster", "beispiel")} == {"huber": set(), "muster": set(), "beispiel": set()}


@pytest.mark.parametrize("code", HAZARDS)
def test_d5_a_planted_hazard_is_found(code: str) -> None:
    slug = HAZARDS[code]()
    assert code in codes(slug)


def test_d5_certificates_that_end_are_found() -> None:
    certificate, key = ending_soon()
    settings(ca_certificate=certificate)()
    assert codes("huber") == {"ca_certificate_ends"}
    settings(client_certificate=certificate, client_key=key)()
    assert codes("huber") == {"client_certificate_ends"}


def test_d5_each_check_is_planted_and_has_words_and_a_way_to_the_fix() -> None:
    assert len(CHECKS) >= 25
    assert set(CHECKS) == {*HAZARDS, "ca_certificate_ends", "client_certificate_ends"}
    for check in CHECKS.values():
        assert reverse(check.page), check.code
        assert str(check.title), check.code
        assert str(check.why), check.code


def test_d5_the_command_says_what_is_wrong_and_ends_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    import_document(clean(), actor="test")
    call_command("advise", "--json")
    assert json.loads(capsys.readouterr().out) == {"verdict": "passed", "findings": []}
    settings(smtp_tls="off")()
    with pytest.raises(CommandError) as raised:
        call_command("advise", "--tenant", "huber", "--json")
    assert raised.value.returncode == 1
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "failed"
    assert {"no_tls", "plain_auth"} <= {each["code"] for each in found["findings"]}
    assert all(each["tenant"] == "huber" and each["severity"] in {"error", "warning", "hint"} for each in found["findings"])
    with pytest.raises(CommandError):
        call_command("advise", "--tenant", "nobody")


def test_d5_the_page_and_the_card_name_it_and_vanish_with_it() -> None:
    settings(smtp_tls="off")()
    status, text = page("anna")
    assert (status, "Connections without encryption" in text) == (200, True)
    assert "Configuration advisor" in page("anna", "/")[1]
    assert "Found in your configuration:" in page("anna", "/")[1]
    import_document(clean(), actor="test")
    assert "The configuration is in order." in page("anna")[1]
    assert "Found in your configuration:" not in page("anna", "/")[1]


def test_t4_each_sees_the_own_things_only() -> None:
    settings(smtp_tls="off")()
    assert page("bernd")[0] == 404
    assert page("mia")[0] == 404
    status, text = page("max")
    assert (status, "kanzlei-huber" in text, "Connections without encryption" in text) == (200, False, False)
    assert page("max", "/advisor/?tenant=huber")[0] == 404
    assert page("max", "/advisor/?tenant=beispiel")[0] == 404
    assert page("anna", "/advisor/?tenant=muster")[0] == 200


@pytest.mark.parametrize(
    ("values", "code", "key"),
    [
        ({"log_background_sends": False}, "no_logging", "log_background_sends"),
        ({"allow_plain_auth": True}, "plain_auth_allowed", "allow_plain_auth"),
        ({"unknown_policy": "assume_sent"}, "unknown_policy", "unknown_policy"),
    ],
)
def test_d5_one_click_mends_what_is_safe_and_is_audited(values: dict[str, Any], code: str, key: str) -> None:
    settings(**values)()
    client = Client()
    client.force_login(user("anna"))
    assert f'value="{code}"' in client.get("/advisor/").content.decode()
    assert client.post("/advisor/", {"fix": code}).status_code == 302
    stored = ParameterSet.objects.get(tenant__slug="huber").values
    assert key not in stored
    assert stored["smtp_server"] == "mail.kanzlei-huber.example", "everything else stays"
    assert code not in codes("huber")


def test_d5_only_a_safe_click_is_taken() -> None:
    settings(smtp_tls="off")()
    client = Client()
    client.force_login(user("anna"))
    before = ParameterSet.objects.get(tenant__slug="huber").values
    assert client.post("/advisor/", {"fix": "no_tls"}).status_code == 302
    assert client.post("/advisor/", {"fix": "nonsense"}).status_code == 400
    assert client.post("/advisor/?tenant=nobody", {"fix": "no_tls"}).status_code == 404
    assert ParameterSet.objects.get(tenant__slug="huber").values == before
    client.force_login(user("mia"))
    assert client.post("/advisor/", {"fix": "no_logging"}).status_code == 404


def test_d5_questions_do_not_grow_with_users_and_print_models(django_assert_max_num_queries: Any) -> None:
    whole = clean()
    entry = whole["firms"][0]
    entry["users"] += [{"id": f"u{number}", "name": "U", "role": "firm_user"} for number in range(40)]
    entry["print_models"] += [{"id": f"m{number}"} for number in range(10)]
    import_document(whole, actor="test")
    tenant = Tenant.objects.get(slug="huber")
    with django_assert_max_num_queries(60):
        advise(tenant)
    counted(tenant)
    with django_assert_max_num_queries(1):
        counted(tenant)

"""Faulty set-ups at real and faulty servers: the diagnosis names step and cause, and what the next mail comes to."""

from collections.abc import Callable

import pytest
from django.utils import translation

from diagnostics.cases import Asked
from diagnostics.diagnosis import begin, document_of, perform
from mailjobs import delivery
from mailjobs.core.message import parse_message
from mailjobs.models import InternalMessage, MailJob
from mailjobs.submission import requeue, submit
from tests.cast import user
from tests.diagnostics.conftest import diagnose, failing
from tests.diagnostics.setups import BEFORE_ANY_SERVER, CLIENT, FAULTY, LOGIN, POSTFIX, STARTTLS, SetUp

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("wanted", [*POSTFIX, *FAULTY, *BEFORE_ANY_SERVER], ids=lambda wanted: wanted.name)
def test_diagnosis_names_step_and_cause_in_both_languages(wanted: SetUp, set_up: Callable[[SetUp], None]) -> None:
    set_up(wanted)
    asked = Asked(user("anna"), to=wanted.to, mode=wanted.mode)
    row = perform(begin(asked), asked)
    document = document_of(row)
    assert failing(document) == (wanted.step, wanted.cause)
    assert document["verdict"] == "failed"
    step = next(step for step in document["steps"] if step["verdict"] == "failed")
    assert all(step[word] for word in ("meaning", "remedy", "who"))
    assert not wanted.who or step["who"] == wanted.who
    with translation.override("de"):
        german = next(step for step in document_of(row)["steps"] if step["verdict"] == "failed")
    assert all(german[word] for word in ("meaning", "remedy"))
    assert not any(secret in str(document) for secret in ("Falsches-Passwort-9", "Anna-pw-1"))
    assert not InternalMessage.objects.exists()  # who asks sees it; nobody is told beside
    later = [step["verdict"] for step in document["steps"][document["steps"].index(step) + 1 :] if step["step"] != "tls"]
    assert set(later) <= {"not_reached", "passed"}


@pytest.mark.parametrize("wanted", [*POSTFIX, *FAULTY], ids=lambda wanted: wanted.name)
def test_diagnosis_predicts_what_the_next_mail_comes_to(wanted: SetUp, set_up: Callable[[SetUp], None]) -> None:
    """The mail failed; the diagnosis of this job says what it meets when it is tried again (J9)."""
    set_up(wanted)
    to = wanted.to.replace("once4xx@", "once4xx-again@")  # a server that remembers whom it has greylisted
    first = submit(user("anna"), parse_message({"to": [to], "subject": "Rechnung 1", "text": "Guten Tag"}))
    assert first.status == wanted.next_state
    document = diagnose(job=MailJob.objects.get(pk=first.id or 0), to=to)
    if wanted.name == "once4xx":
        assert failing(document) == ("", "")
    else:
        assert failing(document) == ("queue" if wanted.waits else wanted.step, wanted.cause)
    requeue(user("anna"), [first.id or 0], confirm_unknown=True)
    delivery.run(until_empty=True)
    job = MailJob.objects.get(pk=first.id or 0)
    assert (job.state == "sent") == (document["verdict"] != "failed")
    if job.state in {"failed", "deferred"} and not wanted.waits:
        said = next(step["reply"] for step in document["steps"] if step["verdict"] == "failed")
        assert job.last_error.partition(" ")[0] == said.partition(" ")[0]


HEALTHY = [
    ("starttls", "submission", STARTTLS, 0),
    ("implicit", "smtps", {"smtp_tls": "implicit", **LOGIN}, 0),
    ("loopback without TLS", "clear", {"smtp_tls": "off", **LOGIN}, 0),
    ("without login", "mx", {"smtp_tls": "off"}, 0),
    ("NTLM", "submission", {**STARTTLS, "ntlm_domain": "TEST"}, 4),
]


@pytest.mark.parametrize(("port", "parameters", "system"), [row[1:] for row in HEALTHY], ids=[row[0] for row in HEALTHY])
def test_healthy_set_up_is_green_and_its_test_mail_arrives(
    port: str, parameters: dict[str, object], system: int, set_up: Callable[[SetUp], None], postfix: object
) -> None:
    set_up(SetUp("healthy", f"postfix:{port}", "", "", {**parameters, "send_system": system}))
    document = diagnose(to=CLIENT)
    assert document["verdict"] == "passed", [step for step in document["steps"] if step["verdict"] == "failed"]
    sent = next(step for step in document["steps"] if step["step"] == "test_mail")
    assert sent["reply"].startswith("250 2.0.0")
    assert postfix.delivered(sent["facts"]["message_id"])  # type: ignore[attr-defined]

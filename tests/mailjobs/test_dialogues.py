"""What was said for one mail names no other mail: neighbours on a connection may be another tenant's (T7, Z1)."""

import pytest

from mailjobs.models import Attempt
from mailjobs.submission import submit_many
from tests.cast import invoice, move_in, user
from tests.mailjobs.test_delivery import deliver
from tests.services import CountingServer


@pytest.mark.django_db(transaction=True)
def test_a_dialogue_names_the_recipients_of_its_own_mail_only(smtp_server: CountingServer) -> None:
    move_in(smtp_server, parameters={"max_connections": 1})
    submit_many(user("bernd"), [invoice(1), invoice(2)])
    submit_many(user("mia"), [invoice(3), invoice(4)])
    deliver()
    assert smtp_server.connections == 1
    attempts = Attempt.objects.select_related("job").order_by("pk")
    assert len(attempts) == 4
    for attempt in attempts:
        [own] = attempt.job.recipients.values_list("address", flat=True)
        said = [line for line in attempt.dialogue if line.startswith("C: RCPT")]
        assert said == [f"C: RCPT TO:<{own}>"]
    assert sum(any("AUTH" in line for line in attempt.dialogue) for attempt in attempts) == 1

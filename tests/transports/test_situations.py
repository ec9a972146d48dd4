"""Systems × situations: the same thing happening to a mail leads to the same state of its job, whatever it goes over (S, J)."""

import pytest

from mailjobs import delivery
from mailjobs.models import InternalMessage, JobRecipient, MailJob, SharedConnection
from mailjobs.submission import submit
from tests.cast import invoice, move_in, user
from tests.transports.ews_column import EwsColumn
from tests.transports.situations import COLUMNS, EXPECTED, Column, Situation

pytestmark = [pytest.mark.peers, pytest.mark.django_db(transaction=True)]

ALL_COLUMNS: tuple[type[Column], ...] = (*COLUMNS, EwsColumn)
CASES = [
    pytest.param(column, system, situation, id=f"{system}-{situation}")
    for column in ALL_COLUMNS
    for system in column.systems
    for situation in Situation
    if situation not in column.impossible
]


@pytest.mark.parametrize(("kind", "system", "situation"), CASES)
def test_what_happens_to_a_mail_decides_its_state_and_not_what_it_goes_over(
    request: pytest.FixtureRequest, kind: type[Column], system: int, situation: Situation
) -> None:
    column, expected = kind(request), EXPECTED[situation][system % 2]
    with column.arrange(situation) as arranged:
        move_in(parameters={**arranged.parameters, "send_system": system})
        result = submit(user("bernd"), invoice(to=arranged.to))
        if system % 2:
            assert result.status == "new"
            delivery.run(until_empty=True)
        job = MailJob.objects.get()
        assert (job.state, job.attempts) == (expected.state, 1), job.last_error
        assert result.status == ("new" if system % 2 else job.state)
        recipients = JobRecipient.objects.order_by("pk").values_list("state", flat=True)
        assert tuple(recipients) == expected.recipients
        assert InternalMessage.objects.count() == expected.told
        assert SharedConnection.objects.filter(paused_at__isnull=False).count() == expected.paused
        assert bool(job.last_error) == (job.state != "sent")
        assert column.arrived(job.message_id, expected.arrived) == expected.arrived


def test_every_situation_is_met_by_a_system_or_its_absence_has_a_reason() -> None:
    assert set(EXPECTED) == set(Situation)
    assert all(reason for column in ALL_COLUMNS for reason in column.impossible.values())

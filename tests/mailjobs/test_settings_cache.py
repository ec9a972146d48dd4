"""When an engine forgets what it knows of the settings."""

import pytest

from mailjobs.models import MailJob
from mailjobs.routing import Settings
from mailjobs.submission import submit_many
from mailsettings.models import AuditEvent
from tests.cast import invoice, move_in, user


@pytest.mark.django_db
def test_a_change_that_began_first_and_is_committed_last_is_noticed() -> None:
    move_in()
    submit_many(user("bernd"), [invoice(1)])
    jobs = list(MailJob.objects.all())
    [latest] = AuditEvent.objects.order_by("-pk").values_list("pk", flat=True)[:1]
    AuditEvent.objects.filter(pk=latest).update(id=latest + 2)
    settings = Settings()
    settings.refresh(jobs)
    settings.secrets["owner", "key", "binding"] = "known"
    settings.refresh(jobs)
    assert settings.secrets, "nothing has changed"
    AuditEvent.objects.create(pk=latest + 1, actor="admin", action="save", subject="smtp_password")
    settings.refresh(jobs)
    assert not settings.secrets

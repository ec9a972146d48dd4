"""When an engine forgets what it knows of the settings."""

import pytest
from django.utils import timezone

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
    other = {"at": timezone.now(), "actor": "admin", "action": "save", "subject": "smtp_password"}
    AuditEvent.objects.create(pk=latest + 2, **other)
    settings = Settings()
    settings.refresh(jobs)
    settings.secrets["owner", "key", "binding"] = "known"
    settings.refresh(jobs)
    assert settings.secrets, "nothing has changed"
    AuditEvent.objects.create(pk=latest + 1, **other)
    settings.refresh(jobs)
    assert not settings.secrets

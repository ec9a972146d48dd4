"""Explanations are kept once for all mails made under them, pauses at the connection that is shared."""

import hashlib
import json
from typing import Any

from django.db import migrations


def move(apps: Any, schema_editor: Any) -> None:
    job, decision = apps.get_model("mailjobs", "MailJob"), apps.get_model("mailjobs", "Decision")
    connection, pause = apps.get_model("mailjobs", "SharedConnection"), apps.get_model("mailjobs", "LoginPause")
    known = {}
    for row in job.objects.exclude(plan={}).only("plan").iterator():
        digest = hashlib.sha256(json.dumps(row.plan, sort_keys=True).encode()).hexdigest()
        if digest not in known:
            known[digest] = decision.objects.get_or_create(digest=digest, defaults={"document": row.plan})[0].pk
        job.objects.filter(pk=row.pk).update(decision=known[digest])
    for row in pause.objects.all():
        shared = connection.objects.create(
            key=row.login, paused_at=row.since, paused_fingerprint=row.fingerprint, paused_reply=row.reply
        )
        job.objects.filter(waiting_login=row.login).update(connection=shared)


class Migration(migrations.Migration):
    dependencies = [("mailjobs", "0005_sharing_and_contents")]
    operations = [migrations.RunPython(move, migrations.RunPython.noop)]

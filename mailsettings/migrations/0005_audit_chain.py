import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("mailsettings", "0004_consents_of_mailboxes"),
    ]

    operations = [
        migrations.AlterField("auditevent", "at", models.DateTimeField(verbose_name="at")),
        migrations.AlterField(
            "auditevent",
            "tenant",
            models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailsettings.tenant", verbose_name="tenant"),
        ),
        migrations.AddField("auditevent", "digest", models.CharField(default="", editable=False, max_length=64), preserve_default=False),
        migrations.AddIndex("auditevent", models.Index(fields=["tenant", "-id"], name="audit_event_of_tenant")),
        migrations.CreateModel(
            name="AuditLink",
            fields=[
                ("position", models.BigIntegerField(primary_key=True, serialize=False)),
                ("event", models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name="link", to="mailsettings.auditevent")),
                ("hash", models.CharField(max_length=64)),
            ],
            options={"verbose_name": "link of the audit chain", "verbose_name_plural": "links of the audit chain", "ordering": ["position"]},
        ),
    ]

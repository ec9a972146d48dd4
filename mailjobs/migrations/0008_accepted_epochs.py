"""Each recipient knows the attempt that took it: what a proof of dispatch says of them (J10)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mailjobs", "0007_lean_rows")]
    operations = [
        migrations.AddField(
            model_name="jobrecipient",
            name="accepted_epoch",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
    ]

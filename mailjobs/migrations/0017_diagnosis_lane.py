"""The lane of test mails."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mailjobs", "0016_api_keys")]

    operations = [
        migrations.AlterField(
            model_name="mailjob",
            name="lane",
            field=models.PositiveSmallIntegerField(
                choices=[(0, "Interactive"), (1, "Bulk"), (2, "Diagnosis")], default=0, verbose_name="lane"
            ),
        ),
    ]

"""What moved is dropped; PostgreSQL neither compresses what is base64 or PDF, nor looks for room on full pages."""

from typing import Any

from django.db import migrations

_BYTES = (("mailjobs_frozenmail", "headers"), ("mailjobs_frozenmail", "body"), ("mailjobs_content", "data"))


def store_as_is(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    for table, column in _BYTES:
        schema_editor.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")
    schema_editor.execute(
        "ALTER TABLE mailjobs_mailjob SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0)"
    )
    schema_editor.execute("ALTER TABLE mailjobs_jobrecipient SET (fillfactor = 80)")


class Migration(migrations.Migration):
    dependencies = [("mailjobs", "0006_explanations_and_pauses_moved")]
    operations = [
        migrations.DeleteModel(
            name='LoginPause',
        ),
        migrations.RemoveField(
            model_name='mailjob',
            name='plan',
        ),
        migrations.RemoveField(
            model_name='mailjob',
            name='waiting_login',
        ),
        migrations.RunPython(store_as_is, migrations.RunPython.noop),
    ]

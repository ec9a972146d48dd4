"""Lists and badges come through an index, of what is open only, so that a mail leaves it when it is done; documents are found (J10)."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('mailjobs', '0010_log_lines_lock_nobody'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='mailjob',
            name='mail_job_by_tenant_state',
        ),
        migrations.RemoveIndex(
            model_name='mailjob',
            name='mail_job_by_user',
        ),
        migrations.RemoveIndex(
            model_name='maillogentry',
            name='mail_log_by_tenant',
        ),
        migrations.RemoveIndex(
            model_name='maillogentry',
            name='mail_log_by_user',
        ),
        migrations.AddIndex(
            model_name='internalmessage',
            index=models.Index(condition=models.Q(('read_at__isnull', True)), fields=['user', '-id'], name='internal_message_unread'),
        ),
        migrations.AddIndex(
            model_name='mailjob',
            index=models.Index(condition=models.Q(('state__in', ('failed', 'unknown', 'partly_sent', 'held', 'deferred', 'sending', 'new'))), fields=['tenant', 'state', 'id'], name='mail_job_open_of_tenant'),
        ),
        migrations.AddIndex(
            model_name='mailjob',
            index=models.Index(condition=models.Q(('state__in', ('failed', 'unknown', 'partly_sent', 'held', 'deferred', 'sending', 'new'))), fields=['user', 'state', 'id'], name='mail_job_open_of_user'),
        ),
        migrations.AddIndex(
            model_name='mailjob',
            index=models.Index(condition=models.Q(('held_for', 'firm'), ('state', 'held')), fields=['tenant', 'id'], name='mail_job_for_firm'),
        ),
        migrations.AddIndex(
            model_name='mailjob',
            index=models.Index(condition=models.Q(('document_key', ''), _negated=True), fields=['tenant', 'document_key', 'id'], name='mail_job_of_document'),
        ),
        migrations.AddIndex(
            model_name='maillogentry',
            index=models.Index(fields=['tenant', 'outcome', 'id'], name='mail_log_of_tenant'),
        ),
        migrations.AddIndex(
            model_name='maillogentry',
            index=models.Index(fields=['user', 'outcome', 'id'], name='mail_log_of_user'),
        ),
    ]

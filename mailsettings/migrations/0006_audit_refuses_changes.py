"""Link what was audited so far; from then on PostgreSQL links by itself, and refuses to change or delete an event or a link."""

import json
from datetime import UTC
from hashlib import sha256
from typing import Any

from django.db import migrations

TRIGGERS = """
CREATE FUNCTION mailsettings_audit_link() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    last mailsettings_auditlink%ROWTYPE;
    place bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(20591, 0);  -- policy_lock.NAMESPACE; 0 is no firm's
    SELECT * INTO last FROM mailsettings_auditlink ORDER BY position DESC LIMIT 1;
    place := coalesce(last.position, 0) + 1;
    INSERT INTO mailsettings_auditlink (position, event_id, hash) VALUES (place, NEW.id, encode(sha256(convert_to(
        coalesce(last.hash, '') || '|' || place || '|' || NEW.id || '|' || NEW.digest, 'UTF8')), 'hex'));
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER audit_event_is_linked AFTER INSERT ON mailsettings_auditevent
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mailsettings_audit_link();
CREATE FUNCTION mailsettings_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_event_is_final BEFORE UPDATE OR DELETE ON mailsettings_auditevent
    FOR EACH ROW EXECUTE FUNCTION mailsettings_audit_refuse();
CREATE TRIGGER audit_link_is_final BEFORE UPDATE OR DELETE ON mailsettings_auditlink
    FOR EACH ROW EXECUTE FUNCTION mailsettings_audit_refuse();
"""
NO_TRIGGERS = """
DROP TRIGGER audit_event_is_linked ON mailsettings_auditevent;
DROP TRIGGER audit_event_is_final ON mailsettings_auditevent;
DROP TRIGGER audit_link_is_final ON mailsettings_auditlink;
DROP FUNCTION mailsettings_audit_link();
DROP FUNCTION mailsettings_audit_refuse();
"""


def link_what_stands(apps: Any, schema_editor: Any) -> None:
    events, links = (apps.get_model("mailsettings", name).objects for name in ("AuditEvent", "AuditLink"))
    last = ""
    for position, event in enumerate(events.order_by("pk").iterator(), 1):
        digest = sha256(_canonical(event)).hexdigest()
        events.filter(pk=event.pk).update(digest=digest)
        last = sha256(f"{last}|{position}|{event.pk}|{digest}".encode()).hexdigest()
        links.create(position=position, event_id=event.pk, hash=last)


def _canonical(event: Any) -> bytes:
    at = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    parts = [at, event.actor, event.tenant_id, event.action, event.subject, event.before, event.after]
    return json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()


def install(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(TRIGGERS, params=None)


def uninstall(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(NO_TRIGGERS, params=None)


class Migration(migrations.Migration):

    dependencies = [
        ("mailsettings", "0005_audit_chain"),
    ]

    operations = [
        migrations.RunPython(link_what_stands, migrations.RunPython.noop),
        migrations.RunPython(install, uninstall),
    ]

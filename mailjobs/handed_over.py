"""The usual end of a mail, handed over to everybody: job, recipients, attempt and log line of many mails in one statement.

Only for PostgreSQL, where each statement saved is felt; what else mails come to, and all of SQLite, is in `finishing`.
"""

import json
from collections.abc import Sequence
from typing import Any

from mailjobs.core.lifecycle import RecipientState, State
from mailjobs.results import Finished
from mailjobs.rows import run

# Each mail in which the lease holds, or whose uncertainty a late 2xx ends (delivery contract 2), tells what else to write of it.
_RECORD = """
WITH given AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%s::json) AS given(job bigint, epoch int, started timestamptz, ended timestamptz, server text,
    system smallint, redirected jsonb, dialogue jsonb, worker text, everybody jsonb, replies json)
), took AS (
  UPDATE mailjobs_mailjob AS job SET state = 'sent', finished_at = STATEMENT_TIMESTAMP(), lease_until = NULL, leased_by = '',
    on_wire_at = NULL, attempts = attempts + 1, lost_leases = 0, last_error = '', send_system = given.system
  FROM given WHERE job.id = ANY(%s) AND job.id = given.job AND job.epoch = given.epoch
    AND (job.state IN ('sending', 'unknown') OR (job.state = 'new' AND job.possible_duplicate))
  RETURNING job.id, job.tenant_id, job.user_id, job.subject, job.sender_address, job.message_id, job.sha256
), tried AS (
  INSERT INTO mailjobs_attempt (job_id, epoch, started_at, ended_at, outcome, reply, server, send_system, redirected_to, dialogue,
    worker)
  SELECT job, epoch, started, ended, 'sent', '', server, system, redirected, dialogue, worker FROM given ON CONFLICT DO NOTHING
), accepted AS (
  UPDATE mailjobs_jobrecipient AS recipient SET state = 'accepted', reply = each.reply, accepted_epoch = given.epoch
  FROM given JOIN took ON took.id = given.job, json_to_recordset(given.replies) AS each(address text, reply text)
  WHERE recipient.job_id = ANY(%s) AND recipient.job_id = given.job AND recipient.address = each.address
)
INSERT INTO mailjobs_maillogentry (tenant_id, user_id, job_id, outcome, subject, sender_address, recipients, error, error_code,
  server, send_system, redirected_to, message_id, sha256, plan)
SELECT took.tenant_id, took.user_id, took.id, 'handed_over', took.subject, took.sender_address,
  given.everybody, '', '', given.server, given.system, given.redirected, took.message_id, took.sha256, '{}'
FROM took JOIN given ON given.job = took.id
"""


def is_usual(result: Finished) -> bool:
    """Whether `record` says all that there is to say of this attempt."""
    outcome = result.outcome
    everybody_took_it = all(became is RecipientState.ACCEPTED for became, _reply in outcome.recipients.values())
    return outcome.state is State.SENT and everybody_took_it and not outcome.error and result.keep and bool(result.recipients)


def record(results: Sequence[Finished]) -> None:
    """Write down attempts that `is_usual`. Needs a transaction."""
    ids = [result.job.pk for result in results]
    run(_RECORD, [json.dumps([_row(result) for result in results]), ids, ids])


def _row(result: Finished) -> dict[str, Any]:
    return {
        "job": result.job.pk,
        "epoch": result.epoch,
        "started": result.started_at.isoformat(),
        "ended": result.ended_at.isoformat(),
        "server": result.server,
        "system": result.send_system,
        "redirected": result.redirected_to,
        "dialogue": result.dialogue,
        "worker": result.worker,
        "everybody": result.recipients,
        "replies": [
            {"address": address, "reply": str(reply) if reply else ""}
            for address, (_became, reply) in result.outcome.recipients.items()
        ],
    }

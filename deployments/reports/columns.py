"""The columns of each report's table, which it has also where it has no row."""

from __future__ import annotations

from deployments.reports.scope import PARTS

PLACE = " ".join(PARTS)
POPULATION = f"""
created_at started_at finished_at {PLACE} status status_reason rolled_back_by_ecs task_definition images origin
exceptions findings change requester by_token asked_at reason ticket policies approvals approved_before_start began_at
outcome principal source_identity principal_ip cloudtrail_event service_deployment entries
""".split()
ACCESS = f"""
subject name role effect {PLACE} source since since_is_known granted_by ends_at has_ended is_disabled members
last_sign_in last_act entries
""".split()
OVERRIDES = f"""
at change title kind {PLACE} by rules reason ticket held_until review review_due_at reviewed_by reviewed_at
was_justified finding entries
""".split()

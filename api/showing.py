"""Rows as the API shows them: ECS's names, ARNs as references, values of variables never."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest

from api.reasons import diagnosis_of
from clusters.models import Service, ServiceDeployment, Task
from deployments.history import changes_by_deployment
from deployments.models import Change
from deployments.plans import Plan
from deployments.preflight import tree_of

Document = dict[str, Any]


def show_service(request: HttpRequest, service: Service) -> Document:
    """Return a service; its status is the annotated `status_now`."""
    cluster = service.cluster
    return {
        "arn": service.arn,
        "name": service.name,
        "cluster": cluster.name,
        "account": cluster.account.account_id,
        "region": cluster.region,
        "environment": cluster.environment,
        "status": service.status_now,  # type: ignore[attr-defined]
        "happening": service.happening,
        "desired_count": service.desired_count,
        "running_count": service.running_count,
        "pending_count": service.pending_count,
        "task_definition": service.task_definition_arn,
        "rollout_state": service.rollout_state,
        "containers": [{"name": item["container"], "image": item["image"]} for item in service.images],
        "read_at": service.described_at,
        "url": request.build_absolute_uri(service.get_absolute_url()),
    }


def show_task(request: HttpRequest, task: Task) -> Document:
    return {
        "arn": task.arn,
        "service": task.service.arn if task.service else None,
        "cluster": task.cluster.name,
        "last_status": task.last_status,
        "desired_status": task.desired_status,
        "health_status": task.health_status,
        "task_definition": task.task_definition_arn,
        "availability_zone": task.availability_zone,
        "started_by": task.started_by,
        "stop_code": task.stop_code,
        "stopped_reason": task.stopped_reason,
        "exit_code": task.exit_code,
        "created_at": task.created_at,
        "started_at": task.started_at,
        "stopped_at": task.stopped_at,
        "url": request.build_absolute_uri(task.get_absolute_url()),
    }


def show_deployments(found: list[ServiceDeployment]) -> list[Document]:
    """Return service deployments, each with the change that began it, in one query."""
    changes = changes_by_deployment(found)
    return [show_deployment(item, changes.get(item.arn)) for item in found]


def show_deployment(found: ServiceDeployment, change: Change | None) -> Document:
    return {
        "arn": found.arn,
        "service": found.service.arn,
        "status": found.status,
        "status_reason": found.status_reason,
        "task_definition": found.task_definition_arn,
        "images": [
            {
                "container": item.get("container", ""),
                "image": item.get("image", ""),
                "digest": item.get("digest") or "",
            }
            for item in found.images
        ],
        "change": change.pk if change else None,
        "created_by": change.requester.get_username() if change else found.created_by,
        "created_at": found.created_at,
        "started_at": found.started_at,
        "finished_at": found.finished_at,
    }


def show_change(request: HttpRequest, change: Change, *, is_brief: bool = False) -> Document:
    """Return a change; in brief without a query."""
    progress = change.progress
    return {
        "id": change.pk,
        "number": f"CR-{change.pk}",
        "kind": change.kind,
        "title": change.title,
        "service": change.service.arn,
        "environment": change.service.environment,
        "state": change.state,
        "is_final": not change.is_active,
        "version": change.version,
        "outcome": change.outcome,
        "diagnosis": diagnosis_of(change, is_brief=is_brief),
        "service_deployment": progress.get("service_deployment_arn") or None,
        "rollout": show_rollout(progress.get("rollout") or {}),
        "needs_approval": change.needs_approval,
        "requested_by": change.requester.get_username(),
        "via": change.via,
        "reason": change.reason,
        "ticket": change.ticket,
        "created_at": change.created_at,
        "scheduled_at": change.scheduled_at,
        "dispatched_at": change.dispatched_at,
        "finished_at": change.finished_at,
        "url": request.build_absolute_uri(change.get_absolute_url()),
    }


def show_rollout(standing: Document) -> Document | None:
    """Return where a rollout stands, None before it has begun."""
    # What a change waits for before it begins stands there too.
    if not standing.keys() - {"waiting_for"}:
        return None
    return {
        "status": str(standing.get("status") or ""),
        "rollout_state": str(standing.get("rollout_state") or ""),
        **{name: int(standing.get(name) or 0) for name in ("desired", "running", "pending", "failed_tasks")},
    }


def show_plan(service: Service, plan: Plan) -> Document:
    """Return a plan as its page shows it; asking for the change with its `id` holds it to this."""
    return {
        "id": plan.id,
        "expires_at": plan.expires_at,
        "kind": plan.kind,
        "title": plan.title,
        "service": service.arn,
        "refused": plan.refused,
        "needs_approval": plan.needs_approval,
        "approval_reason": plan.approval_reason,
        "confirmation": plan.confirmation,
        "calls": [{"action": call.action, "params": call.params, "note": call.note} for call in plan.calls],
        "cli": plan.cli,
        "diff": [asdict(group) for group in plan.diff if group.is_changed],
        "churn": plan.churn,
        "checks": [asdict(check) for check in plan.checks],
        "preflight": [asdict(branch) for branch in tree_of(plan.checks)],
    }

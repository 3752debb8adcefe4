"""Addresses of changes, approvals and deployment history."""

from __future__ import annotations

from django.urls import URLPattern, path

from deployments.views import (
    acting,
    approvals,
    changes,
    composer,
    deployment,
    freezes,
    history,
    pauses,
    policies,
    run_task,
    simulator,
    who_could,
)

SERVICE = "services/<str:account_id>/<str:region>/<str:cluster>/<str:name>/"
TASK = "tasks/<str:account_id>/<str:region>/<str:cluster>/<str:task_id>/"

urlpatterns: list[URLPattern] = [
    path(f"{SERVICE}actions/", acting.service_actions, name="service-actions"),
    path(f"{SERVICE}deploy/", composer.deploy, name="deploy"),
    path(f"{SERVICE}deploy/images/", composer.image_tags, name="image-tags"),
    path(f"{SERVICE}restart/", acting.restart, name="restart"),
    path(f"{SERVICE}scale/", acting.scale, name="scale"),
    path(f"{SERVICE}rollback/", acting.rollback, name="rollback"),
    path(f"{SERVICE}run-task/", run_task.run_task, name="run-task"),
    path(f"{SERVICE}pause/", pauses.answer_pause, name="answer-pause"),
    path(f"{SERVICE}pause/comparison/", pauses.pause_comparison, name="pause-comparison"),
    path(f"{SERVICE}deployments/", history.service_deployments, name="service-deployments"),
    path(f"{TASK}actions/", acting.task_actions, name="task-actions"),
    path(f"{TASK}stop/", acting.stop_task, name="stop-task"),
    path("changes/", changes.changes, name="changes"),
    path("changes/counts/", approvals.counts, name="rail-counts"),
    path("changes/<int:pk>/", changes.change, name="change"),
    path("changes/<int:pk>/logs/", changes.change_logs, name="change-logs"),
    path("changes/<int:pk>/cancel/", changes.cancel, name="cancel-change"),
    path("changes/<int:pk>/rollback/", changes.roll_back, name="rollback-change"),
    path("changes/<int:pk>/approve/", approvals.approve, name="approve-change"),
    path("changes/<int:pk>/reject/", approvals.reject, name="reject-change"),
    path("changes/<int:pk>/comment/", approvals.comment, name="comment-change"),
    path("changes/<int:pk>/review/", approvals.review, name="review-override"),
    path("approvals/", approvals.approvals, name="approvals"),
    path("policies/", policies.policies, name="policies"),
    path("policies/add/", policies.add_policy, name="policy-add"),
    path("policies/<int:pk>/", policies.policy, name="policy"),
    path("policies/<int:pk>/edit/", policies.edit_policy, name="policy-edit"),
    path("policies/<int:pk>/retire/", policies.retire, name="policy-retire"),
    path("freezes/", freezes.freezes, name="freezes"),
    path("freezes/add/", freezes.add_freeze, name="freeze-add"),
    path("freezes/preview/", freezes.preview, name="freeze-preview"),
    path("freezes/<int:pk>/edit/", freezes.edit_freeze, name="freeze-edit"),
    path("freezes/<int:pk>/end/", freezes.end, name="freeze-end"),
    path("access/simulator/", simulator.simulator, name="simulator"),
    path("audit/who-could/", who_could.who_could_page, name="who-could"),
    path("audit/who-could/export/", who_could.who_could_export, name="who-could-export"),
    path("deployments/", history.deployment_history, name="deployment-history"),
    path("deployments/<int:pk>/", deployment.service_deployment, name="service-deployment"),
    path("deployments/compare/", deployment.comparison, name="deployment-comparison"),
    path("deployments/export/", history.export, name="deployment-export"),
]

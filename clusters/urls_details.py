"""Addresses of services, tasks and task definitions."""

from __future__ import annotations

from django.urls import URLPattern, path

from clusters.views import service, task, task_definition

SERVICE = "services/<str:account_id>/<str:region>/<str:cluster>/<str:name>/"
TASK = "tasks/<str:account_id>/<str:region>/<str:cluster>/<str:task_id>/"
FAMILY = "task-definitions/<str:account_id>/<str:region>/<str:family>/"

urlpatterns: list[URLPattern] = [
    path(SERVICE, service.service, name="service"),
    path(f"{SERVICE}tasks/", service.service_tasks, name="service-tasks"),
    path(f"{SERVICE}events/", service.service_events, name="service-events"),
    path(f"{SERVICE}configuration/", service.service_configuration, name="service-configuration"),
    path(f"{SERVICE}seen/", service.acknowledge, name="service-acknowledge"),
    path(TASK, task.task, name="task"),
    path("task-definitions/", task_definition.task_definitions, name="task-definitions"),
    path(FAMILY, task_definition.family, name="task-definition-family"),
    path(f"{FAMILY}diff/", task_definition.task_definition_diff, name="task-definition-diff"),
    path(f"{FAMILY}<int:revision>/", task_definition.task_definition, name="task-definition"),
    path(f"{FAMILY}<int:revision>/reveal/", task_definition.reveal_variable, name="reveal-variable"),
]

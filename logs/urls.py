"""Addresses of this app."""

from __future__ import annotations

from django.urls import URLPattern, path

from clusters.urls_details import SERVICE, TASK
from logs import views

urlpatterns: list[URLPattern] = [
    path("logs/", views.logs, name="logs"),
    path(f"{SERVICE}logs/", views.service_logs, name="service-logs"),
    path(f"{SERVICE}logs/lines/", views.service_log_lines, name="service-log-lines"),
    path(f"{SERVICE}logs/history/", views.service_log_history, name="service-log-history"),
    path(f"{SERVICE}logs/download/", views.service_log_download, name="service-log-download"),
    path(f"{TASK}logs/", views.task_logs, name="task-logs"),
    path(f"{TASK}logs/lines/", views.task_log_lines, name="task-log-lines"),
    path(f"{TASK}logs/history/", views.task_log_history, name="task-log-history"),
    path(f"{TASK}logs/download/", views.task_log_download, name="task-log-download"),
]

"""The Celery application and its static schedule."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecsconsole.settings")

app = Celery("ecsconsole")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Every entry expires with its period, so that a worker that was away does not replay a backlog.
app.conf.beat_schedule = {
    "poll-due": {
        "task": "clusters.tasks.poll_due",
        "schedule": 1.0,
        "options": {"expires": 1.0, "queue": "poll"},
    },
    "tail-logs": {
        "task": "logs.tasks.tail_due",
        "schedule": 1.0,
        "options": {"expires": 1.0, "queue": "poll"},
    },
    "find-identities": {
        "task": "deployments.tasks.find_identities",
        "schedule": 60.0,
        "options": {"expires": 60.0, "queue": "poll"},
    },
    "sweep-changes": {
        "task": "deployments.tasks.sweep",
        "schedule": 2.0,
        "options": {"expires": 2.0, "queue": "ops"},
    },
    "clear-sessions": {
        "task": "access.tasks.clear_sessions",
        "schedule": 3600.0,
        "options": {"expires": 3600.0, "queue": "ops"},
    },
    "announce": {
        "task": "deployments.tasks.announce",
        "schedule": 15.0,
        "options": {"expires": 15.0, "queue": "ops"},
    },
    "sweep-notifications": {
        "task": "notifications.tasks.sweep",
        "schedule": 5.0,
        "options": {"expires": 5.0, "queue": "ops"},
    },
    "prune-notifications": {
        "task": "notifications.tasks.prune",
        "schedule": 3600.0,
        "options": {"expires": 3600.0, "queue": "ops"},
    },
    "seal-ledger": {
        "task": "audit.tasks.seal",
        "schedule": 15.0,
        "options": {"expires": 15.0, "queue": "ops"},
    },
    "copy-ledger": {
        "task": "audit.tasks.copy",
        "schedule": 15.0,
        "options": {"expires": 15.0, "queue": "ops"},
    },
    "verify-ledger": {
        "task": "audit.tasks.verify",
        "schedule": 60.0,
        "options": {"expires": 60.0, "queue": "ops"},
    },
}

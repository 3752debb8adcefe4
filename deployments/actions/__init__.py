"""What people do with changes: ask, decide, cancel, roll back; and with what allows them and holds them up."""

from __future__ import annotations

from deployments.actions.deciding import (
    approve_change,
    ask_for_change,
    comment_on_change,
    make_stale,
    reject_change,
)
from deployments.actions.ending import cancel_change, request_rollback_of
from deployments.actions.freezing import end_freeze, save_freeze
from deployments.actions.governing import retire_policy, save_policy
from deployments.actions.requesting import request_change, supersede
from deployments.actions.reviewing import close_review

__all__ = [
    "approve_change",
    "ask_for_change",
    "cancel_change",
    "close_review",
    "comment_on_change",
    "end_freeze",
    "make_stale",
    "reject_change",
    "request_change",
    "request_rollback_of",
    "retire_policy",
    "save_freeze",
    "save_policy",
    "supersede",
]

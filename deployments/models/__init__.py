"""Changes, what allows them and what holds them up."""

from __future__ import annotations

from deployments.models.approvals import Approval, ApprovalPolicy, ReviewComment
from deployments.models.changes import Attempt, Change, Kind, Transition
from deployments.models.freezes import Freeze, Override

__all__ = [
    "Approval",
    "ApprovalPolicy",
    "Attempt",
    "Change",
    "Freeze",
    "Kind",
    "Override",
    "ReviewComment",
    "Transition",
]

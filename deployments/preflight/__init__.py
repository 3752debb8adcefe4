"""What is looked at before a change: each check says ok, warns or refuses, and why."""

from deployments.preflight.churn import bounds_of, churn_of
from deployments.preflight.images import image_check, image_checks
from deployments.preflight.request import common_checks
from deployments.preflight.surroundings import rollout_checks
from deployments.preflight.tree import tree_of

__all__ = [
    "bounds_of",
    "churn_of",
    "common_checks",
    "image_check",
    "image_checks",
    "rollout_checks",
    "tree_of",
]

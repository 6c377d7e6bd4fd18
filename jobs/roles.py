"""The roles of people in the control room, as groups of Django: who may look, work, and decide."""

from __future__ import annotations

from typing import Any

VIEWER, OPERATOR, ADMINISTRATOR = "Jobs: Viewer", "Jobs: Operator", "Jobs: Administrator"
"""With the app's name: a project may have groups of its own that are called so."""

OPERATES = frozenset(
    (
        "dispatch_job",
        "cancel_job",
        "retry_failedjob",
        "forget_failedjob",
        "restore_failedjob",
        "stop_bulkoperation",
        "retry_failuregroup",
        "forget_failuregroup",
        "resolve_failuregroup",
        "reopen_failuregroup",
        "mute_failuregroup",
        "note_failuregroup",
        "run_jobschedule",
        "pause_jobschedule",
        "pause_queue",
        "pause_tag",
        "approve_step",
        "cancel_workflow",
        "retry_workflow",
        "signal_step",
    )
)
"""What keeps things going, and can be taken back or is at most work done twice."""
BY_NAME_ALONE = frozenset(("reveal_job",))
"""What no role has: it shows secrets, and is given to single people."""


def allows(role: str, codename: str) -> bool:
    """Whether a role has this permission of the engine."""
    if codename in BY_NAME_ALONE:
        return False
    if codename.startswith("view_") or role == ADMINISTRATOR:
        return True
    return role == OPERATOR and codename in OPERATES


def create_groups(groups: Any, permissions: Any) -> None:
    """Create the groups that are not there, each with its permissions. What is there stays as
    somebody has made it. Takes the managers of both models."""
    known = list(permissions.filter(content_type__app_label="jobs"))
    for role in (VIEWER, OPERATOR, ADMINISTRATOR):
        group, is_new = groups.get_or_create(name=role)
        if is_new:
            group.permissions.set([one for one in known if allows(role, one.codename)])

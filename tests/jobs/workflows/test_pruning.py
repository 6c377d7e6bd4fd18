"""Workflows that ended long ago are removed on demand, and those that never end are ended."""

from __future__ import annotations

import datetime as dt
import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from jobs import batch, chain
from jobs.audit import Actor
from jobs.exceptions import InvalidOption
from jobs.models import AuditEntry, Job, Step, Workflow
from jobs.transports.sync import run_due
from jobs.workflows.pruning import PruneReport, prune
from tests.jobs.factories import ago
from tests.jobs.workflows.flow_jobs import say

DAY = dt.timedelta(days=1)
OPERATOR = Actor.of_code("a test")


def age(**parts: float) -> None:
    """All workflows began, and ended if they have, so long ago."""
    Workflow.objects.update(created_at=ago(**parts))
    Workflow.objects.filter(finished_at__isnull=False).update(finished_at=ago(**parts))


def left() -> list[str]:
    return sorted(Workflow.objects.filter(nested=False).values_list("name", flat=True))


@pytest.fixture
def three(ran: list[Any], broken: set[Any]) -> None:
    """One that succeeded, with another inside, one that failed, and one that waits."""
    broken.add("bad")
    chain(batch([say.s("a")]), say.s("b"), name="good").enqueue()
    batch([say.s("bad")], name="bad").enqueue()
    run_due()
    batch([say.s("later")], name="open").enqueue()


def test_those_that_ended_longer_ago_go_with_all_that_is_nested_in_them(three: None) -> None:
    age(days=3)
    batch([say.s("young")], name="young").enqueue()
    run_due()
    Workflow.objects.filter(name="open").update(created_at=ago(days=3), state="running")
    report = prune(DAY, OPERATOR, reason="they are old")
    assert report.removed >= 3
    assert "good" not in left()
    assert "bad" not in left()
    assert "young" in left()
    assert Step.objects.filter(workflow__name="good").count() == 0
    assert Job.objects.count() == 5
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.reason) == ("prune", "they are old")


def test_states_narrow_it(three: None) -> None:
    age(days=3)
    assert prune(DAY, OPERATOR, states=["failed"]).removed == 1
    assert left() == ["good", "open"]


def test_those_that_have_not_ended_are_cancelled_on_demand_and_removed_later(three: None) -> None:
    age(days=3)
    assert prune(DAY, OPERATOR).cancelled == 0
    assert left() == ["open"]
    assert prune(DAY, OPERATOR, unfinished=True) == PruneReport(removed=0, cancelled=1)
    assert Workflow.objects.get().state == "cancelled"
    assert Job.objects.latest("pk").state == "cancelled"
    age(days=3)
    assert prune(DAY, OPERATOR).removed == 1
    assert left() == []


def test_one_whose_job_still_runs_is_asked_once(three: None) -> None:
    age(days=3)
    Job.objects.filter(state="ready").update(state="running")
    assert prune(DAY, OPERATOR, unfinished=True).cancelled == 1
    assert prune(DAY, OPERATOR, unfinished=True).cancelled == 0
    assert Job.objects.latest("pk").cancel_requested


@pytest.mark.parametrize(
    ("rule", "says"),
    [({"states": ["running"]}, "state: 'running': must be one of succeeded, failed, cancelled")],
)
def test_what_makes_no_sense_changes_nothing(three: None, rule: Any, says: str) -> None:
    age(days=3)
    with pytest.raises(InvalidOption, match=says):
        prune(DAY, OPERATOR, **rule)
    with pytest.raises(InvalidOption, match="age: "):
        prune(dt.timedelta(0), OPERATOR)
    assert len(left()) == 3


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("queue_workflows", "prune", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_tells_before_it_does(three: None) -> None:
    age(days=3)
    told = command("--hours", "24", "--unfinished", "--dry-run")
    assert told == "Would remove 3 workflows, cancel 1.\n"
    assert len(left()) == 3
    assert json.loads(command("--hours", "24", "--state", "failed", "--json"))["removed"] == 1
    assert command("--hours", "24", "--unfinished") == "Removed 2 workflows, cancelled 1.\n"
    with pytest.raises(CommandError, match="No workflow is so old") as end:
        command("--hours", "1000")
    assert end.value.returncode == 1


@pytest.mark.parametrize(
    "arguments", [[], ["--hours", "0"], ["--hours", "1", "--state", "running"]]
)
def test_the_command_refuses_what_says_nothing(three: None, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        command(*arguments)
    assert len(left()) == 3

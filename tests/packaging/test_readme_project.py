"""A stranger's project works by the README alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.conftest import Installed
from tests.packaging.stranger import StrangersProject, Visitor
from tests.support.markdown import ROOT, Block, blocks, section
from tests.support.waiting import wait_until

README = ROOT / "README.md"
SECTION = "In your own Django project"
MENDED = 'User.objects.filter(username="bob").update(email="bob@example.org")'


def readme_blocks() -> list[Block]:
    first, last = section(README, SECTION)
    return [block for block in blocks(README) if first <= block.line <= last]


@pytest.fixture(scope="module")
def project(
    installed: Installed, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StrangersProject]:
    """The project as it is after its owner has followed the README from its first block to the
    last, and has mended the cause of the failure where it says so."""
    folder = tmp_path_factory.mktemp("stranger") / "project"
    project = StrangersProject(folder, installed.python, installed.django)
    install, *rest = readme_blocks()
    assert [line.rpartition(" ")[0] for line in install.commands()] == ["pip install"]
    try:
        for block in rest:
            if "queue_retry" in block.text:
                operate(project, block)
            else:
                project.apply(block)
            if block.place == "python manage.py shell":
                project.wait_for_states(
                    "shop.jobs.welcome", "succeeded", "failed", *["succeeded"] * 3
                )
        yield project
    finally:
        project.stop()


def operate(project: StrangersProject, block: Block) -> None:
    """Type the operator's commands; before the retry mend the cause, and after it wait."""
    for command in block.commands():
        if "queue_retry" in command:
            imported = "from django.contrib.auth.models import User"
            project.run("manage.py", "shell", "-c", f"{imported}; {MENDED}")
        project.type(command)
        if "queue_retry" in command:
            project.wait_for_states("shop.jobs.welcome", "succeeded", "failed", *["succeeded"] * 4)


@pytest.fixture(scope="module")
def visitor(project: StrangersProject) -> Visitor:
    visitor = Visitor(project.port)
    visitor.log_in()
    return visitor


def result(job: dict[str, Any]) -> Any:
    return json.loads(job["result"])


def test_the_readme_names_every_file_that_its_code_belongs_to() -> None:
    code = [block for block in readme_blocks() if block.language == "python"]
    assert [block.place for block in code] == [
        "mysite/settings.py",
        "mysite/urls.py",
        "shop/jobs.py",
        "shop/tasks.py",
        "shop/schedules.py",
        "python manage.py shell",
    ]


def test_the_project_has_no_finding_of_the_system_checks(project: StrangersProject) -> None:
    assert "no issues (0 silenced)" in project.run("manage.py", "check")


def test_no_command_of_the_readme_warns(project: StrangersProject) -> None:
    warned = {name: text for name, text in project.outputs.items() if "Warning" in text}
    assert not warned


def test_its_migrations_fit_the_models_of_the_wheel(project: StrangersProject) -> None:
    assert "No changes" in project.run("manage.py", "makemigrations", "--check", "--dry-run")


def test_a_task_of_the_tasks_framework_runs_on_the_cluster(project: StrangersProject) -> None:
    jobs = project.jobs("shop.tasks.count_words")
    called = next(job for job in jobs if job["schedule_id"] is None)
    assert (called["state"], result(called)) == ("succeeded", 6)


def test_jobs_get_the_model_instance_that_they_were_enqueued_with(
    project: StrangersProject,
) -> None:
    first = project.jobs("shop.jobs.welcome")[0]
    assert result(first) == "Dear ann, we will write to ann@example.org."


def test_a_job_that_keeps_failing_is_tried_as_often_as_it_says(project: StrangersProject) -> None:
    failed = project.jobs("shop.jobs.welcome")[1]
    assert (failed["state"], failed["attempts"], failed["exceptions"]) == ("failed", 3, 3)
    assert "bob has no email address" in project.outputs["queue_failed"]


def test_a_retry_by_command_is_a_new_job_linked_to_the_failed_one(
    project: StrangersProject,
) -> None:
    failed = project.jobs("shop.jobs.welcome")[1]
    retried = project.jobs("shop.jobs.welcome")[-1]
    assert "Retried 1 failed job" in project.outputs["queue_retry"]
    assert retried["retry_of_id"] == failed["id"]
    assert result(retried) == "Dear bob, we will write to bob@example.org."


def test_flushing_by_command_leaves_the_job_as_history(project: StrangersProject) -> None:
    assert "Flushed 1 failed job" in project.outputs["queue_flush"]
    assert project.jobs("shop.jobs.welcome")[1]["state"] == "failed"


def test_the_declared_schedules_are_there_and_enqueue_jobs(project: StrangersProject) -> None:
    listed = project.outputs["schedule_list"]
    assert "shop: count" in listed
    assert "shop: weekly" in listed

    def scheduled() -> bool:
        jobs = project.jobs("shop.tasks.count_words")
        return any(job["schedule_id"] and job["state"] == "succeeded" for job in jobs)

    wait_until(scheduled, timeout=20, message=project.beside["qcluster"].output)


def test_probes_say_that_the_site_is_alive_and_ready(visitor: Visitor) -> None:
    assert visitor.get_json("/health/live")[0] == 200
    status, report = visitor.get_json("/health/ready")
    assert (status, report["status"]) == (200, "healthy"), report
    assert report["services"]["cluster"] == "1 live"


@pytest.mark.parametrize(
    "path",
    [
        "/admin/",
        "/admin/jobs/",
        "/admin/jobs/job/",
        "/admin/jobs/failedjob/",
        "/admin/jobs/jobschedule/",
        "/admin/jobs/jobschedule/add/",
        "/admin/jobs/queue/",
        "/admin/jobs/cluster/",
        "/admin/jobs/worker/",
        "/admin/jobs/auditentry/",
    ],
)
def test_the_admin_page_and_its_static_files_come_from_the_wheel(
    visitor: Visitor, path: str
) -> None:
    status, page = visitor.get(path)
    assert status == 200, page[:2000]
    assert 'id="user-tools"' in page
    files = set(visitor.static_files(page))
    assert files
    assert {file: visitor.get(file)[0] for file in files} == dict.fromkeys(files, 200)


def test_the_page_of_a_job_shows_its_attempts(visitor: Visitor, project: StrangersProject) -> None:
    failed = project.jobs("shop.jobs.welcome")[1]
    status, page = visitor.get(f"/admin/jobs/job/{failed['id']}/change/")
    assert status == 200
    assert page.count("bob has no email address") >= 3


def test_a_job_can_be_dispatched_from_a_form_of_its_signature(visitor: Visitor) -> None:
    _, listed = visitor.get("/admin/jobs/job/")
    address = re.search(r'href="(/admin/jobs/job/dispatch/[^"]*)"', listed)
    assert address is not None
    status, page = visitor.get(address[1])
    assert status == 200
    assert "shop.jobs.welcome" in page


def test_the_cluster_ends_on_sigterm_and_leaves_no_process(project: StrangersProject) -> None:
    cluster = project.beside["qcluster"]
    assert cluster.stop() == 0
    assert cluster.descendants() == []


def test_nothing_of_the_checkout_was_needed(
    project: StrangersProject, installed: Installed
) -> None:
    found = project.run("-c", "import jobs; print(jobs.__file__)").strip()
    assert Path(found).is_relative_to(installed.python.parents[1])

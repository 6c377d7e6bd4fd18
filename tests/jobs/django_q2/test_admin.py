"""django-q2's pages in the admin: a viewer changes nothing, and nothing is lost by resubmitting."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Success, Task
from django_q.tasks import async_task
from django_q.tasks import schedule as create_schedule

from jobs.django_q2.admin import FailureAdmin
from jobs.models import AuditEntry, FailedJob, Job
from tests.jobs.django_q2.conftest import OLD, job_of, row_of
from tests.support.processes import site_environment

pytestmark = pytest.mark.usefixtures("transactional_db")

FAILURES = "admin:django_q_failure_changelist"
SUCCESSES = "admin:django_q_success_changelist"


def client_of(*permissions: str) -> Client:
    """A member of the staff with these permissions only."""
    user = User.objects.create_user("someone", password="x", is_staff=True)
    for name in permissions:
        label, codename = name.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=label, codename=codename)
        )
    client = Client()
    client.force_login(user)
    return client


def resubmit(client: Client, page: str, task_id: str, **more: str) -> Any:
    data = {"action": "resubmit_selected", "_selected_action": [task_id], **more}
    return client.post(reverse(page), data)


@pytest.fixture
def failed_task(run_jobs: Callable[[], int], calls: list[Any]) -> str:
    task_id = async_task(f"{OLD}.fail", task_name="import", timeout=7, group="imports")
    run_jobs()
    calls.clear()
    return task_id


@pytest.mark.parametrize("page", [FAILURES, SUCCESSES])
def test_a_viewer_is_not_offered_to_resubmit_and_cannot(failed_task: str, page: str) -> None:
    client = client_of("django_q.view_failure", "django_q.view_success", "django_q.view_schedule")
    jobs = Job.objects.count()

    assert "resubmit" not in client.get(reverse(page)).content.decode()
    resubmit(client, page, failed_task, confirmed="yes")

    assert Job.objects.count() == jobs
    assert Failure.objects.filter(pk=failed_task).exists()


def test_a_viewer_can_change_nothing_on_any_page(failed_task: str) -> None:
    client = client_of("django_q.view_failure", "django_q.view_success", "django_q.view_schedule")
    schedule = create_schedule(f"{OLD}.note")
    jobs = Job.objects.count()

    for model, pk in (("failure", failed_task), ("schedule", schedule.pk)):
        url = reverse(f"admin:django_q_{model}_change", args=[pk])
        assert client.get(url).status_code == 200
        assert client.post(url, {"func": "os.getcwd"}).status_code == 403
        for view in ("delete",):
            url = reverse(f"admin:django_q_{model}_{view}", args=[pk])
            assert client.post(url, {"post": "yes"}).status_code == 403
        url = reverse(f"admin:django_q_{model}_changelist")
        client.post(url, {"action": "delete_selected", "_selected_action": [pk], "post": "yes"})

    assert Task.objects.filter(pk=failed_task).exists()
    assert Schedule.objects.get().func == f"{OLD}.note"
    assert Job.objects.count() == jobs


def test_resubmitting_asks_first(failed_task: str) -> None:
    client = client_of("django_q.view_failure", "jobs.retry_failedjob")

    response = resubmit(client, FAILURES, failed_task)

    assert response.status_code == 200
    assert "import" in response.content.decode()
    assert FailedJob.objects.get().retried_at is None


def test_a_resubmitted_failure_keeps_its_row_and_all_its_options(
    failed_task: str, run_jobs: Callable[[], int]
) -> None:
    client = client_of("django_q.view_failure", "jobs.retry_failedjob")

    resubmit(client, FAILURES, failed_task, confirmed="yes")

    assert Failure.objects.filter(pk=failed_task).exists()
    again = job_of(failed_task)
    assert again.retry_of_id == FailedJob.objects.get().job_id
    assert again.options["timeout"] == 7.0
    assert again.kwargs["task"]["name"] == "import"
    assert AuditEntry.objects.get().actor_name == "someone"
    run_jobs()
    assert row_of(failed_task).attempt_count == 2


def test_a_failure_is_resubmitted_once(failed_task: str) -> None:
    client = client_of("django_q.view_failure", "jobs.retry_failedjob")
    resubmit(client, FAILURES, failed_task, confirmed="yes")
    jobs = Job.objects.count()

    response = resubmit(client, FAILURES, failed_task, confirmed="yes")

    assert Job.objects.count() == jobs
    page = client.get(response.url).content.decode()
    assert "It was resubmitted already" in page


def test_a_resubmitted_success_is_a_new_task(run_jobs: Callable[[], int]) -> None:
    task_id = async_task(f"{OLD}.multiply", 6, 7, task_name="sum", timeout=9, group="sums")
    run_jobs()
    client = client_of("django_q.view_success", "jobs.dispatch_job")

    resubmit(client, SUCCESSES, task_id, confirmed="yes")

    new = Job.objects.latest("id")
    assert new.kwargs["task"]["id"] != task_id
    assert (new.kwargs["task"]["name"], new.options["timeout"]) == ("sum", 9.0)
    run_jobs()
    assert row_of(new.kwargs["task"]["id"]).result == 42
    assert Success.objects.filter(group="sums").count() == 2


def test_a_task_from_before_the_ledger_is_resubmitted_from_its_row() -> None:
    now = timezone.now()
    task = Task.objects.create(
        id="0" * 32,
        name="ancient",
        func=f"{OLD}.multiply",
        args=(6,),
        kwargs={"y": 7},
        group="old",
        cluster="low",
        started=now,
        stopped=now,
        success=False,
    )
    client = client_of("django_q.view_failure", "jobs.retry_failedjob")

    resubmit(client, FAILURES, task.pk, confirmed="yes")

    job = Job.objects.get()
    assert (job.queue, job.kwargs["args"], job.kwargs["kwargs"]) == ("low", [6], {"y": 7})
    assert (job.kwargs["task"]["name"], job.kwargs["task"]["group"]) == ("ancient", "old")
    assert Task.objects.filter(pk=task.pk).exists()


@pytest.mark.parametrize("page", [FAILURES, SUCCESSES, "admin:django_q_schedule_changelist"])
def test_no_list_reads_distinct_values_or_counts_its_table(
    failed_task: str, run_jobs: Callable[[], int], admin_client: Client, page: str
) -> None:
    async_task(f"{OLD}.multiply", 1)
    run_jobs()
    create_schedule(f"{OLD}.note")

    with CaptureQueriesContext(connection) as captured:
        assert admin_client.get(reverse(page)).status_code == 200

    statements = [
        query["sql"] for query in captured.captured_queries if "django_q_" in query["sql"]
    ]
    assert statements
    assert not any("DISTINCT" in sql for sql in statements)
    if "schedule" not in page:
        assert not any("COUNT(" in sql for sql in statements)


def test_a_list_opens_no_pickle_that_it_does_not_show(
    run_jobs: Callable[[], int], admin_client: Client
) -> None:
    async_task(f"{OLD}.multiply", 1)
    run_jobs()

    with CaptureQueriesContext(connection) as captured:
        admin_client.get(reverse(SUCCESSES))

    (read,) = [q["sql"] for q in captured.captured_queries if 'FROM "django_q_task"' in q["sql"]]
    for column in ("args", "kwargs", "result"):
        assert f'"django_q_task"."{column}"' not in read


def test_every_page_opens(
    failed_task: str, run_jobs: Callable[[], int], admin_client: Client
) -> None:
    success = async_task(f"{OLD}.multiply", 1)
    run_jobs()
    schedule = create_schedule(f"{OLD}.note")

    for model, pk in (("failure", failed_task), ("success", success), ("schedule", schedule.pk)):
        assert admin_client.get(reverse(f"admin:django_q_{model}_changelist")).status_code == 200
        for view in ("change", "history", "delete"):
            url = reverse(f"admin:django_q_{model}_{view}", args=[pk])
            assert admin_client.get(url).status_code == 200, url
    assert admin_client.get(reverse("admin:django_q_schedule_add")).status_code == 200


def test_searching_and_paging_work(admin_client: Client) -> None:
    now = timezone.now()
    Task.objects.bulk_create(
        Task(id=f"{n:032d}", name=f"n{n}", func="a.b", started=now, stopped=now, success=False)
        for n in range(120)
    )

    first = admin_client.get(reverse(FAILURES))
    assert len(first.context["cl"].result_list) == 50
    second = admin_client.get(reverse(FAILURES) + first.context["cl"].older_url)
    assert len(second.context["cl"].result_list) == 50
    found = admin_client.get(reverse(FAILURES), {"q": "n119"})
    assert [task.name for task in found.context["cl"].result_list] == ["n119"]


SCHEDULE = {"schedule_type": "O", "repeats": "-1", "next_run_0": "2030-01-01", "next_run_1": "9:00"}


@pytest.mark.parametrize("field", ["func", "hook"])
@pytest.mark.parametrize("path", ["os.system", f"{OLD}.note", "jobs.django_q2.task.run_task"])
def test_no_function_can_be_named_that_is_not_a_registered_job(
    admin_client: Client, field: str, path: str
) -> None:
    data = {**SCHEDULE, "func": f"{OLD}.new_style", field: path}

    response = admin_client.post(reverse("admin:django_q_schedule_add"), data)

    assert f"{path} is not a registered job definition" in response.content.decode()
    assert not Schedule.objects.exists()


def test_a_registered_job_can_be_scheduled(admin_client: Client) -> None:
    data = {**SCHEDULE, "func": f"{OLD}.new_style", "args": "'x'"}

    admin_client.post(reverse("admin:django_q_schedule_add"), data)

    assert Schedule.objects.get().func == f"{OLD}.new_style"


def test_a_schedule_of_other_code_can_still_be_edited(admin_client: Client) -> None:
    schedule = create_schedule(f"{OLD}.note", hook=f"{OLD}.hook")
    data = {**SCHEDULE, "func": schedule.func, "hook": schedule.hook, "name": "renamed"}

    admin_client.post(reverse("admin:django_q_schedule_change", args=[schedule.pk]), data)

    assert Schedule.objects.get().name == "renamed"


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"args": "1, ("}, "is not a list of Python literals"),
        ({"kwargs": "x=now()"}, "is not a list of names with Python literals"),
        ({"schedule_type": "C", "cron": "0 0 30 2 *"}, "never runs"),
    ],
)
def test_a_schedule_that_could_not_run_is_refused(
    admin_client: Client, values: dict[str, str], complaint: str
) -> None:
    data = {**SCHEDULE, "func": f"{OLD}.new_style", **values}

    response = admin_client.post(reverse("admin:django_q_schedule_add"), data)

    assert complaint in response.content.decode()
    assert not Schedule.objects.exists()


def test_the_page_of_queued_pickles_is_gone() -> None:
    assert not admin.site.is_registered(OrmQ)


@pytest.mark.parametrize("order", [("django_q", "jobs"), ("jobs", "django_q")])
def test_the_order_of_the_apps_does_not_matter(order: tuple[str, str], tmp_path: Path) -> None:
    script = (
        "import django\n"
        "from django.conf import settings\n"
        f"first, second = {order!r}\n"
        "apps = [app for app in settings.INSTALLED_APPS if app not in (first, second)]\n"
        "settings.INSTALLED_APPS = [*apps, first, second]\n"
        "django.setup()\n"
        "from django.contrib import admin\n"
        "from django_q.models import Failure\n"
        "print(type(admin.site._registry[Failure]).__qualname__)\n"
    )
    environment = site_environment(f"sqlite:///{tmp_path}/none.sqlite3")
    environment["DJANGO_SETTINGS_MODULE"] = "jobsite.settings"

    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )

    assert done.stdout.strip() == FailureAdmin.__qualname__, done.stderr

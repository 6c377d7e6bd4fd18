"""Who a job is for, and what operators may do about the shares of tenants."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from jobs.audit import Actor
from jobs.exceptions import InvalidArguments, InvalidDefinition, InvalidOption
from jobs.failures.editing import Edit, retry_edited
from jobs.ledger import Ledger
from jobs.models import AuditEntry, FailedJob, Job, TenantShare
from jobs.tenants import overview, shares
from jobs.testing import fake_jobs
from jobs.transports.sync import run_due
from tests.jobs import sample_jobs, tenant_jobs
from tests.jobs.admin.conftest import BrowserOf, boss, browser_of

__all__ = ["boss", "browser_of"]

SOMEONE = Actor.of_code("test")


@pytest.fixture(autouse=True)
def fair(settings: Any, transactional_db: None) -> None:
    settings.JOBS_FAIR_QUEUES = ["shared"]
    settings.JOBS_POOLS = {"default": {"queues": ["default", "shared"]}}


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("queue_tenants", *arguments, stdout=out)
    return out.getvalue()


class TestWhoAJobIsFor:
    def test_a_callable_says_it_from_the_arguments(self) -> None:
        tenant_jobs.export.enqueue("acme")
        tenant_jobs.export.enqueue_many(["beta", "acme"])
        found = Job.objects.order_by("pk").values_list("tenant", flat=True)
        assert list(found) == ["acme", "beta", "acme"]

    def test_a_text_says_it_for_all_and_a_call_may_say_another(self) -> None:
        tenant_jobs.report.enqueue()
        tenant_jobs.report.using(tenant=42).enqueue()
        found = Job.objects.order_by("pk").values_list("tenant", flat=True)
        assert list(found) == ["back office", "42"]

    def test_a_job_of_another_queue_has_its_tenant_too(self) -> None:
        sample_jobs.add.using(tenant="acme").enqueue(1)
        assert Job.objects.get().tenant == "acme"

    @pytest.mark.parametrize("tenant", ["x" * 65, "a\x00b", 1.5, True, ["acme"]])
    def test_what_is_no_tenant_is_refused(self, tenant: Any) -> None:
        with pytest.raises(InvalidDefinition, match=r"tenant: .* must be text of at most 64"):
            sample_jobs.add.using(tenant=tenant)

    @pytest.mark.parametrize("tenant", ["x" * 65, 1.5, True, ["acme"]])
    def test_a_callable_that_tells_no_tenant_is_refused(self, tenant: Any) -> None:
        with pytest.raises(InvalidArguments, match="the callable for the tenant raised"):
            tenant_jobs.of_anybody.enqueue(tenant)
        assert not Job.objects.exists()

    @pytest.mark.parametrize(("told", "tenant"), [(7, "7"), (None, ""), ("acme", "acme")])
    def test_a_number_is_a_tenant_and_none_is_nobody(self, told: Any, tenant: str) -> None:
        tenant_jobs.of_anybody.using(queue_name="default").enqueue(told)
        assert Job.objects.get().tenant == tenant

    def test_a_callable_belongs_to_the_declaration(self) -> None:
        with pytest.raises(InvalidDefinition, match="can only be given where the job is declared"):
            sample_jobs.add.using(tenant=lambda a, b: a)

    def test_a_sensitive_value_is_no_tenant(self) -> None:
        with pytest.raises(InvalidArguments, match="the value of a sensitive argument") as refusal:
            tenant_jobs.tells_a_secret.enqueue(1, "hunter2-of-acme")
        assert "hunter2" not in str(refusal.value)
        assert not Job.objects.exists()

    def test_a_retry_with_other_arguments_is_for_whom_these_say(self) -> None:
        tenant_jobs.export.enqueue("broken")
        run_due()
        failed = FailedJob.objects.get()
        edit = Edit(arguments={"args": ["acme"], "kwargs": {}})
        made = retry_edited(failed.pk, edit, SOMEONE)
        assert Job.objects.get(pk=made).tenant == "acme"

    def test_the_test_kit_tells_it(self) -> None:
        with fake_jobs() as jobs:
            tenant_jobs.export.enqueue("acme")
        (pushed,) = jobs.pushed()
        assert pushed.tenant == "acme"
        assert "tenant acme" in str(pushed)


class TestTheSharesOfTenants:
    def test_who_waits_is_told_with_share_and_wait(self, book: Ledger) -> None:
        shares.set_weight("acme", 3, SOMEONE)
        tenant_jobs.export.enqueue_many(["acme"] * 5 + ["beta"] * 2 + ["calm"])
        book.claim(worker_id=7, queues=["shared"], limit=3)
        acme, beta, calm = overview.tenants()
        assert (acme.tenant, acme.weight, acme.share, acme.ready) == ("acme", 3, 0.75, 4)
        assert (beta.tenant, beta.weight, beta.share, beta.ready) == ("beta", 1, 0.25, 1)
        assert (calm.tenant, calm.share, calm.ready) == ("calm", None, 0)
        assert (acme.running, beta.running, calm.running) == (1, 1, 1)
        assert acme.wait is not None
        assert acme.wait.total_seconds() >= 0

    def test_a_tenant_that_only_runs_has_no_share(self, book: Ledger) -> None:
        tenant_jobs.export.enqueue("acme")
        book.claim(worker_id=7, queues=["shared"], limit=1)
        (acme,) = overview.tenants("shared")
        assert (acme.ready, acme.running, acme.share, acme.wait) == (0, 1, None, None)

    def test_setting_a_weight_is_audited_with_what_was_and_what_is(self) -> None:
        shares.set_weight("acme", 2, SOMEONE, reason="they pay more")
        shares.set_weight("acme", 5, SOMEONE)
        shares.set_weight("acme", 5, SOMEONE)
        assert shares.forget("acme", SOMEONE)
        assert not shares.forget("acme", SOMEONE)
        first, second, third = AuditEntry.objects.order_by("pk")
        assert (first.action, first.target, first.reason) == (
            "set weight", "tenant acme", "they pay more",
        )  # fmt: skip
        assert (second.before["weight"], second.after["weight"]) == (2, 5)
        assert (third.action, third.before["weight"], third.after) == ("forget weight", 5, None)

    @pytest.mark.parametrize(
        ("tenant", "weight", "queue", "says"),
        [
            ("", 1, "", "tenant: '': must be text of 1 to 64 characters"),
            ("acme", 0, "", "weight: 0: must be a whole number from 1 to 100"),
            ("acme", 101, "", "weight: 101: must be"),
            ("acme", True, "", "weight: True: must be"),
            ("acme", 1, "default", "queue: 'default': is not among JOBS_FAIR_QUEUES: shared"),
        ],
    )
    def test_what_makes_no_sense_changes_nothing(
        self, tenant: str, weight: Any, queue: str, says: str
    ) -> None:
        with pytest.raises(InvalidOption, match=says):
            shares.set_weight(tenant, weight, SOMEONE, queue=queue)
        assert not TenantShare.objects.exists()
        assert not AuditEntry.objects.exists()


class TestTheCommand:
    def test_it_shows_who_shares_the_queues(self) -> None:
        assert "No tenant has jobs ready or running on shared" in command()
        tenant_jobs.export.enqueue_many(["acme", "acme", "beta"])
        shown = command()
        assert "acme" in shown
        assert "50%" in shown
        (acme, beta) = json.loads(command("--json", "--queue", "shared"))["tenants"]
        assert (acme["tenant"], acme["ready"], beta["share"]) == ("acme", 2, 0.5)

    def test_it_sets_and_forgets_a_weight(self) -> None:
        assert "Would change the weight of acme on all queues" in command(
            "acme", "--weight", "4", "--dry-run"
        )
        assert not TenantShare.objects.exists()
        assert "Set the weight of acme on shared to 4" in command(
            "acme", "--weight", "4", "--queue", "shared", "--notes", "gold"
        )
        share = TenantShare.objects.get()
        assert (share.tenant, share.queue, share.weight, share.notes) == (
            "acme", "shared", 4, "gold",
        )  # fmt: skip
        assert "Forgot" in command("acme", "--forget", "--queue", "shared")
        with pytest.raises(
            CommandError, match="Nobody has set the weight of acme on shared"
        ) as end:
            command("acme", "--forget", "--queue", "shared")
        assert end.value.returncode == 1

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["acme"], "Say one of --weight or --forget"),
            (["acme", "--weight", "2", "--forget"], "Say one of"),
            (["--weight", "2"], "Say the TENANT"),
            (["acme", "--weight", "200"], "weight: 200: must be a whole number from 1 to 100"),
            (["acme", "--weight", "2", "--queue", "nowhere"], "is not among JOBS_FAIR_QUEUES"),
            (["--queue", "default"], "is not among JOBS_FAIR_QUEUES: shared"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, arguments: list[str], says: str) -> None:
        with pytest.raises(CommandError, match=says) as end:
            command(*arguments)
        assert end.value.returncode == 2
        assert not TenantShare.objects.exists()

    def test_without_a_shared_queue_it_says_how_to_have_one(self, settings: Any) -> None:
        settings.JOBS_FAIR_QUEUES = []
        assert "name some in JOBS_FAIR_QUEUES" in command()


class TestTheAdmin:
    LIST = "admin:jobs_tenantshare_changelist"

    def test_it_shows_weights_and_who_shares_the_queues(self, boss: Client) -> None:
        empty = boss.get(reverse(self.LIST)).text
        assert "No tenant has a weight of its own" in empty
        assert "No tenant has jobs ready or running on shared" in empty
        shares.set_weight("acme", 3, SOMEONE)
        tenant_jobs.export.enqueue_many(["acme", "<b>beta</b>"])
        shown = boss.get(reverse(self.LIST)).text
        assert "75 %" in shown
        assert "&lt;b&gt;beta" in shown
        assert "<b>beta" not in shown

    def test_it_adds_changes_and_removes_a_weight_by_the_same_way(self, boss: Client) -> None:
        add = reverse("admin:jobs_tenantshare_add")
        data = {"tenant": "acme", "queue": "shared", "weight": "3", "notes": "gold"}
        assert boss.post(add, data).status_code == 302
        share = TenantShare.objects.get()
        page = reverse("admin:jobs_tenantshare_change", args=[share.pk])
        assert boss.post(page, {"weight": "7", "notes": ""}).status_code == 302
        share.refresh_from_db()
        assert (share.tenant, share.queue, share.weight, share.notes) == ("acme", "shared", 7, "")
        delete = reverse("admin:jobs_tenantshare_delete", args=[share.pk])
        assert boss.post(delete, {"post": "yes"}).status_code == 302
        actions = AuditEntry.objects.order_by("pk").values_list("action", "actor_name")
        assert list(actions) == [
            ("set weight", "boss"), ("set weight", "boss"), ("forget weight", "boss"),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("changed", "says"),
        [
            ({"weight": "0"}, "greater than or equal to 1"),
            ({"weight": "101"}, "less than or equal to 100"),
            ({"queue": "nowhere"}, "is not among JOBS_FAIR_QUEUES: shared"),
            ({"tenant": "beta"}, "has a weight on this queue already"),
        ],
    )
    def test_what_makes_no_sense_is_said_at_the_field(
        self, boss: Client, changed: dict[str, str], says: str
    ) -> None:
        shares.set_weight("beta", 2, SOMEONE)
        data = {"tenant": "acme", "queue": "", "weight": "3", "notes": "", **changed}
        answer = boss.post(reverse("admin:jobs_tenantshare_add"), data)
        assert answer.status_code == 200
        assert says in answer.text
        assert TenantShare.objects.get().tenant == "beta"

    def test_who_may_only_look_changes_nothing(self, browser_of: BrowserOf) -> None:
        shares.set_weight("acme", 3, SOMEONE)
        viewer = browser_of("view_tenantshare")
        share = TenantShare.objects.get()
        assert viewer.get(reverse(self.LIST)).status_code == 200
        page = reverse("admin:jobs_tenantshare_change", args=[share.pk])
        assert viewer.post(page, {"weight": "9"}).status_code == 403
        assert viewer.get(reverse("admin:jobs_tenantshare_add")).status_code == 403
        delete = reverse("admin:jobs_tenantshare_delete", args=[share.pk])
        assert viewer.post(delete, {"post": "yes"}).status_code == 403
        assert browser_of("view_job").get(reverse(self.LIST)).status_code == 403
        share.refresh_from_db()
        assert share.weight == 3

    def test_the_pages_of_a_job_and_of_a_failed_job_tell_the_tenant(self, boss: Client) -> None:
        tenant_jobs.export.enqueue("broken")
        run_due()
        failed = FailedJob.objects.get()
        for name, pk in (("job", failed.job_id), ("failedjob", failed.pk)):
            page = boss.get(reverse(f"admin:jobs_{name}_change", args=[pk])).text
            assert '<th scope="row">Tenant</th><td>broken</td>' in page

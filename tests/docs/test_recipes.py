"""The recipes of the documentation do what they say."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from docs.recipes import analysis, calls, imports, webhooks
from jobs.models import FailedJob, Job
from jobs.transports.sync import run_due
from tests.support.markdown import ROOT

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def empty() -> None:
    for store in (
        webhooks.EVENTS, webhooks.BOOKINGS, imports.FILES, imports.ROWS, analysis.ANALYSES,
        analysis.OUTBOX, calls.DONE,
    ):  # fmt: skip
        store.clear()


def test_every_recipe_is_on_the_page() -> None:
    folder = ROOT / "docs" / "recipes"
    page = (folder / "README.md").read_text()
    for file in folder.glob("*.py"):
        assert f"({file.name})" in page


class TestWebhooks:
    def test_each_event_is_handled_once(self, caplog: pytest.LogCaptureFixture) -> None:
        webhooks.EVENTS.update(
            {
                1: {"type": "booking.created", "booking": "b1", "at": "9:00"},
                2: {"type": "booking.rescheduled", "booking": "b1", "at": "10:00"},
                3: {"type": "booking.moved", "booking": "b1"},
            }
        )
        for event_id in (1, 1, 2, 3):
            webhooks.process_webhook.enqueue(event_id)
        run_due()
        assert webhooks.BOOKINGS == {"b1": "10:00"}
        assert "unknown type booking.moved" in caplog.text
        assert Job.objects.filter(attempt_records__detail__startswith="skipped").count() == 1

    @pytest.mark.parametrize(
        ("error", "state", "wait"),
        [
            (webhooks.Throttled(90), "scheduled", 90),
            (webhooks.ServiceDown(), "scheduled", 60),
            (webhooks.BadData("no booking"), "failed", None),
        ],
    )
    def test_errors_are_dealt_with_by_their_kind(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception, state: str, wait: int | None
    ) -> None:
        def raise_it(event: Any) -> None:
            raise error

        monkeypatch.setitem(webhooks.HANDLERS, "booking.created", raise_it)
        webhooks.EVENTS[1] = {"type": "booking.created"}
        webhooks.process_webhook.enqueue(1)
        run_due()
        job = Job.objects.get()
        assert job.state == state
        if wait is None:
            assert FailedJob.objects.get().message == "no booking"
        else:
            assert job.exceptions == 0
            detail = job.attempt_records.get().detail
            assert detail == f"released for {wait} s"


class TestImports:
    def test_a_batch_tells_of_its_end_and_grows_while_it_runs(self) -> None:
        told: list[str] = []
        for name in ("completed", "failed", "finished"):
            signal = getattr(imports, f"import_{name}")
            signal.connect(lambda name=name, **kwargs: told.append(name), weak=False)
        imports.FILES.update({1: ["a", "see file 3"], 2: ["b"], 3: ["c"]})
        handle = imports.import_files(1, 2)
        run_due()
        assert handle.refresh().progress.total == 3
        assert sorted(imports.ROWS) == ["a", "b", "c"]
        assert sorted(told) == ["completed", "finished"]
        told.clear()
        imports.import_files(404)
        run_due()
        assert sorted(told) == ["failed", "finished"]


class TestAnalysis:
    def test_the_steps_run_in_order(self) -> None:
        made = analysis.create_analysis("octocat")
        run_due()
        assert made.status == "completed"
        assert analysis.OUTBOX == ["octocat: 70"]

    def test_one_that_fails_is_marked_and_goes_no_further(self) -> None:
        made = analysis.create_analysis("ghost")
        run_due()
        assert made.status == "failed"
        assert analysis.OUTBOX == []

    def test_nothing_is_enqueued_if_the_transaction_is_rolled_back(self) -> None:
        with transaction.atomic():
            analysis.create_analysis("octocat")
            transaction.set_rollback(True)
        assert not Job.objects.exists()

    def test_many_at_once_do_not_stop_each_other(self) -> None:
        some = [analysis.Analysis(name) for name in ("octocat", "ghost", "torvalds")]
        handle = analysis.analyse_many(some)
        run_due()
        assert [one.status for one in some] == ["completed", "failed", "completed"]
        assert sorted(analysis.OUTBOX) == ["all analysed", "one failed", "over"]
        assert handle.refresh().state == "succeeded"


class TestCalls:
    def test_each_step_gets_what_the_one_before_has_found(self) -> None:
        handle = calls.follow_up(7)
        run_due()
        assert handle.refresh().state == "succeeded"
        assert calls.DONE == [
            "appointment for customer of +49 30 7", "confirmed to +49 30 7", "counted call 7",
        ]  # fmt: skip

    def test_whatever_comes_of_the_items_it_is_cleaned_up(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        calls.process_items(["a", "b"])
        run_due()
        assert sorted(calls.DONE) == ["a", "b", "cleaned up"]
        calls.DONE.clear()
        calls.process_items([""])
        run_due()
        assert calls.DONE == ["cleaned up"]
        assert "has failed" in caplog.text

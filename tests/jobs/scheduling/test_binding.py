"""From the row of a schedule to its rule, and what is refused."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from jobs.models import JobSchedule
from jobs.scheduling.binding import rule_of, validate
from jobs.scheduling.preview import preview
from jobs.scheduling.rules import RuleError, next_slot, upcoming
from jobs.scheduling.words import describe
from tests.jobs.scheduling.making import ADD, at

NOON = at("2026-03-01 12:00")
HOUR = dt.timedelta(hours=1)


def schedule_of(**fields: Any) -> JobSchedule:
    values: dict[str, Any] = {
        "name": "nightly",
        "definition": ADD,
        "arguments": {"args": [1, 2], "kwargs": {}},
        "cron": "0 2 * * *",
        **fields,
    }
    return JobSchedule(**values)


class TestTheRule:
    def test_a_cron_schedule_runs_in_its_zone(self) -> None:
        rule = rule_of(schedule_of(timezone="Europe/Rome"))
        assert describe(rule) == "Every day at 02:00 (Europe/Rome)"
        slot = next_slot(rule, NOON)
        assert slot is not None
        assert slot.at == at("2026-03-02 01:00")

    def test_an_interval_counts_from_the_second_of_its_creation(self) -> None:
        created = NOON.replace(second=7, microsecond=123456)
        rule = rule_of(schedule_of(kind="interval", every=HOUR, created_at=created))
        slot = next_slot(rule, created)
        assert slot is not None
        assert slot.at == NOON.replace(second=7) + HOUR

    def test_an_interval_with_a_start_counts_from_there_and_runs_then(self) -> None:
        rule = rule_of(
            schedule_of(
                kind="interval", every=HOUR, starts_at=NOON, created_at=at("2020-01-01 00:59")
            )
        )
        assert [slot.at for slot in upcoming(rule, NOON - 9 * HOUR, 2)] == [NOON, NOON + HOUR]

    def test_an_interval_that_is_not_saved_yet_has_a_rule_too(self) -> None:
        assert describe(rule_of(schedule_of(kind="interval", every=HOUR))) == "Every hour"

    def test_a_period_bounds_the_runs_and_their_preview_but_not_the_words(self) -> None:
        schedule = schedule_of(starts_at=at("2026-03-05 02:00"), ends_at=at("2026-03-07 02:00"))
        rule = rule_of(schedule)
        assert [slot.at.day for slot in upcoming(rule, NOON)] == [5, 6, 7]
        assert [run.local.day for run in preview(rule, NOON)] == [5, 6, 7]
        assert rule.count_between(NOON, at("2027-01-01 00:00")) == 3
        assert describe(rule) == "Every day at 02:00 (UTC)"

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"cron": ""}, "cron"),
            ({"cron": "* * *"}, "cron"),
            ({"timezone": "Mars/Olympus"}, "timezone"),
            ({"dst_gap": "jump"}, "dst_gap"),
            ({"dst_overlap": "thrice"}, "dst_overlap"),
            ({"kind": "interval"}, "every"),
            ({"kind": "interval", "every": dt.timedelta(milliseconds=1)}, "every"),
            ({"kind": "once"}, "run_at"),
            ({"kind": "once", "run_at": dt.datetime(2026, 1, 1)}, "run_at"),
            ({"kind": "sometimes"}, "kind"),
            ({"starts_at": NOON, "ends_at": NOON - HOUR}, "ends_at"),
        ],
    )
    def test_a_rule_that_is_not_valid_names_the_field_of_the_schedule(
        self, fields: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(RuleError) as caught:
            rule_of(schedule_of(**fields))
        assert caught.value.field == field


class TestValidation:
    def test_a_good_schedule_passes(self) -> None:
        validate(schedule_of(queue="low", priority=-100, jitter=HOUR), NOON)

    @pytest.mark.parametrize(
        ("fields", "field", "told"),
        [
            ({"cron": "61 * * * *"}, "cron", "61"),
            ({"cron": "0 0 30 2 *"}, "cron", "never runs"),
            ({"timezone": "Europe/Roma"}, "timezone", "Europe/Rome"),
            ({"grace": -HOUR}, "grace", "negative"),
            ({"jitter": -HOUR}, "jitter", "negative"),
            ({"jitter": dt.timedelta(days=1)}, "jitter", "shorter"),
            ({"missed_limit": 0}, "missed_limit", "at least 1"),
            ({"priority": 101}, "priority", "-100 to 100"),
            ({"queue": "slow"}, "queue", "low"),
            ({"definition": "tests.jobs.sample_jobs.ad"}, "definition", "No job definition"),
            ({"definition": "os.system"}, "definition", "No job definition"),
            ({"arguments": {"args": ["x"]}}, "arguments", "a: 'x' is not int"),
            ({"arguments": {"kwargs": {"a": 1, "z": 2}}}, "arguments", "'z'"),
            ({"arguments": [1]}, "arguments", "must be"),
            ({"ends_at": NOON}, "cron", "never runs after"),
            ({"kind": "once", "run_at": NOON - HOUR}, "run_at", "never runs after"),
        ],
    )
    def test_each_thing_that_is_wrong_is_told_at_its_field(
        self, fields: dict[str, Any], field: str, told: str
    ) -> None:
        with pytest.raises(ValidationError) as caught:
            validate(schedule_of(**fields), NOON)
        assert list(caught.value.message_dict) == [field]
        assert told in " ".join(caught.value.message_dict[field])

    def test_all_that_is_wrong_is_told_at_once(self) -> None:
        wrong = schedule_of(cron="x", priority=500, arguments={"args": []}, grace=-HOUR)
        with pytest.raises(ValidationError) as caught:
            validate(wrong, NOON)
        assert set(caught.value.message_dict) == {"cron", "priority", "arguments", "grace"}

    def test_a_schedule_that_is_not_enabled_may_have_no_run_left(self) -> None:
        validate(schedule_of(kind="once", run_at=NOON - HOUR, enabled=False), NOON)

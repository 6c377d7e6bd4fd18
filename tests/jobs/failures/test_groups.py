"""What operators decide about failure groups."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from jobs.audit import Actor
from jobs.exceptions import InvalidOption, UnknownFailureGroup
from jobs.failures import groups
from jobs.models import AuditEntry, FailedJob, FailureGroup, GroupStatus, Job
from tests.jobs.factories import FailedJobFactory, FailureGroupFactory, ago, many_failed_jobs

pytestmark = pytest.mark.django_db
OPERATOR = Actor.of_code("ada")
A, B = "a" * 32, "ab" * 16


def entry() -> AuditEntry:
    return AuditEntry.objects.get()


def test_a_group_is_found_by_its_fingerprint_or_a_beginning_that_fits_no_other() -> None:
    one, other = FailureGroupFactory(fingerprint=A), FailureGroupFactory(fingerprint=B)

    assert groups.find(A) == groups.find("aaaa") == groups.find(f" {A.upper()} ") == one
    assert groups.find("abab") == other


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("ffff", UnknownFailureGroup, "'ffff'"),
        ("a\x00aaa", UnknownFailureGroup, "no failure group"),
        ("aaa", InvalidOption, "fingerprint: 'aaa': needs at least 4 digits"),
        ("%%%%", UnknownFailureGroup, "'%%%%'"),
        ("", InvalidOption, "needs at least 4 digits"),
    ],
)
def test_what_names_no_group_is_refused(text: str, error: type[Exception], told: str) -> None:
    FailureGroupFactory(fingerprint=A)

    with pytest.raises(error) as refused:
        groups.find(text)
    assert told in str(refused.value)


def test_a_beginning_that_fits_several_groups_is_refused() -> None:
    FailureGroupFactory(fingerprint="abcd" + "0" * 28)
    FailureGroupFactory(fingerprint="abcd" + "1" * 28)

    with pytest.raises(InvalidOption, match="is the beginning of several"):
        groups.find("abcd")


def test_resolving_says_who_and_when_and_is_audited_once() -> None:
    FailureGroupFactory(fingerprint=A)
    FailureGroupFactory(fingerprint=B, status=GroupStatus.MUTED, muted_until=ago(days=-1))

    changed = groups.resolve([A, B], OPERATOR, "fixed in 1.2", scope="two groups")

    assert changed == 2
    for group in FailureGroup.objects.all():
        assert (group.status, group.resolved_by) == (GroupStatus.RESOLVED, "ada")
        assert group.resolved_at is not None
        assert abs(timezone.now() - group.resolved_at) < dt.timedelta(minutes=1)
        assert group.muted_until is None
    assert (entry().action, entry().target, entry().count) == ("resolve group", "two groups", 2)
    assert (entry().reason, entry().after) == ("fixed in 1.2", {"ids": [A, B]})


def test_what_is_like_that_already_is_left_alone_and_not_audited() -> None:
    resolved = FailureGroupFactory(
        status=GroupStatus.RESOLVED, resolved_at=ago(days=1), resolved_by="eve"
    )

    assert groups.resolve([resolved.pk], OPERATOR) == 0
    assert groups.unmute([resolved.pk], OPERATOR) == 0
    assert groups.resolve(["f" * 32], OPERATOR) == 0

    resolved.refresh_from_db()
    assert resolved.resolved_by == "eve"
    assert not AuditEntry.objects.exists()


def test_reopening_takes_a_resolution_back_and_is_no_coming_back() -> None:
    group = FailureGroupFactory()
    groups.resolve([group.pk], OPERATOR)

    assert groups.reopen(FailureGroup.objects.all(), OPERATOR) == 1

    group.refresh_from_db()
    assert (group.status, group.reopened) == (GroupStatus.OPEN, 0)
    assert groups.reopen([group.pk], OPERATOR) == 0


def test_a_group_is_muted_for_ever_or_until_a_moment_and_unmuted() -> None:
    group = FailureGroupFactory()
    until = timezone.now() + dt.timedelta(hours=2)

    assert groups.mute([group.pk], OPERATOR) == 1
    assert groups.mute([group.pk], OPERATOR) == 0
    assert groups.mute([group.pk], OPERATOR, until, "until the deploy") == 1
    assert groups.mute([group.pk], OPERATOR, until) == 0
    group.refresh_from_db()
    assert (group.status, group.muted_until) == (GroupStatus.MUTED, until)
    assert groups.mute([group.pk], OPERATOR) == 1
    group.refresh_from_db()
    assert group.muted_until is None

    assert groups.unmute([group.pk], OPERATOR) == 1
    group.refresh_from_db()
    assert group.status == GroupStatus.OPEN
    assert [one.action for one in AuditEntry.objects.order_by("pk")] == [
        "mute group", "mute group", "mute group", "unmute group",
    ]  # fmt: skip
    assert until.isoformat(timespec="seconds") in AuditEntry.objects.order_by("pk")[1].target


@pytest.mark.parametrize(
    ("until", "rule"),
    [
        (dt.datetime(2999, 1, 1), "must have a time zone"),
        (dt.datetime(2020, 1, 1, tzinfo=dt.UTC), "must be in the future"),
    ],
)
def test_a_mute_that_cannot_be_is_refused_and_changes_nothing(
    until: dt.datetime, rule: str
) -> None:
    group = FailureGroupFactory()

    with pytest.raises(InvalidOption) as refused:
        groups.mute([group.pk], OPERATOR, until)

    assert (refused.value.field, refused.value.rule) == ("until", rule)
    group.refresh_from_db()
    assert group.status == GroupStatus.OPEN
    assert not AuditEntry.objects.exists()


def test_a_mute_that_is_over_counts_as_open() -> None:
    now = timezone.now()
    over = FailureGroupFactory(fingerprint=A, status=GroupStatus.MUTED, muted_until=ago(hours=1))
    lasts = FailureGroupFactory(fingerprint=B, status=GroupStatus.MUTED)

    assert (over.standing(now), lasts.standing(now)) == (GroupStatus.OPEN, GroupStatus.MUTED)
    assert list(FailureGroup.objects.standing("open", now)) == [over]
    assert list(FailureGroup.objects.standing("muted", now)) == [lasts]


def test_a_note_takes_the_place_of_the_last_one() -> None:
    group = FailureGroupFactory(note="old")

    assert groups.write_note(group.pk, OPERATOR, "ask the bank") is True
    assert groups.write_note(group.pk, OPERATOR, "ask the bank") is False

    group.refresh_from_db()
    assert group.note == "ask the bank"
    assert (entry().before, entry().after) == ({"note": "old"}, {"note": "ask the bank"})
    with pytest.raises(UnknownFailureGroup):
        groups.write_note("f" * 32, OPERATOR, "lost")


def test_retrying_a_group_touches_its_failed_jobs_alone() -> None:
    FailureGroupFactory(fingerprint=A)
    many_failed_jobs(3, fingerprint=A)
    many_failed_jobs(2, fingerprint=B)
    FailedJobFactory(fingerprint=A, retried_at=timezone.now())

    report = groups.retry([A], OPERATOR, "fixed")

    assert (report.retried, report.skipped) == (3, 0)
    assert Job.objects.filter(retry_of__isnull=False).count() == 3
    assert FailedJob.objects.unretried().filter(fingerprint=B).count() == 2
    assert (entry().action, entry().count, entry().reason) == ("retry", 3, "fixed")


def test_forgetting_a_group_leaves_its_count_and_what_failed_since() -> None:
    group = FailureGroupFactory(fingerprint=A, count=4)
    many_failed_jobs(3, fingerprint=A, failed_at=ago(minutes=2))
    (newer,) = many_failed_jobs(1, fingerprint=A)
    (other,) = many_failed_jobs(1, fingerprint=B, failed_at=ago(minutes=2))

    assert groups.forget([A], OPERATOR, until=ago(minutes=1)) == 3

    assert set(FailedJob.objects.values_list("pk", flat=True)) == {newer, other}
    group.refresh_from_db()
    assert group.count == 4

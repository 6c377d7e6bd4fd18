from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.scheduling.cron import parse_cron, with_seconds_first
from jobs.scheduling.rules import CronRule, RuleError, upcoming

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]


def runs(expression: str, after: datetime, count: int = 4) -> list[str]:
    slots = upcoming(CronRule(expression), after, count)
    return [f"{slot.local:%a %Y-%m-%d %H:%M:%S}" for slot in slots]


def days(expression: str, count: int = 4) -> list[str]:
    slots = upcoming(CronRule(expression), datetime(2026, 1, 1, tzinfo=UTC), count)
    return [f"{slot.local:%a %Y-%m-%d}" for slot in slots]


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("*/15 * * * *", (0, 15, 30, 45)),
        ("5 * * * *", (5,)),
        ("1,3,5 * * * *", (1, 3, 5)),
        ("10-13 * * * *", (10, 11, 12, 13)),
        ("10-30/10,59 * * * *", (10, 20, 30, 59)),
        ("50/3 * * * *", (50, 53, 56, 59)),
        ("3,1,1-2 * * * *", (1, 2, 3)),
    ],
)
def test_lists_ranges_and_steps_give_their_values(expression: str, values: tuple[int, ...]) -> None:
    assert parse_cron(expression).minutes == values


@pytest.mark.parametrize(
    ("text", "weekdays"),
    [
        ("MON-FRI", {1, 2, 3, 4, 5}),
        ("mon,Wed", {1, 3}),
        ("0", {0}),
        ("7", {0}),
        ("5-7", {0, 5, 6}),
        ("FRI-SUN", {0, 5, 6}),
        ("*/2", {0, 2, 4, 6}),
    ],
)
def test_weekdays_have_names_and_sunday_is_both_zero_and_seven(
    text: str, weekdays: set[int]
) -> None:
    assert parse_cron(f"0 0 * * {text}").weekdays.values == weekdays


def test_months_have_names() -> None:
    assert parse_cron(f"0 0 1 {','.join(MONTHS)} *").months == tuple(range(1, 13))


@pytest.mark.parametrize(
    ("macro", "same_as"),
    [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@Annually", "0 0 1 1 *"),
    ],
)
def test_a_macro_is_the_expression_it_stands_for(macro: str, same_as: str) -> None:
    assert parse_cron(macro) == parse_cron(same_as)


def test_a_sixth_field_is_the_seconds_and_comes_first() -> None:
    after = datetime(2026, 1, 1, tzinfo=UTC)
    assert runs("*/20 30 2 * * *", after) == [
        "Thu 2026-01-01 02:30:00",
        "Thu 2026-01-01 02:30:20",
        "Thu 2026-01-01 02:30:40",
        "Fri 2026-01-02 02:30:00",
    ]


def test_a_croniter_expression_is_read_after_its_seconds_are_moved_to_the_front() -> None:
    assert with_seconds_first("30 2 * * * */20") == "*/20 30 2 * * *"
    assert with_seconds_first("30 2 * * *") == "30 2 * * *"


def test_every_second_runs_every_second() -> None:
    after = datetime(2026, 12, 31, 23, 59, 57, 500_000, tzinfo=UTC)
    assert runs("* * * * * *", after, 3) == [
        "Thu 2026-12-31 23:59:58",
        "Thu 2026-12-31 23:59:59",
        "Fri 2027-01-01 00:00:00",
    ]


def test_l_is_the_last_day_of_each_month() -> None:
    assert days("0 0 L * *") == [
        "Sat 2026-01-31",
        "Sat 2026-02-28",
        "Tue 2026-03-31",
        "Thu 2026-04-30",
    ]


def test_a_weekday_can_be_the_nth_or_the_last_of_the_month() -> None:
    assert days("0 0 * * FRI#2", 2) == ["Fri 2026-01-09", "Fri 2026-02-13"]
    assert days("0 0 * * 5L", 2) == ["Fri 2026-01-30", "Fri 2026-02-27"]
    assert days("0 0 * * L5", 2) == days("0 0 * * 5L", 2)


def test_either_day_is_enough_when_day_of_month_and_day_of_week_are_both_restricted() -> None:
    assert days("0 0 13 * 5") == [
        "Fri 2026-01-02",
        "Fri 2026-01-09",
        "Tue 2026-01-13",
        "Fri 2026-01-16",
    ]


def test_both_days_must_match_when_one_of_them_begins_with_a_wildcard() -> None:
    assert days("0 0 */2 * MON", 3) == ["Mon 2026-01-05", "Mon 2026-01-19", "Mon 2026-02-09"]


def test_29_february_comes_in_leap_years_only() -> None:
    assert days("0 0 29 2 *", 3) == ["Tue 2028-02-29", "Sun 2032-02-29", "Fri 2036-02-29"]


@pytest.mark.parametrize(
    ("expression", "rule"),
    [
        ("61 * * * *", "minute 61 is not in 0–59"),  # noqa: RUF001
        ("* 24 * * *", "hour 24 is not in 0–23"),  # noqa: RUF001
        ("* * 0 * *", "day of month 0 is not in 1–31"),  # noqa: RUF001
        ("* * * 13 *", "month 13 is not in 1–12"),  # noqa: RUF001
        ("* * * * 8", "day of week 8 is not in 0–7"),  # noqa: RUF001
        ("60 * * * * *", "second 60 is not in 0–59"),  # noqa: RUF001
        ("*/0 * * * *", "minute step 0 is not in 1–60"),  # noqa: RUF001
        ("*/90 * * * *", "minute step 90 is not in 1–60"),  # noqa: RUF001
        ("*/x * * * *", 'minute step "X" is not a number'),
        ("* * * * FOO", 'day of week "FOO" is not a number or a name such as SUN'),
        ("* MON * * *", 'hour "MON" is not a number'),
        ("1,,2 * * * *", 'minute "1,,2" has an empty item between its commas'),
        ("* 22-2 * * *", "hour 22-2 runs backwards; write 22-23,0-2 to go past the end"),
        ("* * * * 5#6", 'day of week 5#6: "6" is not in 1–5'),  # noqa: RUF001
        ("٣ * * * *", 'minute "٣" is not a number'),
        ("0 0 30 2 *", "never runs: no such day exists in any year"),
        ("0 0 31 4,6,9,11 *", "never runs: no such day exists in any year"),
        (
            "@dayly",
            "is not one of @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly",
        ),
        (
            "* * * *",
            "has 4 fields; needs five (minute, hour, day of month, month, day of week), "
            "or six with the seconds first",
        ),
    ],
)
def test_a_wrong_expression_is_refused_with_the_field_the_value_and_the_rule(
    expression: str, rule: str
) -> None:
    with pytest.raises(RuleError) as refused:
        CronRule(expression)
    assert str(refused.value) == f'cron: "{expression}": {rule}'
    assert (refused.value.field, refused.value.value) == ("cron", expression)


@pytest.mark.parametrize(
    ("zone", "end"),
    [
        ("Europe/Rom", "; did you mean Europe/Rome?"),
        ("europe/rome", "; did you mean Europe/Rome?"),
        ("New York", "; did you mean America/New_York?"),
        ("../etc/passwd", ""),
        ("", ""),
    ],
)
def test_an_unknown_zone_is_refused_with_a_near_one(zone: str, end: str) -> None:
    with pytest.raises(RuleError) as refused:
        CronRule("* * * * *", zone)
    assert str(refused.value) == f'timezone: "{zone}": is not an IANA time zone{end}'


def test_an_unknown_gap_or_overlap_rule_is_refused() -> None:
    with pytest.raises(RuleError, match=r'gap: "later": is not one of next_valid, skip'):
        CronRule("* * * * *", gap="later")  # type: ignore[arg-type]
    with pytest.raises(RuleError, match=r'overlap: "thrice": is not one of once, twice'):
        CronRule("* * * * *", overlap="thrice")  # type: ignore[arg-type]


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(RuleError, match="needs a time zone"):
        upcoming(CronRule("* * * * *"), datetime(2026, 1, 1))


def numbers(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    # To croniter a range of one number, such as 5-5, is the whole field.
    ends = st.lists(number, min_size=2, max_size=2, unique=True).map(sorted)
    ranges = ends.map(lambda pair: f"{pair[0]}-{pair[1]}")
    stepped = st.tuples(ranges, st.integers(1, high)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    item = st.one_of(number.map(str), ranges, stepped)
    return st.lists(item, min_size=1, max_size=3).map(",".join)


def one_field(low: int, high: int) -> st.SearchStrategy[str]:
    steps = st.integers(1, high).map(lambda step: f"*/{step}")
    return st.one_of(st.just("*"), steps, numbers(low, high))


FIELDS = st.tuples(
    one_field(0, 59),
    one_field(0, 23),
    st.one_of(st.just("*"), numbers(1, 28)),
    one_field(1, 12),
    st.one_of(st.just("*"), numbers(0, 6)),
)


@settings(deadline=None)
@given(
    fields=FIELDS,
    seconds=st.none() | one_field(0, 59),
    day=st.dates(date(2020, 1, 1), date(2035, 1, 1)),
    second=st.integers(0, 86_399),
)
def test_expressions_mean_what_croniter_takes_them_to_mean(
    fields: tuple[str, ...], seconds: str | None, day: date, second: int
) -> None:
    after = datetime.combine(day, datetime.min.time(), UTC) + timedelta(seconds=second)
    expression = " ".join(fields if seconds is None else (seconds, *fields))
    theirs = croniter(expression, after, second_at_beginning=True)
    expected = [theirs.get_next(datetime) for _ in range(5)]
    assert [slot.at for slot in upcoming(CronRule(expression), after, 5)] == expected

from __future__ import annotations

from dataclasses import dataclass, field

from .slots import span

MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAY_NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@dataclass(frozen=True, slots=True)
class FieldValues:
    """What one field of a cron expression allows.

    ``nth`` holds (weekday, n) for the n-th such weekday of the month, -1 for the last. ``last`` is
    the last day of the month. ``wildcard`` says that the field begins with ``*``, which changes
    the meaning of others.
    """

    values: frozenset[int]
    wildcard: bool
    last: bool = False
    nth: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class CronField:
    """One field of a cron expression: its name, its range and the names that stand for numbers."""

    name: str
    low: int
    high: int
    names: dict[str, int] = field(default_factory=dict)

    def parse(self, text: str) -> FieldValues:
        """Reads the field. Raises ValueError with a sentence that names field, value and range."""
        values: set[int] = set()
        nth: set[tuple[int, int]] = set()
        last = False
        for item in text.upper().split(","):
            if not item:
                raise ValueError(f'{self.name} "{text}" has an empty item between its commas')
            if self is DAY and item == "L":
                last = True
            elif self is DAY_OF_WEEK and ("#" in item or "L" in item):
                nth.add(self._nth_weekday(item))
            else:
                values.update(self._values(item))
        if self is DAY_OF_WEEK:
            values = {value % 7 for value in values}
        return FieldValues(frozenset(values), text[0] in "*?", last, frozenset(nth))

    def _values(self, item: str) -> range:
        base, slash, step_text = item.partition("/")
        start_text, dash, end_text = base.partition("-")
        # Seven is Sunday again: a whole week ends at six.
        whole = 6 if self is DAY_OF_WEEK else self.high
        if base == "*" or (base == "?" and self in (DAY, DAY_OF_WEEK)):
            start, end = self.low, whole
        elif dash:
            start, end = self._number(start_text), self._number(end_text)
            if self is DAY_OF_WEEK and end == 0 < start:
                end = 7
            if start > end:
                raise ValueError(
                    f"{self.name} {base} runs backwards; "
                    f"write {start}-{whole},{self.low}-{end} to go past the end"
                )
        else:
            start = self._number(base)
            end = max(whole, start) if slash else start
        return range(start, end + 1, self._step(step_text) if slash else 1)

    def _number(self, text: str) -> int:
        if text in self.names:
            return self.names[text]
        if not (text.isascii() and text.isdigit()):
            example = f" or a name such as {next(iter(self.names))}" if self.names else ""
            raise ValueError(f'{self.name} "{text}" is not a number{example}')
        if not self.low <= int(text) <= self.high:
            raise ValueError(f"{self.name} {int(text)} is not in {span(self.low, self.high)}")
        return int(text)

    def _step(self, text: str) -> int:
        if not (text.isascii() and text.isdigit()):
            raise ValueError(f'{self.name} step "{text}" is not a number')
        largest = 7 if self is DAY_OF_WEEK else self.high - self.low + 1
        if not 1 <= int(text) <= largest:
            raise ValueError(f"{self.name} step {int(text)} is not in {span(1, largest)}")
        return int(text)

    def _nth_weekday(self, item: str) -> tuple[int, int]:
        weekday, hash_sign, position = item.partition("#")
        if hash_sign:
            if position not in ("1", "2", "3", "4", "5"):
                raise ValueError(f'{self.name} {item}: "{position}" is not in {span(1, 5)}')
            return self._number(weekday) % 7, int(position)
        return self._number(item.removeprefix("L").removesuffix("L")) % 7, -1


SECOND = CronField("second", 0, 59)
MINUTE = CronField("minute", 0, 59)
HOUR = CronField("hour", 0, 23)
DAY = CronField("day of month", 1, 31)
MONTH = CronField("month", 1, 12, {name: n for n, name in enumerate(MONTH_NAMES, 1)})
DAY_OF_WEEK = CronField("day of week", 0, 7, {name: n for n, name in enumerate(WEEKDAY_NAMES)})

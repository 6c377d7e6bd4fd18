"""How values look in the admin. What comes from a job is text to show, never markup."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any, TypeGuard

from django.db.models import TextChoices
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from jobs.models import FailureGroup, GroupStatus, Job, JobState
from jobs.privacy.masking import without_sealed

NOTHING = "\N{EN DASH}"
NO_LIMIT = "\N{INFINITY}"
MAX_TEXT = 100_000
SHORT_JSON = 200
SHOWN_TAGS = 3


def badge(value: str, label: str = "") -> SafeString:
    """A word with the colour of its state; the word alone says it all."""
    return format_html(
        '<span class="jobs-badge jobs-is-{}">{}</span>', value.replace(" ", "-"), label or value
    )


def state_badge(choice: str, choices: type[TextChoices]) -> SafeString:
    """The badge of a member of a closed vocabulary; a value outside it is shown as it is."""
    return badge(choice, dict(choices.choices).get(choice, choice))


def state_of_job(job: Job) -> SafeString:
    """The state of a job, and the operator's word for where it is in its life."""
    shown = format_html(
        '{} <span class="jobs-quiet">{}</span>', state_badge(job.state, JobState), job.life_cycle
    )
    if job.state == JobState.RUNNING and job.cancel_requested:
        return format_html("{} {}", shown, badge("cancelled", "asked to stop"))
    return shown


def status_of_group(group: FailureGroup) -> SafeString:
    """The badge of a group's status now, and when a mute ends."""
    standing = group.standing(timezone.now())
    colours = {
        GroupStatus.OPEN: "failed",
        GroupStatus.RESOLVED: "succeeded",
        GroupStatus.MUTED: "cancelled",
    }
    shown = badge(colours[standing], standing.label)
    if standing == GroupStatus.MUTED and group.muted_until:
        return format_html(
            '{} <span class="jobs-quiet">ends {}</span>', shown, when(group.muted_until)
        )
    return shown


def attempts(spent: int, allowed: int | None) -> SafeString:
    """Attempts spent out of those allowed."""
    return number(f"{spent}/{NO_LIMIT if allowed is None else allowed}")


def number(text: str) -> SafeString:
    """Figures that stand below each other."""
    return format_html('<span class="jobs-number">{}</span>', text)


def short_name(path: str) -> SafeString:
    """The last part of a dotted path, the whole of it as title."""
    return format_html(
        '<span class="jobs-name" title="{}">{}</span>', path, path.rpartition(".")[2]
    )


def absolute(moment: dt.datetime) -> str:
    """Date and time to the second in the current time zone, with the zone's name."""
    local = timezone.localtime(moment)
    return f"{date_format(local, 'Y-m-d H:i:s')} {local.tzname()}"


def when(moment: dt.datetime | None, now: dt.datetime | None = None) -> SafeString | str:
    """How long ago, or how far ahead, with the absolute time as title."""
    if moment is None:
        return NOTHING
    distance = (now or timezone.now()) - moment
    ahead = distance < dt.timedelta(0)
    text = duration(abs(distance), coarse=True)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        absolute(moment),
        f"in {text}" if ahead else f"{text} ago",
    )


def at(moment: dt.datetime | None) -> SafeString | str:
    """The absolute time."""
    if moment is None:
        return NOTHING
    return format_html('<time datetime="{}">{}</time>', moment.isoformat(), absolute(moment))


def duration(length: dt.timedelta | None, *, coarse: bool = False) -> str:
    """A length of time in the two units that matter: «340 ms», «2.4 s», «3 min 5 s», «2 h 10 min».

    A coarse one has a single unit, and nothing below a second.
    """
    if length is None:
        return NOTHING
    seconds = length.total_seconds()
    if coarse and seconds < 1:
        return "0 s"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{int(seconds)} s" if coarse else f"{seconds:.1f} s"
    whole = int(seconds)
    for size, unit, smaller, name in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {name}" if rest and not coarse else "")
    raise AssertionError("unreachable: a minute or more has a unit above")


def pretty_json(value: Any) -> SafeString:
    """JSON for reading, what is encrypted in it masked; a huge value is cut, and says so."""
    text = json.dumps(
        without_sealed(value), indent=2, ensure_ascii=False, sort_keys=False, default=str
    )
    return preformatted(text, "jobs-json")


def short_json(value: Any) -> str:
    """JSON on one line, cut where it is long; nothing for null."""
    if value is None:
        return ""
    text = json.dumps(without_sealed(value), ensure_ascii=False, default=str)
    return text if len(text) <= SHORT_JSON else f"{text[:SHORT_JSON]}…"


def preformatted(text: str, css_class: str = "jobs-text") -> SafeString:
    """Text as it is; a huge one is cut, and says so."""
    cut = ""
    if len(text) > MAX_TEXT:
        cut = f"\n… {len(text) - MAX_TEXT:,} more characters are not shown"
    return format_html('<pre class="{}" tabindex="0">{}{}</pre>', css_class, text[:MAX_TEXT], cut)


def tag_links(tags: Sequence[str], *, limit: int | None = SHOWN_TAGS) -> SafeString | str:
    """Tags that link to the jobs that bear them; above `limit` only how many more there are."""
    if not tags:
        return NOTHING
    shown = tags if limit is None else tags[:limit]
    address = reverse("admin:jobs_job_changelist")
    links = format_html_join(
        " ",
        '<a class="jobs-tag" href="{}">{}</a>',
        ((f"{address}?{urlencode({'tag': tag})}", tag) for tag in shown),
    )
    more = len(tags) - len(shown)
    return format_html("{} {}", links, f"{more} more") if more else links


def titled(address: str, path: str, tags: Sequence[str]) -> SafeString:
    """The first cell of a row: a link by the short name, and a few tags below it."""
    shown = format_html('<a href="{}">{}</a>', address, short_name(path))
    if not tags:
        return shown
    return format_html('{}<div class="jobs-tags">{}</div>', shown, tag_links(tags))


def progress_bar(progress: Any) -> SafeString | str:
    """What the job said of its progress: a bar where the total is known, and its message."""
    if not isinstance(progress, dict):
        return NOTHING
    done, total = progress.get("done"), progress.get("total")
    message = str(progress.get("message") or "")
    if not _is_number(done):
        return message or NOTHING
    if not _is_number(total) or total <= 0:
        return format_html('<span class="jobs-number">{}</span> {}', _figure(done), message)
    return format_html(
        '<progress class="jobs-progress" value="{}" max="{}" aria-label="Progress">{}%</progress> '
        '<span class="jobs-number">{} of {}</span> {}',
        str(done),
        str(total),
        round(100 * done / total),
        _figure(done),
        _figure(total),
        message,
    )


def link(address: str, text: Any) -> SafeString:
    """A link whose text is made safe."""
    return format_html('<a href="{}">{}</a>', address, text)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def thousands(count: int) -> str:
    """A number with commas."""
    return f"{count:,}"


def percent(share: float | None) -> str:
    """A share of 0 to 1 in percent: whole from 10 on, with a digit below; a dash for none."""
    if share is None:
        return NOTHING
    value = share * 100
    return f"{value:.0f} %" if value >= 10 or value == int(value) else f"{value:.1f} %"


def short_path(path: str) -> str:
    """The last part of a dotted path."""
    return path.rpartition(".")[2]

"""Tracebacks for reading: the frames of the site stand out from those of libraries."""

from __future__ import annotations

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.admin.display import MAX_TEXT
from jobs.failures.tracebacks import parts_of


def readable(traceback: str) -> SafeString | str:
    """The traceback as markup; a huge one loses its middle, and says so."""
    if not traceback:
        return ""
    if len(traceback) > MAX_TEXT:
        half = MAX_TEXT // 2
        left_out = len(traceback) - 2 * half
        traceback = (
            f"{traceback[:half]}\n… {left_out:,} characters are not shown …\n{traceback[-half:]}"
        )
    lines = format_html_join(
        "",
        '<span class="jobs-frame jobs-frame-{}">{}</span>',
        ((part.kind, part.text) for part in parts_of(traceback)),
    )
    return format_html('<pre class="jobs-traceback" tabindex="0">{}</pre>', lines)

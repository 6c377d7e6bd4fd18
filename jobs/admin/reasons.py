"""Why a job or a queue does not move, with the ways out that the user may take."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from jobs.explaining import Reason


def shown(request: HttpRequest, reason: Reason) -> dict[str, Any]:
    """The reason for `includes/reason.html`."""
    return {
        "text": reason.text,
        "code": reason.code,
        "is_in_order": reason.is_in_order,
        "links": [
            (remedy.label, reverse(f"admin:{remedy.page}", args=remedy.arguments))
            for remedy in reason.remedies
            if not remedy.permission or request.user.has_perm(remedy.permission)
        ],
    }

"""Health for probes and load balancers: open to anybody, JSON, never cached."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from jobs.monitoring import health as checks

View = Callable[[HttpRequest], JsonResponse]


def _probe(view: View) -> View:
    # A transaction around the request would fail before the view could say that the database did.
    # Exempt, so that a POST is told that it may not be one, not that it lacks a token.
    safe = csrf_exempt(never_cache(require_safe(view)))
    return login_not_required(transaction.non_atomic_requests(safe))


@_probe
def live(request: HttpRequest) -> JsonResponse:
    """This process answers; nothing else is looked at."""
    return JsonResponse({"status": "alive", "timestamp": timezone.now().isoformat()})


@_probe
def ready(request: HttpRequest) -> JsonResponse:
    """200 if this site can do its work, else 503: see `monitoring.health.ready`."""
    return _answer(checks.ready())


@_probe
def health(request: HttpRequest) -> JsonResponse:
    """200 if all is well, else 503: see `monitoring.health.check`."""
    return _answer(checks.check())


def _answer(report: checks.HealthReport) -> JsonResponse:
    return JsonResponse(report.as_json(), status=200 if report.healthy else 503)

"""Health for probes, open to anybody, and figures for Prometheus; JSON or text, never cached."""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from jobs.conf import settings as conf
from jobs.metrics import health as checks

View = Callable[[HttpRequest], HttpResponse]


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
    """200 if this site can do its work, else 503: see `metrics.health.ready`."""
    return _answer(checks.ready())


@_probe
def health(request: HttpRequest) -> JsonResponse:
    """200 if all is well, else 503: see `metrics.health.check`."""
    return _answer(checks.check())


def _answer(report: checks.HealthReport) -> JsonResponse:
    return JsonResponse(report.as_json(), status=200 if report.healthy else 503)


@_probe
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures for Prometheus: for who sends JOBS_METRICS_TOKEN as a bearer token, and for users
    who may see queues and metrics. 501 without the library of Prometheus."""
    if not _may_read_metrics(request):
        told = {"error": "send JOBS_METRICS_TOKEN as a bearer token, or sign in"}
        return JsonResponse(told, status=401, headers={"WWW-Authenticate": "Bearer"})
    try:
        from jobs.metrics import prometheus
    except ImportError:
        told = {"error": "prometheus_client is not installed: install jobsite[prometheus]"}
        return JsonResponse(told, status=501)
    return HttpResponse(prometheus.exposition(), content_type=prometheus.CONTENT_TYPE)


def _may_read_metrics(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and conf.METRICS_TOKEN:
        return compare_digest(token.strip().encode(), conf.METRICS_TOKEN.encode())
    user = getattr(request, "user", None)
    return user is not None and user.has_perms(["jobs.view_queue", "jobs.view_jobmetric"])

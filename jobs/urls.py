"""The addresses of the engine: include them anywhere, `path("", include("jobs.urls"))`."""

from __future__ import annotations

from django.urls import re_path

from jobs import views

app_name = "jobs"

# Probes do not follow redirects, so the slash at the end is theirs to choose.
urlpatterns = [
    re_path(r"^health/live/?$", views.live, name="health_live"),
    re_path(r"^health/ready/?$", views.ready, name="health_ready"),
    re_path(r"^health/?$", views.health, name="health"),
    re_path(r"^metrics/?$", views.metrics, name="metrics"),
]

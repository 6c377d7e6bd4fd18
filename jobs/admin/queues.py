"""The list of queues, and what is decided about one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from jobs import audit, queue_names
from jobs.admin import queue_actions
from jobs.admin.readonly import ListedAdmin
from jobs.admin.reasons import shown
from jobs.conf import settings as conf
from jobs.explaining import explain_queue
from jobs.metrics import queue_stats
from jobs.models import Queue


@admin.register(Queue)
class QueueAdmin(ListedAdmin):
    """Every queue that a pool serves, that holds jobs, or about which something was decided."""

    fields = ("max_waiting",)
    operations = (queue_actions.PAUSE, queue_actions.RESUME, queue_actions.CLEAR)
    change_form_template = "admin/jobs/queue/change_form.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.pause_queue")

    def has_clear_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.clear_queue")

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Queue | None:
        """The queue, also one without a row: about it nothing was decided yet."""
        found: Queue | None = super().get_object(request, object_id, from_field)
        if found is None and object_id in queue_names.known():
            return Queue(name=object_id)
        return found

    def rows_of(self, row: Model) -> Any:
        return [row]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_or_change_permission(request) or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        rows = [
            {
                "stats": stats,
                "url": reverse("admin:jobs_queue_change", args=[quote(stats.name)]),
                "buttons": [
                    button
                    for button in self.buttons(request, self._queue(request, stats.name))
                    if not button["refusal"]
                ],
            }
            for stats in queue_stats()
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": "Queues",
            "opts": self.opts,
            "rows": rows,
            "served": conf.QUEUES,
            "media": self.media,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/jobs/queue/change_list.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        queue = context["original"]
        context |= {
            "title": queue.name,
            "subtitle": None,
            "buttons": self.buttons(request, queue),
            "stats": queue_stats([queue.name])[0],
            "reason": shown(request, explain_queue(queue.name)),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: Queue, form: ModelForm[Queue], change: bool
    ) -> None:
        """Save the threshold alone: a pause that happened meanwhile stays."""
        Queue.objects.using(conf.DATABASE).update_or_create(
            name=obj.name, defaults={"max_waiting": obj.max_waiting}
        )
        if form.has_changed():
            audit.record(
                audit.Actor.of_request(request),
                "change queue",
                f"queue {obj.name}",
                before={"max_waiting": form.initial.get("max_waiting")},
                after={"max_waiting": obj.max_waiting},
            )

    def _queue(self, request: HttpRequest, name: str) -> Queue:
        return self.get_object(request, name) or Queue(name=name)

"""Tenants: the weights that operators gave them, and who shares the queues now."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from jobs.admin.readonly import ListedAdmin
from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.exceptions import InvalidOption
from jobs.models import TenantShare
from jobs.tenants import overview, shares


class TenantShareForm(forms.ModelForm):
    """A weight. Whose it is does not change: another tenant's is another row."""

    class Meta:
        model = TenantShare
        fields = ("tenant", "queue", "weight", "notes")

    def clean_queue(self) -> str:
        queue: str = self.cleaned_data["queue"]
        try:
            shares.check_queue(queue)
        except InvalidOption as error:
            raise ValidationError(str(error)) from error
        return queue


@admin.register(TenantShare)
class TenantShareAdmin(ListedAdmin):
    """Every weight, and below those who share the queues now."""

    form = TenantShareForm
    list_display = ("tenant", "queue_shown", "weight", "notes")
    list_title = "Tenants"
    nothing = "No tenant has a weight of its own: all have the same share."
    change_list_template = "admin/jobs/tenantshare/change_list.html"

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("tenant", "queue")

    def get_readonly_fields(
        self, request: HttpRequest, obj: TenantShare | None = None
    ) -> tuple[str, ...]:
        return ("tenant", "queue_shown") if obj else ()

    def get_fields(self, request: HttpRequest, obj: TenantShare | None = None) -> tuple[str, ...]:
        queue = "queue_shown" if obj else "queue"
        return ("tenant", queue, "weight", "notes")

    @admin.display(description="queue")
    def queue_shown(self, share: TenantShare) -> str:
        return share.queue or "all"

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {
            "fair_queues": sorted(conf.FAIR_QUEUES),
            "tenants": overview.tenants(),
            "shown": overview.SHOWN,
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def save_model(
        self, request: HttpRequest, obj: TenantShare, form: forms.ModelForm[Any], change: bool
    ) -> None:
        """By the same way as the command: audited."""
        row = shares.set_weight(
            obj.tenant,
            obj.weight,
            Actor.of_request(request),
            queue=obj.queue,
            notes=obj.notes,
        )
        obj.pk = row.pk

    def delete_model(self, request: HttpRequest, obj: TenantShare) -> None:
        shares.forget(obj.tenant, Actor.of_request(request), queue=obj.queue)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[TenantShare]) -> None:
        for share in queryset:
            self.delete_model(request, share)

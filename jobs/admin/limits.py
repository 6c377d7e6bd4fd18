"""Limits: what they allow, who holds their places, and who waits."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin import display
from jobs.admin.operations import Operation, Order, Result, Touched, action_of
from jobs.admin.readonly import ListedAdmin, ReadOnlyAdmin
from jobs.audit import Actor
from jobs.limits import operating, overview
from jobs.limits.kinds import LimitKind
from jobs.management.output import counted
from jobs.models import Limit, LimitSlot


def _touched(rows: QuerySet[LimitSlot]) -> Touched:
    names = sorted({str(slot.limit_key) for slot in rows.select_related("limit_key")})
    return Touched(len(rows), [("Limits", ", ".join(names[:20]))] if names else [])


def _release(rows: QuerySet[LimitSlot], order: Order) -> Result:
    freed = operating.release(list(rows.values_list("pk", flat=True)), order.actor, order.reason)
    return Result(
        f"Released {counted(freed, 'place')}.", messages.SUCCESS if freed else messages.WARNING
    )


RELEASE = Operation(
    name="release",
    label="Release",
    permission="release",
    consequence="Whoever waits for these places may start at once, although their jobs still run.",
    touches=_touched,
    perform=_release,
    selected=True,
    single=True,
    destructive=True,
    leaves_row=False,
)

FOLLOW = Operation(
    name="follow",
    label="Follow the code",
    permission="follow",
    consequence="The limit is again what the code says, now and whenever that changes.",
    touches=lambda rows: Touched(len(rows), []),
    perform=lambda rows, order: _follow(rows, order),
    refusal=lambda limit: "" if limit.changed_at else "It follows the code already.",
    single=True,
)


def _follow(rows: Any, order: Order) -> Result:
    for limit in rows:
        operating.follow_code(limit.name, order.actor, order.reason)
    return Result("The limit follows the code again.")


class LimitForm(forms.ModelForm):
    """What an operator may change of a limit."""

    class Meta:
        model = Limit
        fields = ("amount", "period", "burst", "notes")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.kind == LimitKind.CONCURRENCY:
            self.fields.pop("period", None)
        elif "period" in self.fields:
            self.fields["period"].required = True
        if self.instance.kind != LimitKind.TOKEN_BUCKET:
            self.fields.pop("burst", None)

    def clean_period(self) -> dt.timedelta:
        period: dt.timedelta = self.cleaned_data["period"]
        if period <= dt.timedelta(0):
            raise ValidationError("The period must be longer than nothing.")
        return period


@admin.register(Limit)
class LimitAdmin(ListedAdmin):
    """Every limit that jobs have asked for."""

    form = LimitForm
    operations = (FOLLOW,)
    change_form_template = "admin/jobs/limit/change_form.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_follow_permission(self, request: HttpRequest) -> bool:
        # Who may change a row may see it as well, for Django; not so for an operation.
        return request.user.has_perms(["jobs.view_limit", "jobs.change_limit"])

    def rows_of(self, row: Model) -> Any:
        return [row]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (
            list(self.get_form(request, obj, fields=None).base_fields)
            if obj is None
            else [
                name
                for name in LimitForm.Meta.fields
                if name != "period" or obj.kind != LimitKind.CONCURRENCY
                if name != "burst" or obj.kind == LimitKind.TOKEN_BUCKET
            ]
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_or_change_permission(request) or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": "Limits",
            "opts": self.opts,
            "limits": overview.limits(),
            "may_see_places": request.user.has_perm("jobs.view_limitslot"),
            "media": self.media,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/jobs/limit/change_list.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        limit = context["original"]
        context |= {
            "title": limit.name,
            "subtitle": None,
            "buttons": self.buttons(request, limit),
            "facts": overview.limits([limit.name])[0],
            "holders": overview.holders(limit.name),
            "waiting": overview.waiting_for(limit.name),
            "shown": overview.SHOWN,
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: Limit, form: forms.ModelForm[Limit], change: bool
    ) -> None:
        """By the same way as the command: audited, and heard of by who waits."""
        if "notes" in form.changed_data:
            Limit.objects.using(obj._state.db).filter(pk=obj.pk).update(notes=obj.notes)
        changed = {
            name: form.cleaned_data[name]
            for name in ("amount", "period", "burst")
            if name in form.changed_data and form.cleaned_data[name] is not None
        }
        if changed:
            operating.change(obj.name, Actor.of_request(request), **changed)


@admin.register(LimitSlot)
class LimitSlotAdmin(ReadOnlyAdmin):
    """Who holds what."""

    list_title = "Places in limits"
    list_display = ("limit", "key", "held_by", "since", "until")
    list_select_related = ("limit_key",)
    nothing = "No job holds a place in a limit now."
    operations = (RELEASE,)
    actions = [action_of(RELEASE)]
    detail_template = "admin/jobs/limitslot/detail.html"

    def has_release_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.release_limit")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-id",)

    @admin.display(description="limit")
    def limit(self, slot: LimitSlot) -> str:
        return slot.limit_key.limit_id

    @admin.display(description="key")
    def key(self, slot: LimitSlot) -> str:
        return slot.limit_key.key or display.NOTHING

    @admin.display(description="held by")
    def held_by(self, slot: LimitSlot) -> SafeString:
        url = reverse("admin:jobs_job_change", args=[slot.job_id])
        return format_html('<a href="{}">{}</a>', url, slot.job_id)

    @admin.display(description="since")
    def since(self, slot: LimitSlot) -> SafeString | str:
        return display.when(slot.taken_at)

    @admin.display(description="until")
    def until(self, slot: LimitSlot) -> SafeString | str:
        return display.when(slot.expires_at)

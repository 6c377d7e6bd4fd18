"""Paused tags: why, until when, and how many jobs wait for each."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from jobs import tag_pausing
from jobs.admin import display
from jobs.admin.moments import MomentField
from jobs.admin.operations import Operation, Order, Result, Touched, action_of
from jobs.admin.readonly import ListedAdmin
from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.exceptions import InvalidOption
from jobs.ledger import ledger
from jobs.metrics.counting import bounded_counts
from jobs.models import TagPause, TagWait
from jobs.pausing import check


def _touched(rows: QuerySet[TagPause]) -> Touched:
    tags = list(rows.values_list("pk", flat=True))
    return Touched(len(tags), [("Tags", ", ".join(tags[:20]))] if tags else [])


def _resume(rows: QuerySet[TagPause], order: Order) -> Result:
    tags = list(rows.values_list("pk", flat=True))
    resumed = [tag for tag in tags if tag_pausing.resume(tag, order.actor, order.reason)]
    if not resumed:
        return Result("The tag was not paused.", messages.WARNING)
    return Result(f"Resumed {', '.join(resumed)}.")


RESUME = Operation(
    name="resume",
    label="Resume",
    permission="pause",
    consequence="Jobs that have the tag start again, at once.",
    touches=_touched,
    perform=_resume,
    selected=True,
    single=True,
)


class TagPauseForm(forms.ModelForm):
    """Which tag, for how long, and why. Which one it is does not change."""

    paused_until = MomentField(
        label="Until",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="Optional. Without it the tag stays paused until it is resumed.",
    )

    class Meta:
        model = TagPause
        fields = ("tag", "paused_until", "reason")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        try:
            check(cleaned.get("paused_until"), cleaned.get("reason", ""), ledger().now())
        except InvalidOption as error:
            field = "paused_until" if error.field == "until" else error.field
            raise ValidationError({field: str(error)}) from error
        return cleaned


@admin.register(TagPause)
class TagPauseAdmin(ListedAdmin):
    """Every tag that is paused now. To add one is to pause it."""

    form = TagPauseForm
    list_display = ("tag", "until", "reason", "waiting", "paused_by", "since")
    list_select_related = ("paused_by",)
    list_title = "Paused tags"
    nothing = "No tag is paused. Pause one to let all jobs that have it wait, whatever their queue."
    operations = (RESUME,)
    actions = [action_of(RESUME)]
    change_form_template = "admin/jobs/tagpause/change_form.html"

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("tag",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[TagPause]:
        rows: QuerySet[TagPause] = super().get_queryset(request)
        # One that is over only waits for the clock to let its last jobs go.
        return rows.filter(pk__in=TagPause.objects.active(ledger().now()).values("pk"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_pause_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_pause_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(["jobs.view_tagpause", "jobs.pause_tag"])

    def get_readonly_fields(
        self, request: HttpRequest, obj: TagPause | None = None
    ) -> tuple[str, ...]:
        return ("tag",) if obj else ()

    @admin.display(description="until")
    def until(self, pause: TagPause) -> SafeString | str:
        return display.when(pause.paused_until) if pause.paused_until else "it is resumed"

    @admin.display(description="since")
    def since(self, pause: TagPause) -> SafeString | str:
        return display.when(pause.paused_at)

    @admin.display(description="jobs put aside")
    def waiting(self, pause: Any) -> str:
        return str(pause.put_aside)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """With the numbers of all rows, from one statement."""
        listed = super().get_changelist_instance(request)
        waits = TagWait.objects.using(conf.DATABASE)
        counts = bounded_counts({row.pk: waits.filter(pause=row) for row in listed.result_list})
        for row in listed.result_list:
            row.put_aside = counts[row.pk]
        return listed

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        pause: TagPause | None = context.get("original")
        context["buttons"] = self.buttons(request, pause) if pause is not None else []
        context["title"] = f"Pause of {pause}" if pause is not None else "Pause a tag"
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: TagPause, form: forms.ModelForm[Any], change: bool
    ) -> None:
        """By the same way as the command: audited."""
        tag_pausing.pause(obj.tag, Actor.of_request(request), obj.paused_until, obj.reason)

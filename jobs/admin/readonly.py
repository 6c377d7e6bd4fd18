"""Admin pages of rows that only the engine writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from jobs.admin.confirmation import OperationsMixin
from jobs.admin.pagination import KeysetChangeList
from jobs.conf import settings as conf


class ListedAdmin(OperationsMixin):
    """A list that stays quick however many rows there are: paged by key, ordered as it is, and
    filtered by its own filters only."""

    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    list_title = ""
    nothing = "There is nothing here yet."
    """The sentence of an empty list."""

    class Media:
        css = {"all": ("jobs/jobs.css",)}

    def is_list(self, request: HttpRequest) -> bool:
        """Whether rows are wanted for the list, which shows no large column."""
        match = request.resolver_match
        return match is not None and match.url_name == (
            f"{self.opts.app_label}_{self.opts.model_name}_changelist"
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).using(conf.DATABASE)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    def parts_of(self, request: HttpRequest, rows: Any) -> Sequence[QuerySet[Any]]:
        """The rows of the list as querysets without a row in common, each of which an index
        leads to in the list's order."""
        return (rows,)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what a filter answers for; the admin would take any field, indexed or not."""
        known = {name for spec in self.list_filter for name in _parameters(spec)}
        return lookup in known

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method == "GET" and ERROR_FLAG in request.GET:
            self.message_user(
                request, "The filter was not valid and has been left out.", messages.WARNING
            )
        context = {
            "title": self.list_title or str(self.opts.verbose_name_plural).capitalize(),
            "nothing": self.nothing,
            **(extra_context or {}),
        }
        response = super().changelist_view(request, context)
        if isinstance(response, TemplateResponse) and response.context_data:
            changelist = response.context_data.get("cl")
            if changelist is not None:
                response.context_data["matching_buttons"] = self.matching_buttons(
                    request, changelist.get_query_string()
                )
        return response


class ReadOnlyAdmin(ListedAdmin):
    """Rows to look at and, where there are operations, to act on; none to add, edit or delete."""

    detail_template = ""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of one row."""
        row = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, row) or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        return self.page_of(request, row, extra_context or {})

    def page_of(self, request: HttpRequest, row: Any, extra: dict[str, Any]) -> HttpResponse:
        """The answer for a row that the user may see."""
        context = {
            **self.admin_site.each_context(request),
            "title": str(row),
            "opts": self.opts,
            "original": row,
            "media": self.media,
            "buttons": self.buttons(request, row),
            **self.detail(request, row),
            **extra,
        }
        request.current_app = self.admin_site.name
        template = self.detail_template or f"admin/jobs/{self.opts.model_name}/detail.html"
        return TemplateResponse(request, template, context)

    def detail(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the page of this row shows beside the row itself."""
        return {}


def _parameters(spec: Any) -> tuple[str, ...]:
    return getattr(spec, "parameters", ())

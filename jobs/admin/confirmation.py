"""The way of every operation through the admin: permission, confirmation, effect, message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from jobs.admin.moments import moment_of
from jobs.admin.offering import OffersOperations
from jobs.admin.operations import Matching, Operation, Order
from jobs.audit import Actor
from jobs.exceptions import InvalidOption, JobsError

CONFIRMED = "confirmed"
SHOWN_AT = "shown_at"


class OperationsMixin(OffersOperations):
    """Offers operations on selected rows, on all rows that match, and on a single row.

    A GET, and a POST that was not confirmed, shows what would be touched and changes nothing.
    Without the permission there is no button, and each surface answers 403.
    """

    def get_urls(self) -> list[URLPattern]:
        prefix = f"{self.opts.app_label}_{self.opts.model_name}"

        def of(view: Callable[..., HttpResponse], operation: Operation) -> Callable[..., Any]:
            def bound(request: HttpRequest, **captured: Any) -> HttpResponse:
                return view(request, operation=operation, **captured)

            return self.admin_site.admin_view(bound)

        own = [
            path(
                f"{operation.name}-matching/",
                of(self.matching_view, operation),
                name=f"{prefix}_{operation.name}_matching",
            )
            for operation in self.operations
            if operation.matching
        ]
        own += [
            path(
                f"<path:object_id>/{operation.name}/",
                of(self.single_view, operation),
                name=f"{prefix}_{operation.name}",
            )
            for operation in self.operations
            if operation.single
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST":
            wanted = request.POST.getlist("action")
            for operation in self.operations:
                if operation.selected and f"{operation.name}_selected" in wanted:
                    self.require(request, operation)
        return super().changelist_view(request, *args, **kwargs)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Refuse ids that are none, which would otherwise end in a server error."""
        key = self.opts.pk
        for value in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                key.to_python(value)
            except ValidationError:
                self.message_user(request, f"{value!r} is not an id of a row.", messages.ERROR)
                return None
        return super().response_action(request, queryset, *args, **kwargs)

    def operate_on_selected(
        self, request: HttpRequest, queryset: QuerySet[Any], operation: Operation
    ) -> HttpResponse:
        """Act on the rows whose boxes are ticked, and on no others whatever the form claims."""
        self.require(request, operation)
        ids = request.POST.getlist(ACTION_CHECKBOX_NAME)
        hidden = [("action", f"{operation.name}_selected")]
        hidden += [(ACTION_CHECKBOX_NAME, value) for value in ids]
        back = request.get_full_path()
        return self._confirm_or_perform(
            request,
            operation,
            queryset.filter(pk__in=ids),
            hidden=hidden,
            back=back,
            onward=back,
            scope=f"{len(ids)} selected {self.opts.verbose_name_plural}",
        )

    def matching_view(self, request: HttpRequest, *, operation: Operation) -> HttpResponse:
        """Act on every row that the filter in the query string matches."""
        self.require(request, operation)
        changelist = self.address("changelist")
        try:
            found = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            self.message_user(
                request, "The filter is not valid, so nothing was done.", messages.ERROR
            )
            return HttpResponseRedirect(changelist)
        rows = found.get_queryset(request)
        back = changelist + found.get_query_string()
        shown_at = timezone.now()
        if request.method == "POST" and CONFIRMED in request.POST:
            try:
                shown_at = moment_of(request.POST.get(SHOWN_AT, ""))
            except ValueError:
                self.message_user(
                    request, f"{SHOWN_AT} is not a time, so nothing was done.", messages.ERROR
                )
                return HttpResponseRedirect(back)
        if operation.bounded_by:
            # What comes in while the page is being read was not confirmed.
            rows = rows.filter(**{f"{operation.bounded_by}__lte": shown_at})
        hidden = [(SHOWN_AT, shown_at.isoformat())]
        filters = _filters_in_words(found)
        noun = self.opts.verbose_name_plural
        words = ", ".join(f"{name} {value}" for name, value in filters)
        return self._confirm_or_perform(
            request,
            operation,
            rows,
            hidden=hidden,
            back=back,
            onward=back,
            scope=f"{noun} with {words}" if words else f"all {noun}",
            filters=filters,
            matching=Matching(
                {name: values[-1] for name, values in found.get_filters_params().items()},
                found.query,
                shown_at,
            ),
        )

    def single_view(
        self, request: HttpRequest, *, object_id: str, operation: Operation
    ) -> HttpResponse:
        """Act on one row."""
        self.require(request, operation)
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        back = self.address_of(row)
        refusal = operation.refusal(row)
        if refusal:
            self.message_user(request, refusal, messages.WARNING)
            return HttpResponseRedirect(back)
        onward = back if operation.leaves_row else self.address("changelist")
        return self._confirm_or_perform(
            request,
            operation,
            self.rows_of(row),
            title=f"{operation.label} {self.opts.verbose_name} {row}?",
            hidden=[],
            back=back,
            onward=onward,
            scope=f"{self.opts.verbose_name} {row}",
        )

    def rows_of(self, row: Model) -> Any:
        """The rows of an operation on a single one."""
        return self.model._default_manager.filter(pk=row.pk)

    def _confirm_or_perform(
        self,
        request: HttpRequest,
        operation: Operation,
        rows: Any,
        *,
        hidden: list[tuple[str, str]],
        back: str,
        onward: str,
        scope: str,
        title: str = "",
        filters: list[tuple[str, str]] | None = None,
        matching: Matching | None = None,
    ) -> HttpResponse:
        confirmed = request.method == "POST" and CONFIRMED in request.POST
        form = operation.form(request.POST) if confirmed else operation.form()
        if confirmed and form.is_valid():
            try:
                order = Order(
                    actor=Actor.of_request(request),
                    reason=form.cleaned_data.get("reason", ""),
                    scope=scope,
                    matching=matching,
                    data=form.cleaned_data,
                )
                result = operation.perform(operation.applicable(rows), order)
            except InvalidOption as error:
                form.add_error(error.field if error.field in form.fields else None, error.rule)
            except (JobsError, ValidationError) as error:
                text = "; ".join(getattr(error, "messages", None) or [str(error)])
                self.message_user(request, text, messages.ERROR)
                return HttpResponseRedirect(back)
            else:
                self.message_user(request, result.message, result.level)
                return HttpResponseRedirect(onward)
        touched = operation.touches(operation.applicable(rows))
        context = {
            **self.admin_site.each_context(request),
            "title": title or f"{operation.phrase(touched.amount, self.model)}?",
            "opts": self.opts,
            "operation": operation,
            "touched": touched,
            "form": form,
            "hidden": [(CONFIRMED, "yes"), *hidden],
            "back": back,
            "filters": filters,
            "media": self.media,
        }
        return TemplateResponse(request, "admin/jobs/confirm.html", context)


def _filters_in_words(changelist: Any) -> list[tuple[str, str]]:
    given = [
        (name.replace("_", " "), ", ".join(values))
        for name, values in changelist.get_filters_params().items()
    ]
    return [*given, ("search", changelist.query)] if changelist.query else given

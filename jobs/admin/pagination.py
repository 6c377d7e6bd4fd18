"""Lists that page by key: the last page costs what the first does, and nothing is counted."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.timezone import is_naive

from jobs.admin.moments import YEARS
from jobs.keyset import first_of

if TYPE_CHECKING:
    from jobs.admin.readonly import ListedAdmin

OLDER = "after"
NEWER = "before"
CURSORS = (OLDER, NEWER)


class KeysetChangeList(ChangeList):
    """A changelist without COUNT and OFFSET.

    The admin's `get_ordering(request)` must name plain fields, all in one direction, of which the
    last is unique. A cursor holds these values of the row that it starts behind. One row more than
    the page holds is read, which tells whether there is another page.
    """

    keyset = True

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Any]:
        for name in CURSORS:
            self.filter_params.pop(name, None)
            self.params.pop(name, None)
        return super().get_queryset(request, exclude_parameters)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return list(self.model_admin.get_ordering(request))

    def get_results(self, request: HttpRequest) -> None:
        ordering = [str(name) for name in self.get_ordering(request, self.queryset)]
        older, newer = request.GET.get(OLDER), request.GET.get(NEWER)
        size = self.list_per_page
        if newer is not None:
            backwards = [_reverse(name) for name in ordering]
            rows = self._first(request, backwards, newer, size + 1)
            more_newer, more_older = len(rows) > size, True
            rows = rows[:size][::-1]
        else:
            rows = self._first(request, ordering, older, size + 1)
            more_newer, more_older = older is not None, len(rows) > size
            rows = rows[:size]

        self.result_list = cast("QuerySet[Any]", rows)
        self.result_count = len(rows)
        self.full_result_count = None
        self.show_full_result_count = False
        self.show_admin_actions = bool(rows)
        self.can_show_all = False
        self.multi_page = False
        self.paginator = Paginator(rows, size)
        self.without_query = self.get_query_string({SEARCH_VAR: None})
        self.first_page_url = self.get_query_string() if older or newer else ""
        self.newer_url = self._page_url(NEWER, ordering, rows[0]) if more_newer and rows else ""
        self.older_url = self._page_url(OLDER, ordering, rows[-1]) if more_older and rows else ""

    def _first(
        self, request: HttpRequest, ordering: list[str], cursor: str | None, count: int
    ) -> list[Any]:
        """The first rows of the list, or the first behind a cursor."""
        queryset = self.queryset
        if cursor is not None:
            queryset = queryset.filter(_behind(self.model, ordering, cursor))
        admin = cast("ListedAdmin", self.model_admin)
        return first_of(admin.parts_of(request, queryset), ordering, count)

    def _page_url(self, direction: str, ordering: list[str], row: Model) -> str:
        key = [_text(row, name.lstrip("-")) for name in ordering]
        return self.get_query_string({direction: json.dumps(key)})


def _text(row: Model, name: str) -> str:
    return str(row._meta.get_field(name).value_to_string(row))  # type: ignore[union-attr]


def _can_be_compared(value: Any) -> bool:
    if isinstance(value, datetime):
        return not is_naive(value) and value.year in YEARS
    return value is not None


def _reverse(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _behind(model: type[Model], ordering: list[str], cursor: str) -> Q:
    """The rows that come after the cursor's in this ordering.

    Raises IncorrectLookupParameters for a cursor that is none.
    """
    try:
        key = json.loads(cursor)
        if not isinstance(key, list) or len(key) != len(ordering):
            raise ValueError("a cursor is a list with a value for each field of the ordering")
        values = [
            model._meta.get_field(name.lstrip("-")).to_python(value)  # type: ignore[union-attr]
            for name, value in zip(ordering, key, strict=True)
        ]
    except (ValueError, TypeError, RecursionError, ValidationError) as error:
        raise IncorrectLookupParameters(str(error)) from error
    if not all(_can_be_compared(value) for value in values):
        raise IncorrectLookupParameters("a cursor has no empty value and no time without a zone")
    behind = Q()
    for name, value in reversed(list(zip(ordering, values, strict=True))):
        field, beyond = name.lstrip("-"), "lt" if name.startswith("-") else "gt"
        if behind:
            # `<=` is redundant, and what an index can start from.
            behind = Q(**{f"{field}__{beyond}e": value}) & (
                Q(**{f"{field}__{beyond}": value}) | behind
            )
        else:
            behind = Q(**{f"{field}__{beyond}": value})
    return behind

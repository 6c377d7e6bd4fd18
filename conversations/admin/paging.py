"""Lists of big tables: paged without counting all of their rows."""

from __future__ import annotations

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

COUNTED = 5000


class BoundedPaginator(Paginator):
    """Counts up to 5,000 rows and no further; what is behind them a filter finds."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by().values("pk")[:COUNTED].count()
        return len(rows)


class BigTableAdmin(admin.ModelAdmin):
    """What the admin of a table that grows for ever has in common."""

    paginator = BoundedPaginator
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

"""Which operations a user is offered, and where their buttons lead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from jobs.admin.operations import Operation


class OffersOperations(admin.ModelAdmin):
    """Tells for each of its operations whether the user may do it, and makes its buttons."""

    operations: ClassVar[tuple[Operation, ...]] = ()

    def may(self, request: HttpRequest, operation: Operation) -> bool:
        """Whether the user may see the rows and do this to them."""
        allowed: Callable[[HttpRequest], bool] = getattr(
            self, f"has_{operation.permission}_permission"
        )
        return self.has_view_permission(request) and allowed(request)

    def require(self, request: HttpRequest, operation: Operation) -> None:
        """Raise PermissionDenied unless the user may do this."""
        if not self.may(request, operation):
            raise PermissionDenied

    def address_of(self, row: Model) -> str:
        """The page of this row."""
        return self.address("change", quote(row.pk))

    def buttons(self, request: HttpRequest, row: Model) -> list[dict[str, Any]]:
        """The operations on this row that the user has permission for; a refused one says why."""
        return [
            {
                "label": operation.label,
                "url": self.address(operation.name, quote(row.pk)),
                "refusal": operation.refusal(row),
                "destructive": operation.destructive,
            }
            for operation in self.operations
            if operation.single and self.may(request, operation)
        ]

    def matching_buttons(self, request: HttpRequest, query: str) -> list[dict[str, Any]]:
        """The operations on all rows that match the list's filter."""
        return [
            {
                "label": f"{operation.label} all that match",
                "url": self.address(f"{operation.name}_matching") + query,
                "destructive": operation.destructive,
            }
            for operation in self.operations
            if operation.matching and self.may(request, operation)
        ]

    def address(self, name: str, *arguments: str) -> str:
        """The address of one of this model's pages."""
        return reverse(
            f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{name}",
            args=arguments,
        )

"""The button that shows the sensitive arguments of one job, to who may see them, once."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from jobs.admin.operations import ReasonForm
from jobs.admin.readonly import ReadOnlyAdmin
from jobs.audit import Actor
from jobs.exceptions import JobsError
from jobs.privacy import revealing
from jobs.privacy.masking import has_sensitive, masked


class RevealsArguments(ReadOnlyAdmin):
    """Shows the arguments of its rows masked, and plain only as the answer to a POST."""

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_reveal"
        view = self.admin_site.admin_view(self.reveal_view)
        return [path("<path:object_id>/reveal/", view, name=name), *super().get_urls()]

    def has_reveal_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.reveal_job")

    def arguments_of(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What a page shows of the arguments of a row; `reveal_url` is empty for who may not see
        them, and where there is nothing to see."""
        allowed = self.has_view_permission(request) and self.has_reveal_permission(request)
        offered = allowed and has_sensitive(row.definition, row.arguments)
        return {
            "arguments": masked(row.definition, row.arguments),
            "reveal_url": self.address("reveal", quote(row.pk)) if offered else "",
            "reveal_form": ReasonForm(auto_id="reveal-%s"),
        }

    def reveal_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the arguments as they are. Audited."""
        if not (self.has_view_permission(request) and self.has_reveal_permission(request)):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        form = ReasonForm(request.POST)
        if not form.is_valid():
            why = " ".join(str(text) for text in form.errors["reason"])
            return self._refuse(request, row, f"reason: {why}")
        try:
            actor = Actor.of_request(request)
            arguments = revealing.reveal(row, actor, form.cleaned_data["reason"])
        except JobsError as error:
            return self._refuse(request, row, str(error))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Arguments of {row}",
            "opts": self.opts,
            "media": self.media,
            "revealed": arguments,
            "back": self.address_of(row),
        }
        # `admin_view` forbids every cache to keep it.
        return TemplateResponse(request, "admin/jobs/revealed.html", context)

    def _refuse(self, request: HttpRequest, row: Any, why: str) -> HttpResponse:
        self.message_user(request, f"Nothing was revealed. {why}", messages.ERROR)
        return HttpResponseRedirect(self.address_of(row))

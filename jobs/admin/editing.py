"""Edit and retry a failed job, or clone a finished one: a form, what would differ, a new job."""

from __future__ import annotations

import json
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.views import View

from jobs import registry
from jobs.admin.display import NOTHING
from jobs.admin.forms.arguments import ArgumentsForm
from jobs.admin.forms.edit import EditForm
from jobs.admin.search import as_uuid
from jobs.audit import Actor
from jobs.definitions import JobDefinition
from jobs.exceptions import InvalidArguments, InvalidOption, JobsError
from jobs.failures import editing
from jobs.failures.editing import MISSING, Change, Edit
from jobs.models import FailedJob, Job

Row = TypeVar("Row", FailedJob, Job)

CONFIRMED, AGAIN = "_confirmed", "_again"


class EditView(View):
    """Edit and retry a failed job. First the form; then, by POST, what would differ; then, by a
    POST that confirms that, the new job."""

    model_admin: ModelAdmin[Any] | None = None
    permissions: ClassVar[tuple[str, ...]] = (
        "jobs.view_failedjob",
        "jobs.retry_failedjob",
        "jobs.dispatch_job",
    )
    verb: ClassVar[str] = "Edit and retry"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.has_perms(self.permissions):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, object_id: str) -> HttpResponse:
        old = self._old(request, object_id)
        if isinstance(old, HttpResponse):
            return old
        definition = registry.get(old.definition)
        arguments = ArgumentsForm(definition, stored=old.arguments)
        form = EditForm(queue=old.queue, priority=old.priority)
        return self._form(request, old, definition, arguments, form)

    def post(self, request: HttpRequest, object_id: str) -> HttpResponse:
        old = self._old(request, object_id)
        if isinstance(old, HttpResponse):
            return old
        definition = registry.get(old.definition)
        arguments = ArgumentsForm(definition, request.POST, stored=old.arguments)
        form = EditForm(request.POST, queue=old.queue, priority=old.priority)
        # Both are checked, so that all errors are shown at once.
        if all([arguments.is_valid(), form.is_valid()]) and AGAIN not in request.POST:
            edit = Edit(
                arguments=arguments.payload,
                queue=form.cleaned_data["queue"],
                priority=form.cleaned_data["priority"],
            )
            try:
                editing.check(old, edit)
                # The page between carries what was typed, and a secret is never sent back.
                if CONFIRMED not in request.POST and not definition.sensitive:
                    return self._difference(request, old, edit)
                return self._make(request, old, edit, form)
            except InvalidArguments as error:
                arguments.refuse(error)
            except InvalidOption as error:
                form.add_error(error.field if error.field in form.fields else None, error.rule)
        return self._form(request, old, definition, arguments, form)

    def find(self, object_id: str) -> FailedJob | Job | None:
        """The row of this address."""
        return _first(FailedJob.objects.all(), object_id)

    def refusal(self, old: Any) -> str:
        """Why it cannot be done; empty if it can."""
        return refusal_of_edit(old)

    def make(self, old: Any, edit: Edit, actor: Actor, reason: str, new_id: UUID) -> UUID:
        """Make the new job."""
        return editing.retry_edited(old.pk, edit, actor, reason, new_id=new_id)

    def _old(self, request: HttpRequest, object_id: str) -> Any:
        """The old row, or where to go if there is none or it does not allow this."""
        assert self.model_admin is not None
        opts = self.model_admin.opts
        old = self.find(unquote(object_id))
        if old is None:
            messages.warning(request, f"There is no {opts.verbose_name} {object_id!r}.")
            return HttpResponseRedirect(
                reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
            )
        if refusal := self.refusal(old):
            messages.warning(request, refusal)
            return HttpResponseRedirect(self._address(old))
        return old

    def _make(self, request: HttpRequest, old: Any, edit: Edit, form: EditForm) -> HttpResponse:
        data = form.cleaned_data
        try:
            job_id = self.make(old, edit, Actor.of_request(request), data["reason"], data["job_id"])
        except editing.AlreadySent as error:
            messages.warning(request, str(error))
            return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[error.job_id]))
        except (InvalidArguments, InvalidOption):
            raise
        except JobsError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(self._address(old))
        address = reverse("admin:jobs_job_change", args=[job_id])
        messages.success(request, format_html('Made <a href="{}">job {}</a>.', address, job_id))
        return HttpResponseRedirect(self._address(old))

    def _form(
        self,
        request: HttpRequest,
        old: Any,
        definition: JobDefinition,
        arguments: ArgumentsForm,
        form: EditForm,
    ) -> HttpResponse:
        context = {
            "definition": definition,
            "arguments_form": arguments,
            "form": form,
            "errors": form.is_bound and (arguments.errors or form.errors),
        }
        return self._render(request, "edit_form", old, context)

    def _difference(self, request: HttpRequest, old: Any, edit: Edit) -> HttpResponse:
        changes = editing.difference(old, edit)
        context = {
            "changes": [(change.name, *_shown(change)) for change in changes],
            "typed": [
                (name, value)
                for name, values in request.POST.lists()
                if name not in ("csrfmiddlewaretoken", CONFIRMED, AGAIN)
                for value in values
            ],
            "confirmed": CONFIRMED,
            "again": AGAIN,
        }
        return self._render(request, "edit_difference", old, context)

    def _address(self, old: Any) -> str:
        return reverse(f"admin:jobs_{old._meta.model_name}_change", args=[old.pk])

    def _render(
        self, request: HttpRequest, template: str, old: Any, context: dict[str, Any]
    ) -> HttpResponse:
        assert self.model_admin is not None
        shared = {
            "opts": self.model_admin.opts,
            "media": self.model_admin.media,
            "title": f"{self.verb} {old.short_name}",
            "verb": self.verb,
            "old": old,
            "back": self._address(old),
        }
        return TemplateResponse(
            request,
            f"admin/jobs/{template}.html",
            {**self.model_admin.admin_site.each_context(request), **shared, **context},
        )


class CloneView(EditView):
    """Run a finished job once more, changed or not, as a new job that is linked to it."""

    permissions: ClassVar[tuple[str, ...]] = ("jobs.view_job", "jobs.dispatch_job")
    verb: ClassVar[str] = "Clone"

    def find(self, object_id: str) -> FailedJob | Job | None:
        return _first(Job.objects.all(), object_id)

    def refusal(self, old: Any) -> str:
        return refusal_of_clone(old)

    def make(self, old: Any, edit: Edit, actor: Actor, reason: str, new_id: UUID) -> UUID:
        return editing.clone(old, edit, actor, reason, new_id=new_id)


def refusal_of_edit(failed: FailedJob) -> str:
    """Why this failed job cannot be edited and retried; empty if it can."""
    if failed.retried_at:
        return "This failed job was retried already."
    return _refusal_of(failed.definition)


def refusal_of_clone(job: Job) -> str:
    """Why this job cannot be cloned; empty if it can."""
    if not job.is_finished:
        return f"Only a finished job can be cloned; this one is {job.state}."
    return _refusal_of(job.definition)


def _refusal_of(name: str) -> str:
    definition = registry.find(name)
    if definition is None:
        return f"The code that runs here knows no job definition {name!r}."
    if definition.internal:
        return "Its definition serves other jobs: its arguments cannot be edited."
    return ""


def _first(rows: QuerySet[Row], text: str) -> Row | None:
    """The row of an id; None as well where the text is no id."""
    pk = as_uuid(text)
    return None if pk is None else rows.filter(pk=pk).first()


def _shown(change: Change) -> tuple[str, str]:
    before, after = (
        NOTHING if value is MISSING else json.dumps(value, indent=2, ensure_ascii=False)
        for value in (change.before, change.after)
    )
    return before, after

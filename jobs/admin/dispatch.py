"""Dispatch any registered job from a form that is made from its signature."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views import View
from django.views.decorators.debug import sensitive_post_parameters

from jobs import audit, dispatch, registry
from jobs.admin.forms.arguments import ArgumentsForm
from jobs.admin.forms.definitions import offered
from jobs.admin.forms.dispatch import DispatchForm
from jobs.admin.search import as_uuid
from jobs.arguments import Payload
from jobs.conf import settings as conf
from jobs.definitions import JobDefinition
from jobs.exceptions import DuplicateJob, InvalidArguments, InvalidOption
from jobs.models import Job


class DispatchView(View):
    """Without a definition, the list of those that may be dispatched; with one, its form."""

    model_admin: ModelAdmin[Any] | None = None

    # Pages for developers and mails to ADMINS about an error would show what was typed.
    @method_decorator(sensitive_post_parameters())
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.has_perms(["jobs.view_job", "jobs.dispatch_job"]):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        name = request.GET.get("definition", "")
        if not name:
            return self._list(request)
        definition = _offered(name)
        if definition is None:
            messages.error(request, f"No job definition {name!r} can be dispatched.")
            return HttpResponseRedirect(reverse("admin:jobs_job_dispatch"))
        stored, initial = self._like(request, definition)
        arguments = ArgumentsForm(definition, stored=stored)
        return self._form(request, definition, arguments, DispatchForm(definition, initial=initial))

    def post(self, request: HttpRequest) -> HttpResponse:
        name = request.GET.get("definition", "")
        definition = _offered(name)
        if definition is None:
            messages.error(request, f"No job definition {name!r} can be dispatched.")
            return HttpResponseRedirect(reverse("admin:jobs_job_dispatch"))
        # Of what the form does not show, the values of the job to copy are kept.
        stored = self._like(request, definition)[0] if definition.sensitive else None
        arguments = ArgumentsForm(definition, request.POST, stored=stored)
        form = DispatchForm(definition, request.POST)
        # Both are checked, so that all errors are shown at once.
        if all([arguments.is_valid(), form.is_valid()]):
            try:
                return self._dispatch(request, definition, arguments, form)
            except InvalidArguments as error:
                arguments.refuse(error)
            except InvalidOption as error:
                form.add_error(error.field if error.field in form.fields else None, error.rule)
            except DuplicateJob as error:
                form.add_error(None, str(error))
        return self._form(request, definition, arguments, form)

    def _dispatch(
        self,
        request: HttpRequest,
        definition: JobDefinition,
        arguments: ArgumentsForm,
        form: DispatchForm,
    ) -> HttpResponse:
        made = dispatch.new_job_from(
            definition.path,
            arguments.payload,
            queue=form.cleaned_data["queue"] or None,
            priority=form.cleaned_data["priority"],
        )
        made = replace(
            made,
            id=form.cleaned_data["job_id"],
            delay=form.wait,
            due_at=form.cleaned_data["run_at"] or made.due_at,
        )
        job_id = made.id
        try:
            with transaction.atomic(using=conf.DATABASE):
                (job_id,) = dispatch.insert([made])
                audit.record(
                    audit.Actor.of_request(request),
                    "dispatch",
                    definition.path,
                    after={"job": str(job_id), "queue": made.queue, "priority": made.priority},
                    reason=form.cleaned_data["reason"],
                )
        except IntegrityError:
            if not Job.objects.using(conf.DATABASE).filter(pk=made.id).exists():
                raise
            messages.warning(request, "This form was sent before: its job was dispatched then.")
            return HttpResponseRedirect(_address(job_id))
        address = _address(job_id)
        if job_id != made.id:
            told = "It is unique, and gave way to {}."
            messages.warning(
                request, format_html(told, format_html('<a href="{}">{}</a>', address, job_id))
            )
            return HttpResponseRedirect(address)
        messages.success(
            request,
            format_html('Dispatched <a href="{}">{} {}</a>.', address, definition.label, made.id),
        )
        return HttpResponseRedirect(address)

    def _like(
        self, request: HttpRequest, definition: JobDefinition
    ) -> tuple[Payload | None, dict[str, Any]]:
        """Arguments, queue and priority of the job to make a copy of, if one is asked for."""
        wanted = as_uuid(request.GET.get("like", ""))
        if wanted is None:
            return None, {}
        job = Job.objects.filter(pk=wanted, definition=definition.path).first()
        if job is None:
            return None, {}
        return job.arguments, {"queue": job.queue, "priority": job.priority}

    def _list(self, request: HttpRequest) -> HttpResponse:
        text = request.GET.get("q", "")
        context = {"groups": offered(text), "text": text, "title": "Dispatch a job"}
        return self._render(request, "admin/jobs/job/dispatch_list.html", context)

    def _form(
        self,
        request: HttpRequest,
        definition: JobDefinition,
        arguments: ArgumentsForm,
        form: DispatchForm,
    ) -> HttpResponse:
        context = {
            "definition": definition,
            "arguments_form": arguments,
            "form": form,
            "title": f"Dispatch {definition.label}",
        }
        return self._render(request, "admin/jobs/job/dispatch_form.html", context)

    def _render(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        assert self.model_admin is not None
        site = self.model_admin.admin_site
        shared = {"opts": self.model_admin.opts, "media": self.model_admin.media}
        return TemplateResponse(
            request, template, {**site.each_context(request), **shared, **context}
        )


def _offered(name: str) -> JobDefinition | None:
    definition = registry.registered(name)
    # PostgreSQL takes no NUL, not even to look for it.
    if definition is None and "\x00" not in name:
        # A process that serves pages has not imported every module that the ledger names.
        known = any(jobs.exists() for jobs in Job.objects.filter(definition=name).by_state())
        definition = registry.find(name) if known else None
    return None if definition is None or definition.internal else definition


def _address(job_id: UUID) -> str:
    return reverse("admin:jobs_job_change", args=[job_id])

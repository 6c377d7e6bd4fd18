"""The job definition that runs every old call."""

from __future__ import annotations

import traceback
from typing import Any

from django.utils import timezone
from django_q.conf import error_reporter
from django_q.signals import post_execute, post_execute_in_worker, pre_execute

from jobs.arguments import encode_result
from jobs.conf import settings
from jobs.definitions import job
from jobs.django_q2 import failures, functions, results, sensitive
from jobs.django_q2.calls import OldCall
from jobs.django_q2.rows import Ending
from jobs.exceptions import JobFailedForGood, JobReleased
from jobs.execution.context import CurrentJob, current_job
from jobs.privacy.scrubbing import Scrubber


@job(internal=True, on_failure=failures.record_failure)
def run_task(func: str, args: list[Any], kwargs: dict[str, Any], task: dict[str, Any]) -> Any:
    """Run a call of `async_task`: import the function by its dotted path and call it.

    Sends django-q2's signals, and writes what `result` and `fetch` read before it returns. It is
    not offered to operators: only code can name a function here.
    """
    call = OldCall.stored(func, args, kwargs, task)
    current = current_job()
    sent = {**call.as_task(), "started": timezone.now()}
    function: Any = None
    scrub: Scrubber | None = None
    try:
        call = call.unpacked()
        sent |= {"args": tuple(call.args), "kwargs": call.kwargs}
        secret = sensitive.opened(call.func, call.args, call.kwargs)
        scrub = secret.scrub if secret is not None else None
        if current is not None and scrub is not None:
            current.scrub = scrub
        function = functions.load(call.func)
        # Not robust: a receiver that refuses keeps the function from running, and it is seen.
        pre_execute.send(sender="django_q", func=function, task=sent)
        if secret is None:
            value = function(*sent["args"], **sent["kwargs"])
        else:
            # Receivers, and whatever keeps what they were sent, know the call as it is stored.
            value = function(*secret.args, **secret.kwargs)
    except (JobReleased, JobFailedForGood):
        # The job's own word to the ledger, by `current_job()`: not an error of the function.
        raise
    except BaseException as error:
        _report(error, scrub)
        text = f"{error} : {traceback.format_exc()}"
        text = text if scrub is None else scrub.text(text)
        _end(sent, function, success=False, result=text)
        if results.record_attempt(call, _ending(sent), current):
            post_execute.send_robust(sender="django_q", task=sent)
        raise
    kept, stored = _kept(value, call, current, scrub)
    _end(sent, function, success=True, result=kept)
    if results.record_success(call, _ending(sent), current):
        post_execute.send_robust(sender="django_q", task=sent)
    return stored


def _end(sent: dict[str, Any], function: Any, *, success: bool, result: Any) -> None:
    sent |= {"success": success, "result": result, "stopped": timezone.now()}
    post_execute_in_worker.send_robust(sender="django_q", func=function, task=sent)


def _ending(sent: dict[str, Any]) -> Ending:
    return Ending(
        success=sent["success"],
        result=sent["result"],
        started=sent["started"],
        stopped=sent["stopped"],
    )


def _report(error: BaseException, scrub: Scrubber | None) -> None:
    """Tell the site's error reporter, which looks for the exception that is being handled."""
    if not error_reporter:
        return
    if scrub is None:
        error_reporter.report()
        return
    instead = scrub.stand_in(error)
    try:
        raise instead
    except BaseException:
        instead.__context__ = None
        error_reporter.report()


def _kept(
    value: Any, call: OldCall, current: CurrentJob | None, scrub: Scrubber | None
) -> tuple[Any, Any]:
    """What is kept of a result: for django-q2's functions, and in the ledger.

    Most old functions return something that nobody reads; so one that JSON cannot hold does not
    fail a call that has done its work. It is dropped, which the job's log says.
    """
    try:
        stored = encode_result(value)
    except TypeError as error:
        if settings.DJANGO_Q2_PICKLE and scrub is None:
            return value, None
        note = f"The result of {call.func} was not kept: {error}; JOBS_DJANGO_Q2_PICKLE would"
        if current is not None:
            current.log(note, level="warning")
        return None, None
    if scrub is not None:
        stored = scrub.json(stored)
        return stored, stored
    return (stored if not settings.DJANGO_Q2_PICKLE else value), stored

"""What can go wrong, one class each; the facts are attributes."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured


class JobsError(Exception):
    """Base of the errors of the engine. Do not raise directly."""


class JobsConfigurationError(JobsError, ImproperlyConfigured):
    """A JOBS_* setting is not valid."""


class EncryptionUnavailable(JobsConfigurationError):
    """Sensitive arguments cannot be encrypted here, so the job is not enqueued."""

    def __init__(self, why: str) -> None:
        super().__init__(f"Sensitive arguments cannot be encrypted: {why}")


class InvalidDefinition(JobsError, TypeError):
    """An option of a job definition is not valid."""


class UnknownDefinition(JobsError, LookupError):
    """No job definition of this name is registered."""

    def __init__(self, name: str, suggestion: str = "") -> None:
        self.name = name
        hint = f" Did you mean {suggestion!r}?" if suggestion else ""
        super().__init__(f"No job definition {name!r} is registered.{hint}")


class UnknownQueue(JobsError, LookupError):
    """No pool serves a queue of this name, and no job is in it."""

    def __init__(self, name: str, suggestion: str = "") -> None:
        self.name = name
        hint = f" Did you mean {suggestion!r}?" if suggestion else ""
        super().__init__(f"There is no queue {name!r}.{hint}")


class UnknownLimit(JobsError, LookupError):
    """No limit of this name is kept."""

    def __init__(self, name: str, suggestion: str = "") -> None:
        self.name = name
        hint = f" Did you mean {suggestion!r}?" if suggestion else ""
        super().__init__(f"There is no limit {name!r}.{hint}")


class UnknownFailureGroup(JobsError, LookupError):
    """No failure group has a fingerprint that is, or begins with, this."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        super().__init__(f"There is no failure group {fingerprint!r}.")


class NotificationFailed(JobsError):
    """A notification did not reach its recipient."""


class InvalidArguments(JobsError, TypeError):
    """The arguments do not fit the definition: `parameter`, `value` and `rule` say how."""

    def __init__(self, definition: str, parameter: str, rule: str, value: Any = None) -> None:
        self.definition = definition
        self.parameter = parameter
        self.value = value
        self.rule = rule
        super().__init__(f"{definition}: {parameter}: {rule}")


class InvalidOption(JobsError, ValueError):
    """A value given at dispatch is not valid: `field`, `value` and `rule` say how."""

    def __init__(self, field: str, value: Any, rule: str) -> None:
        self.field = field
        self.value = value
        self.rule = rule
        super().__init__(f"{field}: {value!r}: {rule}")


class DuplicateJob(JobsError):
    """A job of the same key is there already, and its definition wants to be told: `job_id`."""

    def __init__(self, definition: str, label: str, job_id: Any) -> None:
        self.definition = definition
        self.label = label
        self.job_id = job_id
        super().__init__(f"{definition}: {label!r} is unique, and job {job_id} has it")


class InvalidWorkflow(JobsError, ValueError):
    """A chain, batch or workflow is not put together rightly."""


class UnknownWorkflow(JobsError, LookupError):
    """No workflow of this id is kept, or it has no such step."""


class WorkflowEnded(JobsError):
    """What was asked of a workflow or a step cannot be done in the state that it is in."""


class MissingObject(JobsError):
    """A model instance that was given as an argument is gone."""

    def __init__(self, model: str, pk: Any) -> None:
        self.model = model
        self.pk = pk
        super().__init__(f"{model} with primary key {pk!r} no longer exists")


class Undecryptable(JobsError):
    """A sensitive argument cannot be decrypted with the keys of this process."""

    def __init__(self, why: str) -> None:
        super().__init__(f"A sensitive argument cannot be decrypted: {why}")


class NothingSensitive(JobsError):
    """A job has no sensitive arguments to reveal."""

    def __init__(self, job_id: Any) -> None:
        self.job_id = job_id
        super().__init__(f"Job {job_id} has no sensitive arguments.")


class NotAllowedInState(JobsError):
    """The job's state does not allow this."""

    def __init__(self, action: str, job_id: Any, state: str) -> None:
        self.action = action
        self.job_id = job_id
        self.state = state
        super().__init__(f"Job {job_id} is {state} and cannot be {action}")


class JobTimeout(JobsError, TimeoutError):
    """Raised inside a job whose time is up. What does not end soon after it is killed."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"The job ran longer than its timeout of {seconds:g} s")


class JobLost(JobsError):
    """The worker that ran the job died."""


class RetriesExpired(JobsError):
    """The time until which the job may be tried again has passed."""


class JobReleased(BaseException):
    """Ends an attempt whose job goes back to wait. Raised by `current_job().release()`; not an
    Exception, so that an `except Exception` in the job does not stop it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"released for {seconds:g} s")


class JobSkipped(BaseException):
    """Ends an attempt as done although the job did not run. Raised by `current_job().skip()`."""

    def __init__(self, reason: str, result: Any = None) -> None:
        self.reason = reason
        self.result = result
        super().__init__(f"skipped: {reason}")


class JobFailedForGood(BaseException):
    """Ends a job as failed whatever its attempts. Raised by `current_job().fail()`."""

    def __init__(self, cause: BaseException) -> None:
        self.cause = cause
        super().__init__(str(cause))

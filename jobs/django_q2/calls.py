"""One old call: what `async_task` made of it, and how the ledger stores it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django_q.models import Task

from jobs.conf import settings
from jobs.django_q2 import arguments, functions, sensitive
from jobs.exceptions import InvalidArguments, InvalidOption


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an old call asks for beside its function and arguments; `options.task` in the ledger.

    `key` is the name of the broker's queue, under which cached results are kept.
    """

    id: str
    name: str
    key: str
    group: str | None = None
    hook: str | None = None
    save: bool | None = None
    cached: bool | float | None = None
    iter_count: int = 0
    iter_cached: bool | float | None = None
    cluster: str | None = None
    package: str | None = None
    """The arguments as a signed pickle, where JSON cannot hold them."""

    @classmethod
    def stored(cls, values: Mapping[str, Any]) -> Options:
        """From what `as_json` returned."""
        return cls(**values)

    def as_json(self) -> dict[str, Any]:
        """Only what was given, since most calls ask for nothing."""
        given = {key: value for key, value in asdict(self).items() if value is not None}
        if not self.iter_count:
            del given["iter_count"]
        return given


@dataclass(frozen=True, slots=True, kw_only=True)
class OldCall:
    """A function by its dotted path, its arguments, and its options."""

    func: str
    args: list[Any]
    kwargs: dict[str, Any]
    options: Options

    @classmethod
    def of(cls, task: Mapping[str, Any], key: str) -> OldCall:
        """The call in django-q2's task, checked, as `async_task` gave it to the broker of `key`.

        The sensitive arguments of a job definition are encrypted. Raises InvalidArguments for an
        argument that cannot be stored, InvalidOption for an option that is not valid or longer than
        django-q2's table can hold, and EncryptionUnavailable.
        """
        func = _text("func", functions.path_of("func", task["func"]), "func")
        args, kwargs, package = list(task["args"]), dict(task["kwargs"]), None
        if (definition := sensitive.definition_of(func)) is not None:
            args, kwargs = sensitive.sealed(definition, args, kwargs, task, key)
        try:
            arguments.check(func, args, kwargs)
        except InvalidArguments:
            if not settings.DJANGO_Q2_PICKLE:
                raise
            package = arguments.packed(args, kwargs)
            args, kwargs = [], {}
        hook = task.get("hook")
        options = Options(
            id=task["id"],
            name=_text("task_name", task["name"], "name"),
            key=key,
            group=_optional_text("group", task.get("group"), "group"),
            hook=_text("hook", functions.path_of("hook", hook), "hook") if hook else None,
            save=task.get("save"),
            cached=_lifetime("cached", task.get("cached")),
            iter_count=task.get("iter_count") or 0,
            iter_cached=_lifetime("iter_cached", task.get("iter_cached")),
            cluster=_optional_text("cluster", task.get("cluster"), "cluster"),
            package=package,
        )
        return cls(func=func, args=args, kwargs=kwargs, options=options)

    @classmethod
    def stored(
        cls, func: str, args: list[Any], kwargs: dict[str, Any], task: Mapping[str, Any]
    ) -> OldCall:
        """From the arguments of a job; see `job_arguments`. A signed pickle stays packed."""
        return cls(func=func, args=args, kwargs=kwargs, options=Options.stored(task))

    def job_arguments(self) -> dict[str, Any]:
        """The keyword arguments of `run_task`."""
        return {
            "func": self.func,
            "args": self.args,
            "kwargs": self.kwargs,
            "task": self.options.as_json(),
        }

    def unpacked(self) -> OldCall:
        """With the arguments themselves. Raises what `arguments.unpacked` does."""
        if self.options.package is None:
            return self
        args, kwargs = arguments.unpacked(self.func, self.options.package)
        return OldCall(func=self.func, args=args, kwargs=kwargs, options=self.options)

    def as_task(self) -> dict[str, Any]:
        """The task as receivers of django-q2's signals know it."""
        options = {
            key: value
            for key, value in self.options.as_json().items()
            if key not in ("key", "package")
        }
        return {**options, "func": self.func, "args": tuple(self.args), "kwargs": self.kwargs}

    @property
    def tags(self) -> tuple[str, ...]:
        """How its job is found: by the id that `async_task` returned, and by the group."""
        group = self.options.group
        return (id_tag(self.options.id), *((f"group:{group}",) if group else ()))


def id_tag(task_id: str) -> str:
    """The tag of all jobs of one django-q2 task: the first one, and each retry by an operator."""
    return f"task:{task_id}"


def _text(option: str, value: Any, column: str) -> str:
    longest = Task._meta.get_field(column).max_length
    if not isinstance(value, str) or not 0 < len(value) <= longest or "\x00" in value:
        raise InvalidOption(option, value, f"must be text of 1 to {longest} characters")
    return value


def _optional_text(option: str, value: Any, column: str) -> str | None:
    # Groups are often numbers: a schedule without a name groups its tasks by its key.
    return None if value in (None, "") else _text(option, str(value), column)


def _lifetime(option: str, value: Any) -> bool | float | None:
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, int | float) or value < 0:
        raise InvalidOption(option, value, "must be True, False or a number of seconds")
    return value

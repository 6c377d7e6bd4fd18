"""The form of a job definition's arguments, made from its signature."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from django import forms

from jobs import registry
from jobs.admin.forms.docstrings import parameter_help
from jobs.admin.forms.fields import NOT_GIVEN, Typed
from jobs.admin.forms.parameters import (
    EMPTY,
    VARIADIC,
    as_json,
    field_for,
    initial_of,
    is_nullable,
    secret_field_for,
)
from jobs.arguments import Payload, check_payload
from jobs.definitions import JobDefinition
from jobs.exceptions import EncryptionUnavailable, InvalidArguments
from jobs.privacy.encryption import ENCRYPTED, is_sealed

PREFIX = "argument"
SHOWN = f"{PREFIX}s-of"
"""Names the definition whose form the browser has shown."""

KEPT = "Left empty, the stored value is kept."

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class ArgumentsForm(forms.Form):
    """One field for each parameter; `payload` gives the arguments once the form is valid.

    A parameter that is left at its default is not stored, so it follows the code, unless it is
    among the `stored` arguments, which stay as they were given. Give `data` for
    a form that was submitted, or `typed` for what was typed into the form of another definition:
    what fits by name stays, and the rest is carried along hidden, so nothing typed is lost.

    The values of sensitive parameters are never shown, neither stored ones nor typed ones. A stored
    one is kept where its field is left empty.
    """

    template_name = "admin/jobs/arguments_form.html"

    def __init__(
        self,
        definition: JobDefinition,
        data: Mapping[str, Any] | None = None,
        *,
        stored: Payload | None = None,
        typed: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, prefix=PREFIX)
        self.definition = definition
        self.payload: Payload = {}
        self.parameters = definition.signature.parameters
        helps = parameter_help(definition.func, self.parameters)
        for name, parameter in self.parameters.items():
            make = secret_field_for if name in definition.sensitive else field_for
            field = make(parameter, helps.get(name, ""))
            field.label = name if parameter.kind not in VARIADIC else str(parameter).split(":")[0]
            self.fields[name] = field
        self.unfitting: Payload = {}
        self._kept: dict[str, Any] = {}
        if stored:
            self._show(stored)
        self._given = set(self.initial)
        if typed is not None:
            typed = _without_secrets(typed)
            for name in self.fields:
                if self.add_prefix(name) in typed:
                    self.initial[name] = Typed(typed[self.add_prefix(name)])
        self._typed = typed if typed is not None else (data or {})

    @property
    def carried(self) -> Iterator[tuple[str, str]]:
        """What was typed for parameters that this definition has not."""
        own = {self.add_prefix(name) for name in self.fields}
        for name, value in self._typed.items():
            if name.startswith(f"{PREFIX}-") and name not in own:
                yield name, value

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            try:
                self.payload = check_payload(self.definition, self._payload(cleaned))
            except InvalidArguments as error:
                self.refuse(error)
            except EncryptionUnavailable as error:
                self.add_error(None, str(error))
        return cleaned

    def refuse(self, error: InvalidArguments) -> None:
        """Show what the dispatch has found wrong, at the parameter if it names one."""
        name = error.parameter.partition("[")[0]
        self.add_error(name if name in self.fields else None, error.rule)

    def _payload(self, cleaned: Mapping[str, Any]) -> Payload:
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        rest = self._variadic(cleaned, inspect.Parameter.VAR_POSITIONAL, [])
        last = self._last_positional(cleaned) if not rest else len(self.parameters)
        for index, (name, parameter) in enumerate(self.parameters.items()):
            if parameter.kind in VARIADIC:
                continue
            value = self._value(name, parameter, cleaned)
            if parameter.kind in POSITIONAL and index < last:
                args.append(as_json(parameter.default if value is NOT_GIVEN else value))
            elif value is not NOT_GIVEN:
                kwargs[name] = as_json(value)
        kwargs |= self._variadic(cleaned, inspect.Parameter.VAR_KEYWORD, {})
        return {"args": [*args, *rest], "kwargs": kwargs}

    def _value(self, name: str, parameter: inspect.Parameter, cleaned: Mapping[str, Any]) -> Any:
        """The value to store; NOT_GIVEN where the default holds."""
        if self._is_kept(name):
            return self._kept[name]
        secret = name in self.definition.sensitive
        if secret and parameter.default is not EMPTY and not self.data.get(self.add_prefix(name)):
            # The field has not shown the default, so that an empty one stands for it.
            return NOT_GIVEN
        value = self._not_sealed(name, cleaned.get(name))
        if parameter.default is EMPTY:
            return None if value is NOT_GIVEN else value
        if value is NOT_GIVEN or (value is None and not is_nullable(parameter)):
            return NOT_GIVEN
        at_default = name not in self._given and _same(as_json(value), parameter.default)
        return NOT_GIVEN if at_default else value

    def _last_positional(self, cleaned: Mapping[str, Any]) -> int:
        """One beyond the last parameter that can only be given by position and is given."""
        last = 0
        for index, (name, parameter) in enumerate(self.parameters.items()):
            only = parameter.kind == inspect.Parameter.POSITIONAL_ONLY
            if only and self._value(name, parameter, cleaned) is not NOT_GIVEN:
                last = index + 1
        return last

    def _variadic(self, cleaned: Mapping[str, Any], kind: Any, nothing: Any) -> Any:
        for name, parameter in self.parameters.items():
            if parameter.kind == kind and self._is_kept(name):
                return self._kept[name]
            if parameter.kind == kind and cleaned.get(name, NOT_GIVEN) is not NOT_GIVEN:
                found = cleaned[name]
                for item in found.values() if isinstance(found, dict) else found:
                    self._not_sealed(name, item)
                return found
        return nothing

    def _is_kept(self, name: str) -> bool:
        """Whether the stored value of a sensitive parameter stays, as nothing else was typed."""
        return name in self._kept and not self.data.get(self.add_prefix(name))

    def _not_sealed(self, name: str, value: Any) -> Any:
        """The value, which was typed. Raises InvalidArguments for an encrypted one: who knows it
        must not get it decrypted by handing it to another job."""
        if is_sealed(value):
            rule = f"an object with the key {ENCRYPTED} alone is an encrypted value"
            raise InvalidArguments(self.definition.path, name, rule)
        return value

    def _show(self, stored: Payload) -> None:
        """Fill the fields with stored arguments; those that no field takes are kept apart."""
        args, kwargs = list(stored.get("args", [])), dict(stored.get("kwargs", {}))
        for name, parameter in self.parameters.items():
            if parameter.kind in POSITIONAL and args:
                self._fill(name, args.pop(0))
            elif parameter.kind == inspect.Parameter.VAR_POSITIONAL and args:
                self._fill(name, args)
                args = []
            elif parameter.kind not in VARIADIC and name in kwargs:
                self._fill(name, kwargs.pop(name))
            elif parameter.kind == inspect.Parameter.VAR_KEYWORD and kwargs:
                # The last parameter: what is left has no other name.
                self._fill(name, kwargs)
                kwargs = {}
        if args or kwargs:
            self.unfitting = {"args": args, "kwargs": kwargs}

    def _fill(self, name: str, value: Any) -> None:
        field = self.fields[name]
        if name not in self.definition.sensitive and not _holds_sealed(value):
            self.initial[name] = initial_of(field, value)
            return
        self._kept[name] = value
        field.required = field.widget.is_required = False
        field.help_text = f"{field.help_text} {KEPT}".strip()


def _holds_sealed(value: Any) -> bool:
    """Of a parameter that is sensitive no longer."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return is_sealed(value) or any(map(is_sealed, items))


def _without_secrets(typed: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed but for the sensitive parameters of the definition whose form was shown: a
    page must not send them back."""
    shown = registry.registered(str(typed.get(SHOWN, "")))
    secret = {f"{PREFIX}-{name}" for name in shown.sensitive} if shown is not None else set()
    return {name: value for name, value in typed.items() if name not in secret}


def _same(value: Any, default: Any) -> bool:
    # 1 == True, and a job may tell them apart.
    return type(value) is type(as_json(default)) and bool(value == as_json(default))

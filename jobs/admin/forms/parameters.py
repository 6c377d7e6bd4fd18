"""From a parameter of a function to a form field, and from the field's value to JSON."""

from __future__ import annotations

import datetime as dt
import enum
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal, Union
from uuid import UUID

from django import forms
from django.db.models import Model

from jobs.admin.forms.fields import (
    BooleanSelect,
    JSONText,
    ModelKeyField,
    PlainText,
    TypedChoice,
)
from jobs.parameters import MODEL_KEY

VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
EMPTY = inspect.Parameter.empty


def field_for(parameter: inspect.Parameter, help_text: str = "") -> forms.Field:
    """The form field of a parameter, with its default as initial value.

    What has no field of its own (lists, dicts, unions, no annotation) is given as JSON.
    """
    if parameter.kind == inspect.Parameter.VAR_POSITIONAL:
        return JSONText(required=False, kind=list, help_text=help_text or "More values, as a list.")
    if parameter.kind == inspect.Parameter.VAR_KEYWORD:
        return JSONText(
            required=False, kind=dict, help_text=help_text or "More named values, as an object."
        )
    annotation, nullable = _without_none(parameter.annotation)
    field = _typed(annotation, nullable)
    field.help_text = help_text
    if parameter.default is not EMPTY:
        field.required = False
        if parameter.default is not None:
            field.initial = initial_of(field, parameter.default)
    elif nullable:
        field.required = False
    return field


def secret_field_for(parameter: inspect.Parameter, help_text: str = "") -> forms.Field:
    """The form field of a sensitive parameter: one line that shows nothing, neither what is typed
    nor its default. What has a list of choices is given as JSON."""
    field = field_for(parameter, help_text)
    if isinstance(field, TypedChoice):
        nullable = is_nullable(parameter)
        field = JSONText(nullable=nullable, required=field.required, help_text=help_text)
    if isinstance(field, ModelKeyField):
        field.tells_key = False
    # Password managers offer what they keep only where they take a field for a login's.
    widget = forms.PasswordInput(attrs={"class": "vTextField", "autocomplete": "new-password"})
    widget.is_required = field.required
    field.widget = widget
    return field


def is_nullable(parameter: inspect.Parameter) -> bool:
    """Whether None may be passed for it."""
    return _without_none(parameter.annotation)[1]


def initial_of(field: forms.Field, value: Any) -> Any:
    """A value, of Python or of JSON, as the field shows it."""
    if isinstance(value, Model):
        return value.pk
    if isinstance(field, ModelKeyField) and isinstance(value, Mapping):
        return value.get("pk")
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(field, forms.DateTimeField) and isinstance(value, str):
        return _parsed(dt.datetime, value)
    if isinstance(field, forms.DateField) and isinstance(value, str):
        return _parsed(dt.date, value)
    return value


def as_json(value: Any) -> Any:
    """What a field gives, as the JSON value that a job gets. A date or time becomes ISO text."""
    match value:
        case enum.Enum():
            return value.value
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case Decimal() | UUID():
            return str(value)
        case Model():
            key = value._meta.pk.value_to_string(value)
            return {MODEL_KEY: value._meta.label_lower, "pk": key}
    return value


def _typed(annotation: Any, nullable: bool) -> forms.Field:
    if typing.get_origin(annotation) is Literal:
        return TypedChoice(typing.get_args(annotation), blank=nullable)
    if not isinstance(annotation, type) or typing.get_origin(annotation) is not None:
        return JSONText(kind=_container(annotation), nullable=nullable)
    if issubclass(annotation, enum.Enum):
        return TypedChoice([member.value for member in annotation], blank=nullable)
    if issubclass(annotation, Model):
        return ModelKeyField(annotation)
    made = _SIMPLE.get(annotation)
    if made is None:
        return JSONText(kind=_container(annotation), nullable=nullable)
    return made(nullable)


_SIMPLE: dict[type, Callable[[bool], forms.Field]] = {
    bool: lambda nullable: BooleanSelect(),
    int: lambda nullable: forms.IntegerField(widget=_number("1")),
    float: lambda nullable: forms.FloatField(widget=_number("any")),
    str: PlainText,
    UUID: lambda nullable: forms.UUIDField(widget=_text()),
    Decimal: lambda nullable: forms.DecimalField(widget=_number("any")),
    dt.date: lambda nullable: forms.DateField(
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    ),
    dt.datetime: lambda nullable: forms.DateTimeField(
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"
        )
    ),
    dt.time: lambda nullable: forms.TimeField(
        widget=forms.TimeInput(attrs={"type": "time", "step": "1"}, format="%H:%M:%S")
    ),
}


def _number(step: str) -> forms.NumberInput:
    return forms.NumberInput(attrs={"step": step, "class": "jobs-number"})


def _text() -> forms.TextInput:
    return forms.TextInput(attrs={"class": "vTextField"})


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """The annotation without None, and whether None was there; a union of more stays one."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) not in (Union, types.UnionType):
        return annotation, annotation in (None, type(None))
    choices = typing.get_args(annotation)
    rest = [choice for choice in choices if choice is not type(None)]
    nullable = len(rest) < len(choices)
    return (rest[0] if len(rest) == 1 else annotation), nullable


def _container(annotation: Any) -> type | None:
    """The kind of JSON value that an annotation asks for, where it is a list or an object."""
    origin = typing.get_origin(annotation) or annotation
    if not isinstance(origin, type):
        return None
    if issubclass(origin, Mapping):
        return dict
    return list if issubclass(origin, list | tuple) else None


def _parsed(kind: Any, value: str) -> Any:
    try:
        return kind.fromisoformat(value)
    except ValueError:
        return value

"""The form fields of arguments that Django has none for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db.models import Model

NONE_CHOICE = ("", "(none)")
LARGE = {"class": "vLargeTextField jobs-code", "rows": 3, "spellcheck": "false"}


class NotGiven:
    """Stands for a field that was left empty, where an empty value could be one."""

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN: Any = NotGiven()


class JSONText(forms.CharField):
    """A value as JSON. Unlike Django's field it tells «nothing» from `null`, and which kind of
    value is asked for."""

    def __init__(self, *, kind: type | None = None, nullable: bool = False, **options: Any) -> None:
        super().__init__(widget=forms.Textarea(attrs=LARGE), initial=NOT_GIVEN, **options)
        self.kind = kind
        self.nullable = nullable

    def prepare_value(self, value: Any) -> Any:
        """Show a Python value as JSON, and what was typed as it was typed."""
        if isinstance(value, Typed):
            return str(value)
        return "" if value is NOT_GIVEN else json.dumps(value, ensure_ascii=False, default=str)

    def bound_data(self, data: Any, initial: Any) -> Any:
        return Typed(data or "")

    def clean(self, value: Any) -> Any:
        text = (value or "").strip()
        if not text:
            if self.required:
                raise ValidationError(self.error_messages["required"], code="required")
            return NOT_GIVEN
        try:
            found = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ValidationError(
                f'This is not JSON: {error}. Text needs quotes: "text".', code="invalid"
            ) from error
        if found is None and self.nullable:
            return None
        if self.kind is not None and not isinstance(found, self.kind):
            example = "a list: [1, 2]" if self.kind is list else 'an object: {"name": 1}'
            raise ValidationError(f"This must be {example}.", code="kind")
        return found


class Typed(str):
    """What a user has typed into a JSON field."""

    __slots__ = ()


class PlainText(forms.CharField):
    """Text as it is, spaces included. Empty is None where that is allowed."""

    def __init__(self, nullable: bool = False) -> None:
        super().__init__(
            strip=False,
            empty_value=None if nullable else "",
            widget=forms.Textarea(attrs={"rows": 1, "class": "vLargeTextField"}),
        )

    def to_python(self, value: Any) -> Any:
        # Browsers send the ends of lines as HTTP has them.
        return super().to_python(value.replace("\r\n", "\n") if isinstance(value, str) else value)


class TypedChoice(forms.ChoiceField):
    """One of a few JSON values, given back as that value and not as its text."""

    def __init__(self, values: Sequence[Any], *, blank: bool) -> None:
        self._values = {_key(value): value for value in values}
        shown = [(key, str(value)) for key, value in self._values.items()]
        super().__init__(choices=[NONE_CHOICE, *shown] if blank else [("", "---------"), *shown])

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, Typed):
            return str(value)
        return "" if value is None and None not in self._values.values() else _key(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        return Typed(data or "")

    def clean(self, value: Any) -> Any:
        key = super().clean(value)
        return self._values[key] if key else None


class BooleanSelect(TypedChoice):
    """Yes or no, chosen: a box that nobody ticked would say no by itself."""

    def __init__(self) -> None:
        super().__init__((True, False), blank=False)
        self.choices = [("", "---------"), ("true", "Yes"), ("false", "No")]


class ModelKeyField(forms.CharField):
    """The primary key of a row that there is, given back as the row."""

    def __init__(self, model: type[Model]) -> None:
        super().__init__(widget=forms.TextInput(attrs={"class": "vTextField"}))
        self.model = model
        self.tells_key = True

    def clean(self, value: Any) -> Any:
        key = super().clean(value)
        if not key:
            return None
        try:
            return self.model._base_manager.get(pk=key)
        except (ObjectDoesNotExist, ValueError, TypeError, OverflowError, ValidationError):
            which = f"the primary key {key!r}" if self.tells_key else "this primary key"
            raise ValidationError(
                f"There is no {self.model._meta.verbose_name} with {which}.", code="missing"
            ) from None


def _key(value: Any) -> str:
    return json.dumps(value, default=str)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")

"""pydantic's findings as located problems: every mistake of a file in one error."""

from __future__ import annotations

import json
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, RootModel, ValidationError

from edgekit.errors import EdgekitError, RecipeError
from edgekit.yamlfile.nearest import choices_hint
from edgekit.yamlfile.source import Loc, YamlSource, read_yaml

__all__ = ["problems_in", "raise_problems", "read_validated", "validated"]

Model = TypeVar("Model", bound=BaseModel)

# pydantic's word for a type error -> ours
_EXPECTED = {
    "string_type": "text", "int_type": "a whole number", "int_from_float": "a whole number", "float_type": "a number",
    "bool_type": "true or false", "tuple_type": "a list", "list_type": "a list", "dict_type": "a mapping",
    "model_type": "a mapping", "model_attributes_type": "a mapping", "finite_number": "a finite number",
}

# Clearer than pydantic's own words.
_WORDS = {
    "string_pattern_mismatch": "lower-case letters, digits, '-', '_' and '.' only, a letter or digit first",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "value_error": "{error}",
}


def validated(model: type[Model], source: YamlSource) -> Model | None:
    """``source.data`` as a ``model``; None where it is wrong, with the findings added to ``source.problems``."""
    if source.data is None:
        return None
    try:
        return _strict(model, source.data)
    except ValidationError as e:
        source.problems += _problems(e, model, source, ())
        return None


def read_validated(model: type[Model], path: Path, kind: str) -> Model:
    """The file as a ``model``; raises RecipeError with every mistake of the file, ``kind`` says what it is."""
    source = read_yaml(path)
    found = validated(model, source)
    raise_problems(kind, source)
    assert found is not None  # nothing is found only with a problem
    return found


def problems_in(data: Any, model: type[BaseModel], source: YamlSource, at: Loc) -> list[EdgekitError]:
    """What is wrong with ``data``, which stands at ``at`` in ``source``, as a ``model``."""
    try:
        _strict(model, data)
    except ValidationError as e:
        return _problems(e, model, source, at)
    return []


def _problems(error: ValidationError, model: type[BaseModel], source: YamlSource, at: Loc) -> list[EdgekitError]:
    found = error.errors(include_url=False)
    # A list whose items are all wrong is "too short" to pydantic: the items' own mistakes say it.
    nested = {f["loc"][:depth] for f in found for depth in range(len(f["loc"]))}
    return [_problem(dict(f), model, source, at) for f in found if f["type"] != "too_short" or f["loc"] not in nested]


def _strict(model: type[Model], data: Any) -> Model:
    # JSON mode: strict (no text becomes a number), yet lists become tuples.
    return model.model_validate_json(json.dumps(data), strict=True)


def raise_problems(kind: str, source: YamlSource) -> None:
    """Raises what is in ``source.problems``, in order of lines, as one RecipeError; returns where there is nothing."""
    problems = sorted(source.problems, key=_position)
    if not problems:
        return
    first = problems[0]
    if len(problems) == 1:
        raise RecipeError(first.code, first.message, where=first.where, cause=first.cause, next=first.next,
                          problems=problems)
    raise RecipeError(f"{kind}-invalid", f"{source.path.name} has {len(problems)} mistakes", where=first.where,
                      next=f"edit {source.path} at the lines named", problems=problems)


def _problem(found: dict[str, Any], model: type[BaseModel], source: YamlSource, at: Loc) -> EdgekitError:
    loc: Loc = tuple(found["loc"])
    kind, value, spelled = found["type"], found["input"], ".".join(map(str, at + loc))
    if kind == "extra_forbidden":
        names = field_names(model, loc[:-1])
        return RecipeError("key-unknown", f"unknown key '{loc[-1]}'{_inside(at + loc)}",
                           where=source.where(at + loc, key=True), next=choices_hint(str(loc[-1]), names))
    if kind == "missing":
        return RecipeError("key-missing", f"key '{loc[-1]}' is missing{_inside(at + loc)}",
                           where=source.where(at + loc[:-1], key=True), next=f"add '{loc[-1]}:'")
    where = source.where(at + loc)
    if kind in ("literal_error", "name_unknown"):
        choices = [str(c) for c in (found["ctx"]["choices"] if kind == "name_unknown" else literals(model, loc))]
        return RecipeError("name-unknown", f"{spelled}: there is no {_shown(value)}", where=where,
                           next=choices_hint(str(value), choices))
    if kind in _EXPECTED:
        return RecipeError("type-wrong", f"{spelled}: expected {_EXPECTED[kind]}, got {_shown(value)}", where=where)
    message = _WORDS[kind].format_map(found.get("ctx", {})) if kind in _WORDS else found["msg"]
    got = f", got {_shown(value)}" if isinstance(value, (str, int, float)) else ""
    return RecipeError("value-wrong", f"{spelled or source.path.name}: {message}{got}", where=where)


def field_names(model: Any, loc: Loc) -> list[str]:
    """The keys that are right at ``loc`` of ``model``."""
    kind = _type_at(model, loc)
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def literals(model: Any, loc: Loc) -> tuple[Any, ...]:
    """The names that are right at ``loc`` of ``model``."""
    kind = _type_at(model, loc)
    return get_args(kind) if get_origin(kind) is Literal else ()


def _type_at(kind: Any, loc: Loc) -> Any:
    kind = _bare(kind)
    for step in loc:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(str(step))
            kind = _bare(field.annotation) if field else None
        else:  # tuple[item, ...] or dict[str, item]
            kind = _bare(get_args(kind)[isinstance(step, str)]) if get_args(kind) else None
    return kind


def _bare(kind: Any) -> Any:
    """The type inside ``| None``, ``Annotated`` and ``RootModel``."""
    if isinstance(kind, type) and issubclass(kind, RootModel):
        return _bare(kind.model_fields["root"].annotation)
    if get_origin(kind) in (Union, UnionType):
        return _bare(next(a for a in get_args(kind) if a is not type(None)))
    return _bare(kind.__origin__) if hasattr(kind, "__metadata__") else kind


def _inside(loc: Loc) -> str:
    return f" in {'.'.join(map(str, loc[:-1]))}" if len(loc) > 1 else ""


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else f"'{value}'" if isinstance(value, str) else str(value).lower()


def _position(problem: EdgekitError) -> tuple[int, int]:
    line, column = (problem.where or "").rsplit(":", 2)[-2:]
    return (int(line), int(column)) if line.isdigit() and column.isdigit() else (0, 0)

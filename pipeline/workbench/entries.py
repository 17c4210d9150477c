"""The entry of a new source as YAML to fill in: every option of its kind, each with a comment."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from pipeline.crawl.references import Source
from pipeline.errors import UserError
from pipeline.names import unknown_name
from pipeline.params import SourceEntry, explain_validation
from pipeline.project import PARAMS_FILE

WIDTH = 104
COMMENT_COLUMN = 36
FIRST_LIMIT = {"images": 100, "pages": 5}
REQUIRED = "REQUIRED"
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`])")
_NAMED = re.compile(r"`(\w+)`")


def render_entry(name: str, kind: type[Source], domains: Collection[str], given: Mapping[str, Any]) -> str:
    """Return the entry as YAML, without indentation; `domains` are those to choose from.

    `given` are values of options and of what every entry may say. What is required and not given becomes a
    comment that says so, any other option a comment with its default. Raises `UserError` for a wrong value.
    """
    _check(name, kind, domains, given)
    lines = [f"kind: {kind.kind}"]
    lines += _domain(domains, given)
    lines += _limit(kind, given)
    own = [key for key in SourceEntry.model_fields if key in given and key not in ("domain", "limit")]
    lines += [_setting(key, given[key]) for key in own]
    lines += _options(kind.Options, given)
    about = [*_comment(first_line(kind)), *_comment(kind.terms)]
    return "\n".join([f"{name}:", *(f"  {line}" for line in (*about, *lines))]) + "\n"


def missing_options(kind: type[Source], entry: Mapping[str, Any]) -> list[str]:
    """Return what an entry of a kind has to say and does not."""
    required = [key for key, field in SourceEntry.model_fields.items() if field.is_required()]
    required += [key for key, field in kind.Options.model_fields.items() if field.is_required()]
    return [key for key in required if key not in entry]


def first_line(kind: type[Source]) -> str:
    """Return the first line of a kind's docstring."""
    return (kind.__doc__ or kind.kind).strip().splitlines()[0]


def _check(name: str, kind: type[Source], domains: Collection[str], given: Mapping[str, Any]) -> None:
    where = f"{PARAMS_FILE}: sources.{name}"
    shared = {key for key in SourceEntry.model_fields if key != "kind"}
    for key in given:
        if key not in shared | kind.Options.model_fields.keys():
            known = [*kind.Options.model_fields, *sorted(shared)]
            raise unknown_name(where, key, f"options of the kind {kind.kind}", known)
    wrong = [
        *_wrong(SourceEntry, {"kind": kind.kind} | {key: given[key] for key in given if key in shared}, name),
        *_wrong(kind.Options, {key: given[key] for key in given if key not in shared}, name),
    ]
    if wrong:
        raise UserError("\n".join(wrong))
    if "domain" in given:
        entry = SourceEntry.model_validate({"kind": kind.kind, "domain": given["domain"]})
        for domain in entry.domains.all():
            if domain not in domains:
                raise unknown_name(f"{where}.domain", domain, "domains", domains)


def _wrong(model: type[BaseModel], given: Mapping[str, Any], name: str) -> list[str]:
    """Say what is wrong with each value; what is missing, or missing beside it, is for the user to fill in."""
    try:
        model.model_validate(given)
    except ValidationError as error:
        kept = ("type", "loc", "input", "ctx")
        problems: list[Any] = [
            {key: value for key, value in problem.items() if key in kept}
            for problem in error.errors()
            if problem["loc"] and problem["type"] != "missing"
        ]
        if problems:
            only = ValidationError.from_exception_data(error.title, problems)
            return [explain_validation(only, PARAMS_FILE, prefix=f"sources.{name}")]
    return []


def _domain(domains: Collection[str], given: Mapping[str, Any]) -> list[str]:
    if "domain" in given:
        return [_setting("domain", given["domain"])]
    return [
        f"# domain: {REQUIRED} — one of {', '.join(domains)}; of pairs, one for each role: {{before: photo, …}}"
    ]


def _limit(kind: type[Source], given: Mapping[str, Any]) -> list[str]:
    of_what = "of one crawl: images, bytes, minutes; pages: how deep it looks"
    if "limit" in given or kind.needs_limit:
        return [_beside(_setting("limit", given.get("limit", FIRST_LIMIT)), of_what)]
    return [_beside(f"# limit: {_value(FIRST_LIMIT)}", of_what)]


def _options(options: type[BaseModel], given: Mapping[str, Any]) -> Iterator[str]:
    said = _said_of_options(options)
    schema = options.model_json_schema(by_alias=False, schema_generator=_LenientSchema)
    for name, field in options.model_fields.items():
        yield from _comment(said.get(name, ""))
        of_option = schema["properties"][name]
        words = _words(of_option, schema.get("$defs", {}))
        if name in given:
            yield _setting(name, given[name])
        elif field.is_required():
            yield f"# {name}: {REQUIRED} — {words}"
        else:
            yield _beside(f"# {name}: {_default(of_option)}".rstrip(), words)


def _said_of_options(options: type[BaseModel]) -> dict[str, str]:
    """Return what the class's docstring says of each option: sentences go to the first option that they name.

    A sentence that names none goes with the one before it.
    """
    said: dict[str, list[str]] = {}
    current = next(iter(options.model_fields), "")
    for sentence in _SENTENCE_END.split(" ".join((options.__doc__ or "").split())):
        named = _NAMED.findall(sentence)
        current = next((name for name in options.model_fields if name in named), current)
        said.setdefault(current, []).append(sentence)
    return {name: " ".join(sentences) for name, sentences in said.items()}


class _LenientSchema(GenerateJsonSchema):
    """A schema of any class: what has no words in JSON is left open."""

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        return {}


def _words(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Say in words what a value has to be; nothing where the schema leaves it open."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[-1]]
        return f"a mapping of {', '.join(schema.get('properties', ()))}"
    if "description" in schema:
        return str(schema["description"])
    if "enum" in schema or "const" in schema:
        return f"one of {', '.join(map(str, schema.get('enum') or [schema['const']]))}"
    if "anyOf" in schema:
        words = [_words(choice, definitions) for choice in schema["anyOf"] if choice.get("type") != "null"]
        return " or ".join(dict.fromkeys(filter(None, words)))
    return _words_of_type(schema, definitions)


def _words_of_type(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    match schema.get("type"):
        case "array":
            return f"a list; each {_words(schema.get('items', {}), definitions)}"
        case "object":
            return f"a mapping; each value {_words(schema.get('additionalProperties', {}), definitions)}"
        case "string" if schema.get("pattern", "").startswith("^https?://"):
            return "a web address"
        case "string":
            return "a regular expression" if schema.get("format") == "regex" else "text"
        case "integer" | "number" as number:
            bounds = [f"{word} {schema[key]}" for key, word in _BOUNDS.items() if key in schema]
            return " ".join(["a whole number" if number == "integer" else "a number", *bounds])
        case "boolean":
            return "true or false"
    return ""


_BOUNDS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "up to", "exclusiveMaximum": "below"}


def _default(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    if isinstance(default, dict):
        default = {key: value for key, value in default.items() if value is not None}
    return "" if default is None else _value(default)


def _setting(key: str, value: Any) -> str:
    return f"{key}: {_value(value)}"


def _value(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**9)
    return text.removesuffix("...\n").strip()


def _beside(line: str, comment: str) -> str:
    return f"{line:{COMMENT_COLUMN}}  # {comment}" if comment else line


def _comment(text: str) -> list[str]:
    return [
        f"# {line}" for line in textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
    ]

"""Describing: turns what is said of a route into the objects of OpenAPI, and collects what several routes share."""

from collections.abc import Iterable, Mapping
from typing import Any

from openapi_pydantic.v3.v3_1 import (
    Example,
    Header,
    MediaType,
    Operation,
    Parameter,
    Reference,
    RequestBody,
    Response,
    Schema,
)

from gateway.exchange import Dialect
from gateway.openapi import operation as said
from gateway.openapi import refusals, shared
from gateway.openapi.ollama_answers import OllamaError
from gateway.openapi.openai_answers import OpenAIError
from gateway.openapi.schemas import Schemas

_ERRORS = {Dialect.OLLAMA: OllamaError, Dialect.OPENAI: OpenAIError}
_ERROR_NAMES = {Dialect.OLLAMA: "Ollama", Dialect.OPENAI: "OpenAI"}

type Security = list[dict[str, list[str]]]


class Describing:
    """Makes one document. `wants_key`: whether clients must show a key."""

    def __init__(self, *, wants_key: bool) -> None:
        self._wants_key = wants_key
        self._schemas = Schemas()
        self.responses: dict[str, Response | Reference] = {}

    def schemas(self) -> dict[str, dict[str, Any]]:
        """Return the JSON schemas of all that was described, by name."""
        return self._schemas.written()

    def operation(self, route: said.Operation, dialect: Dialect, security: Security) -> Operation:
        """Return a route as the document has it."""
        answers: dict[str, Response | Reference] = {str(one.status): self._answer(one) for one in route.answers}
        for status, response in self._errors(route, dialect, security).items():
            answers.setdefault(status, response)
        return Operation(
            operationId=route.id,
            tags=[route.tag],
            summary=route.summary,
            description=route.meaning,
            parameters=[_parameter(one) for one in route.parameters] or None,
            requestBody=self._body(route.body) if route.body is not None else None,
            responses=dict(sorted(answers.items())),
            security=security,
            deprecated=route.deprecated,
        )

    def _body(self, body: said.Body) -> RequestBody:
        content = {one.media: self._media(one) for one in body.contents}
        return RequestBody(description=body.meaning, content=content, required=body.required)

    def _answer(self, answer: said.Answer) -> Response:
        names = (*shared.EVERY, *answer.headers, *(shared.EXPLAINED if answer.explained else ()))
        content = {one.media: self._media(one) for one in answer.contents}
        return Response(description=answer.meaning, headers=_headers(names), content=content or None)

    def _media(self, content: said.Content) -> MediaType:
        examples: dict[str, Example | Reference] = {
            name.replace(" ", "_"): Example(summary=name, value=value) for name, value in content.examples.items()
        }
        if content.model is not None:
            return MediaType(schema=_to(self._schemas.ref(content.model)), examples=examples)
        schema = dict(content.schema)
        if content.items:
            refs = [{"$ref": self._schemas.ref(model)} for model in content.items]
            kind = "a line" if content.media == said.LINES else "an event"
            schema["description"] = f"One JSON object {kind}; which ones, x-items says."
            schema["x-items"] = {"anyOf": refs}
        return MediaType(schema=Schema.model_validate(schema), examples=examples or None)

    def _errors(self, route: said.Operation, dialect: Dialect, security: Security) -> Mapping[str, Reference]:
        names = (*route.errors, *_of_keys(security), *refusals.ANY)
        found: dict[str, Reference] = {}
        for status, of_status in refusals.by_status(names, dialect).items():
            found[status] = self._refused(status, of_status, dialect)
        return found

    def _refused(self, status: str, names: Iterable[str], dialect: Dialect) -> Reference:
        """Return a reference to the response of these errors, which is made when it is first wanted."""
        known = list(names)
        words = "Or".join("".join(word.capitalize() for word in name.split("_")) for name in known)
        name = f"{_ERROR_NAMES[dialect]}{words}"
        if name not in self.responses:
            self.responses[name] = self._error(status, known, dialect)
        return _to(f"#/components/responses/{name}")

    def _error(self, status: str, names: list[str], dialect: Dialect) -> Response:
        examples: dict[str, Example | Reference] = {}
        for name in names:
            if (body := refusals.body_of(name, dialect)) is not None:
                examples[name] = Example(summary=refusals.REFUSALS[name].meaning, value=body)
        schema = _to(self._schemas.ref(_ERRORS[dialect]))
        return Response(
            description=" ".join(refusals.REFUSALS[name].meaning for name in names),
            headers=_headers((*shared.EVERY, *shared.BY_STATUS.get(status, ()))),
            content={said.JSON: MediaType(schema=schema, examples=examples)} if examples else None,
        )


def _of_keys(security: Security) -> tuple[str, ...]:
    if any(shared.ADMIN_KEY in one for one in security):
        return ("admin_key",)
    return ("key",) if security else ()


def _headers(names: Iterable[str]) -> dict[str, Header | Reference]:
    return {name: _to(f"#/components/headers/{name}") for name in dict.fromkeys(names)}


def _to(place: str) -> Reference:
    return Reference.model_validate({"$ref": place})


def _parameter(parameter: said.Parameter) -> Parameter:
    return Parameter.model_validate(
        {
            "name": parameter.name,
            "in": parameter.where,
            "description": parameter.meaning,
            "required": parameter.where == "path",
            "schema": dict(parameter.schema),
            "example": parameter.example,
        }
    )

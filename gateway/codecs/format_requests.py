"""How a backend is asked for JSON, or for JSON of a schema."""

from typing import Any

from gateway.codecs.contract import Profile
from gateway.errors import RequestError


def encode_format(response_format: dict[str, Any] | None, profile: Profile) -> dict[str, Any] | None:
    """Return `response_format`, as `options.check_format` made it, in a form that `profile` holds an answer to.

    Where any JSON object is wanted and only schemas are known, a schema says so. Raises RequestError where there is no
    such form: an answer in words is worse than an error for whoever is about to parse it.
    """
    if response_format is None or response_format["type"] in profile.formats:
        return response_format
    if response_format["type"] == "json_object" and "json_schema" in profile.formats:
        return {"type": "json_schema", "json_schema": {"name": "object", "schema": {"type": "object"}}}
    raise RequestError(f"this model's server ({profile.name}) cannot hold an answer to a format", param="format")

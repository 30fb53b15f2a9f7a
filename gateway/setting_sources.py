"""Where settings come from: the environment, a `.env` file, and the file that maps model names."""

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from gateway.address_values import passwords_in
from gateway.mapping_entries import Entry, check_mapping
from gateway.settings_text import ConfigError, Problem

DOTENV_PATH = Path(".env")
MAPPING_SETTING = "MODEL_MAPPING_FILE"
BACKENDS_SETTING = "BACKENDS_FILE"
URL_SETTINGS = ("CACHE_URL", "REDIS_URL")
"""Secret because of the password that may stand in them."""
SECRET_SETTINGS = ("OPENAI_API_KEY", "API_KEYS", "ADMIN_KEY", *URL_SETTINGS)


def read_settings(environ: Mapping[str, str], dotenv_path: Path = DOTENV_PATH) -> dict[str, str]:
    """Return what the environment and then `.env` set. Raises ConfigError when `.env` cannot be read."""
    try:
        return merge(environ, read_dotenv(dotenv_path))
    except ValueError as error:
        raise ConfigError([Problem(str(dotenv_path), str(error), "a text file with lines NAME=value")]) from None


def given_settings(mapping: Mapping[str, str], names: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Return the settings of these names that have a value, and a warning for those that are not meant for us."""
    given = {name: _trimmed(name, mapping[name]) for name in names if mapping.get(name, "").strip()}
    if injected_by_kubernetes("PROXY_PORT", given.get("PROXY_PORT", "")):
        del given["PROXY_PORT"]
        return given, ["PROXY_PORT is an address, as Kubernetes sets it for a Service named proxy: ignored"]
    return given, []


def _trimmed(name: str, value: str) -> str:
    """Remove what surrounds a value; a line break at the end of a key stays and is refused, it is seldom meant."""
    return value.strip(" \t") if name in SECRET_SETTINGS else value.strip()


def secrets_in(given: Mapping[str, str]) -> list[str]:
    """Return the secrets among settings by name: what no message may show."""
    values = [given.get(name, "") for name in SECRET_SETTINGS]
    parts = [part.strip() for value in values for part in (value, *value.split(","))]
    return [*parts, *(word for name in URL_SETTINGS for word in passwords_in(given.get(name, "")))]


def injected_by_kubernetes(name: str, value: str) -> bool:
    """Tell whether a value is the address that Kubernetes sets for a Service named `proxy`, not a port of ours."""
    return name == "PROXY_PORT" and value.strip().startswith("tcp://")


def read_dotenv(path: Path) -> dict[str, str]:
    """Return what a `.env` file sets; a missing file sets nothing. Raises ValueError when it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    found = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: value for name, value in found.items() if value is not None}


def merge(environ: Mapping[str, str], dotenv: Mapping[str, str]) -> dict[str, str]:
    """Return both, the environment first; what is empty there counts as unset."""
    own = {
        name: value
        for name, value in environ.items()
        if value.strip() and not (name in dotenv and injected_by_kubernetes(name, value))
    }
    return {**dotenv, **own}


def read_model_mapping(path: Path) -> dict[str, Entry]:
    """Return the entries of a mapping file by name, checked. Raises ValueError with what is wrong, and where."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_without_doubles)
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON (line {error.lineno}, column {error.colno}: {error.msg})") from None
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no JSON object")
    try:
        check_mapping(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return content


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; the same name twice is an error, because one of the two would silently win."""
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the entry {json.dumps(double)} stands there twice")
    return content

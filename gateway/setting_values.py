"""From the text of a setting to its value: readers (ValueError says what is wrong), and types made of them.

No message quotes a value: a key that stands in the wrong variable must not reach a terminal or a log.
"""

import re
from ipaddress import ip_address
from math import isfinite
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, PlainSerializer, SecretStr
from yarl import URL

from gateway.backend_settings import DELIVERIES, Delivery
from gateway.cpus import usable_cpus
from gateway.settings_text import SettingKind

TRUE_WORDS = frozenset({"true", "1", "yes", "on"})
FALSE_WORDS = frozenset({"false", "0", "no", "off"})
MANAGEMENT_WORDS = ("static", "strict")
PLAIN_WORDS = ("auto", "direct", "streamed")
AUTO = "auto"
MOST_WORKERS = 256
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOG_DETAILS = ("minimal", "normal", "verbose")
MOST_BUFFERED = 100_000

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#,@]+", re.IGNORECASE)
_METRICS_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_PATTERN = re.compile(r"[^\s?#@]+")
_ENDPOINTS = ("/chat/completions", "/completions", "/embeddings", "/models")


def read_flag(text: str) -> bool:
    """Read a boolean, in any case."""
    word = text.lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise ValueError("is neither true nor false")
    return word in TRUE_WORDS


def read_inverted_flag(text: str) -> bool:
    """Read a boolean that switches something off."""
    return not read_flag(text)


def _read_whole(text: str, lowest: int, highest: int | None = None) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError("is not a whole number")
    number = int(text)
    if number < lowest or (highest is not None and number > highest):
        raise ValueError("is out of range")
    return number


def read_port(text: str) -> int:
    """Read a TCP port."""
    return _read_whole(text, 1, 65535)


def read_count(text: str) -> int:
    """Read a whole number, zero included."""
    return _read_whole(text, 0)


def read_positive(text: str) -> int:
    """Read a whole number above zero."""
    return _read_whole(text, 1)


def read_seconds_or_zero(text: str) -> float:
    """Read a number of seconds, zero included; `nan` and `inf` are refused."""
    if text.strip("+-").lower() in {"nan", "inf", "infinity"}:
        raise ValueError("is not a finite number")
    if not _DECIMAL.fullmatch(text):
        raise ValueError("is not a number")
    seconds = float(text)
    if not isfinite(seconds):
        raise ValueError("is not a finite number")
    if seconds < 0:
        raise ValueError("is negative")
    return seconds


def read_seconds(text: str) -> float:
    """Read a number of seconds above zero."""
    seconds = read_seconds_or_zero(text)
    if seconds == 0:
        raise ValueError("is zero")
    return seconds


def read_level(text: str) -> str:
    """Read a log level, in any case."""
    level = text.upper()
    if level not in LOG_LEVELS:
        raise ValueError("is not a log level")
    return level


def read_key(text: str) -> SecretStr:
    """Read a key: what an HTTP header can carry."""
    if not text.isascii() or not text.isprintable():
        raise ValueError("holds a control character (such as a line break) or one outside ASCII")
    return SecretStr(text)


def split_list(text: str) -> list[str]:
    """Return the items of a comma list, without the blanks around them and without empty ones."""
    return [item for item in (part.strip() for part in text.split(",")) if item]


def read_keys(text: str) -> tuple[SecretStr, ...]:
    """Read a comma list of keys; a list of commas alone is an error, because it would leave the doors open."""
    keys = tuple(SecretStr(item) for item in split_list(read_key(text).get_secret_value()))
    if not keys:
        raise ValueError("holds no key")
    return keys


def read_origins(text: str) -> tuple[str, ...]:
    """Read a comma list of origins, in lower case as browsers send them."""
    return tuple(_read_origin(item) for item in split_list(text))


def read_origin_patterns(text: str) -> tuple[str, ...]:
    """Read a comma list of origins as Ollama has it: with a `*` in it, an entry needs no scheme."""
    return tuple(_read_origin(item, bare=True) for item in split_list(text))


def _read_origin(item: str, *, bare: bool = False) -> str:
    origin = item.rstrip("/").lower()
    pattern = bare and "*" in origin and _PATTERN.fullmatch(origin)
    if origin not in {"*", "null"} and not pattern and not _ORIGIN.fullmatch(origin):
        raise ValueError("holds an entry that is no origin")
    return origin


def read_management(text: str) -> str:
    """Read how pull, push and delete behave, in any case."""
    word = text.lower()
    if word not in MANAGEMENT_WORDS:
        raise ValueError("is neither static nor strict")
    return word


def read_plain_requests(text: str) -> str:
    """Read how answers in one piece are asked for, in any case."""
    word = text.lower()
    if word not in PLAIN_WORDS:
        raise ValueError("is none of auto, direct and streamed")
    return word


def read_delivery(text: str) -> str:
    """Read when streams are shown, in any case."""
    word = text.lower()
    if word not in DELIVERIES:
        raise ValueError("is none of live, guarded and whole")
    return word


def read_log_detail(text: str) -> str:
    """Read how much a line of a request says, in any case."""
    word = text.lower()
    if word not in LOG_DETAILS:
        raise ValueError("is none of minimal, normal and verbose")
    return word


def read_buffer_size(text: str) -> int:
    """Read how many requests are remembered."""
    size = _read_whole(text, 1)
    if size > MOST_BUFFERED:
        raise ValueError(f"is more than {MOST_BUFFERED}")
    return size


def read_workers(text: str) -> int:
    """Read a number of processes; `auto` becomes the number of CPUs that this process may use."""
    if text.lower() == AUTO:
        return min(usable_cpus(), MOST_WORKERS)
    return _read_whole(text, 1, MOST_WORKERS)


def read_host(text: str) -> str:
    """Read a host name or an address to listen on, an IPv6 address with or without its brackets."""
    host = text.removeprefix("[").removesuffix("]") if text.endswith("]") else text
    if ":" in host:
        try:
            ip_address(host)
        except ValueError:
            raise ValueError("is not a host alone (no scheme, and the port belongs in PROXY_PORT)") from None
    if not host.isascii() or not re.fullmatch(r"[^\s/@?#*]+", host):
        raise ValueError("is not a host name or an address")
    return host


def read_name(text: str) -> str:
    """Read the name of a model."""
    if not text.isprintable():
        raise ValueError("holds a control character")
    return text


def read_path(text: str) -> Path:
    """Read the path of a file, which need not exist yet."""
    if not text.isprintable():
        raise ValueError("holds a control character")
    return Path(text)


def read_readable_path(text: str) -> Path:
    """Read the path of a file that can be read now."""
    path = read_path(text)
    try:
        path.open("rb").close()
    except FileNotFoundError:
        raise ValueError("names a file that does not exist") from None
    except OSError as error:
        raise ValueError(f"names a file that cannot be read ({error.strerror})") from None
    return path


def read_metrics_path(text: str) -> str:
    """Read the path of a route of ours."""
    if not text.startswith("/"):
        raise ValueError('does not start with "/"')
    if not _METRICS_PATH.fullmatch(text) or {".", ".."} & set(text.split("/")):
        raise ValueError("is not a plain path")
    return text


def read_base_url(text: str, key_place: str = "OPENAI_API_KEY") -> URL:
    """Read the address of a backend; the URL returned has no slash at its end. `key_place`: where its key belongs."""
    try:
        url = URL(text)
        port = url.explicit_port
    except ValueError:
        raise ValueError("is not a URL") from None
    if url.scheme not in {"http", "https"}:
        raise ValueError("does not start with http:// or https://")
    if url.user is not None or url.password is not None:
        raise ValueError(f"carries credentials (the key belongs in {key_place})")
    if not url.host or not text.isprintable() or " " in text:
        raise ValueError("names no host" if not url.host else "holds a blank or a control character")
    if port == 0:
        raise ValueError("names port 0")
    return _plain_base(url)


def _plain_base(url: URL) -> URL:
    if url.raw_query_string or url.raw_fragment:
        raise ValueError('has a query or a fragment ("?" or "#")')
    path = url.raw_path.rstrip("/")
    if path.endswith(_ENDPOINTS):
        raise ValueError("names one endpoint, not the base that all of them share")
    return url.with_path(path, encoded=True)


def _yes_no(value: bool) -> str:
    return "true" if value else "false"


def _number(value: float) -> str:
    return f"{value:g}"


def _comma_list(values: tuple[str, ...]) -> str:
    return ",".join(values)


_FLAG = "true or false (also 1/0, yes/no, on/off)"

Flag = Annotated[bool, BeforeValidator(read_flag), SettingKind("true or false", _FLAG, _yes_no)]
InvertedFlag = Annotated[
    bool, BeforeValidator(read_inverted_flag), SettingKind("true or false", _FLAG, lambda on: _yes_no(not on))
]
Port = Annotated[int, BeforeValidator(read_port), SettingKind("port", "a whole number from 1 to 65535")]
Count = Annotated[int, BeforeValidator(read_count), SettingKind("number", "a whole number, 0 or more")]
Positive = Annotated[int, BeforeValidator(read_positive), SettingKind("number", "a whole number, 1 or more")]
ByteCount = Annotated[
    int, BeforeValidator(read_positive), SettingKind("bytes", "a whole number of bytes, 1 or more, without a unit")
]
Seconds = Annotated[
    float, BeforeValidator(read_seconds), SettingKind("seconds", "a number of seconds above 0, without a unit", _number)
]
SecondsOrUnset = Annotated[
    float | None,
    BeforeValidator(read_seconds),
    SettingKind("seconds", "a number of seconds above 0, without a unit", _number),
]
SecondsOrZero = Annotated[
    float,
    BeforeValidator(read_seconds_or_zero),
    SettingKind("seconds", "a number of seconds, 0 or more, without a unit", _number),
]
WholeSeconds = Annotated[
    int, BeforeValidator(read_count), SettingKind("seconds", "a whole number of seconds, 0 or more, without a unit")
]
Level = Annotated[str, BeforeValidator(read_level), SettingKind("word", f"one of {', '.join(LOG_LEVELS)}")]
Host = Annotated[
    str, BeforeValidator(read_host), SettingKind("host", "a host name or an address such as 127.0.0.1, 0.0.0.0 or ::1")
]
Key = Annotated[
    SecretStr | None, BeforeValidator(read_key), SettingKind("secret", "the key alone, in ASCII and on one line")
]
Keys = Annotated[
    tuple[SecretStr, ...],
    BeforeValidator(read_keys),
    SettingKind("comma list of secrets", "keys in ASCII, separated by commas, on one line"),
]
Origins = Annotated[
    tuple[str, ...] | None,
    BeforeValidator(read_origins),
    SettingKind("comma list", "origins such as https://app.example separated by commas, or *", _comma_list),
]
OriginPatterns = Annotated[
    tuple[str, ...] | None,
    BeforeValidator(read_origin_patterns),
    SettingKind("comma list", "origins such as chrome-extension://* separated by commas, or *", _comma_list),
]
Management = Annotated[str, BeforeValidator(read_management), SettingKind("word", "static or strict")]
PlainRequests = Annotated[
    Literal["auto", "direct", "streamed"],
    BeforeValidator(read_plain_requests),
    SettingKind("word", f"one of {', '.join(PLAIN_WORDS)}"),
]
DeliveryWord = Annotated[
    Delivery, BeforeValidator(read_delivery), SettingKind("word", f"one of {', '.join(DELIVERIES)}")
]
LogDetail = Annotated[str, BeforeValidator(read_log_detail), SettingKind("word", f"one of {', '.join(LOG_DETAILS)}")]
BufferSize = Annotated[
    int, BeforeValidator(read_buffer_size), SettingKind("number", f"a whole number from 1 to {MOST_BUFFERED}")
]
Workers = Annotated[
    int,
    BeforeValidator(read_workers),
    SettingKind("number or word", f"a whole number from 1 to {MOST_WORKERS}, or auto"),
]
ModelName = Annotated[str | None, BeforeValidator(read_name), SettingKind("text", "the name of a model")]
FilePath = Annotated[
    Path | None,
    SettingKind("path", 'a JSON file of the form {"name": "name at the backend"}'),
]
BackendsPath = Annotated[Path | None, SettingKind("path", "a YAML file with a list of backends")]
KeysPath = Annotated[
    Path | None, BeforeValidator(read_path), SettingKind("path", "a file that `python -m gateway key create` makes")
]
CertificatePath = Annotated[
    Path | None,
    BeforeValidator(read_readable_path),
    SettingKind("path", "a PEM file with the certificate and its chain"),
]
PrivateKeyPath = Annotated[
    Path | None,
    BeforeValidator(read_readable_path),
    SettingKind("path", "a PEM file with the private key of TLS_CERT_FILE, without a password"),
]
MetricsPath = Annotated[
    str, BeforeValidator(read_metrics_path), SettingKind("path", "a path such as /v1/metrics that nothing else uses")
]
BaseUrl = Annotated[
    URL | None,
    BeforeValidator(lambda text: read_base_url(text)),
    PlainSerializer(str, when_used="json-unless-none"),
    SettingKind("URL", "an address such as https://api.openai.com/v1 or http://127.0.0.1:8000/v1"),
]

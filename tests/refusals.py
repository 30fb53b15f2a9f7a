"""What a configuration is refused for."""

import pytest

from gateway.config import Config, ConfigError

SECRET = "sk-do-not-show-me"


def problems_of(mapping: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Config.from_mapping(mapping)
    return caught.value.lines


def problem_of(name: str, value: str) -> str:
    (line,) = problems_of({name: value})
    assert line.startswith(f"{name}: ")
    assert "; expected " in line
    assert line.isprintable()
    return line

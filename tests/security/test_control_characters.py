"""No control character of a client reaches a log line or a header: not from names, paths or headers."""

import json
import re

import pytest

from gateway.telemetry.logging import get_logger
from tests.conftest import StartGateway
from tests.middlewares.application import talk
from tests.support.answers import plain
from tests.support.backend import ScriptedBackend
from tests.support.gateway import Gateway
from tests.support.ways import CHAT_WHOLE, V1_WHOLE, Way
from tests.telemetry.capture import captured_logging

C0 = [chr(code) for code in range(0x20)]
C1 = [chr(code) for code in range(0x7F, 0xA0)]
INVISIBLE = ["\u061c", "\u200b", "\u200e", "\u2028", "\u2029", "\u202e", "\u2066", "\ufeff"]
ALL = [*C0, *C1, *INVISIBLE]
BYTES = (*range(0x20), *range(0x7F, 0xA1), 0xFF)
FORGED = '{"event":"request","status":200,"forged":true}'

each_dialect = pytest.mark.parametrize("way", [CHAT_WHOLE, V1_WHOLE], ids=lambda way: way.name)


def assert_lines_are_clean(log: bytes, expected: int) -> None:
    """Fail unless the log has exactly so many lines, each one object, none with such a character in it."""
    lines = log.split(b"\n")
    assert lines.pop() == b""
    assert len([line for line in lines if json.loads(line)["event"] == "request"]) == expected
    assert not any("forged" in json.loads(line) for line in lines)
    assert [character for line in lines for character in line.decode() if character in ALL] == []


def assert_head_is_clean(answer: bytes, answers: int = 1) -> None:
    """Fail where the head of an answer has a character beyond printable ASCII, or a line too many."""
    heads = re.findall(rb"HTTP/1\.[01] [0-9]{3} .*?\r\n\r\n", answer, re.DOTALL)
    assert len(heads) == answers
    for head in heads:
        assert re.fullmatch(rb"(?:[\x20-\x7e]+\r\n)+\r\n", head)
        assert b"forged" not in head.lower()


@pytest.mark.parametrize("character", ALL, ids=lambda character: f"U+{ord(character):04X}")
def test_a_log_line_shows_such_a_character_as_an_escape(character: str) -> None:
    with captured_logging("INFO") as stream:
        get_logger("a").info("event", text=f"a{character}b", names={f"n{character}": [character]})
    line = stream.getvalue()
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert character.encode() not in line[:-1]
    assert json.loads(line)["text"] == f"a{character}b"
    assert json.loads(line)["names"] == {f"n{character}": [character]}


def test_letters_of_all_languages_stay_readable_in_the_log() -> None:
    with captured_logging("INFO") as stream:
        get_logger("a").info("event", text="Größe 数 🙂")
    assert "Größe 数 🙂".encode() in stream.getvalue()


@each_dialect
async def test_a_models_name_cannot_write_into_the_log(backend: ScriptedBackend, gateway: Gateway, way: Way) -> None:
    backend.play(plain())
    for character in ALL:
        reply = await gateway.ask(way.path, {**way.body, "model": f"m{character}\n{FORGED}\r\n{character}"})
        assert reply.status in (200, 400, 404)
        assert all(value.isascii() and value.isprintable() for value in reply.headers.values())
    assert_lines_are_clean(gateway.log.getvalue(), len(ALL))


@each_dialect
async def test_what_a_backend_says_cannot_write_into_the_log(
    backend: ScriptedBackend, gateway: Gateway, way: Way
) -> None:
    for character in ALL:
        said = f"no{character}\n{FORGED}\r\n\x1b[31m"
        backend.play(plain({"error": {"message": said, "type": said, "code": said}}, status=418))
        assert (await gateway.ask(way.path, way.body)).status == 418
    assert_lines_are_clean(gateway.log.getvalue(), len(ALL))


async def test_a_path_cannot_write_into_the_log_or_a_header(gateway: Gateway) -> None:
    targets = [b"/api/tags%%%02X%%0D%%0AForged:x/" % byte for byte in BYTES]
    targets += [b"/api/tags/?a=%%%02X%%0D%%0AForged:x" % byte for byte in BYTES]
    for target in targets:
        head = b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" % target
        answer = await talk(gateway.port, head)
        assert answer.split()[1] in (b"301", b"404")
        assert_head_is_clean(answer.replace(b"%0D%0AForged", b""))
    assert_lines_are_clean(gateway.log.getvalue(), len(targets))


async def test_raw_control_bytes_in_a_target_are_refused(gateway: Gateway) -> None:
    for byte in (*range(0x20), 0x7F):
        head = b"GET /api/%ctags HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" % byte
        answer = await talk(gateway.port, head)
        assert answer.split()[1] == b"400"
        assert_head_is_clean(answer)


NAMED = ("X-Request-ID", "User-Agent", "Authorization", "X-Api-Key", "Accept", "Content-Type", "Cache-Control")


@pytest.mark.parametrize("name", NAMED)
async def test_a_header_cannot_write_into_the_log_a_header_or_the_backend(
    backend: ScriptedBackend, start: StartGateway, name: str
) -> None:
    gateway = await start()
    body = json.dumps(CHAT_WHOLE.body).encode()
    backend.play(plain())
    served = 0
    for byte in BYTES:
        value = b"Bearer a%cb%cForged:x" % (byte, byte)
        lines = (b"POST /api/chat HTTP/1.1", b"Host: 127.0.0.1", name.encode() + b": " + value, b"Connection: close")
        answer = await talk(gateway.port, b"\r\n".join((*lines, b"Content-Length: %d" % len(body), b"", body)))
        refused = (byte < 0x20 and byte != 0x09) or byte == 0x7F
        assert (answer.split()[1] == b"400") == refused, (byte, answer)
        assert_head_is_clean(answer)
        served += not refused
    assert_lines_are_clean(gateway.log.getvalue(), served)
    for call in backend.calls:
        assert all(value.isascii() and value.isprintable() for value in call.headers.values())
        assert "forged:x" not in call.headers.get("X-Request-ID", "").lower()


async def test_an_origin_comes_back_only_when_it_is_allowed_and_clean(start: StartGateway) -> None:
    gateway = await start(CORS_ORIGINS="https://*.example.com")
    for byte in BYTES:
        head = b"GET /api/version HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nOrigin: https://a%cb.example.com"
        answer = await talk(gateway.port, head % byte + b"\r\n\r\n")
        assert answer.split()[1] in (b"400", b"403"), (byte, answer)
        assert_head_is_clean(answer)

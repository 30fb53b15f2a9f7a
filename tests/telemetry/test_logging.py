import json
import logging
import re
from datetime import datetime, timedelta
from io import BytesIO, TextIOWrapper

import pytest
import structlog
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage

from gateway.exchange import Exchange
from gateway.telemetry.logging import (
    CURRENT,
    FrequentLog,
    configure_logging,
    current_level,
    get_logger,
    is_logged,
    set_level,
    toggle_debug,
)
from tests.telemetry.capture import captured_logging

SECRET = 'hunter2"\\hunter2'


def lines_of(stream: BytesIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_time_level_component_and_values() -> None:
    with captured_logging("INFO") as stream:
        get_logger("catalog").info("list refreshed", models=3)
    (line,) = lines_of(stream)
    assert (line["level"], line["event"], line["component"], line["models"]) == ("info", "list refreshed", "catalog", 3)
    assert datetime.fromisoformat(str(line["time"])).utcoffset() == timedelta(0)


def test_events_below_the_level_are_not_written() -> None:
    with captured_logging("WARNING") as stream:
        get_logger("a").info("quiet")
        get_logger("a").warning("loud")
    assert [line["event"] for line in lines_of(stream)] == ["loud"]


def test_a_logger_made_before_the_configuration_follows_it() -> None:
    logger = get_logger("early")
    with captured_logging("INFO") as stream:
        logger.info("seen")
    assert [line["event"] for line in lines_of(stream)] == ["seen"]


def test_text_streams_are_written_through_their_buffer() -> None:
    stream = BytesIO()
    text = TextIOWrapper(stream, encoding="ascii")
    with captured_logging("INFO"):
        configure_logging("INFO", text)
        get_logger("a").info("café")
    assert lines_of(stream)[0]["event"] == "café"


@pytest.mark.parametrize("value", ["a\nb\r\x1b[31m", "\ud800", "\u2028", float("nan"), {1, 2}, object()])
def test_no_value_breaks_the_line(value: object) -> None:
    with captured_logging("INFO") as stream:
        get_logger("a").info("event", model=value)
    assert stream.getvalue().count(b"\n") == 1
    (line,) = lines_of(stream)
    assert line["event"] == "event"
    assert datetime.fromisoformat(str(line["time"]))


def test_secrets_are_masked_wherever_they_stand() -> None:
    with captured_logging("INFO", [SECRET]) as stream:
        get_logger("a").info(f"event {SECRET}", url=f"http://x/{SECRET}", parts=[SECRET], other={"key": SECRET})
    (line,) = lines_of(stream)
    assert "hunter2" not in stream.getvalue().decode()
    assert line["url"] == "http://x/***"
    assert line["parts"] == ["***"]


def test_a_secret_of_digits_does_not_break_a_number() -> None:
    with captured_logging("INFO", ["123456"]) as stream:
        get_logger("a").info("event", bytes=1234567, text="123456")
    (line,) = lines_of(stream)
    assert (line["bytes"], line["text"]) == (1234567, "***")


def failing(prompt: str) -> None:
    raise ValueError(prompt)


def test_an_exception_is_shown_by_its_frames_and_types_without_messages_and_values() -> None:
    prompt = "".join(["pri", "vate"])
    with captured_logging("INFO") as stream:
        try:
            try:
                failing(prompt)
            except ValueError as error:
                raise RuntimeError(prompt) from error
        except RuntimeError as error:
            get_logger("a").error("failed", exc_info=error)
    (line,) = lines_of(stream)
    assert line["error_type"] == "RuntimeError"
    shown = str(line["traceback"])
    assert "failing" in shown
    assert "ValueError" in shown
    assert prompt not in shown


def test_exc_info_true_means_the_exception_being_handled() -> None:
    with captured_logging("INFO") as stream:
        try:
            failing("x")
        except ValueError:
            get_logger("a").exception("failed")
    assert lines_of(stream)[0]["error_type"] == "ValueError"


def test_library_records_become_lines_of_the_same_form() -> None:
    with captured_logging("INFO") as stream:
        logging.getLogger("aiohttp.client").warning("odd: %s\nand the details", "thing")
    (line,) = lines_of(stream)
    assert (line["level"], line["component"], line["event"]) == ("warning", "aiohttp.client", "odd: thing")


def test_library_chatter_below_warning_stays_out_even_with_debug() -> None:
    with captured_logging("DEBUG") as stream:
        logging.getLogger("asyncio").info("Using selector")
        get_logger("a").debug("ours")
    assert [line["event"] for line in lines_of(stream)] == ["ours"]


@pytest.mark.parametrize("error", [BadHttpMessage("my-own-secret"), web.RequestPayloadError("my-own-secret")])
def test_broken_http_is_a_clients_mistake_and_its_bytes_stay_out(error: Exception) -> None:
    with captured_logging("INFO") as stream:
        logging.getLogger("aiohttp.server").error("Error handling my-own-secret", exc_info=error)
    (line,) = lines_of(stream)
    assert (line["level"], line["event"]) == ("info", "broken HTTP from a client")
    assert line["error_type"] == type(error).__name__
    assert "my-own-secret" not in stream.getvalue().decode()


def test_an_exception_in_a_library_is_shown_by_its_frames() -> None:
    with captured_logging("INFO") as stream:
        logging.getLogger("asyncio").error("Exception in callback", exc_info=ValueError("x"))
    (line,) = lines_of(stream)
    assert (line["level"], line["error_type"]) == ("error", "ValueError")


def test_configuring_twice_writes_each_library_record_once() -> None:
    with captured_logging("INFO"):
        stream = BytesIO()
        configure_logging("INFO", stream)
        logging.getLogger("aiohttp").error("once")
    assert len(lines_of(stream)) == 1
    assert not structlog.is_configured()


# The level


def test_the_level_can_be_changed_while_the_process_runs() -> None:
    with captured_logging("INFO") as stream:
        log = get_logger("a")
        log.debug("one")
        set_level("debug")
        log.debug("two")
        set_level("ERROR")
        log.warning("three")
        logging.getLogger("library").warning("four")
    assert [line["event"] for line in lines_of(stream)] == ["two"]


def test_debug_is_switched_on_and_off() -> None:
    with captured_logging("WARNING"):
        assert (current_level(), is_logged(logging.INFO)) == ("WARNING", False)
        assert (toggle_debug(), current_level(), is_logged(logging.INFO)) == ("DEBUG", "DEBUG", True)
        assert (toggle_debug(), current_level()) == ("WARNING", "WARNING")
    with captured_logging("DEBUG"):
        assert (toggle_debug(), toggle_debug()) == ("INFO", "DEBUG")


def test_a_logger_of_frequent_events_writes_whatever_the_level_was_when_it_was_made() -> None:
    with captured_logging("ERROR") as stream:
        log = FrequentLog("access")
        set_level("INFO")
        log.write(log.beginning("seen") | {"status": 200})
    (line,) = lines_of(stream)
    assert (line["event"], line["component"], line["level"], line["status"]) == ("seen", "access", "info", 200)


# Of which request


def test_every_line_that_is_written_for_a_request_has_its_ids() -> None:
    token = CURRENT.set(Exchange("req_1", "GET", trace_id="ab" * 16))
    try:
        with captured_logging("INFO") as stream:
            get_logger("a").info("ours")
            logging.getLogger("library").warning("theirs")
            get_logger("a").info("its own", request_id="other")
    finally:
        CURRENT.reset(token)
    with captured_logging("INFO") as after:
        get_logger("a").info("later")
    ids = [(line["request_id"], line["trace_id"]) for line in lines_of(stream)]
    assert ids == [("req_1", "ab" * 16), ("req_1", "ab" * 16), ("other", "ab" * 16)]
    assert "request_id" not in lines_of(after)[0]


# On a terminal


class Terminal(BytesIO):
    """Takes bytes, and says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def on_terminal(*secrets: str, **fields: object) -> str:
    """Return the line that a terminal gets."""
    terminal = Terminal()
    with captured_logging("INFO"):
        configure_logging("INFO", terminal, secrets)
        get_logger("a").warning("what happened", **fields)
    return terminal.getvalue().decode()


def test_a_terminal_gets_lines_for_people() -> None:
    line = on_terminal(status=200, model="llama3:8b", causes=["a", "b"], said='with "quotes"')
    assert re.fullmatch(
        r'\d\d:\d\d:\d\d\.\d{3} warning  what happened status=200 model=llama3:8b causes=\["a","b"\] '
        r'said="with \\"quotes\\""\n',
        line,
    )


def test_a_value_can_neither_end_a_terminals_line_nor_command_the_terminal() -> None:
    line = on_terminal(model="x\nforged status=1 \x1b[31m\x9b\u202e\ud800")
    assert line.count("\n") == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", line)


def test_secrets_are_masked_on_a_terminal_too() -> None:
    assert "hidden-secret" not in on_terminal("hidden-secret", model="hidden-secret", texts=["hidden-secret"])

import pytest

from gateway.handlers.negotiation import names_html, prefers_json


@pytest.mark.parametrize(
    "accept",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/*",
        "application/json; charset=utf-8",
        "application/json, text/plain;q=0.9",
        "application/json;q=0.6, text/*;q=0.5, */*;q=0.1",
        "*/*;q=0.1, application/json",
    ],
)
def test_json_is_preferred_when_it_is_rated_strictly_highest(accept: str) -> None:
    assert prefers_json(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/plain",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "application/json, text/plain",
        "application/json, */*",
        "application/json;q=0.5, text/*;q=0.8",
        "application/json;q=0",
        "application/json;q=high",
        "application/json;q=nan",
        "application/json;q=5",
        ",;q=1,",
    ],
)
def test_anything_else_prefers_text(accept: str) -> None:
    assert not prefers_json(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "TEXT/HTML",
        "text/html, application/json",
        "text/html;q=0.5, */*;q=0.9",
        "text/plain;q=0.4, text/html;q=0.4",
    ],
)
def test_who_names_html_as_browsers_do_is_shown_a_page(accept: str) -> None:
    assert names_html(accept)


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "text/*", "text/html;q=0", "application/json, text/html;q=0.9", "text/plain, text/html;q=0.5"],
)
def test_who_does_not_name_html_or_rates_another_form_higher_is_not(accept: str) -> None:
    assert not names_html(accept)

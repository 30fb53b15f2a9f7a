"""The examples of config/proxies, run by the real programs in front of real gateways: they break no stream."""

import http.client
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from gateway.config import Config
from tests.e2e import processes
from tests.e2e.raw_stream import GIVE_UP_S, STREAMS, asking, leave_after_a_token, read_step_by_step
from tests.e2e.token_backend import TOKENS, TokenBackend, token
from tests.support.minutes import wait_for_a_young_minute
from tests.support.proxies import EXAMPLES, PROXIES, checked, proxied, unchecked

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

END_OF_BODY = "0\r\n\r\n"
V1 = "/v1/chat/completions"
LARGEST_BYTES = Config.from_mapping({}).listen.request_max_size_bytes


@pytest.fixture(scope="module")
def backend() -> Iterator[TokenBackend]:
    """A backend that sends nothing without the test's permission."""
    with TokenBackend().serving() as backend:
        yield backend


@pytest.fixture(scope="module")
def gateways(backend: TokenBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """The ports of two gateways in front of it."""
    with ExitStack() as stack:
        folders = (tmp_path_factory.mktemp("gateway") for _ in range(2))
        settings = {"OPENAI_API_BASE_URL": backend.url, "TRUSTED_PROXIES": "127.0.0.1"}
        urls = [stack.enter_context(processes.gateway(folder, **settings)).url for folder in folders]
        first, second = (urlsplit(url).port or 0 for url in urls)
        yield first, second


@pytest.fixture(scope="module", params=list(PROXIES))
def url(
    request: pytest.FixtureRequest, gateways: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Each proxy in front of both."""
    with proxied(request.param, tmp_path_factory.mktemp(request.param), gateways) as url:
        yield url


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    headers: http.client.HTTPMessage
    text: str


def asked(
    url: str, path: str, body: dict[str, Any] | bytes | None = None, *, source: str = "127.0.0.1", **headers: str
) -> Answer:
    """Ask from an address of this machine, on a connection of its own."""
    address = urlsplit(url)
    connection = http.client.HTTPSConnection(
        address.hostname or "", address.port, timeout=GIVE_UP_S, context=unchecked(), source_address=(source, 0)
    )
    data = json.dumps(body) if isinstance(body, dict) else body
    sent = {name.replace("_", "-"): value for name, value in headers.items()} | {"Content-Type": "application/json"}
    with closing(connection):
        connection.request("GET" if body is None else "POST", path, data, sent)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read().decode())


@pytest.mark.parametrize("kind", PROXIES)
def test_a_proxy_takes_its_example(kind: str, tmp_path: Path) -> None:
    code, said = checked(kind, tmp_path)
    assert code == 0, said
    assert re.findall(r"(?i)^.*(?:warn|deprecat).*$", said, re.MULTILINE) == []


def test_each_token_arrives_before_the_next_one_is_sent(backend: TokenBackend, url: str) -> None:
    for path, body in STREAMS.items():
        with asking(url, path, body) as stream:
            read_step_by_step(stream, backend)
            stream.read_until(END_OF_BODY)


@pytest.mark.parametrize("path", STREAMS)
def test_a_client_that_leaves_ends_the_stream_of_the_backend(backend: TokenBackend, url: str, path: str) -> None:
    with asking(url, path, STREAMS[path]) as stream:
        leave_after_a_token(stream, backend)


def test_a_client_that_leaves_before_the_first_word_ends_the_request_of_the_backend(
    backend: TokenBackend, url: str
) -> None:
    backend.left.clear()
    backend.asked.clear()
    with asking(url, V1, STREAMS[V1]) as stream:
        assert backend.asked.wait(GIVE_UP_S)
        stream.leave()
        assert backend.left.wait(GIVE_UP_S)


def speaks_http2() -> bool:
    """Tell whether there is a curl that can."""
    if shutil.which("curl") is None:
        return False
    return "HTTP2" in subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(not speaks_http2(), reason="needs curl with HTTP/2")
@pytest.mark.parametrize("kind", ["haproxy", "envoy"])
def test_over_http2_words_and_leaving_pass_too(
    kind: str, backend: TokenBackend, gateways: tuple[int, int], tmp_path: Path
) -> None:
    backend.left.clear()
    with proxied(kind, tmp_path, gateways) as url:
        command = ["curl", "--http2", "--insecure", "--no-buffer", "--silent", "--dump-header", "-", url + V1]
        body = ["--header", "Content-Type: application/json", "--data", json.dumps(STREAMS[V1])]
        with subprocess.Popen([*command, *body], stdout=subprocess.PIPE, text=True) as curl:
            assert curl.stdout is not None
            for number in range(TOKENS):
                backend.allow()
                seen = "".join(iter(curl.stdout.readline, "\n"))
                while token(number) not in seen:
                    seen += curl.stdout.readline()
                assert seen.count("token-") == 1
                assert number or seen.startswith("HTTP/2 200")
            assert not backend.left.is_set()
            curl.kill()
            assert backend.left.wait(GIVE_UP_S)


def test_the_largest_body_passes(backend: TokenBackend, url: str) -> None:
    backend.allow(TOKENS + 1)
    answer = asked(url, V1, largest())
    assert (answer.status, answer.text.count("token-")) == (200, TOKENS)


def test_what_is_too_large_is_refused_by_the_gateway_in_its_own_words(url: str) -> None:
    # Its length says it: none of it needs to be sent.
    answer = asked(url, V1, b"", Content_Length=str(LARGEST_BYTES + 1))
    assert answer.status == 413
    assert json.loads(answer.text)["error"]["message"] == f"the request body is larger than {LARGEST_BYTES} bytes"


def largest() -> dict[str, Any]:
    """Return a body of exactly REQUEST_MAX_SIZE bytes."""
    message = {"role": "user", "content": ""}
    body = {"model": "held", "messages": [message], "stream": True}
    message["content"] = "a" * (LARGEST_BYTES - len(json.dumps(body)))
    return body


def test_a_request_has_one_id_from_the_proxy_to_the_answer(url: str) -> None:
    assert asked(url, "/api/version", X_Request_ID="of-the-client").headers.get_all("X-Request-ID") == ["of-the-client"]
    [made] = asked(url, "/api/version").headers.get_all("X-Request-ID", [])
    assert made
    # The gateway's own begin so: this one is the proxy's, and stands in its log too.
    assert not made.startswith("req_")


@pytest.mark.parametrize("kind", PROXIES)
def test_the_gateway_counts_clients_and_not_the_proxy(kind: str, tmp_path: Path) -> None:
    question = {"model": "demo", "prompt": "Hello", "stream": False}
    limited = {"TRUSTED_PROXIES": "127.0.0.1", "RATE_LIMIT_RPM": "1"}
    with processes.gateway(tmp_path, "--demo", **limited) as gateway:
        port = urlsplit(gateway.url).port or 0
        with proxied(kind, tmp_path, (port, port)) as url:

            def status(source: str, **headers: str) -> int:
                return asked(url, "/api/generate", question, source=source, **headers).status

            wait_for_a_young_minute()
            assert (status("127.0.0.2"), status("127.0.0.2"), status("127.0.0.3")) == (200, 429, 200)
            # Who says to be another is counted all the same.
            assert status("127.0.0.2", X_Forwarded_For="192.0.2.1") == 429
            assert status("127.0.0.2", Forwarded="for=192.0.2.2") == 429
            assert status("127.0.0.4", X_Forwarded_For="127.0.0.2") == 200


# In a gateway's place, what counts connections, and names no header that tells proxies not to buffer.


@pytest.mark.parametrize("kind", PROXIES)
def test_connections_to_the_gateway_are_used_again_and_words_pass_unasked(
    kind: str, backend: TokenBackend, tmp_path: Path
) -> None:
    with proxied(kind, tmp_path, (backend.port, backend.port)) as url:
        # Of those with a question alone: health is asked on others.
        backend.peers.clear()
        for _ in range(5):
            with asking(url, V1, STREAMS[V1]) as stream:
                for number in range(TOKENS):
                    backend.allow()
                    assert stream.read_until(token(number)).count("token-") == 1
                backend.allow()
                stream.read_until(END_OF_BODY)
    assert len(backend.peers) < 5


@pytest.mark.parametrize("kind", PROXIES)
def test_no_request_is_lost_when_a_gateway_goes(kind: str, backend: TokenBackend, tmp_path: Path) -> None:
    with ExitStack() as stack:
        going = stack.enter_context(ExitStack())
        other = going.enter_context(TokenBackend().serving())
        url = stack.enter_context(proxied(kind, tmp_path, (other.port, backend.port)))
        going.close()
        for _ in range(6):
            backend.allow(TOKENS + 1)
            answer = asked(url, V1, STREAMS[V1])
            assert (answer.status, answer.text.count("token-")) == (200, TOKENS)


def test_a_proxy_is_more_patient_than_the_gateway_and_keeps_connections_for_less_time() -> None:
    config = Config.from_mapping({})
    longest_s = max(config.backend.total_timeout_s, config.backend.request_timeout_s, config.listen.shutdown_grace_s)
    nginx, haproxy, envoy = ((EXAMPLES / name).read_text() for name in ("nginx.conf", "haproxy.cfg", "envoy.yaml"))
    hours = re.findall(r"(?:proxy_read_timeout|timeout server) +(\d+)h", nginx + haproxy)
    assert [int(hour) * 3600 > longest_s for hour in hours] == [True, True]
    assert (envoy.count(" timeout: 0s"), envoy.count("stream_idle_timeout: 0s")) == (1, 1)
    kept = (r"keepalive_timeout (\d+)s", r"pool-purge-delay (\d+)s", r"\{idle_timeout: (\d\d)s\}")
    for text, pattern in zip((nginx, haproxy, envoy), kept, strict=True):
        [kept_s] = re.findall(pattern, text)
        assert int(kept_s) < config.listen.idle_timeout_s

"""The compose file for production: what it opens, what it allows, and that its parts fit each other."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from gateway._version import __version__
from gateway.config import Config
from gateway.setting_sources import read_dotenv
from gateway.stopping import LAST_WORDS_S
from tests.e2e import processes
from tests.e2e.processes import clean_environment, free_port
from tests.monitoring.prometheus import program

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
TEXT = (DOCKER / "compose.production.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PATIENCE_S = 60.0
"""Far longer than anything here takes: only a test that fails waits for it."""
GIVEN = {"REDIS_PASSWORD": "letters0and1digits", "SECRETS": "/srv/secrets", "TLS_CERTIFICATES": "/srv/tls"}
"""What whoever starts it has to say."""
each_service = pytest.mark.parametrize("name", SERVICES)


def filled(text: str) -> str:
    """Return a text with Compose's variables replaced, and `$$` by what it stands for."""

    def value(found: re.Match[str]) -> str:
        return GIVEN.get(found[1], found[3] if found[2] == ":-" else "")

    return re.sub(r"(?<!\$)\$\{(\w+)(?:(:[-?])([^}]*))?\}", value, text).replace("$$", "$")


def whole(name: str) -> dict[str, Any]:
    """Return a service with the variables filled in."""
    found: dict[str, Any] = yaml.safe_load(filled(TEXT))["services"][name]
    return found


def seconds(text: str) -> int:
    """Return a duration of whole seconds."""
    return int(text.removesuffix("s"))


def mounts(name: str) -> dict[str, str]:
    """Return what of this project lies where in a container."""
    pairs = (mount.split(":") for mount in whole(name)["volumes"])
    return {target: source for source, target, *_ in pairs if source.startswith(".")}


@each_service
def test_a_service_writes_nothing_has_no_rights_and_is_bounded(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service.get("cap_add", [])) <= (
        {"CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID"} if name == "nginx" else set()
    )
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"]["max-size"]


@each_service
def test_a_service_waits_for_the_health_of_those_it_needs(name: str) -> None:
    needs = {"nginx": {"gateway"}, "gateway": {"redis"}, "prometheus": {"gateway"}, "grafana": {"prometheus"}}
    waits = SERVICES[name].get("depends_on", {})
    assert set(waits) == needs.get(name, set())
    assert [how for how in waits.values() if how != {"condition": "service_healthy"}] == []
    assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@each_service
def test_an_image_is_one_and_not_the_newest(name: str) -> None:
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*", whole(name)["image"])


def test_the_gateway_is_the_version_it_lies_beside() -> None:
    assert whole("gateway")["image"] == f"ollama-openai-proxy:{__version__}"


def test_nginx_alone_is_open_and_grafana_to_this_machine() -> None:
    ports = {name: whole(name)["ports"] for name in SERVICES if "ports" in SERVICES[name]}
    assert ports == {"nginx": ["443:8443"], "grafana": ["127.0.0.1:3000:3000"]}


def test_who_shares_a_network() -> None:
    members = {
        network: {name for name, service in SERVICES.items() if network in service["networks"]}
        for network in COMPOSE["networks"]
    }
    assert members == {
        "edge": {"nginx"},
        "front": {"nginx", "gateway"},
        "store": {"gateway", "redis"},
        "watch": {"gateway", "prometheus", "grafana"},
        "outward": {"gateway"},
        "desk": {"grafana"},
    }
    # From an inner network nothing is published, and nobody gets out.
    inner = {name for name, network in COMPOSE["networks"].items() if network.get("internal")}
    assert inner == {"front", "store", "watch"}


def test_no_secret_stands_in_the_file() -> None:
    assert COMPOSE["secrets"] == {
        "scrape-key": {"file": "${SECRETS:?the folder with scrape-key and grafana-password}/scrape-key"},
        "grafana-password": {"file": "${SECRETS}/grafana-password"},
    }
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|KEY|SECRET|TOKEN", name):
                assert re.match(r"/run/secrets/|\$\{", value), name
    # Redis is told by standard input, not in a command that others see.
    assert "requirepass $$REDIS_PASSWORD" in SERVICES["redis"]["command"][0]


def test_what_is_mounted_is_there_and_is_what_the_project_ships() -> None:
    assert mounts("prometheus")["/etc/prometheus/rules.yml"] == "../monitoring/rules.yml"
    assert "../monitoring/dashboard.json" in mounts("grafana").values()
    for name in ("gateway", "nginx", "prometheus", "grafana"):
        assert [source for source in mounts(name).values() if not (DOCKER / source).exists()] == []


def test_the_gateway_reads_what_both_files_say() -> None:
    given = read_dotenv(ROOT / "config" / "production.env") | whole("gateway")["environment"]
    config = Config.from_mapping(given)
    [network] = config.listen.trusted_proxies
    assert [str(network)] == [
        row["subnet"] for row in yaml.safe_load(filled(TEXT))["networks"]["front"]["ipam"]["config"]
    ]
    stores = [config.access.redis_url, config.cache.url]
    told = [url.get_secret_value() for url in stores if url is not None]
    # Two databases: what one forgets when it is full is not the other's.
    assert told == [f"redis://:{GIVEN['REDIS_PASSWORD']}@redis:6379/{number}" for number in range(2)]


def test_each_waits_longer_than_who_is_behind_it() -> None:
    config = Config.from_mapping(read_dotenv(ROOT / "config" / "production.env"))
    gateway_s, nginx_s = (seconds(SERVICES[name]["stop_grace_period"]) for name in ("gateway", "nginx"))
    assert nginx_s > gateway_s > config.listen.shutdown_grace_s + LAST_WORDS_S


def test_the_template_for_compose_has_what_it_asks_for_and_no_secret() -> None:
    text = (DOCKER / "production.env").read_text(encoding="utf-8")
    variables = set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT))
    assert set(re.findall(r"^#?(\w+)=", text, re.MULTILINE)) == variables
    # What has a default need not be said; what has none is there to be filled in.
    assert set(re.findall(r"^(\w+)=", text, re.MULTILINE)) == set(re.findall(r"\$\{(\w+):\?", TEXT))
    assert "\nREDIS_PASSWORD=\n" in text
    page = (ROOT / "docs" / "docker.md").read_text(encoding="utf-8")
    assert [name for name in sorted(variables) if f"`{name}`" not in page] == []


# Prometheus and Grafana


def scraping(folder: Path, port: int, key: str) -> list[str]:
    """Write what Prometheus reads, with other paths and one gateway at a port; return its options."""
    text = (DOCKER / "prometheus.yml").read_text(encoding="utf-8")
    text = text.replace("/etc/prometheus/rules.yml", str(ROOT / "monitoring" / "rules.yml")).replace("15s", "1s")
    text = text.replace("/run/secrets/scrape-key", str(folder / "scrape-key"))
    config = yaml.safe_load(text)
    gateway = config["scrape_configs"][0]
    del gateway["dns_sd_configs"]
    gateway["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    (folder / "scrape-key").write_text(key)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    return [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]


def test_prometheus_finds_each_gateway_and_reads_its_key(tmp_path: Path) -> None:
    [gateway, _] = yaml.safe_load((DOCKER / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    [found] = gateway["dns_sd_configs"]
    assert found["names"] == ["gateway"]
    assert str(found["port"]) == SERVICES["gateway"]["environment"]["PROXY_PORT"]
    assert gateway["authorization"]["credentials_file"] == f"/run/secrets/{SERVICES['prometheus']['secrets'][0]}"
    scraping(tmp_path, 11434, "key")
    command = [program("promtool"), "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # As the file stands too: only its paths are of a container.
    text = (DOCKER / "prometheus.yml").read_text(encoding="utf-8")
    text = text.replace("/etc/prometheus/rules.yml", str(ROOT / "monitoring" / "rules.yml"))
    (tmp_path / "prometheus.yml").write_text(text.replace("/run/secrets/scrape-key", str(tmp_path / "scrape-key")))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@asynccontextmanager
async def prometheus(*options: str) -> AsyncIterator[str]:
    """Run Prometheus; yields its address."""
    address = f"127.0.0.1:{free_port()}"
    command = [program("prometheus"), *options, f"--web.listen-address={address}", "--log.level=error"]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        await process.wait()


async def up(session: aiohttp.ClientSession, url: str) -> str | None:
    """Return whether the gateway could be read, as Prometheus says it: None where it does not know yet."""
    try:
        async with session.get(f"{url}/api/v1/query", params={"query": 'up{job="gateway"}'}) as response:
            result = (await response.json())["data"]["result"] if response.status == 200 else []
    except aiohttp.ClientConnectionError:
        return None
    return str(result[0]["value"][1]) if result else None


@pytest.fixture
def key(tmp_path: Path) -> str:
    """A key for no model, made as docs/docker.md says."""
    create = ["key", "create", "prometheus", "--models", "none", "--file", "keys.json"]
    command = [sys.executable, "-m", "gateway", *create]
    return subprocess.run(
        command, cwd=tmp_path, env=clean_environment(), check=True, capture_output=True, text=True
    ).stdout.strip()


async def test_prometheus_reads_metrics_with_a_key_for_nothing_else(key: str, tmp_path: Path) -> None:
    question = {"model": "demo", "prompt": "Hello", "stream": False}
    with processes.gateway(tmp_path, "--demo", KEYS_FILE="keys.json") as gateway:
        port = int(gateway.url.rpartition(":")[2])
        async with aiohttp.ClientSession() as session:
            for shown, wanted in ((key, "1"), ("none", "0")):
                folder = tmp_path / f"up-{wanted}"
                folder.mkdir()
                async with prometheus(*scraping(folder, port, f"{shown}\n")) as url, asyncio.timeout(PATIENCE_S):
                    while (said := await up(session, url)) is None:
                        await asyncio.sleep(0.2)
                    assert said == wanted
            headers = {"Authorization": f"Bearer {key}"}
            async with session.post(f"{gateway.url}/api/generate", json=question, headers=headers) as response:
                assert response.status == 403


def test_grafana_is_told_of_prometheus_and_of_the_dashboard() -> None:
    [source] = yaml.safe_load((DOCKER / "grafana" / "datasource.yaml").read_text(encoding="utf-8"))["datasources"]
    [provider] = yaml.safe_load((DOCKER / "grafana" / "dashboards.yaml").read_text(encoding="utf-8"))["providers"]
    assert (source["type"], source["url"], source["isDefault"]) == ("prometheus", "http://prometheus:9090", True)
    interval = yaml.safe_load((DOCKER / "prometheus.yml").read_text(encoding="utf-8"))["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == interval
    where = {target: source for target, source in mounts("grafana").items() if target.endswith(".json")}
    assert where == {f"{provider['options']['path']}/gateway.json": "../monitoring/dashboard.json"}
    for kind in ("datasources", "dashboards"):
        assert f"/etc/grafana/provisioning/{kind}/gateway.yaml" in mounts("grafana")


# Redis


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_redis_starts_as_it_is_told_and_wants_its_password(tmp_path: Path) -> None:
    service, port = whole("redis"), free_port()
    script = service["command"][0].replace("bind * -::*", f"bind 127.0.0.1\nport {port}")
    assert f"port {port}" in script
    asks = service["healthcheck"]["test"][1].replace("redis-cli", f"redis-cli -p {port}")
    environment = os.environ | service["environment"]
    process = subprocess.Popen(
        [*service["entrypoint"], script.replace("dir /tmp", f"dir {tmp_path}")], env=environment, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        while b"Ready to accept connections" not in process.stdout.readline():
            assert process.poll() is None
        answers = [
            subprocess.run(["sh", "-c", asks], env=environment | {"REDIS_PASSWORD": password}, check=False).returncode
            for password in (GIVEN["REDIS_PASSWORD"], "another")
        ]
        seen = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    finally:
        # To the server itself, not to a shell around it.
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)
    assert (answers, process.returncode) == ([0, 1], 0)
    assert GIVEN["REDIS_PASSWORD"].encode() not in seen

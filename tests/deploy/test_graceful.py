"""The numbers of starting, waiting and stopping fit each other, whoever starts the gateway, asks it, or stops it."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from gateway.config import Config
from gateway.setting_sources import read_dotenv
from gateway.stopping import longest_end_s
from tests.deploy.chart import BACKEND, objects
from tests.support.chart_checksum import CHART

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
UNIT = (ROOT / "systemd" / "ollama-openai-proxy.service").read_text(encoding="utf-8")
DEFAULTS = Config.from_mapping({})
TEMPLATES = {path.stem: Config.from_mapping(read_dotenv(path)) for path in sorted((ROOT / "config").glob("*.env"))}
RENDERS: dict[str, dict[str, Any]] = {
    "the chart": BACKEND,
    **{path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted((CHART.parent / "values").glob("*.yaml"))},
}
NGINX = [DOCKER / "nginx.conf", ROOT / "config" / "proxies" / "nginx.conf"]
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


class Stop(NamedTuple):
    """How long somebody waits for the end of a gateway before force is used, and how long it may take."""

    waits_s: float
    takes_s: float


def seconds(text: str) -> float:
    """Return a duration as nginx and compose write it."""
    [(number, unit)] = re.findall(r"^(\d+)(ms|s|m|h)$", text)
    return int(number) * UNITS[unit]


def of_unit(name: str) -> float:
    """Return a duration of the unit."""
    return float(re.findall(rf"^{name}=(\d+)$", UNIT, re.MULTILINE)[0])


def services(path: Path) -> dict[str, Any]:
    """Return the services of a compose file; the gateway with what it takes over from another one."""
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))["services"]
    if extended := found["gateway"].get("extends"):
        found["gateway"] = services(path.with_name(extended["file"]))["gateway"] | found["gateway"]
    return found


COMPOSED = {
    path.name: services(path) for path in sorted(DOCKER.glob("compose*.yaml")) if path.name != "compose.dev.yaml"
}


def pod(name: str) -> tuple[dict[str, Any], Config]:
    """Return the pod that the chart makes of values, and what the gateway in it reads."""
    made = objects(RENDERS[name])
    spec: dict[str, Any] = made["deployment.yaml"]["spec"]["template"]["spec"]
    return spec, Config.from_mapping(made["configmap.yaml"]["data"])


def stops() -> dict[str, Stop]:
    """Return everybody who stops a gateway."""
    found = {"the unit": Stop(of_unit("TimeoutStopSec"), longest_end_s(DEFAULTS.listen.shutdown_grace_s))}
    for name, composed in COMPOSED.items():
        config = TEMPLATES["production"] if "production" in name else DEFAULTS
        waits_s = seconds(composed["gateway"]["stop_grace_period"])
        found[name] = Stop(waits_s, longest_end_s(config.listen.shutdown_grace_s))
    for name in RENDERS:
        spec, config = pod(name)
        lifecycle = spec["containers"][0].get("lifecycle")
        sleep_s = lifecycle["preStop"]["sleep"]["seconds"] if lifecycle else 0
        found[f"pods, {name}"] = Stop(
            spec["terminationGracePeriodSeconds"] - sleep_s, longest_end_s(config.listen.shutdown_grace_s)
        )
    return found


def test_whoever_stops_a_gateway_waits_for_the_longest_end_it_may_take() -> None:
    found = stops()
    assert len(found) == 1 + len(COMPOSED) + len(RENDERS)
    assert {name: stop for name, stop in found.items() if stop.waits_s < stop.takes_s} == {}


def test_a_proxy_that_stops_too_waits_longer_than_the_gateways_behind_it() -> None:
    both = {
        name: [seconds(composed[service]["stop_grace_period"]) for service in ("nginx", "gateway")]
        for name, composed in COMPOSED.items()
        if "nginx" in composed
    }
    assert both
    assert {name: waits for name, waits in both.items() if waits[0] <= waits[1]} == {}


def longest_silence_s(config: Config) -> float:
    """Return for how long a gateway may say nothing and be well."""
    backend = config.backend
    clocks = (backend.first_token_timeout_s, backend.idle_timeout_s, backend.total_timeout_s, backend.request_timeout_s)
    return max(clock_s or 0 for clock_s in clocks)


@pytest.mark.parametrize("path", NGINX, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nginx_is_more_patient_than_any_clock_of_the_gateway_and_quick_to_leave_one_that_is_gone(path: Path) -> None:
    text = path.read_text("utf-8")
    found = {name: seconds(value) for name, value in re.findall(r"^\s*(\w+_timeout) (\w+);", text, re.MULTILINE)}
    longest_s = max(longest_silence_s(config) for config in [DEFAULTS, *TEMPLATES.values()])
    assert min(found[f"proxy_{kind}_timeout"] for kind in ("read", "send")) > longest_s
    assert found["send_timeout"] > DEFAULTS.listen.write_timeout_s
    # A client still waits for its first word when the other gateway is asked.
    assert found["proxy_connect_timeout"] <= DEFAULTS.backend.connect_timeout_s


@pytest.mark.parametrize("name", RENDERS)
def test_what_routes_to_the_pods_is_more_patient_than_any_clock_of_the_gateway(name: str) -> None:
    _, config = pod(name)
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    assert values["httpRoute"]["timeouts"] == {"request": "0s"}  # never
    annotations = (RENDERS[name].get("ingress") or {}).get("annotations") or shown_annotations()
    for kind in ("read", "send"):
        given = int(annotations[f"nginx.ingress.kubernetes.io/proxy-{kind}-timeout"])
        assert given > longest_silence_s(config)


def shown_annotations() -> dict[str, str]:
    """Return what the values' own comment shows for ingress-nginx."""
    text = (CHART / "values.yaml").read_text("utf-8")
    return dict(re.findall(r'^ +# +(nginx\.ingress\S+): "?([^"\n]+)"?$', text, re.MULTILINE))


@pytest.mark.parametrize("name", RENDERS)
def test_probes_are_no_quicker_to_end_a_pod_than_systemd_is_to_end_the_service(name: str) -> None:
    spec, _ = pod(name)
    container = spec["containers"][0]
    probes = {kind: container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")}
    given_s = {kind: probe["periodSeconds"] * probe["failureThreshold"] for kind, probe in probes.items()}
    assert given_s["startup"] >= of_unit("TimeoutStartSec")
    assert given_s["liveness"] >= of_unit("WatchdogSec")
    # One that is not well gets no requests before it is ended for it.
    assert given_s["readiness"] < given_s["liveness"]
    # A probe is over before the next one, but at the start, where each wait counts as one.
    assert all(probes[kind]["timeoutSeconds"] < probes[kind]["periodSeconds"] for kind in ("liveness", "readiness"))


def test_health_checks_of_compose_are_over_before_the_next_one() -> None:
    checks = {
        (name, service): options["healthcheck"]
        for name, composed in COMPOSED.items()
        for service, options in composed.items()
        if "healthcheck" in options
    }
    assert checks
    wrong = [place for place, check in checks.items() if seconds(check["timeout"]) >= seconds(check["interval"])]
    assert wrong == []

"""The chart: clean to judges, true to the program's settings and to the way it stops, and as its documents show it."""

import json
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from gateway._version import __version__
from gateway.config import Config, settings
from gateway.stopping import LAST_WORDS_S
from tests.deploy.chart import (
    BACKEND,
    CARRIED,
    CASES,
    EVERYTHING,
    EXISTING,
    MANIFESTS,
    PLAIN,
    STREAMING,
    documented_values,
    golden_text,
    helm,
    objects,
    plain_manifests,
    rendered,
    values_table,
    yaml,
)
from tests.deploy.custom_kinds import SCHEMAS
from tests.support.chart_checksum import CHART, GOLDEN

kubernetes_validate: Any = pytest.importorskip(
    "kubernetes_validate", reason="kubernetes-validate is not installed: make test-deploy has it"
)
jsonschema: Any = pytest.importorskip("jsonschema", reason="jsonschema is not installed: make test-deploy has it")

pytestmark = pytest.mark.deploy

SECRETS = {"OPENAI_API_KEY", "API_KEYS", "ADMIN_KEY", "CACHE_URL", "REDIS_URL"}
FILES = "/etc/ollama-openai-proxy"
KINDS = {
    "seconds": {"number", "integer"},
    "number": {"integer"},
    "number or word": {"integer"},
    "port": {"integer"},
    "bytes": {"integer"},
    "true or false": {"boolean"},
    "comma list": {"array"},
    "comma list of secrets": {"array"},
}
"""JSON types of a setting's type; all others are strings."""
RENEW = "renew it: python -m tests.deploy.chart"


@cache
def read_values() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return values


@cache
def read_schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    return schema


def pod_of(values: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = objects(values)["deployment.yaml"]["spec"]["template"]
    return pod


def supported_versions() -> list[str]:
    lowest = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["kubeVersion"]
    low = int(lowest.removeprefix(">=1.").split(".")[0])
    known = sorted(int(version.split(".")[1]) for version in kubernetes_validate.utils.all_versions())
    assert low in known
    return [f"1.{low}", f"1.{known[-1]}"]


@pytest.mark.parametrize("values", [{}, *CASES.values()], ids=["defaults", *CASES])
def test_lint_has_nothing_to_say(values: dict[str, Any]) -> None:
    report = helm.lint(str(CHART), values, strict=True)
    assert report["total_charts_linted"] == 1
    assert (report["messages"], report["errors"]) == ([], [])


@pytest.mark.parametrize("version", supported_versions())
@pytest.mark.parametrize("case", CASES)
def test_objects_are_valid_for_the_lowest_and_the_highest_kubernetes(case: str, version: str) -> None:
    for found in objects(CASES[case]).values():
        validate(found, version)


def validate(found: dict[str, Any], version: str) -> None:
    """Raise for an object that Kubernetes, or those who brought its kind, would refuse."""
    if found["kind"] in SCHEMAS:
        jsonschema.validate(found, SCHEMAS[found["kind"]])
    else:
        kubernetes_validate.validate(found, version, strict=True)


def test_every_flag_on_makes_every_object() -> None:
    made = objects(EVERYTHING)
    templates = {str(path.relative_to(CHART / "templates")) for path in (CHART / "templates").rglob("*.yaml")}
    # One monitor is enough: two would count every request twice.
    assert set(made) == templates - {"podmonitor.yaml"}
    assert "podmonitor.yaml" in objects(EXISTING)
    for path, found in made.items():
        assert found["metadata"]["labels"]["team"] == "models", path
        assert found["metadata"]["annotations"]["note"] == "everything", path


OPTIONAL: dict[str, tuple[dict[str, Any], set[str]]] = {
    "ingress": (PLAIN["ingress"], {"ingress.yaml"}),
    "httpRoute": ({"enabled": True, "parentRefs": [{"name": "public"}]}, {"httproute.yaml"}),
    "autoscaling": ({"enabled": True, "targetRequestsInFlight": 40}, {"hpa.yaml"}),
    "podDisruptionBudget": ({"enabled": True}, {"pdb.yaml"}),
    "networkPolicy": ({"enabled": True}, {"networkpolicy.yaml"}),
    "serviceMonitor": ({"enabled": True}, {"servicemonitor.yaml"}),
    "prometheusRule": ({"enabled": True}, {"prometheusrule.yaml"}),
    "dashboard": ({"enabled": True}, {"configmap-dashboard.yaml"}),
    "secrets": ({"REDIS_URL": "redis://redis:6379/0"}, {"secret.yaml"}),
}
"""Parts that are there or not, each by itself: values, and what they make."""
ALWAYS = {"configmap.yaml", "deployment.yaml", "service.yaml", "serviceaccount.yaml", "tests/answers.yaml"}


def test_every_combination_of_the_optional_parts_makes_what_it_says_and_is_valid() -> None:
    version = supported_versions()[-1]
    valid: set[str] = set()
    for chosen in product((False, True), repeat=len(OPTIONAL)):
        parts = {name: part for (name, part), there in zip(OPTIONAL.items(), chosen, strict=True) if there}
        made = rendered({**BACKEND, **{name: values for name, (values, _) in parts.items()}})
        made.pop("NOTES.txt")
        assert set(made) == ALWAYS.union(*(files for _, files in parts.values())), parts.keys()
        for text in made.values():
            if text not in valid:  # most parts are the same whatever stands beside them
                validate(yaml.safe_load(text), version)
                valid.add(text)


@pytest.mark.parametrize("case", CASES)
def test_no_key_stands_twice_in_a_render(case: str) -> None:
    class Strict(yaml.SafeLoader):  # type: ignore[misc]  # the package has no types where lint runs
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
            assert len(keys) == len(set(keys)), keys
            return super().construct_mapping(node, deep)

    for path, text in rendered(CASES[case]).items():
        if path.endswith(".yaml"):
            yaml.load(text, Strict)


@pytest.mark.parametrize("case", CASES)
def test_renders_are_the_golden_ones(case: str) -> None:
    assert golden_text(CASES[case]) == (GOLDEN / f"{case}.yaml").read_text(encoding="utf-8"), RENEW


def test_plain_manifests_are_what_the_chart_renders() -> None:
    kept = {path.name: path.read_text(encoding="utf-8") for path in MANIFESTS.glob("*.yaml")}
    assert kept == plain_manifests(), RENEW
    for text in kept.values():
        for version in supported_versions():
            kubernetes_validate.validate(yaml.safe_load(text), version, strict=True)
        assert "Helm" not in text.split("\n", 1)[1]


def test_the_readme_has_every_value() -> None:
    assert (CHART / "README.md").read_text(encoding="utf-8").endswith("\n\n" + values_table()), RENEW
    assert all(text for _, _, text in documented_values())


def test_every_value_has_its_place_in_the_schema() -> None:
    for path, _, _ in documented_values():
        place = read_schema()
        for key in path.split("."):
            place = place["properties"][key]
            if reference := place.get("$ref"):
                place = read_schema()["definitions"][reference.removeprefix("#/definitions/")]
    jsonschema.Draft7Validator.check_schema(read_schema())


def test_settings_have_their_values_with_name_type_and_default() -> None:
    values, schema = read_values(), read_schema()["properties"]
    given = {**values["settings"], **{name: values["secrets"][name] for name in SECRETS}}
    typed = {**schema["settings"]["properties"], **{name: schema["secrets"]["properties"][name] for name in SECRETS}}
    rows = {row.name: row for row in settings()}
    assert set(given) == set(typed) == set(rows)
    assert list(values["settings"]) == [name for name in rows if name not in SECRETS]
    for name, row in rows.items():
        # An empty text stands for a setting without a default.
        kinds = {typed[name]["type"]} if isinstance(typed[name]["type"], str) else {*typed[name]["type"]} - {"string"}
        assert kinds <= KINDS.get(row.type, {"string"}), name
        assert typed[name]["description"] == row.description, name
        default = given[name]
        text = ",".join(default) if isinstance(default, list) else default
        text = text if isinstance(text, str) else json.dumps(text)
        assert text == ("0.0.0.0" if name == "PROXY_HOST" else row.default), name
    assert {row.name for row in settings() if "secret" in row.type} == SECRETS


def test_the_gateway_reads_what_the_chart_writes() -> None:
    config = Config.from_mapping(objects(EVERYTHING)["configmap.yaml"]["data"])
    assert config.backend.request_timeout_s == 0.5
    assert config.listen.request_max_size_bytes == 1_073_741_824
    assert (config.listen.host, config.listen.port) == ("0.0.0.0", 8080)
    assert [str(network) for network in config.listen.trusted_proxies] == ["10.0.0.0/8", "fd00::1/128"]
    assert (config.listen.shutdown_grace_s, config.listen.workers >= 1) == (90.5, True)
    assert Config.from_mapping(objects(BACKEND)["configmap.yaml"]["data"]).metrics.enabled


REFUSED: dict[str, dict[str, Any]] = {
    "a name nobody knows": {"replicas": 2},
    "a setting nobody knows": {"settings": {"REQUEST_TIMOUT": 5}},
    "a number as text": {"settings": {"REQUEST_TIMEOUT": "60"}},
    "no time at all": {"settings": {"CONNECT_TIMEOUT": 0}},
    "a part of a second where whole ones are wanted": {"settings": {"DNS_CACHE_TTL": 0.5}},
    "less than no retries": {"settings": {"MAX_RETRIES": -1}},
    "yes for true": {"settings": {"ENABLE_METRICS": "yes"}},
    "a port that is none": {"settings": {"PROXY_PORT": 65536}},
    "a port of a Service that is none": {"service": {"port": 0}},
    "a loopback address, which no probe reaches": {"settings": {"PROXY_HOST": "127.0.0.1"}},
    "a backend without a scheme": {"settings": {"OPENAI_API_BASE_URL": "backend.example/v1"}},
    "a backend with a password": {"settings": {"OPENAI_API_BASE_URL": "https://a:b@backend.example/v1"}},
    "a level that is none": {"settings": {"LOG_LEVEL": "LOUD"}},
    "a word that is none": {"settings": {"MODEL_MANAGEMENT": "lax"}},
    "a delivery that is none": {"settings": {"DELIVERY": "soon"}},
    "no worker": {"settings": {"WORKERS": 0}},
    "workers in words": {"settings": {"WORKERS": "many"}},
    "a proxy by its name": {"settings": {"TRUSTED_PROXIES": ["nginx"]}},
    "a queue of less than nothing": {"settings": {"MAX_QUEUE": -1}},
    "a server that is no Redis": {"secrets": {"REDIS_URL": "memory://"}},
    "a file of no backends": {"backends": {"file": {"models": {}}}},
    "a backend without an address": {"backends": {"file": {"backends": [{"name": "a"}]}}},
    "a certificate in the values": {"tls": {"certificate": "a"}},
    "keys in one text": {"secrets": {"API_KEYS": "a,b"}},
    "a key with a comma": {"secrets": {"API_KEYS": ["a,b"]}},
    "a key of two lines": {"secrets": {"OPENAI_API_KEY": "a\nb"}},
    "a key among the settings": {"settings": {"OPENAI_API_KEY": "sk"}},
    "a virtual model without a model": {"modelMapping": {"entries": {"a": {"system": "b"}}}},
    "a digest that is none": {"image": {"digest": "latest"}},
    "a policy that is none": {"image": {"pullPolicy": "Sometimes"}},
    "a type of Service that is none": {"service": {"type": "ExternalName"}},
    "a path without its type": {"ingress": {"hosts": [{"host": "a", "paths": [{"path": "/"}]}]}},
    "an annotation that is no text": {"podAnnotations": {"a": True}},
    "a variable without a name": {"extraEnv": [{"value": "a"}]},
    "a part of a pod": {"replicaCount": 1.5},
    "a probe with a word that is none": {"livenessProbe": {"periodSecond": 5}},
    "a strategy with a word that is none": {"strategy": {"maxSurge": 1}},
    "a variable that is no text": {"extraEnv": [{"name": "A", "value": 1}]},
    "a source of variables that is none": {"extraEnvFrom": [{"name": "a"}]},
    "an effect that is none": {"tolerations": [{"effect": "Never"}]},
    "an amount that is none": {"resources": {"limits": {"memory": True}}},
    "a peer that is none": {"networkPolicy": {"ingress": {"from": [{"pods": {}}]}}},
    "a rule that is none": {"networkPolicy": {"egress": {"rules": [{"port": 443}]}}},
    "a spread that is none": {
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "Maybe"}]
    },
    "an interval without a unit": {"serviceMonitor": {"interval": "30"}},
    "a key of metrics without its Secret": {"podMonitor": {"authorization": {"credentials": {"key": "a"}}}},
    "a monitor with a word that is none": {"serviceMonitor": {"period": "30s"}},
    "a runbook that is no address": {"prometheusRule": {"runbookUrl": "docs/runbook.md"}},
    "a label that is no text": {"dashboard": {"labels": {"grafana_dashboard": 1}}},
    "a Gateway without a name": {"httpRoute": {"parentRefs": [{"namespace": "a"}]}},
    "a time of a route that is a number": {"httpRoute": {"timeouts": {"request": 0}}},
    "no request in flight": {"autoscaling": {"targetRequestsInFlight": 0}},
    "a loopback address in brackets": {"settings": {"PROXY_HOST": "[::1]"}},
}


@pytest.mark.parametrize("values", REFUSED.values(), ids=REFUSED)
def test_the_schema_refuses(values: dict[str, Any]) -> None:
    chart = helm.Chart.load(str(CHART))
    chart.validate_schema(chart.merge_values({}))
    with pytest.raises(helm.HelmValuesError):
        chart.validate_schema(chart.merge_values(values))


CONTRADICTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no backend": ({}, "OPENAI_API_BASE_URL is not set"),
    "two mappings": (
        {"modelMapping": {"entries": {"a": "b"}}, "settings": {"MODEL_MAPPING_FILE": "/a", **BACKEND["settings"]}},
        "both set",
    ),
    "two sources of a mapping": (
        {**BACKEND, "modelMapping": {"entries": {"a": "b"}, "existingConfigMap": "a"}},
        "both set",
    ),
    "keys beside an existing secret": (
        {**BACKEND, "secrets": {"existingSecret": "a", "API_KEYS": ["b"]}},
        "would not count",
    ),
    "two files of backends": (
        {"backends": {"existingSecret": "a"}, "settings": {"BACKENDS_FILE": "/a"}},
        "backends and settings.BACKENDS_FILE are both set",
    ),
    "two sources of backends": ({"backends": {"existingSecret": "a", "file": "backends: []"}}, "both set"),
    "two files of keys": (
        {"keysFile": {"existingSecret": "a"}, "settings": {"KEYS_FILE": "/a", **BACKEND["settings"]}},
        "settings.KEYS_FILE are both set",
    ),
    "two certificates": (
        {"tls": {"existingSecret": "a"}, "settings": {"TLS_CERT_FILE": "/a", **BACKEND["settings"]}},
        "one of them names the certificate",
    ),
    "a certificate without a key": ({"settings": {"TLS_CERT_FILE": "/a", **BACKEND["settings"]}}, "go together"),
    "a Redis beside an existing secret": (
        {**BACKEND, "secrets": {"existingSecret": "a", "REDIS_URL": "redis://a"}},
        "would not count",
    ),
    "a grace that cuts": ({**BACKEND, "terminationGracePeriodSeconds": 30}, "at least 40"),
    "fewest above most": (
        {**BACKEND, "autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 2}},
        "minReplicas is above",
    ),
    "scaling by nothing": (
        {**BACKEND, "autoscaling": {"enabled": True, "targetCPUUtilizationPercentage": None}},
        "wants targetCPUUtilizationPercentage or",
    ),
    "two monitors": ({**BACKEND, "serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}, "twice"),
    "a monitor of no metrics": (
        {"settings": {"ENABLE_METRICS": False, **BACKEND["settings"]}, "podMonitor": {"enabled": True}},
        "podMonitor wants settings.ENABLE_METRICS",
    ),
    "a monitor without the key": (
        {**BACKEND, "secrets": {"API_KEYS": ["a"]}, "serviceMonitor": {"enabled": True}},
        "serviceMonitor.authorization is not set",
    ),
    "a monitor without the key of the file": (
        {**BACKEND, "keysFile": {"existingSecret": "a"}, "podMonitor": {"enabled": True}},
        "podMonitor.authorization is not set",
    ),
    "a route of nobody": ({**BACKEND, "httpRoute": {"enabled": True}}, "parentRefs is empty"),
    "a budget of nothing": (
        {**BACKEND, "podDisruptionBudget": {"minAvailable": None, "maxUnavailable": None}},
        "wants minAvailable or",
    ),
}


@pytest.mark.parametrize(("values", "words"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_values_that_contradict_each_other_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(helm.HelmRenderError, match=words):
        rendered(values)


ENVIRONMENTS = sorted((CHART.parent / "values").glob("*.yaml"))
each_environment = pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
"""Values for development, staging and production; tests/test_environments.py compares them with config/*.env."""


@each_environment
def test_the_values_of_an_environment_make_valid_objects_that_the_gateway_reads(path: Path) -> None:
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    report = helm.lint(str(CHART), values, strict=True)
    assert (report["messages"], report["errors"]) == ([], [])
    made = objects(values)
    for found in made.values():
        for version in supported_versions():
            validate(found, version)
    config = Config.from_mapping(made["configmap.yaml"]["data"])
    spec = made["deployment.yaml"]["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] > config.listen.shutdown_grace_s + LAST_WORDS_S
    assert "secret.yaml" not in made


@pytest.mark.parametrize("path", ENVIRONMENTS[1:], ids=lambda path: path.stem)
def test_the_values_for_others_want_keys_pass_streams_and_reach_redis(path: Path) -> None:
    made = objects(yaml.safe_load(path.read_text(encoding="utf-8")))
    [container] = made["deployment.yaml"]["spec"]["template"]["spec"]["containers"]
    assert {"KEYS_FILE", "REDIS_URL", "OPENAI_API_KEY"} <= {row["name"] for row in container["env"]}
    assert made["ingress.yaml"]["metadata"]["annotations"] == STREAMING
    ports = {port["port"] for rule in made["networkpolicy.yaml"]["spec"]["egress"] for port in rule["ports"]}
    assert {443, 6379} <= ports
    [endpoint] = made["servicemonitor.yaml"]["spec"]["endpoints"]
    assert endpoint["authorization"]["credentials"]["name"]
    assert made["configmap-dashboard.yaml"]["data"]
    assert made["prometheusrule.yaml"]["spec"]["groups"]


@pytest.mark.parametrize("path", ["deployment.yaml", "tests/answers.yaml"])
def test_pods_meet_the_restricted_standard(path: str) -> None:
    found = objects(BACKEND)[path]
    spec = found["spec"]["template"]["spec"] if found["kind"] == "Deployment" else found["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_the_grace_holds_the_sleep_and_the_servers_drain() -> None:
    drain_s = Config.from_mapping({}).listen.shutdown_grace_s + LAST_WORDS_S
    spec = pod_of(BACKEND)["spec"]
    sleep_s = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert sleep_s > 0
    assert spec["terminationGracePeriodSeconds"] > sleep_s + drain_s
    with pytest.raises(helm.HelmRenderError, match="cuts running requests off"):
        rendered({**BACKEND, "preStopSleepSeconds": 20, "terminationGracePeriodSeconds": 20 + int(drain_s)})
    assert "lifecycle" not in pod_of(EXISTING)["spec"]["containers"][0]


@pytest.mark.parametrize("grace_s", [0, 0.5, 300])
def test_the_grace_follows_the_setting(grace_s: float) -> None:
    values = {"settings": {**BACKEND["settings"], "SHUTDOWN_GRACE": grace_s}}
    given_s = pod_of({**values, "preStopSleepSeconds": 7})["spec"]["terminationGracePeriodSeconds"]
    assert 7 + grace_s + LAST_WORDS_S < given_s <= 7 + grace_s + 11
    assert pod_of({**values, "terminationGracePeriodSeconds": 400})["spec"]["terminationGracePeriodSeconds"] == 400
    with pytest.raises(helm.HelmRenderError, match="cuts running requests off"):
        rendered({**values, "terminationGracePeriodSeconds": int(grace_s + LAST_WORDS_S)})


def test_probes_ask_the_process_alone() -> None:
    container = pod_of(BACKEND)["spec"]["containers"][0]
    paths = {name: container[name]["httpGet"]["path"] for name in ("livenessProbe", "readinessProbe", "startupProbe")}
    assert paths == {"livenessProbe": "/health", "readinessProbe": "/ready?scope=self", "startupProbe": "/health"}
    assert pod_of(EVERYTHING)["spec"]["containers"][0]["ports"][0]["containerPort"] == 8080


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"settings": {**BACKEND["settings"], "MAX_RETRIES": 1}}, "settings"),
        ({"secrets": {"API_KEYS": ["a"]}}, "secrets"),
        ({"modelMapping": {"entries": {"a": "b"}}}, "models"),
        ({"backends": {"file": "backends: [{name: a, base_url: 'http://a'}]"}}, "backends"),
    ],
)
def test_a_change_of_what_the_gateway_reads_rolls_the_pods(change: dict[str, Any], name: str) -> None:
    before = pod_of(BACKEND)["metadata"]["annotations"]
    after = pod_of({**BACKEND, **change})["metadata"]["annotations"]
    assert {key for key in before if before[key] != after[key]} == {f"checksum/{name}"}


def test_an_existing_secret_is_read_by_the_entries_named_and_must_have_them() -> None:
    made = objects(EXISTING)
    env = {row["name"]: row for row in made["deployment.yaml"]["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert "secret.yaml" not in made
    assert "OPENAI_API_KEY" not in env
    assert env["API_KEYS"]["valueFrom"] == {"secretKeyRef": {"name": "keys", "key": "clients"}}


def test_keys_are_in_the_secret_and_nowhere_else() -> None:
    made = rendered(EVERYTHING)
    assert yaml.safe_load(made["secret.yaml"])["stringData"] == {
        "OPENAI_API_KEY": "replace-me",
        "API_KEYS": "replace-me-too",
        "REDIS_URL": "redis://:replace-me@redis:6379/0",
    }
    assert not [path for path, text in made.items() if path != "secret.yaml" and "replace-me" in text]


def test_a_mapping_file_is_taken_as_it_is() -> None:
    text = '{"b*": "x",\n "a*": "y"}'
    data = objects({**BACKEND, "modelMapping": {"entries": text}})["configmap-models.yaml"]["data"]
    assert data["model_mapping.json"].strip() == text
    assert files_of({**BACKEND, "modelMapping": {"entries": text}}) == {
        "model_mapping.json": ("gateway-ollama-openai-proxy-models", "model_mapping.json", None)
    }


def files_of(values: dict[str, Any]) -> dict[str, tuple[str, str, int | None]]:
    """Return name of the object, its entry and mode for each file of the one folder that is mounted."""
    spec = pod_of(values)["spec"]
    (volume,) = [volume for volume in spec["volumes"] if volume["name"] == "files"]
    (mount,) = [mount for mount in spec["containers"][0]["volumeMounts"] if mount["name"] == "files"]
    assert (mount["mountPath"], mount["readOnly"]) == (FILES, True)
    sources = [source.get("configMap") or source["secret"] for source in volume["projected"]["sources"]]
    return {
        item["path"]: (source["name"], item["key"], item.get("mode")) for source in sources for item in source["items"]
    }


def test_files_of_existing_secrets_lie_where_the_settings_say_and_only_the_group_reads_them() -> None:
    assert files_of(EXISTING) == {
        "model_mapping.json": ("models", "names.json", None),
        "backends.yaml": ("backends", "all.yaml", 0o440),
        "keys.json": ("key-hashes", "keys", 0o440),
        "tls.crt": ("certificate", "tls.crt", 0o440),
        "tls.key": ("certificate", "tls.key", 0o440),
    }
    spec = pod_of(EXISTING)["spec"]
    env = {row["name"]: row.get("value") for row in spec["containers"][0]["env"]}
    files = {
        "MODEL_MAPPING_FILE": "model_mapping.json",
        "BACKENDS_FILE": "backends.yaml",
        "KEYS_FILE": "keys.json",
        "TLS_CERT_FILE": "tls.crt",
        "TLS_KEY_FILE": "tls.key",
    }
    assert {name: env[name] for name in files} == {name: f"{FILES}/{file}" for name, file in files.items()}
    assert spec["securityContext"]["fsGroup"] == spec["securityContext"]["runAsGroup"]


@pytest.mark.parametrize("values", [{}, {"demo": True}], ids=["backend", "demo"])
def test_without_files_there_is_no_volume(values: dict[str, Any]) -> None:
    assert "volumes" not in pod_of({**BACKEND, **values})["spec"]


def test_the_gateway_reads_the_backends_that_the_chart_writes(tmp_path: Path) -> None:
    made = objects(EVERYTHING)
    data = made["secret-backends.yaml"]["stringData"]
    path = tmp_path / "backends.yaml"
    path.write_text(data["backends.yaml"], encoding="utf-8")
    path.chmod(0o440)
    config = Config.from_mapping({"BACKENDS_FILE": str(path), **made["secret.yaml"]["stringData"]})
    (backend,) = config.fleet.backends
    assert (backend.name, backend.secrets()) == ("main", ["replace-me"])
    assert config.fleet.rules["*"].delivery == "whole"
    assert files_of(EVERYTHING)["backends.yaml"][0] == made["secret-backends.yaml"]["metadata"]["name"]


def test_a_backends_file_is_taken_as_it_is_and_is_backend_enough() -> None:
    text = "# mine\nbackends:\n  - {name: a, base_url: 'http://a/v1'}"
    data = objects({"backends": {"file": text, "key": "all.yaml"}})["secret-backends.yaml"]["stringData"]
    assert data == {"all.yaml": text + "\n"}
    assert files_of({"backends": {"file": text, "key": "all.yaml"}})["backends.yaml"][1] == "all.yaml"


@pytest.mark.parametrize(
    "values",
    [
        {"tls": {"existingSecret": "a"}},
        {"settings": {"TLS_CERT_FILE": "/a", "TLS_KEY_FILE": "/b", **BACKEND["settings"]}},
    ],
    ids=["secret", "settings"],
)
def test_with_a_certificate_everybody_who_asks_the_pods_uses_it(values: dict[str, Any]) -> None:
    made = objects({**BACKEND, **values})
    container = made["deployment.yaml"]["spec"]["template"]["spec"]["containers"][0]
    probes = [container[name]["httpGet"] for name in ("livenessProbe", "readinessProbe", "startupProbe")]
    assert [probe["scheme"] for probe in probes] == ["HTTPS"] * 3
    assert made["tests/answers.yaml"]["spec"]["containers"][0]["command"][-1].startswith("https://")
    assert "https://gateway" in rendered({**BACKEND, **values})["NOTES.txt"]
    assert "scheme" not in pod_of(BACKEND)["spec"]["containers"][0]["livenessProbe"]["httpGet"]


def test_the_test_pod_is_no_pod_of_the_service_and_gets_through_the_network_policy() -> None:
    made = objects(EVERYTHING)
    labels = made["tests/answers.yaml"]["metadata"]["labels"]
    selector = made["service.yaml"]["spec"]["selector"]
    policy = made["networkpolicy.yaml"]["spec"]
    assert not selector.items() <= labels.items()
    assert selector == policy["podSelector"]["matchLabels"]
    assert selector.items() <= made["deployment.yaml"]["spec"]["template"]["metadata"]["labels"].items()
    assert any(peer["podSelector"]["matchLabels"].items() <= labels.items() for peer in policy["ingress"][0]["from"])


@pytest.mark.parametrize("monitor", ["serviceMonitor", "podMonitor", None])
def test_prometheus_gets_through_the_network_policy_where_it_is_to_ask(monitor: str | None) -> None:
    restricted = {**BACKEND, "networkPolicy": EVERYTHING["networkPolicy"]}
    values = {**restricted, monitor: {"enabled": True}} if monitor else restricted
    peers = objects(values)["networkpolicy.yaml"]["spec"]["ingress"][0]["from"]
    asks = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}}
    assert (asks in peers) is (monitor is not None)
    own = {"ipBlock": {"cidr": "10.9.0.0/16"}}
    values["networkPolicy"] = {**values["networkPolicy"], "ingress": {"from": [own], "prometheus": []}}
    assert len(objects(values)["networkpolicy.yaml"]["spec"]["ingress"][0]["from"]) == 2


def test_a_release_with_a_number_for_a_name_stays_valid() -> None:
    for found in objects(EVERYTHING, "1234").values():
        validate(found, supported_versions()[0])


def test_the_chart_serves_the_version_it_lies_beside() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == __version__


def test_notes_warn_of_a_gateway_without_keys() -> None:
    assert "no API_KEYS" in rendered(BACKEND)["NOTES.txt"]
    assert "no API_KEYS" not in rendered(EXISTING)["NOTES.txt"]
    assert "no API_KEYS" not in rendered(EVERYTHING)["NOTES.txt"]
    assert "no API_KEYS" not in rendered({**BACKEND, "keysFile": {"existingSecret": "a"}})["NOTES.txt"]


def test_rules_and_dashboard_are_carried_as_they_are() -> None:
    made = objects(EVERYTHING)
    for template, file in CARRIED.items():
        text = (CHART.parents[1] / "monitoring" / file).read_text(encoding="utf-8")
        (carried,) = made[template].get("data", {"": None}).values()
        if carried is None:
            assert made[template]["spec"] == yaml.safe_load(text)
        else:
            assert carried == text
    assert made["configmap-dashboard.yaml"]["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert made["configmap-dashboard.yaml"]["metadata"]["namespace"] == "grafana"


def test_alerts_link_to_the_runbook_where_it_is() -> None:
    rule = {"enabled": True, "runbookUrl": "https://wiki.example/runbook"}
    plain = objects(EVERYTHING)["prometheusrule.yaml"]["spec"]
    linked = objects({**BACKEND, "prometheusRule": rule})["prometheusrule.yaml"]["spec"]
    alerts = [row for group in linked["groups"] for row in group["rules"] if "alert" in row]
    assert alerts
    for alert in alerts:
        assert alert["annotations"]["runbook_url"] == f"https://wiki.example/runbook#{alert['alert'].lower()}"
        alert["annotations"]["runbook_url"] = f"docs/runbook.md#{alert['alert'].lower()}"
    assert linked == plain


@pytest.mark.parametrize("kind", ["serviceMonitor", "podMonitor"])
def test_monitors_find_the_pods_and_read_what_the_gateway_serves(kind: str) -> None:
    settings_ = {**BACKEND["settings"], "METRICS_PATH": "/internal/metrics"}
    made = objects({"settings": settings_, kind: {"enabled": True}, "tls": {"existingSecret": "a"}})
    spec = made[f"{kind.lower()}.yaml"]["spec"]
    (endpoint,) = spec.get("endpoints") or spec["podMetricsEndpoints"]
    pod = made["deployment.yaml"]["spec"]["template"]
    found = made["service.yaml"] if kind == "serviceMonitor" else pod
    assert spec["selector"]["matchLabels"].items() <= found["metadata"]["labels"].items()
    assert endpoint["port"] in {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
    assert endpoint["port"] in {port["name"] for port in made["service.yaml"]["spec"]["ports"]}
    assert (endpoint["path"], endpoint["scheme"]) == ("/internal/metrics", "https")
    job = endpoint["relabelings"][0]
    assert (job["targetLabel"], job["replacement"]) == ("job", "gateway/models/gateway-ollama-openai-proxy")


def test_metrics_that_want_no_key_are_read_without_one() -> None:
    public = {"settings": {**BACKEND["settings"], "METRICS_PUBLIC": True}, "secrets": {"API_KEYS": ["a"]}}
    (endpoint,) = objects({**public, "serviceMonitor": {"enabled": True}})["servicemonitor.yaml"]["spec"]["endpoints"]
    assert "authorization" not in endpoint


def test_pods_are_scaled_by_cpu_and_by_requests_in_flight_as_wanted() -> None:
    both = [row["type"] for row in objects(EVERYTHING)["hpa.yaml"]["spec"]["metrics"]]
    (alone,) = objects(EXISTING)["hpa.yaml"]["spec"]["metrics"]
    assert both == ["Resource", "Pods"]
    assert alone["pods"] == {
        "metric": {"name": "gateway_requests_in_flight"},
        "target": {"type": "AverageValue", "averageValue": "40"},
    }

"""The chart: clean to judges, true to the program's settings and to the way it stops, and as its documents show it."""

import json
from functools import cache
from typing import Any

import pytest

from gateway import server
from gateway._version import __version__
from gateway.config import settings
from tests.deploy.chart import (
    BACKEND,
    CASES,
    CHART,
    EVERYTHING,
    EXISTING,
    GOLDEN,
    MANIFESTS,
    documented_values,
    golden_text,
    helm,
    objects,
    plain_manifests,
    rendered,
    values_table,
    yaml,
)

kubernetes_validate: Any = pytest.importorskip(
    "kubernetes_validate", reason="kubernetes-validate is not installed: make test-deploy has it"
)
jsonschema: Any = pytest.importorskip("jsonschema", reason="jsonschema is not installed: make test-deploy has it")

pytestmark = pytest.mark.deploy

SECRETS = {"OPENAI_API_KEY", "API_KEYS", "ADMIN_KEY", "CACHE_URL"}
KINDS = {
    "seconds": {"number", "integer"},
    "number": {"integer"},
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
        kubernetes_validate.validate(found, version, strict=True)


def test_every_flag_on_makes_every_object() -> None:
    made = objects(EVERYTHING)
    templates = {str(path.relative_to(CHART / "templates")) for path in (CHART / "templates").rglob("*.yaml")}
    assert set(made) == templates
    for path, found in made.items():
        assert found["metadata"]["labels"]["team"] == "models", path
        assert found["metadata"]["annotations"]["note"] == "everything", path


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
    from gateway.config import Config

    config = Config.from_mapping(objects(EVERYTHING)["configmap.yaml"]["data"])
    assert config.backend.request_timeout_s == 0.5
    assert config.listen.request_max_size_bytes == 1_073_741_824
    assert (config.listen.host, config.listen.port) == ("0.0.0.0", 8080)
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
    "a grace that cuts": ({**BACKEND, "terminationGracePeriodSeconds": 30}, "at least 40"),
    "fewest above most": (
        {**BACKEND, "autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 2}},
        "minReplicas is above",
    ),
    "a budget of nothing": (
        {**BACKEND, "podDisruptionBudget": {"minAvailable": None, "maxUnavailable": None}},
        "wants minAvailable or",
    ),
}


@pytest.mark.parametrize(("values", "words"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_values_that_contradict_each_other_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(helm.HelmRenderError, match=words):
        rendered(values)


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
    spec = pod_of(BACKEND)["spec"]
    sleep_s = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert sleep_s > 0
    assert spec["terminationGracePeriodSeconds"] > sleep_s + server.DRAIN_S + server.LAST_WORDS_S
    tight = int(server.DRAIN_S + server.LAST_WORDS_S)
    with pytest.raises(helm.HelmRenderError, match="cuts running requests off"):
        rendered({**BACKEND, "preStopSleepSeconds": 20, "terminationGracePeriodSeconds": 20 + tight})
    assert "lifecycle" not in pod_of(EXISTING)["spec"]["containers"][0]


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
    }
    assert not [path for path, text in made.items() if path != "secret.yaml" and "replace-me" in text]


def test_a_mapping_file_is_taken_as_it_is() -> None:
    text = '{"b*": "x",\n "a*": "y"}'
    data = objects({**BACKEND, "modelMapping": {"entries": text}})["configmap-models.yaml"]["data"]
    assert data["model_mapping.json"].strip() == text
    (volume,) = pod_of({**BACKEND, "modelMapping": {"entries": text}})["spec"]["volumes"]
    assert volume["configMap"]["name"] == "gateway-ollama-openai-proxy-models"


def test_the_test_pod_is_no_pod_of_the_service_and_gets_through_the_network_policy() -> None:
    made = objects(EVERYTHING)
    labels = made["tests/answers.yaml"]["metadata"]["labels"]
    selector = made["service.yaml"]["spec"]["selector"]
    policy = made["networkpolicy.yaml"]["spec"]
    assert not selector.items() <= labels.items()
    assert selector == policy["podSelector"]["matchLabels"]
    assert selector.items() <= made["deployment.yaml"]["spec"]["template"]["metadata"]["labels"].items()
    assert any(peer["podSelector"]["matchLabels"].items() <= labels.items() for peer in policy["ingress"][0]["from"])


def test_a_release_with_a_number_for_a_name_stays_valid() -> None:
    for found in objects(EVERYTHING, "1234").values():
        kubernetes_validate.validate(found, supported_versions()[0], strict=True)


def test_the_chart_serves_the_version_it_lies_beside() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == __version__


def test_notes_warn_of_a_gateway_without_keys() -> None:
    assert "no API_KEYS" in rendered(BACKEND)["NOTES.txt"]
    assert "no API_KEYS" not in rendered(EXISTING)["NOTES.txt"]
    assert "no API_KEYS" not in rendered(EVERYTHING)["NOTES.txt"]

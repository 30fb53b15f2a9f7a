"""The chart as text: renders, plain manifests, the table of the README. Run as a module, it writes them anew."""

import json
import re
from typing import Any

import pytest

from tests.support.chart_checksum import CHART, GOLDEN, RENDERED_OF, ROOT, chart_checksum

helm: Any = pytest.importorskip("helm_python", reason="helm-python-sdk is not installed: make test-deploy has it")
yaml: Any = pytest.importorskip("yaml", reason="PyYAML is not installed: make test-deploy has it")

MANIFESTS = ROOT / "docs" / "kubernetes"

BACKEND = {"settings": {"OPENAI_API_BASE_URL": "https://backend.example/v1"}}
EXISTING: dict[str, Any] = {
    **BACKEND,
    "secrets": {"existingSecret": "keys", "existingSecretKeys": {"OPENAI_API_KEY": "", "API_KEYS": "clients"}},
    "modelMapping": {"existingConfigMap": "models", "key": "names.json"},
    "backends": {"existingSecret": "backends", "key": "all.yaml"},
    "keysFile": {"existingSecret": "key-hashes", "key": "keys"},
    "tls": {"existingSecret": "certificate"},
    "serviceAccount": {"create": False},
    "preStopSleepSeconds": 0,
    "strategy": {"type": "Recreate"},
    "podMonitor": {
        "enabled": True,
        "authorization": {"credentials": {"name": "gateway-scrape", "key": "token"}},
        "tlsConfig": {"insecureSkipVerify": True},
    },
    "autoscaling": {"enabled": True, "targetCPUUtilizationPercentage": None, "targetRequestsInFlight": 40},
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]},
}
STREAMING = {
    "nginx.ingress.kubernetes.io/proxy-buffering": "off",
    "nginx.ingress.kubernetes.io/proxy-request-buffering": "off",
    "nginx.ingress.kubernetes.io/proxy-http-version": "1.1",
    "nginx.ingress.kubernetes.io/proxy-read-timeout": "3600",
    "nginx.ingress.kubernetes.io/proxy-send-timeout": "3600",
    "nginx.ingress.kubernetes.io/proxy-body-size": "10m",
}
PLAIN: dict[str, Any] = {
    **BACKEND,
    "secrets": {"OPENAI_API_KEY": "replace-me", "API_KEYS": ["replace-me-too"]},
    "modelMapping": {"entries": {"llama3": "gpt-4o-mini"}},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "annotations": STREAMING,
        "tls": [{"secretName": "ollama-tls", "hosts": ["ollama.example.com"]}],
    },
    "autoscaling": {"enabled": True},
    "podDisruptionBudget": {"enabled": True},
    "networkPolicy": {"enabled": True},
}
EVERYTHING: dict[str, Any] = {
    **PLAIN,
    "settings": {
        **BACKEND["settings"],
        "REQUEST_TIMEOUT": 0.5,
        "REQUEST_MAX_SIZE": 1_073_741_824,
        "CORS_ORIGINS": ["https://app.example", "http://localhost:*"],
        "PROXY_PORT": 8080,
        "TRUSTED_PROXIES": ["10.0.0.0/8", "fd00::1"],
        "WORKERS": "auto",
        "SHUTDOWN_GRACE": 90.5,
    },
    "demo": True,
    "secrets": {
        "OPENAI_API_KEY": "replace-me",
        "API_KEYS": ["replace-me-too"],
        "REDIS_URL": "redis://:replace-me@redis:6379/0",
    },
    "backends": {
        "file": {
            "backends": [{"name": "main", "base_url": "https://backend.example/v1", "api_key": "${OPENAI_API_KEY}"}],
            "models": {"*": {"delivery": "whole"}},
        }
    },
    "image": {"repository": "registry.example/gateway", "digest": "sha256:" + "0" * 64, "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "registry"}],
    "commonLabels": {"team": "models"},
    "commonAnnotations": {"note": "everything"},
    "deploymentAnnotations": {"of": "the deployment"},
    "podAnnotations": {"prometheus.io/scrape": "true"},
    "podLabels": {"tier": "edge"},
    "serviceAccount": {"annotations": {"of": "the account"}},
    "service": {"type": "NodePort", "nodePort": 31434, "port": 80, "labels": {"a": "b"}, "annotations": {"c": "d"}},
    "httpRoute": {
        "enabled": True,
        "annotations": {"of": "the route"},
        "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https"}],
        "hostnames": ["ollama.example.com"],
        "pathPrefix": "/ollama",
        "filters": [
            {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}
        ],
        "timeouts": {"request": "0s", "backendRequest": "0s"},
    },
    "autoscaling": {
        "enabled": True,
        "targetRequestsInFlight": 40,
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}},
    },
    "serviceMonitor": {
        "enabled": True,
        "labels": {"release": "prometheus"},
        "annotations": {"of": "the monitor"},
        "interval": "30s",
        "scrapeTimeout": "10s",
        "authorization": {"credentials": {"name": "gateway-scrape", "key": "token"}},
        "tlsConfig": {"serverName": "gateway", "ca": {"secret": {"name": "certificate", "key": "ca.crt"}}},
        "relabelings": [{"targetLabel": "cluster", "replacement": "one"}],
        "metricRelabelings": [{"action": "labeldrop", "regex": "dialect"}],
    },
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}, "annotations": {"of": "the rules"}},
    "dashboard": {"enabled": True, "namespace": "grafana", "annotations": {"grafana_folder": "Models"}},
    "podDisruptionBudget": {"enabled": True, "minAvailable": "50%"},
    "networkPolicy": {"enabled": True, "ingress": {"from": [{"podSelector": {"matchLabels": {"app": "chat"}}}]}},
    "extraEnv": [{"name": "SSL_CERT_FILE", "value": "/etc/ssl/backend/ca.crt"}],
    "extraEnvFrom": [{"secretRef": {"name": "more"}}],
    "extraArgs": ["--log-level", "DEBUG"],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "backend-ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ssl/backend", "readOnly": True}],
    "nodeSelector": {"kubernetes.io/arch": "arm64"},
    "tolerations": [{"key": "edge", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "edge", "operator": "Exists"}]}]
            }
        }
    },
    "priorityClassName": "high",
}
CARRIED = {"prometheusrule.yaml": "rules.yml", "configmap-dashboard.yaml": "dashboard.json"}
"""Templates that carry a file of `monitoring/`; the chart has a copy, since it reaches nothing outside its folder."""
CASES = {"minimal": BACKEND, "existing": EXISTING, "everything": EVERYTHING}

MANIFEST_HEAD = "# Rendered from helm/ollama-openai-proxy; docs/kubernetes is for those who do not use Helm.\n"
GROUPS = frozenset(
    [
        "settings",
        "secrets",
        "secrets.existingSecretKeys",
        "backends",
        "keysFile",
        "tls",
        "modelMapping",
        "image",
        "serviceAccount",
        "service",
        "ingress",
        "autoscaling",
        "podDisruptionBudget",
        "networkPolicy",
        "networkPolicy.ingress",
        "networkPolicy.egress",
        "httpRoute",
        "serviceMonitor",
        "podMonitor",
        "prometheusRule",
        "dashboard",
    ]
)
"""Objects of which every part has a row of its own."""
TABLE_HEAD = "| Value | Default | Meaning |\n| --- | --- | --- |\n"


def rendered(values: dict[str, Any], name: str = "gateway") -> dict[str, str]:
    """Return what the chart makes of the values, by template; templates that make nothing are left out."""
    made = helm.Chart.load(str(CHART)).render(values, name=name, namespace="models")
    texts = {path.removeprefix("ollama-openai-proxy/templates/"): text.strip() for path, text in made.items()}
    return {path: text + "\n" for path, text in sorted(texts.items()) if text}


def objects(values: dict[str, Any], name: str = "gateway") -> dict[str, Any]:
    """Return the objects by template."""
    return {path: yaml.safe_load(text) for path, text in rendered(values, name).items() if path.endswith(".yaml")}


def golden_text(values: dict[str, Any]) -> str:
    """Return a whole render as one text, without the files that the chart carries."""
    return "".join(f"--- # {path}\n{text}" for path, text in rendered(values).items() if path not in CARRIED)


def plain_manifests() -> dict[str, str]:
    """Return the manifests for `docs/kubernetes` by file: without what only Helm has a use for."""
    of_helm = re.compile(
        r"^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by|checksum/\w+|annotations:(?=\n *checksum/)).*\n",
        re.MULTILINE,
    )
    made = rendered(PLAIN, "ollama-openai-proxy")
    return {
        path: MANIFEST_HEAD + of_helm.sub("", text)
        for path, text in made.items()
        if path.endswith(".yaml") and "/" not in path
    }


def documented_values() -> list[tuple[str, str, str]]:
    """Return (value, default as JSON, comment) for every value, in the order of the file."""
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    rows: list[tuple[str, str, str]] = []
    parents: list[tuple[int, str]] = []
    comment = ""
    covered_to: int | None = None
    for line in (CHART / "values.yaml").read_text(encoding="utf-8").splitlines():
        indent = len(line) - len(line.lstrip())
        if not line.strip():
            comment = ""
        elif line.lstrip().startswith("#"):
            text = line.strip()[1:]
            comment = comment if text.startswith("   ") else text.strip()
        elif covered_to is None or indent <= covered_to:
            covered_to = None
            parents = [item for item in parents if item[0] < indent]
            parents.append((indent, line.strip().split(":")[0]))
            found: Any = values
            for _, key in parents:
                found = found[key]
            path = ".".join(key for _, key in parents)
            if path not in GROUPS:
                rows.append((path, json.dumps(found), comment))
                covered_to = indent
            comment = ""
    return rows


def values_table() -> str:
    """Return the README's table."""
    return TABLE_HEAD + "".join(f"| `{path}` | `{default}` | {text} |\n" for path, default, text in documented_values())


def write_all() -> None:
    """Write what is made of the chart: carried files, golden renders, plain manifests, the README's table."""
    for file in CARRIED.values():
        (CHART / "files" / file).write_bytes((ROOT / "monitoring" / file).read_bytes())
    for name, values in CASES.items():
        (GOLDEN / f"{name}.yaml").write_text(golden_text(values), encoding="utf-8")
    for name, text in plain_manifests().items():
        (MANIFESTS / name).write_text(text, encoding="utf-8")
    readme = CHART / "README.md"
    before = readme.read_text(encoding="utf-8").split(TABLE_HEAD)[0]
    readme.write_text(before + values_table(), encoding="utf-8")
    RENDERED_OF.write_text(chart_checksum() + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_all()

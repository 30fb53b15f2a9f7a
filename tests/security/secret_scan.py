"""`python -m tests.security.secret_scan`: detect-secrets over every file of the project, against .secrets.baseline.

What the baseline has was looked at: invented keys of tests and examples, kept as hashes. `--accept` writes it anew.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from detect_secrets.core.baseline import format_for_output
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings

ROOT = Path(__file__).parents[2]
BASELINE = ROOT / ".secrets.baseline"
PLUGINS: list[dict[str, Any]] = [
    {"name": "GatewayKeyDetector", "path": Path(__file__).with_name("key_plugin.py").as_uri()},
    {"name": "Base64HighEntropyString", "limit": 4.5},
    {"name": "HexHighEntropyString", "limit": 3.0},
    *(
        {"name": f"{name}Detector"}
        for name in (
            "AWSKey",
            "BasicAuth",
            "GitHubToken",
            "GitLabToken",
            "JwtToken",
            "PrivateKey",
            "PypiToken",
            "Slack",
            "Stripe",
        )
    ),
]
FILTERS = [
    {"path": f"detect_secrets.filters.heuristic.{name}"}
    for name in (
        "is_sequential_string",
        "is_potential_uuid",
        "is_likely_id_string",
        "is_templated_secret",
        "is_prefixed_with_dollar_sign",
        "is_not_alphanumeric_string",
    )
]
"""Those that look at a finding. The others look at every line, and take half of the time."""
IN_TEXTS = [*PLUGINS, {"name": "KeywordDetector"}]
"""For what is no Python: there `password=` stands before a password, not before a test's variable."""
LOCKS = ("requirements", ".secrets.baseline")
"""What is nothing but hashes: names of files or folders that begin like this."""


def project_files() -> list[str]:
    """Return the files git knows and new ones it would take, but for locks; none outside a checkout."""
    command = ("git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if not (ROOT / ".git").exists():
        return []
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    return [name for name in names if (ROOT / name).is_file() and not _is_lock(name)]


def _is_lock(name: str) -> bool:
    return any(part.startswith(LOCKS) for part in Path(name).parts)


def scan(root: Path, names: Sequence[str]) -> SecretsCollection:
    """Return what looks like a secret in the files of these names below `root`."""
    found = SecretsCollection()
    code = [name for name in names if name.endswith(".py")]
    texts = [name for name in names if not name.endswith(".py")]
    for some, plugins in ((code, PLUGINS), (texts, IN_TEXTS)):
        if not some:
            continue
        with chdir(root), transient_settings({"plugins_used": plugins, "filters_used": FILTERS}):
            found.scan_files(*some, num_processors=min(len(some), os.cpu_count() or 1))
    return found


def accepted(baseline: Path) -> SecretsCollection:
    """Return what was looked at before."""
    return SecretsCollection.load_from_baseline(json.loads(baseline.read_text(encoding="utf-8")))


def accept(found: SecretsCollection, baseline: Path) -> None:
    """Write all of it down, as hashes and without the numbers of lines, which change."""
    results = format_for_output(found, is_slim_mode=True)["results"]
    baseline.write_text(json.dumps({"results": results}, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Print what is new, without showing it; return 1 if there is any."""
    names = project_files()
    if not names:
        sys.stdout.write("not a checkout: nobody knows which files belong to the project\n")
        return 0
    found = scan(ROOT, names)
    if "--accept" in arguments:
        accept(found, BASELINE)
        return 0
    new = [secret for _, secret in found - accepted(BASELINE)]
    for secret in new:
        sys.stdout.write(f"{secret.filename}:{secret.line_number}: {secret.type}\n")
    if new:
        sys.stdout.write("If none of these is a secret: python -m tests.security.secret_scan --accept\n")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A rule for detect-secrets: API keys as this gateway makes them, and as OpenAI and most others do."""

import re

from detect_secrets.plugins.base import RegexBasedDetector


class GatewayKeyDetector(RegexBasedDetector):
    """Finds `sk-` and at least twenty characters with a digit among them, or forty of any kind: random keys."""

    secret_type = "API key (sk-)"
    denylist = (re.compile(r"(?<![A-Za-z0-9])sk-(?:(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,}|[A-Za-z0-9_-]{40,})"),)

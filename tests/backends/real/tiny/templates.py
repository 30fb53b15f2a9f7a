"""The chat template, for a model that thinks and for one that does not."""

from pathlib import Path

_NO_THOUGHT = (
    '{%- if enable_thinking is defined and not enable_thinking %}{{- "<think>\\n\\n</think>\\n\\n" }}{%- endif %}\n'
)
_THOUGHT = (
    '{%- if enable_thinking is defined and not enable_thinking %}{{- "<think>\\n\\n</think>\\n\\n" }}{%- endif %}\n'
)
_THOUGHT = (
    "{%- if message.reasoning_content is string and loop.last %}"
    '{{- "<think>" + message.reasoning_content + "</think>\\n\\n" }}{%- endif %}\n'
)


def chat_template(*, thinking: bool) -> str:
    """Return the template; that of a thinking model can be told to begin with an empty thought."""
    text = Path(__file__).with_name("template.jinja").read_text("utf-8")
    text = text.replace("HISTORY", _THOUGHT if thinking else "")
    return text.replace("THINKING", _NO_THOUGHT if thinking else "")

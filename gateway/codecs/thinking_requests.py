"""How a backend is asked to think, to think at a level, or not to think."""

from typing import Any

from gateway.codecs.contract import Profile


def encode_think(think: bool | str | None, profile: Profile) -> dict[str, Any]:
    """Return the parameters that ask for reasoning or switch it off; nothing where `think` is unset.

    What a backend is not known to take is not sent: a model that thinks does so by default, and what arrives unwanted
    is dropped by the reader.
    """
    if think is None:
        return {}
    if profile.thinking_off == "reasoning":
        return {"reasoning": _reasoning(think, profile)}
    by_template = profile.thinking_off == "chat_template_kwargs"
    if isinstance(think, str):
        return _at_level(_level(think, profile), profile, by_template=by_template)
    if by_template:
        return {"chat_template_kwargs": dict.fromkeys(profile.thinking_switches, think)}
    if think:
        return {"reasoning_effort": profile.thinking_on} if profile.thinking_on else {}
    return {"reasoning_effort": "none"} if profile.thinking_off == "reasoning_effort" else {}


def _at_level(level: str, profile: Profile, *, by_template: bool) -> dict[str, Any]:
    if profile.thinking_levels:
        return {"reasoning_effort": level}
    if by_template:
        return {"chat_template_kwargs": {**dict.fromkeys(profile.thinking_switches, True), "reasoning_effort": level}}
    # It only knows on and off: any level is on.
    return {"reasoning_effort": profile.thinking_on} if profile.thinking_on else {}


def _reasoning(think: bool | str, profile: Profile) -> dict[str, Any]:
    """Return OpenRouter's object, which it puts into the words of whoever serves the model."""
    if isinstance(think, str):
        return {"effort": _level(think, profile)}
    return {"enabled": True} if think else {"effort": "none"}


def _level(think: str, profile: Profile) -> str:
    return profile.thinking_highest if think == "max" else think

"""Relay: what one worker tells all others, passed on by their supervisor, which keeps nothing of it."""

from typing import Any

from gateway.channel import Channel


class Relay:
    """Passes notices about one topic on to every worker that is there: those that start or leave, and whoever tells.

    All of them hear the same notices in the same order.
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self._channels: dict[int, Channel] = {}

    def join(self, who: int, channel: Channel) -> None:
        """Have a worker hear what is told from now on."""
        self._channels[who] = channel

    def leave(self, who: int) -> None:
        """Forget a worker that is gone, and tell the others so."""
        if self._channels.pop(who, None) is not None:
            self._tell_all({"who": who, "gone": True})

    async def pass_on(self, payload: Any) -> None:
        """Take a worker's notice. One who does not read misses it."""
        self._tell_all(payload)

    def _tell_all(self, payload: Any) -> None:
        for channel in self._channels.values():
            channel.tell(self.topic, payload)

"""Puts together who counts: Redis, a process that counts for several, or this one alone."""

from collections.abc import Callable

from pydantic import SecretStr

from gateway.admission.counts import Counts, local_counts, redis_counts
from gateway.admission.shared_counts import SharedCounts
from gateway.admission.supervised import Ask, AskedCounts
from gateway.reach import Reach
from gateway.redis_connections import REDIS_WAIT_S, redis_connections


class Sharing:
    """The counts to use, and what is to be closed with them. `missed` is called when shared ones are out of reach.

    Raises ValueError for a REDIS_URL that cannot be used.
    """

    def __init__(self, redis_url: SecretStr | None, ask: Ask | None, missed: Callable[[], None]) -> None:
        self._connections = (
            redis_connections(redis_url.get_secret_value(), "REDIS_URL") if redis_url is not None else None
        )
        self._shared: SharedCounts | None = None
        reach = Reach("the shared count", "each process counts for itself", longest_s=REDIS_WAIT_S, missed=missed)
        if self._connections is not None:
            self._shared = SharedCounts(redis_counts(self._connections), local_counts(), reach)
        elif ask is not None:
            self._shared = SharedCounts(AskedCounts(ask), local_counts(), reach)
        self.counts: Counts = self._shared or local_counts()

    async def aclose(self) -> None:
        """Let what is being counted come to its end, then close the connections."""
        if self._shared is not None:
            await self._shared.aclose()
        if self._connections is not None:
            await self._connections.disconnect()

"""Profiles: how long and how much, and the one factor for all configured clocks and all waits of the backend."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """`scale` multiplies all clocks; the rest are the sizes of what rows 17 to 27 do."""

    name: str
    scale: float
    kills: int
    slow_senders: int
    slow_s: float
    live_streams: int
    storm_rps: int
    storm_s: float
    idle_connections: int
    mixed_s: float
    body_bytes: int
    cuts: int
    chaos: int


FAST = Profile(
    name="fast",
    scale=0.1,
    kills=60,
    slow_senders=100,
    slow_s=6.0,
    live_streams=50,
    storm_rps=160,
    storm_s=5.0,
    idle_connections=1000,
    mixed_s=6.0,
    body_bytes=30_000_000,
    cuts=200,
    chaos=100,
)
FULL = Profile(
    name="full",
    scale=1.0,
    kills=1000,
    slow_senders=500,
    slow_s=20.0,
    live_streams=200,
    storm_rps=500,
    storm_s=60.0,
    idle_connections=5000,
    mixed_s=600.0,
    body_bytes=100_000_000,
    cuts=10_000,
    chaos=1000,
)
PROFILES = {profile.name: profile for profile in (FAST, FULL)}

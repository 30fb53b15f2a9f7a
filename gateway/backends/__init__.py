"""What stands behind the gateway: backends, the attempts loop, probing. Owns the one ClientSession."""

from aiohttp import web

from gateway.backends.pool import Pool

POOL: web.AppKey[Pool] = web.AppKey("pool", Pool)

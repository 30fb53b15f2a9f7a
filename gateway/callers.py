"""What is known of who calls: written by the authentication middleware, read by handlers."""

from aiohttp import web

AUTHENTICATED: web.RequestKey[bool] = web.RequestKey("authenticated", bool)
"""True where the client may see everything: it showed a valid key, or none is wanted."""

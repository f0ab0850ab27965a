"""Pages over the verified copy: read-only, server-rendered, nothing from anywhere else.

application(home, store, clock) -> an ASGI application     # docs/regulator-service.md
"""

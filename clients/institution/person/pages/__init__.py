"""The person's desk: pages for one person about their own record, server-rendered, on loopback, behind a one-time code.

serving(home, model=..., clock=...)                     # docs/person.md
"""

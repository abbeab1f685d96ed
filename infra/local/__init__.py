"""The local stack: what `make` calls to fetch tools, run the gate, and start everything on one machine.

Nothing here is shipped, and nothing the functions do depends on it. Modules that run before the virtual environments
exist (`__main__`, `paths`, `tools`, `schema`, `guard`) use the standard library alone.
"""

"""Imports httpx without its command line, which imports rich and pygments.

httpx works without its console program where it cannot be imported, and nothing here uses it. Measured: with
it, every command that uses Canvas starts 60 ms later, which is 12 % of its imports.
"""

import sys

_CONSOLE = "httpx._main"

if "httpx" not in sys.modules:
    sys.modules[_CONSOLE] = None  # type: ignore[assignment]
    try:
        import httpx  # noqa: F401
    finally:
        del sys.modules[_CONSOLE]

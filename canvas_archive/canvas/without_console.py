"""Imports httpx without its command line, which would bring rich and its colours along.

httpx loads its console program with itself and does without where that cannot be imported. Nothing here uses
it, and it is half of what importing httpx costs at the start of every command that speaks to Canvas.
"""

import sys

_CONSOLE = "httpx._main"

if "httpx" not in sys.modules:
    sys.modules[_CONSOLE] = None  # type: ignore[assignment]
    try:
        import httpx  # noqa: F401
    finally:
        del sys.modules[_CONSOLE]

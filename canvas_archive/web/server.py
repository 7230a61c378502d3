"""Serving an archive: Datasette in this process, behind our sign-in, until Ctrl-C.

Used by ``canvas-archive serve`` and ``canvas-archive demo``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from canvas_archive import web as plugin
from canvas_archive.errors import BadInput, GuardRefused
from canvas_archive.hosts import is_loopback
from canvas_archive.store import Archive
from canvas_archive.web import opening
from canvas_archive.web.connections import BoundedConnection
from canvas_archive.web.gate import OWNER
from canvas_archive.web.login import LOOPBACK, AccessPolicy, access_policy
from canvas_archive.web.public import PublicAddress, public_address

SETTINGS: dict[str, Any] = {
    "sql_time_limit_ms": 3000,
    "facet_time_limit_ms": 200,
    "suggest_facets": False,
    "default_page_size": 50,
    "truncate_cells_html": 400,
    "allow_download": False,
}
"""Measured on a mailbox of 1,000,000 messages: every page answers within these."""

RESERVED = "mail"
"""A database of this name would lie under the addresses of the mail pages."""


def _known_names(host: str, configured: list[str]) -> frozenset[str]:
    names = set(LOOPBACK) | {name.lower() for name in configured}
    if not is_loopback(host):
        machine = socket.gethostname().lower()
        names |= {host.lower(), machine, f"{machine}.local"}
    return frozenset(name for name in names if name not in ("0.0.0.0", "::", ""))  # noqa: S104 (compared, not bound)


def build(folder: Path, *, host: str, port: int, login: bool, public: PublicAddress | None = None) -> Any:
    """Return a Datasette of the archive in ``folder``, with our sign-in. ``public`` is its proxy's address.

    ``port`` is part of the cookie's name: cookies ignore ports, and two archives may be open at once.
    Raises NoArchive, ForeignFolder or NewerArchive when the folder cannot be served.
    """
    with Archive.open(folder) as archive:
        path, configured = archive.db_path, list(archive.config.allowed_hosts)
        ignored = set(archive.config_as_written.allowed_hosts) - set(configured)
    if ignored:
        logging.getLogger("canvas_archive.web").warning(
            "%d of the hosts in allowed_hosts of config.toml do not count, because you have not agreed to "
            "them. If they are yours: canvas-archive adopt",
            len(ignored),
        )
    from datasette.app import Datasette
    from datasette.plugins import pm

    # Where rich is installed, Datasette prints every refusal with all local variables: session cookies, too.
    # (Not an import statement: before Datasette's own, it would leave the module without its hook.)
    sys.modules["datasette.handle_exception"].rich = None  # type: ignore[attr-defined]
    if plugin not in pm.get_plugins():
        pm.register(plugin, "canvas_archive.web")  # run from a source tree, without its entry point
    datasette = Datasette(
        [str(path)],
        metadata={"allow": OWNER, "allow_sql": OWNER},
        settings={**SETTINGS, "base_url": f"{public.prefix}/" if public else "/"},
        secret=None,
    )
    access_policy.install(
        datasette,
        AccessPolicy(
            locked=login,
            open_to_all=not login,
            cookie=f"canvas_archive_{port}",
            hosts=_known_names(host, [*configured, *([public.host] if public else [])]),
            origin=public.origin if public else "",
            any_address=not is_loopback(host),
        ),
    )
    return datasette


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio leaves Nagle's algorithm on for what it accepts: 40 ms more on every page.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":  # pragma: no branch - where it would let two programs share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise BadInput(
            f"Cannot listen on {host} port {port}: {error.strerror or error}. "
            "Choose another --port, or 0 for any free one."
        ) from None
    return listener


def _shown_host(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104 (compared, not bound)
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True, slots=True)
class BoundServer:
    """A server that was bound but does not run yet; ``url`` is where a browser begins."""

    server: uvicorn.Server
    listener: socket.socket
    datasette: Any
    base: str
    url: str
    page: str = ""

    @property
    def policy(self) -> AccessPolicy:
        """Return who may sign in."""
        return access_policy(self.datasette)

    def new_url(self) -> str:
        """Return where a browser begins: with a new sign-in link, where one is needed."""
        return _first_url(self.base, self.policy, self.page)

    def close(self) -> None:
        """Close the port, the database and the threads."""
        self.listener.close()
        for database in self.datasette.databases.values():
            database.close()
        self.datasette.executor.shutdown(wait=False)


def prepare(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    login: bool = True,
    page: str = "",
    public_url: str = "",
) -> BoundServer:
    """Bind the port and build the server. ``page`` is the first page, below ``/mail``.

    ``public_url`` is the address under which a reverse proxy shows the server.

    Raises GuardRefused for a server without sign-in beyond the loopback, BadInput for a port in use.
    """
    if not login and not is_loopback(host):
        raise GuardRefused(
            f"Without sign-in everybody who reaches {host} could read this archive. "
            "Leave out --no-login, or --host."
        )
    public = public_address(public_url) if public_url else None
    if public is not None and not login:
        raise GuardRefused(
            "Without sign-in everybody who reaches the proxy could read this archive. "
            "Leave out --no-login, or --public-url."
        )
    listener = _bind(host, port)
    try:
        bound = listener.getsockname()[1]
        datasette = build(folder, host=host, port=bound, login=login, public=public)
    except BaseException:
        listener.close()
        raise
    base = public.url if public else f"http://{_shown_host(host)}:{bound}"
    url = _first_url(base, access_policy(datasette), page)
    config = uvicorn.Config(
        datasette.app(),
        log_level="warning",  # the access log would print the login link
        lifespan="on",
        timeout_graceful_shutdown=2,
        server_header=False,
        date_header=True,
        timeout_keep_alive=15,
        http=BoundedConnection,
        ws="none",
    )
    return BoundServer(uvicorn.Server(config), listener, datasette, base, url, page)


def _first_url(base: str, policy: AccessPolicy, page: str) -> str:
    if not policy.locked:
        return f"{base}/mail{page}"
    to = f"&page={page}" if page else ""
    return f"{base}/mail/login?token={policy.new_link()}{to}"


def serve_archive(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    login: bool = True,
    page: str = "",
    public_url: str = "",
    open_browser: bool = False,
    ready: Callable[[str], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> None:
    """Serve the archive until interrupted; a browser begins at ``page`` below ``/mail``.

    ``ready`` is called with the address to open first, and with a new sign-in link whenever Enter is pressed
    in the terminal. ``warn`` is called with what the owner should know at once.

    Raises KeyboardInterrupt when Ctrl-C or a termination signal ended it.
    """
    served = prepare(folder, host=host, port=port, login=login, page=page, public_url=public_url)
    served.policy.warn = warn

    with contextlib.ExitStack() as ending:
        ending.enter_context(contextlib.closing(served))

        async def run() -> None:
            # One event loop for start-up and serving: Datasette's locks belong to the loop they were made in.
            await served.datasette.invoke_startup()
            task = asyncio.ensure_future(served.server.serve(sockets=[served.listener]))
            while not served.server.started and not task.done():
                await asyncio.sleep(0.01)
            if served.server.started:
                if ready is not None:
                    ready(served.url)
                    if login:
                        on_enter(lambda: ready(served.new_url()))
                if open_browser:
                    await asyncio.to_thread(_open_browser, served, ending)
            await task

        asyncio.run(run())
        if served.server.started:
            # It ends for a signal alone. Where that is ignored otherwise, uvicorn raises nothing for it.
            raise KeyboardInterrupt


def _open_browser(served: BoundServer, ending: contextlib.ExitStack) -> None:
    """Open a browser at the first page. Where that would show the sign-in link to others, do nothing."""
    address = served.url
    if served.policy.locked:
        if not opening.browser_reads_files():
            return
        try:
            page = opening.write_page(address)
        except (OSError, BadInput):
            return

        def remove() -> None:
            with contextlib.suppress(OSError):
                page.unlink(missing_ok=True)

        ending.callback(remove)
        served.policy.on_sign_in = remove
        address = page.as_uri()
    opening.open_browser(address)


def on_enter(action: Callable[[], None]) -> None:
    """Call ``action`` in another thread whenever Enter is pressed; do nothing where there is no terminal."""
    if sys.stdin is None or not sys.stdin.isatty():
        return
    descriptor = sys.stdin.fileno()

    def read() -> None:
        if sys.platform != "win32":  # pragma: no branch
            # In the background, reading fails then. It does not stop the server.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTIN})
        # Not sys.stdin.readline: its lock would be held when the program ends.
        with contextlib.suppress(OSError):
            while os.read(descriptor, 1024):
                action()

    threading.Thread(target=read, name="on-enter", daemon=True).start()

"""Serves the page of a running search; read-only, from four fixed addresses."""

import asyncio
import ipaddress
import os
import pathlib
from collections.abc import Callable
from urllib.parse import urlsplit

from tornado import httpserver, netutil, web

from search.errors import SearchError
from search.watch.pages import Pages

_SCRIPT = pathlib.Path(__file__).with_name("watch.js")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; "
        "img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def serve(run_dir: str | os.PathLike, host: str, port: int) -> None:
    """Serves until it is interrupted, and prints the address.

    Args:
      run_dir: the run folder.
      host: the address to listen on.
      port: the port; 0 takes a free one.

    Raises:
      SearchError: for an address that cannot be listened on.
    """
    asyncio.run(_serve(Pages(run_dir), host, port))


def application(pages: Pages, is_local: bool) -> web.Application:
    """The server's addresses.

    Args:
      pages: makes what they answer.
      is_local: whether to answer only requests to names of this machine. A page elsewhere could
        otherwise let its own name stand for 127.0.0.1, and read what is served here.
    """
    parts: dict[str, tuple[Callable[[], str], str]] = {
        "/": (pages.shell, "text/html"),
        "/live": (pages.live, "text/html"),
        "/report": (pages.report, "text/html"),
        "/watch.js": (lambda: _SCRIPT.read_text(encoding="utf-8"), "text/javascript"),
    }
    routes = [
        (path, _Part, {"make": make, "kind": kind, "is_local": is_local})
        for path, (make, kind) in parts.items()
    ]
    return web.Application(routes, log_function=lambda handler: None)


class _Part(web.RequestHandler):
    """Answers GET with a part of the page, made in a thread; tornado adds its ETag."""

    def initialize(self, make: Callable[[], str], kind: str, is_local: bool) -> None:
        self._make, self._kind, self._is_local = make, kind, is_local

    def set_default_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        if self._is_local and not _is_loopback(_host_name(self.request.host)):
            raise web.HTTPError(403)

    async def get(self) -> None:
        text = await asyncio.to_thread(self._make)
        self.set_header("Content-Type", f"{self._kind}; charset=utf-8")
        self.write(text)


async def _serve(pages: Pages, host: str, port: int) -> None:
    try:
        sockets = netutil.bind_sockets(port, address=host)
    except (OSError, OverflowError, UnicodeError) as error:
        text = getattr(error, "strerror", None) or error
        raise SearchError(f"cannot listen on {host}, port {port}: {text}") from None
    server = httpserver.HTTPServer(application(pages, is_local=_is_loopback(host)))
    server.add_sockets(sockets)
    taken = sockets[0].getsockname()[1]
    name = f"[{host}]" if ":" in host else host
    print(f"watch: http://{name}:{taken}/ (Ctrl-C ends it)", flush=True)
    await asyncio.Event().wait()


def _host_name(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

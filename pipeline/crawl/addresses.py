"""Where connections go: names are resolved, every address is checked, and the checked one is connected to."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.connection import create_connection

from pipeline.crawl.failures import AddressRefused, Unreachable

POOLED_CONNECTIONS = 64
WATCH_EVERY_S = 0.1


def is_public(address: str) -> bool:
    """Say whether an IP address is one of the open internet's, and not a private one in disguise."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if embedded := ip.ipv4_mapped or ip.sixtofour:
            return is_public(str(embedded))
        if ip.is_site_local:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


class Exchange:
    """One request and its answer; `cut` ends it from outside by shutting its socket down."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.expired = False
        self.sock: socket.socket | None = None

    def cut(self) -> None:
        """End the exchange: whoever waits for its bytes gets an error or an end."""
        self.expired = True
        if self.sock is not None:
            with contextlib.suppress(OSError):
                # Not the method of SSLSocket: it would pull the TLS state away under the reading thread.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class Dialer:
    """Opens the sockets of one session, and cuts what takes too long; use it as a context manager.

    A host in `connect_to` leads to the address given there, loopback included; any other host is refused
    unless all of its addresses are public or lie in one of `networks`.
    """

    def __init__(
        self,
        connect_to: Mapping[str, tuple[str, int]],
        networks: Iterable[IPv4Network | IPv6Network] = (),
    ) -> None:
        self._connect_to = connect_to
        self._networks = tuple(networks)
        self._thread = threading.local()
        self._lock = threading.Lock()
        self._running: set[Exchange] = set()
        self._closed = threading.Event()
        self._watch = threading.Thread(target=self._cut_expired, name="time caps", daemon=True)

    def __enter__(self) -> Dialer:
        self._watch.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closed.set()
        self._watch.join()

    @contextlib.contextmanager
    def time_cap(self, seconds: float) -> Iterator[Exchange]:
        """Cut this thread's exchange after so many seconds, however the server drips its bytes."""
        exchange = self._thread.exchange = Exchange(time.monotonic() + seconds)
        with self._lock:
            self._running.add(exchange)
        try:
            yield exchange
        finally:
            with self._lock:
                self._running.discard(exchange)
            self._thread.exchange = None

    def _cut_expired(self) -> None:
        while not self._closed.wait(WATCH_EVERY_S):
            now = time.monotonic()
            with self._lock:
                expired = [exchange for exchange in self._running if exchange.deadline <= now]
            for exchange in expired:
                exchange.cut()

    def watch(self, sock: socket.socket) -> None:
        """Let the running time cap of this thread end what is read from `sock`."""
        self._thread.exchange.sock = sock

    def connect(self, host: str, port: int, timeout: Any, socket_options: Any) -> socket.socket:
        """Connect to `host`, or raise `AddressRefused` or `Unreachable`."""
        problem = "no address"
        for address in self._addresses(host, port):
            try:
                return create_connection(address, timeout, socket_options=socket_options)
            except TimeoutError:
                problem = "no connection in time"
            except OSError:
                problem = "the connection was refused"
        raise Unreachable(problem, transient=True)

    def _addresses(self, host: str, port: int) -> list[tuple[str, int]]:
        if host in self._connect_to:
            return [self._connect_to[host]]
        try:
            found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Unreachable("the name does not resolve", transient=True) from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not all(is_public(address) or self._is_allowed(address) for address in addresses):
            raise AddressRefused("the address is not a public one; see allow_networks")
        return [(address, port) for address in addresses]

    def _is_allowed(self, address: str) -> bool:
        ip = ipaddress.ip_address(address.partition("%")[0])
        return any(ip in network for network in self._networks)


class _Dialled:
    """What both kinds of connection share: their socket comes from the dialer."""

    host: str
    port: int
    timeout: Any
    socket_options: Any
    sock: Any

    def __init__(self, *args: Any, dialer: Dialer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._dialer = dialer

    def _new_conn(self) -> socket.socket:
        return self._dialer.connect(self.host, self.port, self.timeout, self.socket_options)

    def getresponse(self) -> Any:
        self._dialer.watch(self.sock)
        return super().getresponse()  # type: ignore[misc]


class _HttpConnection(_Dialled, HTTPConnection):
    pass


class _HttpsConnection(_Dialled, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


class CheckedAdapter(HTTPAdapter):
    """Carries requests over pooled connections that only the dialer opens."""

    def __init__(self, dialer: Dialer) -> None:
        super().__init__(pool_connections=POOLED_CONNECTIONS, pool_maxsize=POOLED_CONNECTIONS)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_HttpPool, dialer=dialer),
            "https": partial(_HttpsPool, dialer=dialer),
        }

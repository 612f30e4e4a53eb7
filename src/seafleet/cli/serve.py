"""`seafleet serve`: the server itself, on uvicorn."""

from __future__ import annotations

import gc
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seafleet import __version__, logs
from seafleet.cli.console import DataOption, ExitCode, fail, hand_down, say
from seafleet.settings import Settings

if TYPE_CHECKING:
    from uvicorn import Config

KEEP_ALIVE_SECONDS = 75
# A worker that says nothing for so long is taken for dead. On a busy machine the five seconds that uvicorn
# gives are too few to begin in: each would be ended and begun anew, for ever.
PATIENCE_SECONDS = 60
BACKLOG = 2048
WS_MAX_BYTES = 1 << 20
FACTORY = "seafleet.app.workers:create_worker"


def serve(
    bind: Annotated[
        str | None,
        typer.Option(help="Address and port, such as 0.0.0.0:8000.", show_default="127.0.0.1:8000"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Number of server processes.", min=1, show_default="1")
    ] = None,
    data: DataOption = None,
) -> None:
    """Start the server, and stop it with Ctrl-C or SIGTERM.

    The first start makes the data folder, the database and an administrator. On SIGTERM no new connection is
    taken, running requests get time to finish, and the exit code is 0.
    """
    given = {"bind": bind, "workers": workers, "data": data}
    settings = Settings.load(**{name: value for name, value in given.items() if value is not None})
    logs.configure(settings.log_level, settings.log_format)
    listener = _listen(settings)
    # uvicorn raises the signal that stopped it once more; by then everything is done.
    signal.signal(signal.SIGTERM, lambda *_: None)
    if settings.workers == 1:
        _serve_alone(settings, listener)
    else:
        _serve_with_workers(settings, listener)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        fail(
            ExitCode.UNAVAILABLE,
            f"cannot listen on {settings.bind}: {error.strerror}. Is another server running there? "
            "Choose another port with --bind.",
        )
    # From here on callers wait instead of being refused, so that the greeting is no empty promise.
    listener.listen(BACKLOG)
    listener.set_inheritable(True)
    return listener


def _config(settings: Settings, app: Any, **more: Any) -> Config:
    from uvicorn import Config

    from seafleet.app.connections import PatientProtocol

    return Config(
        app,
        loop="uvloop",
        http=PatientProtocol,
        ws="websockets-sansio",
        ws_max_size=WS_MAX_BYTES,
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_seconds,
        timeout_worker_healthcheck=PATIENCE_SECONDS,
        **more,
    )


def _serve_alone(settings: Settings, listener: socket.socket) -> None:
    with _nothing_collected():
        from uvicorn import Server

        from seafleet.app import create_app

        app = create_app(settings)
    greet(settings, listener)
    Server(_config(settings, app)).run(sockets=[listener])


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Keep the garbage collector away from what is loaded now, and for ever: nothing of it is garbage.

    Looking through it again and again takes a quarter of the start, and later a moment of every collection.
    """
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def _serve_with_workers(settings: Settings, listener: socket.socket) -> None:
    from uvicorn.supervisors import Multiprocess

    from seafleet.app import create_app

    create_app(settings).close()  # what only a first start does is done once, before there are several
    hand_down(settings, ("data", "bind", "workers"))
    config = _config(settings, FACTORY, factory=True, workers=settings.workers)
    greet(settings, listener)
    Multiprocess(config, sockets=[listener]).run()


def greet(settings: Settings, listener: socket.socket) -> None:
    """Print the one line that says where the server is and where its data lies."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    url = settings.public_url or f"http://{shown}:{port}"
    folder = Path(settings.data).absolute()
    say(f"Seafleet {__version__} serves {url} with data in {folder} (Ctrl-C stops it)")

"""Hands a request to moto, in the account that the sandbox decided."""

from __future__ import annotations

import io
import threading
from typing import Any
from urllib.parse import unquote

from sandbox.messages import Answer, Request, new_request_id


class MotoBridge:
    """moto's WSGI dispatcher, loaded at the first request because its imports take most of a second."""

    def __init__(self) -> None:
        self._application: Any = None
        self._lock = threading.Lock()

    def answer(self, request: Request, account_id: str) -> Answer:
        environ = _environ(request, account_id)
        head: list[Any] = [500, []]

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            head[:] = [int(status.split()[0]), headers]

        chunks = self._loaded()(environ, start_response)
        body = b"".join(chunks)
        if hasattr(chunks, "close"):
            chunks.close()
        # The server writes its own length, and keeps the connection.
        hop = {"content-length", "connection", "transfer-encoding", "date", "server"}
        headers = [(name, value) for name, value in head[1] if name.lower() not in hop]
        if not any(name.lower() == "x-amzn-requestid" for name, _ in headers):
            headers.append(("x-amzn-RequestId", new_request_id()))
        return Answer(head[0], body, headers)

    def _loaded(self) -> Any:
        with self._lock:
            if self._application is None:
                from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

                self._application = DomainDispatcherApplication(create_backend_app)
            return self._application


def _environ(request: Request, account_id: str) -> dict[str, Any]:
    host, _, port = request.headers.get("host", "127.0.0.1").partition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(request.path, "latin-1"),
        "RAW_URI": f"{request.path}?{request.query}" if request.query else request.path,
        "QUERY_STRING": request.query,
        "SERVER_NAME": host,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(request.body)),
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        if name not in {"content-length", "content-type"} and "_" not in name:
            environ["HTTP_" + name.upper().replace("-", "_")] = value
    # moto believes this header before any access key.
    environ["HTTP_X_MOTO_ACCOUNT_ID"] = account_id
    return environ

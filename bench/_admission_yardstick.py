"""The yardstick: FastAPI and orjson that only parse a review and answer always the same."""

from __future__ import annotations

import gc
import socket
import ssl
import sys

import orjson
import uvicorn
import uvloop
from fastapi import FastAPI, Request, Response


def make_app(answer: object) -> FastAPI:
    """One route."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.post("/mutate")
    async def mutate(request: Request) -> Response:
        orjson.loads(await request.body())
        return Response(orjson.dumps(answer), media_type="application/json")

    return app


def main() -> int:
    """Arguments: certificate, key, and the answer as JSON. Prints its port."""
    cert_file, key_file, answer = sys.argv[1:]
    bound = socket.create_server(("127.0.0.1", 0), backlog=1024)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)
    config = uvicorn.Config(
        make_app(orjson.loads(answer)),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=120,
        ssl_context_factory=lambda _config, _default: context,
    )
    print(bound.getsockname()[1], flush=True)
    gc.collect()
    gc.freeze()
    uvloop.run(uvicorn.Server(config).serve(sockets=[bound]))
    return 0


if __name__ == "__main__":
    sys.exit(main())

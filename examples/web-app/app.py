"""A web application small enough to read, real enough to build: it greets, and says which version of it answers."""

import os
from importlib.metadata import version
from typing import Final

from flask import Flask
from waitress import serve

PORT: Final = 8080


def create_app(release: str) -> Flask:
    """Wire the application.

    Args:
        release: what `/` and `/healthz` call themselves; the image's build argument VERSION.
    """
    app = Flask("web-app")

    @app.get("/")
    def greet() -> str:
        return f"Hello from web-app {release}, built by an ImageBuild.\n"

    @app.get("/healthz")
    def health() -> dict[str, str]:
        return {"status": "ok", "version": release}

    return app


def main() -> None:
    """Serve until the container is stopped."""
    release = os.environ.get("APP_VERSION", "dev")
    print(f"web-app {release} listening on port {PORT} (flask {version('flask')})", flush=True)  # noqa: T201
    # All addresses of its own container: the Pod's network is the boundary.
    serve(create_app(release), host="0.0.0.0", port=PORT)  # noqa: S104


if __name__ == "__main__":
    main()

"""A Kubernetes operator that builds container images with kaniko, without a Docker daemon."""

from typing import Final

__version__: Final = "0.1.0"

"""A Kubernetes operator that builds container images with kaniko, without a Docker daemon."""

"""Where things lie inside the build Pod; both containers see the context at the same path."""

from typing import Final

# Below /kaniko, which the executor never snapshots. Files that a Dockerfile puts at a mount point anywhere else, such
# as /workspace, are silently missing in the image (kaniko, pkg/util/fs_util.go, the ignore list from mountinfo).
CONTEXT: Final = "/kaniko/ctx"
DOCKER_CONFIG: Final = "/kaniko/.docker"
CERTIFICATES: Final = "/kaniko/ssl/certs"
EXTRA_CERTIFICATES: Final = f"{CERTIFICATES}/imagebuild-ca.crt"
# Not /kaniko/secrets, where the executor keeps its own copies.
BUILD_SECRETS: Final = "/kaniko/build-secrets"
BASE_IMAGES: Final = "/kaniko/base-images"

TERMINATION_MESSAGE: Final = "/dev/termination-log"

# Of the init container only.
SCRATCH: Final = "/prepare/scratch"
GIT_CREDENTIALS: Final = "/prepare/git"
CONFIG_MAP: Final = "/prepare/config-map"
HTTP_CREDENTIALS: Final = "/prepare/http"
OCI_LOGIN: Final = "/prepare/oci"
STORE_KEYS: Final = "/prepare/object-store"
CA_BUNDLE: Final = "/prepare/ca-bundle"
MERGED_LOGINS: Final = "/prepare/docker"
CHECKED_CERTIFICATES: Final = "/prepare/trust"

CONFIG_FILE: Final = "config.json"
CA_FILE: Final = "ca.crt"


def registry_secret(index: int) -> str:
    """Where the init container finds the Secret at this place of `spec.registries.secretRefs`."""
    return f"/prepare/registry-{index}"

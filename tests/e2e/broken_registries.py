"""Builds whose registry refuses what they push, or sends them an image that is of no use."""

import json
from hashlib import sha256
from typing import Final

from tests.e2e.broken_builds import JSON, Broken, Place, Spec, lines, only, text

_OCI: Final = "application/vnd.oci.image"
_MANIFEST: Final = {"method": "PUT", "path": "/manifests/"}
_UPLOAD: Final = {"method": "PATCH", "path": "/blobs/uploads/"}
_UPLOADED: Final = {"method": "PUT", "path": "/blobs/uploads/"}
_ASKED: Final = {"method": "POST", "path": "/blobs/uploads/"}
_ONE: Final = {"limit": 0}


def _error(code: str, message: str) -> str:
    """An error as registries write it (OCI distribution specification, "Error Codes")."""
    return json.dumps({"errors": [{"code": code, "message": message}]})


def _push(name: str, cause: str, fault: JSON, message: str, hint: str) -> Broken:
    """A build whose push meets one fault, at once."""

    def spec(place: Place) -> JSON:
        output = {"images": [place.faulty(name)], "pushRetries": 0}
        return {**lines(f"LABEL name={name}")(place), "output": output, "retry": _ONE}

    return Broken(name, cause, spec, message, hint, faults=(fault,))


def _pull(name: str, cause: str, faults: tuple[JSON, ...], message: str, hint: str) -> Broken:
    """A build on an image of the registry with troubles."""
    spec: Spec = text(lambda place: f"FROM {place.faulty(name)}\nRUN true\n", retry=_ONE)
    return Broken(name, cause, spec, message, hint, faults=faults)


def _digest(content: str) -> str:
    return f"sha256:{sha256(content.encode()).hexdigest()}"


def _manifest(content: str, media: str) -> JSON:
    headers = {"Content-Type": media, "Docker-Content-Digest": _digest(content)}
    return {"method": "GET", "path": "/manifests/", "status": 200, "body": content, "headers": headers}


def _blob(asked: str, sent: str) -> JSON:
    return {"method": "GET", "path": f"/blobs/{_digest(asked)}", "status": 200, "body": sent}


def _descriptor(kind: str, content: str) -> JSON:
    return {"mediaType": f"{_OCI}.{kind}", "digest": _digest(content), "size": len(content)}


_CONFIG: Final = json.dumps(
    {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [_digest("a layer")]}}
)
_IMAGE: Final = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": _descriptor("config.v1+json", _CONFIG),
        "layers": [_descriptor("layer.v1.tar+gzip", "a layer")],
    }
)
_INDEX: Final = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.index.v1+json",
        "manifests": [
            {**_descriptor("manifest.v1+json", _IMAGE), "platform": {"os": "linux", "architecture": "s390x"}}
        ],
    }
)
_SCHEMA_1: Final = "application/vnd.docker.distribution.manifest.v1+prettyjws"
_HARBOR_QUOTA: Final = "adding 3.0 MiB of storage resource will exceed the configured upper limit of 10.0 MiB."

REGISTRIES = (
    _push(
        "tag-immutable",
        "tag-immutable",
        {**_MANIFEST, "status": 412, "body": _error("PRECONDITION", "The tag 1 is configured as immutable.")},
        r"^registry\.imb\.test:15009 does not let a tag be moved",
        r"^Give spec\.output\.images a tag",
    ),
    _push(
        "tag-immutable-at-amazon",
        "tag-immutable",
        {**_MANIFEST, "status": 400, "body": _error("TAG_INVALID", "The tag exists and the repository is immutable.")},
        r"^registry\.imb\.test:15009 does not let a tag be moved",
        r"^Give spec\.output\.images a tag",
    ),
    _push(
        "registry-quota",
        "registry-quota",
        {**_MANIFEST, "status": 403, "body": _error("DENIED", _HARBOR_QUOTA)},
        r"has no room left for the image: .*upper limit",
        r"^Delete images of the project",
    ),
    _push(
        "push-too-large",
        "push-too-large",
        {**_UPLOAD, "status": 413, "body": "<html>413 Request Entity Too Large</html>"},
        r"does not take a layer of this size",
        r"client_max_body_size",
    ),
    _push(
        "upload-lost",
        "upload-lost",
        {**_UPLOADED, "status": 404, "body": _error("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")},
        r"has lost an upload",
        r"share one storage",
    ),
    _push(
        "push-name-invalid",
        "push-name-invalid",
        {**_ASKED, "status": 400, "body": _error("NAME_INVALID", "invalid repository name")},
        r"does not take the name",
        r"^Correct spec\.output\.images",
    ),
    _push(
        "push-refused",
        "push-refused",
        {**_MANIFEST, "status": 400, "body": _error("MANIFEST_INVALID", "manifest invalid")},
        r"does not take the image: .*MANIFEST_INVALID",
        r"^Ask who runs the registry",
    ),
    _push(
        "push-not-found",
        "push-refused",
        {**_MANIFEST, "status": 404, "body": "not found"},
        r"does not take the image: .*404",
        r"check spec\.output\.images",
    ),
    _pull(
        "image-of-other-platform",
        "image-of-other-platform",
        (_manifest(_INDEX, f"{_OCI}.index.v1+json"),),
        r"does not exist for linux/amd64\.",
        r"^Name an image in FROM that exists for linux/amd64",
    ),
    _pull(
        "image-of-old-format",
        "image-of-old-format",
        (_manifest(json.dumps({"schemaVersion": 1, "fsLayers": [], "history": []}), _SCHEMA_1),),
        r"format that the executor does not know: application/vnd\.docker.*v1\+prettyjws",
        r"^Push that image anew",
    ),
    _pull(
        "image-damaged",
        "image-damaged",
        (_manifest(_IMAGE, f"{_OCI}.manifest.v1+json"), _blob(_CONFIG, _CONFIG), _blob("a layer", "another")),
        r"not what its manifest says",
        r"^Push that image anew",
    ),
    _pull(
        "image-is-no-manifest",
        "image-is-no-manifest",
        (_manifest("<html>Log in</html>", "text/html"),),
        r"something that is no JSON",
        r"^Check the host of the image in FROM",
    ),
)

# Whose causes other tests produce as well, in more ways.
ANSWERS = (
    _push(
        "registry-rate-limit",
        "registry-rate-limit",
        {**_ASKED, "status": 429, "body": _error("TOOMANYREQUESTS", "slow down")},
        r"no further requests for now",
        r"^Name a Secret with a login in spec\.registries\.secretRefs",
    ),
    _push(
        "registry-unavailable",
        "registry-unavailable",
        {**_MANIFEST, "status": 500, "body": ""},
        r"registry failed",
        r"^Check the registry",
    ),
    _push(
        "registry-login",
        "registry-login",
        {**_ASKED, "status": 403, "body": _error("DENIED", "requested access to the resource is denied")},
        r"^The registry refused",
        r"Secret",
    ),
    _push(
        "registry-missing",
        "registry-missing",
        {**_ASKED, "status": 404, "body": _error("NAME_UNKNOWN", "repository name not known to registry")},
        r"has no such repository",
        r"^Create the repository",
    ),
    _pull("image-missing", "image-missing", (), r"There is no image registry\.imb\.test:15009/", r"^Correct the image"),
)

# Of a Pod, the port on which nobody listens.
NOBODY: Final = "http://127.0.0.1:9"
_NO_WAY: Final = (r"^The proxy on the way to the registry cannot be reached", r"chart's build\.proxy .*noProxy")

# What they fail over are settings of the operator, so they have a module of their own: test_proxies.
PROXIES = (
    Broken(
        "proxy-away-at-push", "registry-proxy", only("FROM scratch", "LABEL a=b", retry=_ONE), *_NO_WAY, proxy=NOBODY
    ),
    Broken(
        "proxy-away-at-pull",
        "registry-proxy",
        lines("RUN true", output={"push": False, "images": ["registry.imb.test:15000/team/a:1"]}, retry=_ONE),
        *_NO_WAY,
        proxy=NOBODY,
    ),
)

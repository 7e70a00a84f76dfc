"""The CRD on a real API server: what it takes, what it refuses, and in which words."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from imagebuild_operator.api import crd
from imagebuild_operator.api.source import ONE_KIND_RULE
from imagebuild_operator.api.v1alpha1 import ImageBuild
from tests.integration.imagebuilds import Document, ImageBuilds, with_fields
from tests.integration.specimens import (
    ARCHIVE,
    CA_FROM_SECRET,
    DIGEST,
    FULL_SPEC,
    FULL_STATUS,
    IN_CLUSTER,
    INLINE,
    STORES,
)

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.integration


def fields_of(node: Document, path: str) -> set[str]:
    """The paths of all fields of a schema."""
    found = {f"{path}.{name}" for name in node.get("properties", {})}
    for name, field in node.get("properties", {}).items():
        found |= fields_of(field, f"{path}.{name}")
    return found | (fields_of(node["items"], path) if "items" in node else set())


def paths_in(value: Any, path: str) -> set[str]:
    """The paths of all fields of a document, lists passed through."""
    match value:
        case dict():
            below = (paths_in(child, f"{path}.{name}") for name, child in value.items())
            return {f"{path}.{name}" for name in value}.union(*below)
        case list():
            return set[str]().union(*(paths_in(child, path) for child in value))
        case _:
            return set()


def test_the_specimens_name_every_field() -> None:
    schema = crd.openapi_schema()["properties"]
    used = paths_in(FULL_SPEC, "spec") | paths_in(INLINE, "spec")
    used |= paths_in({"registries": {"caBundle": CA_FROM_SECRET}}, "spec")
    used |= paths_in({"source": [ARCHIVE, *STORES, *IN_CLUSTER]}, "spec")
    assert fields_of(schema["spec"], "spec") - used == set()
    assert fields_of(schema["status"], "status") - paths_in(FULL_STATUS, "status") == set()


def test_the_full_example_is_stored_as_written_and_read_by_the_models(builds: ImageBuilds) -> None:
    spec = FULL_SPEC
    assert builds.create(with_fields({"spec": spec}), dry_run=True)["spec"] == spec
    ImageBuild.model_validate({"spec": spec, "status": FULL_STATUS})


def from_secret(name: str) -> Document:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": "npm", "key": "token"}}}


ACCEPTED: dict[str, dict[str, Any]] = {
    "minimal": {},
    "inline": {"spec.source": INLINE["source"]},
    **{f"{next(iter(source))} {number}": {"spec.source": source} for number, source in enumerate(IN_CLUSTER)},
    "an archive": {"spec.source": ARCHIVE},
    "an archive over plain http": {
        "spec.source": {"http": {"url": "http://10.0.0.1/a.tar", "sha256": "0aF" * 21 + "1"}}
    },
    "a CA from a Secret": {"spec.registries.caBundle": CA_FROM_SECRET},
    **{
        f"git at {url}": {"spec.source.git": {"url": url, "secretRef": {"name": "git-key"}}}
        for url in (
            "ssh://git.example.com/acme/web.git",
            "ssh://git@git.example.com:2222/~me/web",
            "ssh://git@[2001:db8::1]:22/acme/web.git",
            "git@git.example.com:acme/web.git",
            "git@git.example.com:/srv/web.git",
            "acme_1.x@git:v3/acme/web",
        )
    },
    "a commit": {"spec.source.git.revision": "0123456789abcdef0123456789abcdef01234567"},
    "a tag with odd characters": {"spec.source.git.revision": "v1.0+build-1#7"},
    "files next to a folder of a like name": {
        "spec.source": {"inline": {"files": [{"path": "a", "content": ""}, {"path": "a.d/b", "content": ""}]}}
    },
    "files as large as allowed": {
        "spec.source": {"inline": {"files": [{"path": str(i), "content": "x" * 98304} for i in range(2)]}}
    },
    "a stage by number": {"spec.target": "0"},
    "an argument by value under a name of the executor's": {"spec.buildArgs": [{"name": "PATH", "value": "/bin"}]},
    "an argument like one of the executor's": {"spec.buildArgs": [from_secret("PATHS"), from_secret("MY_AWS_KEY")]},
    "gzip and reproducible": {"spec.output.compression": "gzip", "spec.output.reproducible": True},
    "base images without a layer cache": {
        "spec.cache": {"runLayers": False, "baseImages": {"persistentVolumeClaim": {"claimName": "warm"}}}
    },
    "an argument with a value that looks like one": {"spec.executor": {"extraArgs": ["--a-b=--c d=\\$(e)"]}},
    "a year": {"spec.timeout": "8760h"},
    "a second": {"spec.timeout": "1s"},
    "fractions": {"spec.timeout": "0.5h"},
    "one name in two tags": {"spec.output.images": ["acme/web:1", "acme/web:2", "acme/web"]},
    "a retry": {"spec.retry": {"limit": 0}},
    "more memory": {"spec.retry": {"memoryFactor": 1, "memoryLimit": 17179869184}},
    "a group": {"spec.concurrencyGroup": "a", "spec.concurrencyPolicy": "Queue"},
    "the lowest priority": {"spec.priority": -1000},
    "gone at once": {"spec.ttlSecondsAfterFinished": 0},
    "a name as long as a label value": {"metadata.name": "x" * 63},
}


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(builds: ImageBuilds, changes: dict[str, Any]) -> None:
    document = with_fields(changes)
    assert builds.create(document, dry_run=True)["spec"] == document["spec"]


def test_every_example_is_accepted(builds: ImageBuilds) -> None:
    files = sorted((ROOT / "examples").glob("*.yaml"))
    documents = [each for file in files for each in yaml.safe_load_all(file.read_text()) if each]
    examples = [each for each in documents if each["kind"] == "ImageBuild"]
    assert examples
    for example in examples:
        example["metadata"].pop("namespace", None)
        builds.create(example, dry_run=True)


def images(*references: str) -> dict[str, Any]:
    return {"spec.output.images": list(references)}


def files(*entries: Document) -> dict[str, Any]:
    return {"spec.source": {"inline": {"files": [{"content": "", **entry} for entry in entries]}}}


IMAGE = "must be [registry/]repository[:tag] with the repository in lower case, without https:// and without a digest"
PATH = "must be a relative path"
DURATION = "must be a duration of at least 1s and at most 8760h"
AMOUNT = "must be an amount that is not negative"
OURS = "imagebuild.dev/*, app.kubernetes.io/managed-by and container.apparmor"
TEN_KIB = "x" * 10240

# What is changed, the field that the answer must name, and the words in which it says what is wrong and what is right.
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "two sources": (
        {"spec.source": FULL_SPEC["source"] | INLINE["source"]},
        "spec.source",
        ONE_KIND_RULE,
    ),
    "no source": (
        {"spec.source": {"subPath": "web"}},
        "spec.source",
        ONE_KIND_RULE,
    ),
    "source left out": ({"spec.source": None}, "spec.source", "Required value"),
    "no image": (images(), "spec.output.images", "should have at least 1 items"),
    "dockerfile outside": ({"spec.dockerfile": "../Dockerfile"}, "spec.dockerfile", PATH),
    "dockerfile absolute": ({"spec.dockerfile": "/Dockerfile"}, "spec.dockerfile", PATH),
    "folder outside": ({"spec.source.subPath": "a/../../b"}, "spec.source.subPath", PATH),
    "folder with a slash at its end": ({"spec.source.subPath": "services/"}, "spec.source.subPath", PATH),
    "folder with a backslash": ({"spec.source.subPath": "a\\b"}, "spec.source.subPath", PATH),
    "folder with a line break": ({"spec.source.subPath": "a\nb"}, "spec.source.subPath", PATH),
    "file outside": (files({"path": "../x"}), "spec.source.inline.files[0].path", PATH),
    "file absolute": (files({"path": "/etc/passwd"}), "spec.source.inline.files[0].path", PATH),
    "file in the folder itself": (files({"path": "./x"}), "spec.source.inline.files[0].path", PATH),
    "file twice": (files({"path": "a"}, {"path": "a"}), "spec.source.inline.files[1]", "Duplicate value"),
    "file and folder": (
        files({"path": "a/b"}, {"path": "a"}),
        "spec.source.inline.files",
        "a path is used both as a file and as a folder of another file: rename one of them",
    ),
    "key of a ConfigMap as file and folder": (
        {
            "spec.source": {
                "configMap": {"name": "a", "items": [{"key": "x", "path": "a"}, {"key": "y", "path": "a/b"}]}
            }
        },
        "spec.source.configMap.items",
        "a path is used both as a file and as a folder of another file: rename one of them",
    ),
    "key of a ConfigMap outside": (
        {"spec.source": {"configMap": {"name": "a", "items": [{"key": "x", "path": "../a"}]}}},
        "spec.source.configMap.items[0].path",
        PATH,
    ),
    "no keys of a ConfigMap": (
        {"spec.source": {"configMap": {"name": "a", "items": []}}},
        "spec.source.configMap.items",
        "at least 1 items",
    ),
    **{
        f"archive at {url}": (
            {"spec.source": {"http": {"url": url, "sha256": "0" * 64}}},
            "spec.source.http.url",
            message,
        )
        for url, message in (
            ("ftp://files.example.com/a.tgz", "must start with https://, or with http:// if sha256 is set"),
            ("HTTPS://files.example.com/a.tgz", "must start with https://, or with http:// if sha256 is set"),
            ("https://me:word@files.example.com/a.tgz", "must not hold credentials: put them in a Secret"),
            ("http://token@files.example.com/a.tgz", "must not hold credentials: put them in a Secret"),
            ("https:///a.tgz", "must be a URL with a host, without white space and without '#'"),
            ("https://files.example.com/a.tgz#b", "must be a URL with a host, without white space and without '#'"),
            ("https://files.example.com/a b.tgz", "must be a URL with a host, without white space and without '#'"),
        )
    },
    "archive over plain http without a checksum": (
        {"spec.source": {"http": {"url": "http://files.example.com/a.tgz"}}},
        "spec.source.http.sha256",
        "is needed with http://, where anybody on the way can change the archive",
    ),
    "a checksum with a prefix": (
        {"spec.source": {"http": {"url": "https://files.example.com/a.tgz", "sha256": "sha256:" + "0" * 57}}},
        "spec.source.http.sha256",
        "must be 64 hexadecimal digits",
    ),
    "a checksum cut off": (
        {"spec.source": {"http": {"url": "https://files.example.com/a.tgz", "sha256": "0" * 63}}},
        "spec.source.http.sha256",
        "should be at least 64 chars long",
    ),
    "an image that is an artifact": (
        {"spec.source": {"oci": {"image": "acme/web", "artifact": "acme/web"}}},
        "spec.source.oci",
        "exactly one of image and artifact must be set",
    ),
    "neither image nor artifact": (
        {"spec.source": {"oci": {"secretRef": {"name": "a"}}}},
        "spec.source.oci",
        "exactly one of image and artifact must be set",
    ),
    "context image with a scheme": (
        {"spec.source": {"oci": {"image": "oci://acme/web"}}},
        "spec.source.oci.image",
        "must be [registry/]repository[:tag][@sha256:digest]",
    ),
    "too many files": (
        files(*({"path": f"f{i}"} for i in range(65))),
        "spec.source.inline.files",
        "must have at most 64 items",
    ),
    "too large files": (
        files(*({"path": f"f{i}", "content": TEN_KIB} for i in range(20))),
        "spec.source.inline.files",
        "all files together may hold 196608 bytes; put larger contexts in a git repository",
    ),
    "files too large in bytes alone": (
        files({"path": "f", "content": "€" * 65537}),
        "spec.source.inline.files",
        "all files together may hold 196608 bytes",
    ),
    "mode with more than permissions": (
        files({"path": "f", "mode": 0o4755}),
        "spec.source.inline.files[0].mode",
        "less than or equal",
    ),
    **{
        f"git at {url}": (
            {"spec.source.git": {"url": url, "secretRef": {"name": "git-key"}}},
            "spec.source.git.url",
            "must start with https:// or ssh://, or be user@host:path",
        )
        for url in ("http://git.example.com/web", "git://git.example.com/web", "file:///srv/web", "/srv/web.git")
    },
    **{
        f"git at {url}": (
            {"spec.source.git": {"url": url, "secretRef": {"name": "git-key"}}},
            "spec.source.git.url",
            "over ssh it must be ssh://[user@]host[:port]/path or user@host:path",
        )
        for url in (
            "ssh://-oProxyCommand=x/web",
            "ssh://git@-oProxyCommand=x/web",
            "-git@git.example.com:web",
            "git@-oProxyCommand=x:web",
            "git@git.example.com:-web",
            "ssh://git.example.com",
            "ssh://git.example.com:port/web",
            "git@git_host:web",
        )
    },
    "ssh with a password": (
        {"spec.source.git": {"url": "ssh://git:secret@git.example.com/web", "secretRef": {"name": "git-key"}}},
        "spec.source.git.url",
        "must not hold credentials",
    ),
    **{
        f"no Secret for {url}": (
            {"spec.source.git.url": url},
            "spec.source.git.secretRef",
            "is needed with ssh: a Secret of type kubernetes.io/ssh-auth, with the keys ssh-privatekey and known_hosts",
        )
        for url in ("ssh://git@git.example.com/web", "git@git.example.com:web")
    },
    "credentials in the url": (
        {"spec.source.git.url": "https://me:secret@git.example.com/web"},
        "spec.source.git.url",
        "must not hold credentials: put them in a Secret of type kubernetes.io/basic-auth (with ssh, "
        "kubernetes.io/ssh-auth) and name it in source.git.secretRef",
    ),
    "url without a host": ({"spec.source.git.url": "https:///web"}, "spec.source.git.url", "must be a URL with a host"),
    "branch in the url": (
        {"spec.source.git.url": "https://git.example.com/web#main"},
        "spec.source.git.url",
        "a branch or tag goes to source.git.revision",
    ),
    "revision with a leading dash": (
        {"spec.source.git.revision": "--upload-pack=x"},
        "spec.source.git.revision",
        "no leading dash",
    ),
    "revision range": ({"spec.source.git.revision": "a..b"}, "spec.source.git.revision", "neither '..' nor '@{'"),
    "revision with a colon": ({"spec.source.git.revision": "a:b"}, "spec.source.git.revision", "must be the name of"),
    "revision with a backslash": ({"spec.source.git.revision": "a\\b"}, "spec.source.git.revision", "~^:?*[\\ and"),
    "empty revision": ({"spec.source.git.revision": ""}, "spec.source.git.revision", "at least 1 char"),
    "secret with a wrong name": (
        {"spec.source.git.secretRef": {"name": "My Secret"}},
        "spec.source.git.secretRef.name",
        "must be the name of an object: lower case letters",
    ),
    "capitals in the image": (images("registry.example.com/Acme/web"), "spec.output.images[0]", IMAGE),
    "capitals in a folder that looks like a registry": (images("Acme/web"), "spec.output.images[0]", IMAGE),
    "digest in the image": (images(f"acme/web@{DIGEST}"), "spec.output.images[0]", IMAGE),
    "scheme in the image": (images("https://registry.example.com/web"), "spec.output.images[0]", IMAGE),
    "image without a tag after the colon": (images("acme/web:"), "spec.output.images[0]", IMAGE),
    "image without a repository": (images("registry.example.com:5000/"), "spec.output.images[0]", IMAGE),
    "the same image twice": (
        images("acme/web:1", "acme/web", "acme/web:latest"),
        "spec.output.images",
        "the same reference stands there twice (no tag means latest): take one out",
    ),
    "a label with a space": (
        {"spec.output.labels": {"a b": "c"}},
        "spec.output.labels",
        "names of labels and annotations hold",
    ),
    "not a duration": ({"spec.timeout": "soon"}, "spec.timeout", DURATION),
    "a duration without a unit": ({"spec.timeout": "60"}, "spec.timeout", DURATION),
    "no time at all": ({"spec.timeout": "0s"}, "spec.timeout", DURATION),
    "a negative time": ({"spec.startTimeout": "-1m"}, "spec.startTimeout", DURATION),
    "too long": ({"spec.timeout": "8761h"}, "spec.timeout", DURATION),
    "too long for the clock": ({"spec.timeout": "9" * 31 + "h"}, "spec.timeout", DURATION),
    "days": ({"spec.cache": {"ttl": "14d"}}, "spec.cache.ttl", DURATION),
    "a negative number": ({"spec.resources.limits": {"memory": -1}}, "spec.resources.limits[memory]", AMOUNT),
    "a negative amount": ({"spec.resources.limits": {"memory": "-1Gi"}}, "spec.resources.limits[memory]", AMOUNT),
    "not an amount": ({"spec.sourceResources.requests": {"cpu": "1GB"}}, "spec.sourceResources.requests[cpu]", AMOUNT),
    "not a resource": ({"spec.resources.limits": {"a b": 1}}, "spec.resources.limits", "names must be [domain/]name"),
    "our label": ({"spec.podTemplate.labels": {"imagebuild.dev/x": "1"}}, "spec.podTemplate.labels", OURS),
    "our other label": (
        {"spec.podTemplate.labels": {"app.kubernetes.io/managed-by": "me"}},
        "spec.podTemplate.labels",
        OURS,
    ),
    "our annotation": (
        {"spec.podTemplate.annotations": {"imagebuild.dev/run": "1"}},
        "spec.podTemplate.annotations",
        OURS,
    ),
    "not a label": (
        {"spec.podTemplate.labels": {"team": "not a value"}},
        "spec.podTemplate.labels",
        "values must have at most 63 letters, digits",
    ),
    "too large annotations": (
        {"spec.podTemplate.annotations": {f"a{i}": "x" * 4096 for i in range(9)}},
        "spec.podTemplate.annotations",
        "all annotations together may hold 32768 bytes",
    ),
    "two certificate authorities": (
        {"spec.registries.caBundle": FULL_SPEC["registries"]["caBundle"] | CA_FROM_SECRET},
        "spec.registries.caBundle",
        "exactly one of configMapRef and secretRef must be set",
    ),
    "no certificate authority": (
        {"spec.registries.caBundle": {}},
        "spec.registries.caBundle",
        "exactly one of configMapRef and secretRef must be set",
    ),
    "certificate authority under a key that cannot be": (
        {"spec.registries.caBundle": {"secretRef": {"name": "company-ca", "key": "a/b"}}},
        "spec.registries.caBundle.secretRef.key",
        "must be a key of the object: letters, digits",
    ),
    "mirror of nothing": (
        {"spec.registries.mirrors": [{"endpoints": ["mirror.example.com"]}]},
        "spec.registries.mirrors[0].registry",
        "Required value",
    ),
    "mirror with a scheme": (
        {"spec.registries.mirrors": [{"registry": "docker.io", "endpoints": ["https://mirror.example.com"]}]},
        "spec.registries.mirrors[0].endpoints",
        "each endpoint must be host[:port][/path], without https://",
    ),
    "insecure with a path": (
        {"spec.registries.insecure": ["registry.local/acme"]},
        "spec.registries.insecure[0]",
        "must be host[:port], without https:// and without a path",
    ),
    "cache with a tag": (
        {"spec.cache": {"repository": "acme/cache:1"}},
        "spec.cache.repository",
        "must be [registry/]repository in lower case, without https:// and without a tag",
    ),
    "executor with a space": ({"spec.executor": {"image": "a b"}}, "spec.executor.image", "must be [registry/]"),
    "executor of nobody": ({"spec.executor": {"variant": "other"}}, "spec.executor.variant", "supported values"),
    "executor without a version": ({"spec.executor": {"version": "latest"}}, "spec.executor.version", "three numbers"),
    "argument with a dash": (
        {"spec.buildArgs": [{"name": "A-B", "value": ""}]},
        "spec.buildArgs[0].name",
        "letters, digits and '_', not starting with a digit",
    ),
    "argument twice": (
        {"spec.buildArgs": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
        "spec.buildArgs[1]",
        "Duplicate value",
    ),
    "argument without a value": (
        {"spec.buildArgs": [{"name": "A"}]},
        "spec.buildArgs[0]",
        "exactly one of value and valueFrom must be set",
    ),
    "argument with two values": (
        {"spec.buildArgs": [{**from_secret("A"), "value": ""}]},
        "spec.buildArgs[0]",
        "exactly one of value and valueFrom must be set",
    ),
    "argument from two objects": (
        {
            "spec.buildArgs": [
                {
                    "name": "A",
                    "valueFrom": {
                        "secretKeyRef": {"name": "a", "key": "b"},
                        "configMapKeyRef": {"name": "a", "key": "b"},
                    },
                }
            ]
        },
        "spec.buildArgs[0].valueFrom",
        "exactly one of secretKeyRef and configMapKeyRef must be set",
    ),
    **{
        f"argument from a Secret as {name}": (
            {"spec.buildArgs": [from_secret(name)]},
            "spec.buildArgs[0].name",
            "the executor itself reads one of this name: choose another name, or write the value as value",
        )
        for name in (
            *("PATH", "HOME", "container", "DOCKER_CONFIG", "DOCKER_AUTH_CONFIG", "SSL_CERT_DIR", "GOMEMLIMIT"),
            *("KANIKO_NO_PUSH", "FF_KANIKO_X", "BUILDER_OUTPUT", "AWS_SECRET_ACCESS_KEY", "GOOGLE_X", "AZURE_X"),
            *("HTTP_PROXY", "no_proxy", "CI_REGISTRY_PASSWORD"),
        )
    },
    "secret with a comma in its id": (
        {"spec.secrets": [{"id": "a,src=/etc/passwd", "secretKeyRef": {"name": "a", "key": "b"}}]},
        "spec.secrets[0].id",
        "must be letters, digits, '.', '_' and '-', with a letter or digit first",
    ),
    "secret twice": (
        {"spec.secrets": [{"id": "a", "secretKeyRef": {"name": name, "key": "b"}} for name in ("a", "b")]},
        "spec.secrets[1]",
        "Duplicate value",
    ),
    "secret from nowhere": ({"spec.secrets": [{"id": "a"}]}, "spec.secrets[0].secretKeyRef", "Required value"),
    "an annotation with an equals sign": (
        {"spec.output.annotations": {"a=b": "c"}},
        "spec.output.annotations",
        "names of labels and annotations hold",
    ),
    "compression of nobody": ({"spec.output.compression": "xz"}, "spec.output.compression", "supported values"),
    "zstd and reproducible": (
        {"spec.output.compression": "zstd", "spec.output.reproducible": True},
        "spec.output.compression",
        "a reproducible image has gzip layers only: take zstd or reproducible out",
    ),
    "too many pushes": ({"spec.output.pushRetries": 11}, "spec.output.pushRetries", "less than or equal to 10"),
    "base images with the cache off": (
        {"spec.cache": {"enabled": False, "baseImages": {"persistentVolumeClaim": {"claimName": "warm"}}}},
        "spec.cache.baseImages",
        "the executor looks there only with enabled: true; for base images without a layer cache set runLayers: false",
    ),
    "argument of the executor without dashes": (
        {"spec.executor": {"extraArgs": ["single-snapshot"]}},
        "spec.executor.extraArgs[0]",
        "must be one flag with its value, --flag or --flag=value, e.g. --single-snapshot",
    ),
    "shorthand of an argument of the executor": (
        {"spec.executor": {"extraArgs": ["-d=x"]}},
        "spec.executor.extraArgs[0]",
        "must be one flag with its value",
    ),
    "argument of the executor with a line break": (
        {"spec.executor": {"extraArgs": ["--a=b\n--c"]}},
        "spec.executor.extraArgs[0]",
        "must be one flag with its value",
    ),
    "stage with a space": ({"spec.target": "my stage"}, "spec.target", "must be the name of a stage"),
    "name longer than a label value": (
        {"metadata.name": "x" * 64},
        "metadata.name",
        "must have at most 63 characters: it becomes the value of a label on the build's Pod",
    ),
    "unknown field": ({"spec.output.image": "acme/web"}, "spec.output.image", "unknown field"),
    "field of a later version": ({"spec.retry": {"onFailure": 1}}, "spec.retry.onFailure", "unknown field"),
    "fewer retries than none": ({"spec.retry": {"limit": -1}}, "spec.retry.limit", "greater than or equal to 0"),
    "less memory than before": (
        {"spec.retry": {"memoryFactor": 0}},
        "spec.retry.memoryFactor",
        "greater than or equal to 1",
    ),
    "memory without end": ({"spec.retry": {"memoryFactor": 11}}, "spec.retry.memoryFactor", "less than or equal to 10"),
    "much memory": ({"spec.retry": {"memoryLimit": "much"}}, "spec.retry.memoryLimit", "must be an amount"),
    "retries without end": ({"spec.retry": {"limit": 11}}, "spec.retry.limit", "less than or equal to 10"),
    "too important": ({"spec.priority": 1001}, "spec.priority", "less than or equal to 1000"),
    "not important at all": ({"spec.priority": -1001}, "spec.priority", "greater than or equal to -1000"),
    "half a priority": ({"spec.priority": 0.5}, "spec.priority", "must be of type integer"),
    "a group that is no label": (
        {"spec.concurrencyGroup": "feature/x"},
        "spec.concurrencyGroup",
        "must have at most 63 letters, digits, '-', '_' and '.'",
    ),
    "an empty group": ({"spec.concurrencyGroup": ""}, "spec.concurrencyGroup", "at least 1 char"),
    "a policy without a group": (
        {"spec.concurrencyPolicy": "Replace"},
        "spec.concurrencyPolicy",
        "means nothing without concurrencyGroup: name the group, or take the policy out",
    ),
    "a policy there is not": (
        {"spec.concurrencyGroup": "a", "spec.concurrencyPolicy": "Forbid"},
        "spec.concurrencyPolicy",
        'supported values: "Queue", "Replace"',
    ),
    "suspend in words": ({"spec.suspend": "yes"}, "spec.suspend", "must be of type boolean"),
    "gone before it ended": (
        {"spec.ttlSecondsAfterFinished": -1},
        "spec.ttlSecondsAfterFinished",
        "greater than or equal to 0",
    ),
    "gone after the end of time": (
        {"spec.ttlSecondsAfterFinished": 2147483648},
        "spec.ttlSecondsAfterFinished",
        "less than or equal to 2147483647",
    ),
    "silence in words": ({"spec.noOutputTimeout": "never"}, "spec.noOutputTimeout", DURATION),
}


@pytest.mark.parametrize(("changes", "field", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(builds: ImageBuilds, changes: dict[str, Any], field: str, words: str) -> None:
    message = builds.refusal(with_fields(changes))
    assert words in message
    assert f"{field}: " in message or f'unknown field "{field}"' in message
    assert "rule evaluation error" not in message


def test_credentials_in_the_url_are_not_repeated_in_the_answer(builds: ImageBuilds) -> None:
    message = builds.refusal(with_fields({"spec.source.git.url": "https://me:s3cret@git.example.com/web"}))
    assert "s3cret" not in message

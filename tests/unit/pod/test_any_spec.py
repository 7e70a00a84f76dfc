"""Whatever a valid spec asks for, the Pod is one that the API server takes."""

import json
import re
from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from imagebuild_operator.api.v1alpha1 import ImageBuildSpec
from imagebuild_operator.pod.manifest import build_pod, pod_name
from imagebuild_operator.pod.plan import VARIABLE, Plan
from imagebuild_operator.pod.settings import AttemptIdentity, BuildIdentity
from imagebuild_operator.pod.source_plans import (
    AzureBlobPlan,
    ConfigMapPlan,
    GcsPlan,
    GitPlan,
    HttpPlan,
    OciPlan,
    S3Plan,
    VolumePlan,
)
from tests.unit.pod.specs import Json, expanded, settings_of, variables

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

object_names = st.from_regex(
    r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?)?", fullmatch=True
)
keys = st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True)
path_parts = st.from_regex(r"[A-Za-z0-9_ $()'\"äß@=:,-][A-Za-z0-9._ $-]{0,10}", fullmatch=True)
paths = st.lists(path_parts, min_size=1, max_size=3).map("/".join)
hosts = st.from_regex(r"[a-z0-9]{1,8}(\.[a-z]{2,5})?(:[0-9]{2,5})?", fullmatch=True)
tags = st.sampled_from(["1", "r$(run)", "g$(generation)-$(run)", "g$(generation)"])
images = st.builds("{}/{}:{}".format, hosts, st.from_regex(r"[a-z0-9]{2,8}", fullmatch=True), tags)
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)
basic_auths: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {"name": object_names, "type": st.just("BasicAuth"), "registry": hosts}
)
logins: st.SearchStrategy[Json] = st.one_of(
    basic_auths,
    st.fixed_dictionaries(
        {"name": object_names}, optional={"type": st.sampled_from(["DockerConfigJSON", "DockerConfig"])}
    ),
)
references: st.SearchStrategy[Json] = st.fixed_dictionaries({"name": object_names})
key_references = st.fixed_dictionaries({"name": object_names, "key": keys})

files: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {"path": paths, "content": texts}, optional={"mode": st.integers(0, 0o777)}
)
inline = st.lists(files, min_size=1, max_size=5, unique_by=lambda file: str(file["path"]))
git: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {"url": st.builds("{}{}/{}".format, st.sampled_from(["https://", "ssh://git@"]), hosts, path_parts)},
    optional={
        "revision": texts.filter(bool),
        "secretRef": references,
        "submodules": st.booleans(),
        "lfs": st.booleans(),
    },
)
http: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {"url": st.builds("https://{}/{}?{}".format, hosts, path_parts, texts)},
    optional={"sha256": st.just("0" * 64), "secretRef": references},
)
config_map: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {"name": object_names},
    optional={
        "items": st.lists(
            st.fixed_dictionaries({"key": keys, "path": paths}, optional={"mode": st.integers(0, 0o777)}),
            min_size=1,
            max_size=5,
            unique_by=lambda item: str(item["path"]),
        )
    },
)
oci: st.SearchStrategy[Json] = st.builds(
    lambda kind, image, more: {kind: image, **more},
    st.sampled_from(["image", "artifact"]),
    st.builds("{}/{}:1".format, hosts, st.from_regex(r"[a-z0-9]{2,8}", fullmatch=True)),
    st.fixed_dictionaries({}, optional={"secretRef": references}),
)
claim: st.SearchStrategy[Json] = st.fixed_dictionaries({"claimName": object_names})
buckets = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,8}[a-z0-9]", fullmatch=True)
stores: st.SearchStrategy[Json] = st.one_of(
    st.fixed_dictionaries(
        {"bucket": buckets, "key": paths},
        optional={"secretRef": references, "endpoint": hosts.map("https://{}".format), "region": st.just("eu-west-1")},
    ).map(lambda s3: {"s3": s3}),
    st.fixed_dictionaries({"bucket": buckets, "key": paths}, optional={"secretRef": references}).map(
        lambda gcs: {"gcs": gcs}
    ),
    st.fixed_dictionaries(
        {"url": st.builds("https://{}/shop/{}/{}".format, hosts, buckets, path_parts)},
        optional={"secretRef": references},
    ).map(lambda blob: {"azureBlob": blob}),
)
sources = st.one_of(
    st.fixed_dictionaries({"inline": st.fixed_dictionaries({"files": inline})}, optional={"subPath": paths}),
    st.fixed_dictionaries({"git": git}, optional={"subPath": paths}),
    st.fixed_dictionaries({"http": http}, optional={"subPath": paths}),
    st.fixed_dictionaries({"configMap": config_map}, optional={"subPath": paths}),
    st.builds(lambda store, more: {**store, **more}, stores, st.fixed_dictionaries({}, optional={"subPath": paths})),
    st.fixed_dictionaries({"oci": oci}, optional={"subPath": paths}),
    st.fixed_dictionaries({"persistentVolumeClaim": claim}, optional={"subPath": paths}),
)
registries: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {},
    optional={
        "secretRefs": st.lists(logins, max_size=16, unique_by=lambda login: str(login["name"])),
        "cloud": st.lists(st.sampled_from(["google", "ecr", "acr"]), min_size=1, unique=True),
        "caBundle": st.one_of(
            st.fixed_dictionaries({"configMapRef": key_references}),
            st.fixed_dictionaries({"secretRef": key_references}),
        ),
        "insecure": st.lists(hosts, max_size=3),
        "mirrors": st.lists(
            st.fixed_dictionaries(
                {"registry": hosts, "endpoints": st.lists(hosts, min_size=1, max_size=2)},
                optional={"fallback": st.booleans()},
            ),
            max_size=3,
        ),
    },
)
value_sources = st.one_of(
    st.fixed_dictionaries({"secretKeyRef": key_references}), st.fixed_dictionaries({"configMapKeyRef": key_references})
)
build_args = st.lists(
    st.one_of(
        st.fixed_dictionaries({"name": st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), "value": texts}),
        # Other names than the executor's own variables, as the schema's rule wants it.
        st.fixed_dictionaries({"name": st.from_regex(r"MY_[A-Z_]{1,8}", fullmatch=True), "valueFrom": value_sources}),
    ),
    max_size=3,
    unique_by=lambda argument: str(argument["name"]),
)
secrets = st.lists(
    st.fixed_dictionaries({"id": st.from_regex(r"[a-z][a-z.]{0,5}", fullmatch=True), "secretKeyRef": key_references}),
    max_size=3,
    unique_by=lambda secret: str(secret["id"]),
)
outputs: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {"images": st.lists(images, min_size=1, max_size=3, unique=True)},
    optional={"push": st.booleans(), "annotations": st.dictionaries(keys, texts, max_size=2)},
)
caches: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "baseImages": st.fixed_dictionaries(
            {"persistentVolumeClaim": st.fixed_dictionaries({"claimName": object_names})}
        ),
    },
)
specs = st.fixed_dictionaries(
    {"source": sources, "output": outputs},
    optional={
        "registries": registries,
        "buildArgs": build_args,
        "secrets": secrets,
        "cache": caches,
        "dockerfile": paths,
        "podTemplate": st.fixed_dictionaries({}, optional={"serviceAccountName": object_names}),
    },
)


@given(
    spec=specs,
    name=object_names,
    run=st.integers(1, 10**6),
    attempt=st.integers(1, 100),
    deadline=st.integers(-10, 10**6),
    image_volumes=st.booleans(),
)
def test_the_pod_is_valid(spec: Json, name: str, run: int, attempt: int, deadline: int, image_volumes: bool) -> None:
    pod = build_pod(
        build=BuildIdentity(name=name, namespace="ns", uid="uid"),
        attempt=AttemptIdentity(run, attempt, pod_name(name, "uid", run, attempt), run),
        spec=ImageBuildSpec.model_validate(spec),
        settings=settings_of(image_volumes=image_volumes),
        deadline_seconds=deadline,
    )
    assert json.loads(json.dumps(pod)) == pod
    assert LABEL.fullmatch(pod["metadata"]["name"])
    assert all(LABEL_VALUE.fullmatch(value) for value in pod["metadata"]["labels"].values())
    assert pod["spec"]["activeDeadlineSeconds"] >= 1
    volumes = [volume["name"] for volume in pod["spec"]["volumes"]]
    assert len(set(volumes)) == len(volumes)
    assert all(LABEL.fullmatch(volume) and len(pod["spec"]["volumes"][0]) == 2 for volume in volumes)
    containers = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]
    assert len(containers) <= 2
    used = set()
    for container in containers:
        places = [mount["mountPath"] for mount in container["volumeMounts"]]
        assert len(set(places)) == len(places)
        assert all(PurePosixPath(place).is_absolute() and ".." not in place.split("/") for place in places)
        assert all(place.startswith(("/kaniko/", "/prepare/")) for place in places)
        assert all(VARIABLE_NAME.fullmatch(entry["name"]) for entry in container["env"])
        assert len({entry["name"] for entry in container["env"]}) == len(container["env"])
        used |= {mount["name"] for mount in container["volumeMounts"]}
    assert used == set(volumes)
    _check_arguments(spec, containers[0])
    if len(containers) == 2:
        _check_plan(spec, containers[1])


def _check_arguments(spec: Json, container: Json) -> None:
    """What the user wrote arrives word for word, each as one argument."""
    known = variables(container)
    arguments = [expanded(argument, known) for argument in container["args"]]
    assert all(argument.startswith("--") and "=" in argument for argument in arguments)
    for argument in spec.get("buildArgs", []):
        value = "" if "valueFrom" in argument else f"={argument['value']}"
        assert f"--build-arg={argument['name']}{value}" in arguments


def _check_plan(spec: Json, container: Json) -> None:
    known = {entry["name"]: entry["value"] for entry in container["env"] if entry["name"] != VARIABLE}
    (text,) = [entry["value"] for entry in container["env"] if entry["name"] == VARIABLE]
    plan = Plan.model_validate_json(expanded(text, known))
    source = spec["source"]
    assert plan.sub_path == (source.get("subPath") if plan.source else None)
    match plan.source:
        case GitPlan() as fetched:
            assert (fetched.url, fetched.revision) == (source["git"]["url"], source["git"].get("revision"))
        case HttpPlan() as downloaded:
            assert (downloaded.url, downloaded.sha256) == (source["http"]["url"], source["http"].get("sha256"))
        case ConfigMapPlan() as copied:
            assert "items" not in source["configMap"]
            assert str(copied.folder) in {mount["mountPath"] for mount in container["volumeMounts"]}
        case S3Plan() | GcsPlan() | AzureBlobPlan() as stored:
            written = source[stored.kind]
            fields = ("bucket", "key", "endpoint", "region", "url")
            assert stored.model_dump(include=set(fields), exclude_none=True) == {
                name: written[name] for name in fields if name in written
            }
            assert (stored.keys is not None) == ("secretRef" in written)
        case OciPlan() as pulled:
            assert pulled.reference == source["oci"]["artifact" if pulled.artifact else "image"]
        case VolumePlan():
            assert "subPath" in source
        case None:
            assert not source.keys() & {"git", "http"}
    places = [mount["mountPath"] for mount in container["volumeMounts"]]
    folders = [str(entry.folder) for entry in plan.logins.secrets] if plan.logins else []
    assert set(folders) <= set(places)
    files = [plan.logins.target] if plan.logins else []
    files += [plan.certificates.file, plan.certificates.target] if plan.certificates else []
    assert all(str(file.parent) in places for file in files)

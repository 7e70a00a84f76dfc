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
from tests.unit.pod.specs import Json, expanded, settings_of

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
images = st.builds("{}/{}:{}".format, hosts, st.from_regex(r"[a-z0-9]{2,8}", fullmatch=True), st.just("1"))
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)
references: st.SearchStrategy[Json] = st.fixed_dictionaries({"name": object_names})
key_references = st.fixed_dictionaries({"name": object_names, "key": keys})

files: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {"path": paths, "content": texts}, optional={"mode": st.integers(0, 0o777)}
)
inline = st.lists(files, min_size=1, max_size=5, unique_by=lambda file: str(file["path"]))
git: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {"url": st.builds("https://{}/{}".format, hosts, path_parts)},
    optional={"revision": texts.filter(bool), "secretRef": references},
)
sources = st.one_of(
    st.fixed_dictionaries({"inline": st.fixed_dictionaries({"files": inline})}, optional={"subPath": paths}),
    st.fixed_dictionaries({"git": git}, optional={"subPath": paths}),
)
registries: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {},
    optional={
        "secretRefs": st.lists(references, max_size=16, unique_by=lambda reference: str(reference["name"])),
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
build_args = st.lists(
    st.fixed_dictionaries({"name": st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), "value": texts}), max_size=3
)
specs = st.fixed_dictionaries(
    {"source": sources, "output": st.fixed_dictionaries({"images": st.lists(images, min_size=1, max_size=3)})},
    optional={
        "registries": registries,
        "buildArgs": build_args,
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
)
def test_the_pod_is_valid(spec: Json, name: str, run: int, attempt: int, deadline: int) -> None:
    pod = build_pod(
        build=BuildIdentity(name=name, namespace="ns", uid="uid"),
        attempt=AttemptIdentity(run=run, attempt=attempt, pod_name=pod_name(name, "uid", run, attempt)),
        spec=ImageBuildSpec.model_validate(spec),
        settings=settings_of(),
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
        used |= {mount["name"] for mount in container["volumeMounts"]}
    assert used == set(volumes)
    _check_arguments(spec, containers[0])
    if len(containers) == 2:
        _check_plan(spec, containers[1])


def _check_arguments(spec: Json, container: Json) -> None:
    """What the user wrote arrives word for word, each as one argument."""
    known = {entry["name"]: entry["value"] for entry in container["env"]}
    arguments = [expanded(argument, known) for argument in container["args"]]
    assert all(argument.startswith("--") and "=" in argument for argument in arguments)
    for argument in spec.get("buildArgs", []):
        assert f"--build-arg={argument['name']}={argument['value']}" in arguments


def _check_plan(spec: Json, container: Json) -> None:
    known = {entry["name"]: entry["value"] for entry in container["env"] if entry["name"] != VARIABLE}
    (text,) = [entry["value"] for entry in container["env"] if entry["name"] == VARIABLE]
    plan = Plan.model_validate_json(expanded(text, known))
    git = spec["source"].get("git")
    assert (plan.git is None) == (git is None)
    if plan.git is not None:
        assert plan.git.url == git["url"]
        assert plan.git.revision == git.get("revision")
    places = [mount["mountPath"] for mount in container["volumeMounts"]]
    files = [entry.file for entry in plan.logins.secrets] if plan.logins else []
    files += [plan.certificates.file, plan.certificates.target] if plan.certificates else []
    assert all(str(file.parent) in places for file in files)

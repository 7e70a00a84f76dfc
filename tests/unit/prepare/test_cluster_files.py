"""Contexts from what the cluster itself holds: a ConfigMap as the kubelet mounts it, a folder of a volume."""

from pathlib import Path

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.plan import Plan
from imagebuild_operator.pod.prepared import Prepared, PrepareFailure
from imagebuild_operator.pod.source_plans import ConfigMapPlan, VolumePlan
from imagebuild_operator.prepare.__main__ import carry_out


def mounted(folder: Path, files: dict[str, bytes]) -> Path:
    """A folder as the kubelet makes it: each key a link to the files of the latest version, which lie beside them."""
    version = folder / "..2026_01_02_03_04_05.123456789"
    version.mkdir(parents=True)
    (folder / "..data").symlink_to(version.name)
    for name, content in files.items():
        (version / name).write_bytes(content)
        (folder / name).symlink_to(f"..data/{name}")
    return folder


def plan_of(tmp_path: Path, files: dict[str, bytes]) -> Plan:
    source = ConfigMapPlan(name="site", folder=mounted(tmp_path / "mount", files))
    return Plan(context=tmp_path / "context", scratch=tmp_path, source=source)


def test_every_key_becomes_a_plain_file(tmp_path: Path) -> None:
    files = {"Dockerfile": b"FROM scratch\n", ".dockerignore": b"x\n", "logo.png": b"\x89PNG\0\xff", "a..b": b""}
    assert carry_out(plan_of(tmp_path, files)) == Prepared()
    found = {path.name: path for path in (tmp_path / "context").iterdir()}
    assert {name: path.read_bytes() for name, path in found.items()} == files
    assert not any(path.is_symlink() for path in found.values())
    assert {path.stat().st_mode & 0o777 for path in found.values()} == {0o644}


def test_an_empty_config_map(tmp_path: Path) -> None:
    result = carry_out(plan_of(tmp_path, {}))
    assert isinstance(result, PrepareFailure)
    assert result.reason == Reason.SOURCE_NOT_FOUND
    assert "ConfigMap site" in result.message


def test_a_folder_of_a_volume(tmp_path: Path) -> None:
    (tmp_path / "services/web").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    plan = Plan(context=tmp_path, scratch=tmp_path, sub_path="services/web", source=VolumePlan(claim="data"))
    assert carry_out(plan) == Prepared()
    for missing in ("services/other", "file"):
        result = carry_out(plan.model_copy(update={"sub_path": missing}))
        assert isinstance(result, PrepareFailure)
        assert result.reason == Reason.SUB_PATH_INVALID
        assert missing in result.message
        assert "PersistentVolumeClaim data" in result.message
    assert not (tmp_path / "services/other").exists()

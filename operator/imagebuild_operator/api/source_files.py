"""Sources whose files the cluster itself holds."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from imagebuild_operator.api.fields import Key, Model, ObjectName, Path
from imagebuild_operator.api.schema import Schema, map_list, rule, rules

Mode = Annotated[int, Field(ge=0, le=511)]

_MODE_TOLD: Final = "Permission bits, as an octal number in YAML (0755) or a decimal one in JSON (493). Default: 0644."


_NO_FILE_IS_A_FOLDER: Final[Schema] = rule(
    "self.all(f, !self.exists(g, g.path.startsWith(f.path + '/')))",
    "a path is used both as a file and as a folder of another file: rename one of them",
)


class InlineFile(Model):
    """One file of an inline source."""

    path: Path = Field(description="Path below the context, relative, e.g. Dockerfile or src/main.py.")
    content: Annotated[str, StringConstraints(max_length=196608)] = Field(description="The file's text, as it is.")
    mode: Mode | None = Field(default=None, description=_MODE_TOLD)


class InlineSource(Model):
    """Files written in the manifest itself."""

    files: Annotated[list[InlineFile], Field(min_length=1, max_length=64)] = Field(
        description="The files of the context: at most 64, and 192 KiB in all.",
        json_schema_extra=map_list("path")
        | rules(
            rule(
                "self.map(f, size(bytes(f.content))).sum() <= 196608",
                "all files together may hold 196608 bytes; put larger contexts in a git repository",
            ),
            _NO_FILE_IS_A_FOLDER,
        ),
    )


class ConfigMapFile(Model):
    """One key of a ConfigMap that becomes a file."""

    key: Key = Field(description="Key of the ConfigMap.")
    path: Path = Field(description="Path below the context, relative, e.g. Dockerfile or src/main.py.")
    mode: Mode | None = Field(default=None, description=_MODE_TOLD)


class ConfigMapSource(Model):
    """The keys of a ConfigMap as files."""

    name: ObjectName = Field(description="Name of the ConfigMap, in the namespace of the ImageBuild.")
    items: Annotated[list[ConfigMapFile], Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="The keys that become files, and where: at most 64. Default: every key, as a file of its name.",
        json_schema_extra=map_list("path") | rules(_NO_FILE_IS_A_FOLDER),
    )


class ClaimSource(Model):
    """The files of a volume."""

    claim_name: ObjectName = Field(description="Name of the PersistentVolumeClaim, in the namespace of the ImageBuild.")

"""Where a build context comes from."""

from typing import Annotated

from pydantic import Field, StringConstraints

from imagebuild_operator.api.fields import LocalObjectReference, Model, Path
from imagebuild_operator.api.schema import map_list, rule, rules


class GitSource(Model):
    """A git repository, cloned shallow by the init container."""

    url: Annotated[str, StringConstraints(min_length=9, max_length=2048)] = Field(
        description="Address of the repository over https, without credentials, "
        "e.g. https://github.com/acme/web.git. A private certificate authority goes to spec.registries.caBundle.",
        json_schema_extra=rules(
            rule("self.startsWith('https://')", "must start with https://"),
            rule(
                "!self.matches('^https://[^/]*@')",
                "must not hold credentials: put them in a Secret of type kubernetes.io/basic-auth and name it in "
                "source.git.secretRef",
                reason="FieldValueForbidden",
            ),
            rule(
                "isURL(self) && url(self).getHostname() != '' && !self.matches('[[:cntrl:] #]')",
                "must be a URL with a host, without white space and without '#': a branch or tag goes to "
                "source.git.revision",
            ),
        ),
    )
    revision: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = Field(
        default=None,
        description="Branch, tag, full reference (refs/...) or full commit (40 hexadecimal digits) to build. "
        "Default: the repository's default branch. What was built is told in status.source.commit.",
        json_schema_extra=rules(
            rule(
                "!self.startsWith('-') && !self.matches('[ ~^:?*\\\\[\\\\\\\\]|\\\\.\\\\.|@\\\\{|[[:cntrl:]]')",
                "must be the name of a branch or tag, a reference, or a full commit: no white space, no leading "
                "dash, none of ~^:?*[\\ and neither '..' nor '@{'",
            )
        ),
    )
    secret_ref: LocalObjectReference | None = Field(
        default=None,
        description="Secret of type kubernetes.io/basic-auth (keys username and password; a token is the password) "
        "used to clone. Build steps never see it.",
    )


class InlineFile(Model):
    """One file of an inline source."""

    path: Path = Field(description="Path below the context, relative, e.g. Dockerfile or src/main.py.")
    content: Annotated[str, StringConstraints(max_length=196608)] = Field(description="The file's text, as it is.")
    mode: Annotated[int, Field(ge=0, le=511)] | None = Field(
        default=None,
        description="Permission bits, as an octal number in YAML (0755) or a decimal one in JSON (493). Default: 0644.",
    )


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
            rule(
                "self.all(f, !self.exists(g, g.path.startsWith(f.path + '/')))",
                "a path is used both as a file and as a folder of another file: rename one of them",
            ),
        ),
    )


class Source(Model):
    """Where the build context comes from: exactly one of the members beside subPath."""

    git: GitSource | None = Field(
        default=None,
        description="A git repository, fetched over https before the build starts: only the commit to build, "
        "not the history before it.",
    )
    inline: InlineSource | None = Field(
        default=None, description="Files written in this manifest, for small builds without a repository."
    )
    sub_path: Path | None = Field(
        default=None,
        description="Folder inside the source that is the build context, e.g. services/web. Default: its root.",
    )

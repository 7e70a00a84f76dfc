"""Sources that are git repositories."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from imagebuild_operator.api.fields import LocalObjectReference, Model
from imagebuild_operator.api.schema import Schema, rule, rules

# No leading dash in user, host and path: ssh would take them for options.
_USER: Final = "[A-Za-z0-9_][A-Za-z0-9_.-]*"
_HOST: Final = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
_SSH_URL: Final = f"ssh://({_USER}@)?({_HOST}|\\\\[[0-9A-Fa-f:.]+\\\\])(:[0-9]{{1,5}})?/[^/]"
_SCP_FORM: Final = f"{_USER}@{_HOST}:[^-]"


class GitSource(Model):
    """A git repository, cloned shallow by the init container."""

    url: Annotated[str, StringConstraints(min_length=9, max_length=2048)] = Field(
        description="Address of the repository, without credentials: over https, e.g. "
        "https://github.com/acme/web.git, or over ssh, ssh://[user@]host[:port]/path or user@host:path, e.g. "
        "git@github.com:acme/web.git. A private certificate authority goes to spec.registries.caBundle.",
        json_schema_extra=rules(
            rule(
                "self.matches('^(https|ssh)://') || self.matches('^[^/:@]+@[^/:]+:')",
                "must start with https:// or ssh://, or be user@host:path",
            ),
            rule(
                "!self.matches('^(https://[^/]*|ssh://[^/]*:[^/]*)@')",
                "must not hold credentials: put them in a Secret of type kubernetes.io/basic-auth (with ssh, "
                "kubernetes.io/ssh-auth) and name it in source.git.secretRef",
                reason="FieldValueForbidden",
            ),
            rule(
                "(!self.startsWith('https://') || isURL(self) && url(self).getHostname() != '') && "
                "!self.matches('[[:cntrl:] #]')",
                "must be a URL with a host, without white space and without '#': a branch or tag goes to "
                "source.git.revision",
            ),
            rule(
                f"self.startsWith('https://') || self.matches('^({_SSH_URL}|{_SCP_FORM})') || "
                "!self.matches('^ssh://|@[^/:]+:')",
                "over ssh it must be ssh://[user@]host[:port]/path or user@host:path, the parts not starting with '-'",
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
        description="Secret used to clone. Over https of type kubernetes.io/basic-auth (keys username and password; a "
        "token is the password, and may stand alone), over ssh of type kubernetes.io/ssh-auth with the keys "
        "ssh-privatekey and known_hosts. Build steps never see it.",
    )
    submodules: bool | None = Field(
        default=None,
        description="true fetches submodules, too, and theirs. Those on the repository's own host are fetched with the "
        "same login, others with none. Default: false, which leaves their folders empty.",
    )
    lfs: bool | None = Field(
        default=None,
        description="true replaces the pointers of Git LFS by the files they stand for. Default: false.",
    )


# Over http it is refused already, with better words.
SSH_SECRET: Final[Schema] = rules(
    rule(
        "self.url.matches('^https?://') || has(self.secretRef)",
        "is needed with ssh: a Secret of type kubernetes.io/ssh-auth, with the keys ssh-privatekey and known_hosts",
        reason="FieldValueRequired",
    )
    | {"fieldPath": ".secretRef"}
)

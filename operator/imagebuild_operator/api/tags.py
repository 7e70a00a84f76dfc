"""References to push to, and the variables that their tags may hold; `pod.tags` fills them in."""

from typing import Final

from imagebuild_operator.api.schema import REPOSITORY_FORM, REPOSITORY_LENGTH, Schema, rule, rules

# With the most characters that each can become.
TAG_VARIABLES: Final = {"commit": 64, "shortCommit": 8, "revisionSlug": 63, "generation": 10, "run": 10}
TAG_LENGTH: Final = 128

_VARIABLE: Final = f"[$][(]({'|'.join(TAG_VARIABLES)})[)]"
_TAG: Final = f":({_VARIABLE}|[A-Za-z0-9_])({_VARIABLE}|[A-Za-z0-9_.-])*"
_LONGEST: Final = "self" + "".join(f".replace('$({name})', '{'0' * size}')" for name, size in TAG_VARIABLES.items())

IMAGE: Final[Schema] = rules(
    rule(
        f"self.matches('^{REPOSITORY_FORM}({_TAG})?$')",
        "must be [registry/]repository[:tag] with the repository in lower case, without https:// and without a "
        "digest, e.g. registry.example.com/shop/web:1.4.2; the variables of tags are "
        + ", ".join(f"$({name})" for name in TAG_VARIABLES),
    ),
    REPOSITORY_LENGTH,
    rule(
        f"!{_LONGEST}.matches(':[^/:]{{{TAG_LENGTH + 1}}}')",
        f"the tag has more than {TAG_LENGTH} characters, or can have with its variables at their longest (a commit 64, "
        "a slug 63): make it shorter",
    ),
)

_REVISION: Final = "has(self.source.git) && has(self.source.git.revision) && self.source.git.revision"


def _without(*variables: str) -> str:
    """CEL: no tag holds one of these; images may be missing in objects of an older schema, which are compared, too."""
    held = " || ".join(f"i.contains('$({name})')" for name in variables)
    return f"!has(self.output.images) || !self.output.images.exists(i, {held})"


# Rules of the whole spec.
TAG_RULES: Final = (
    rule(
        f"({_without('commit', 'shortCommit')}) || ({_REVISION}.matches('^([0-9a-fA-F]{{40}}|[0-9a-fA-F]{{64}})$'))",
        "$(commit) and $(shortCommit) need a full commit (40 hexadecimal digits) in source.git.revision: what a branch "
        "or tag stands for is not known before it is fetched",
    )
    | {"fieldPath": ".output.images"},
    rule(
        f"({_without('revisionSlug')}) || ({_REVISION}.matches('[A-Za-z0-9]'))",
        "$(revisionSlug) needs source.git.revision, with a letter or digit in it",
    )
    | {"fieldPath": ".output.images"},
)

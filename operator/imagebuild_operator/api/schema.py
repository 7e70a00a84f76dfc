"""Fragments of Kubernetes structural schema that pydantic has no words for: CEL rules, list types, open objects.

Models put them in `json_schema_extra`; `crd.py` carries them over. The rules are CEL as in the Kubernetes
documentation "Validation rules" of CustomResourceDefinitions; each says in words what is wrong and what would be
right. The API server estimates what a rule may cost at the bounds of its field and refuses the whole CRD when that is
too much, so a rule without bounds beside it does not pass.
"""

from typing import Any, Final

Schema = dict[str, Any]

_TAG: Final = ":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_PORT: Final = ":[0-9]{1,5}"
_LABEL: Final = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
# The first part of a reference is a registry only if it holds a dot or a port (go-containerregistry, pkg/name/
# repository.go, which kaniko uses); anything else is a folder on Docker Hub, and folders are in lower case.
_REGISTRY: Final = f"{_LABEL}(([.]{_LABEL})+({_PORT})?|{_PORT})/"
_FOLDER: Final = "[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*"
REPOSITORY_FORM: Final = f"({_REGISTRY})?{_FOLDER}(/{_FOLDER})*"
_HOST: Final = f"{_LABEL}([.]{_LABEL})*({_PORT})?"


def rule(expression: str, message: str, *, reason: str = "FieldValueInvalid") -> Schema:
    """One CEL rule.

    Args:
        expression: CEL over `self`; must stay within the API server's cost budget for the field's bounds.
        message: what the user reads when it is false.
        reason: FieldValueInvalid, FieldValueForbidden or FieldValueRequired. The API has FieldValueDuplicate too, but
            with it the API server leaves the message out.
    """
    return {"rule": expression, "message": message, "reason": reason}


def rules(*entries: Schema) -> Schema:
    """The `json_schema_extra` that attaches CEL rules to a field."""
    return {"x-kubernetes-validations": list(entries)}


def exactly_one(*fields: str) -> Schema:
    """The CEL rule of a struct that is one of several kinds."""
    there = [f"has(self.{field})" for field in fields]
    one = " != ".join(there) if len(there) == 2 else f"[{', '.join(there)}].filter(x, x).size() == 1"
    return rule(one, f"{one_of(*fields)} must be set")


def one_of(*fields: str) -> str:
    """What messages and descriptions call that."""
    return f"exactly one of {', '.join(fields[:-1])} and {fields[-1]}"


def map_list(key: str) -> Schema:
    """A list whose entries are told apart by one key (server-side apply merges them one by one)."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def atomic_list() -> Schema:
    """A list that is replaced as a whole."""
    return {"x-kubernetes-list-type": "atomic"}


PRESERVE: Final[Schema] = {"x-kubernetes-preserve-unknown-fields": True}

# apimachinery's resource.Quantity, without a sign: negative amounts mean nothing here. Two groups: number and unit.
QUANTITY: Final = "([0-9]+|[0-9]+[.][0-9]*|[.][0-9]+)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]{1,2})?"
INT_OR_STRING: Final[Schema] = {
    "x-kubernetes-int-or-string": True,
    "maxLength": 32,
    **rules(
        rule(
            f"type(self) == int ? self >= 0 : self.matches('^{QUANTITY}$')",
            "must be an amount that is not negative, with or without a unit, e.g. 500m, 2, 1.5Gi",
        )
    ),
}

RELATIVE_PATH: Final[Schema] = rules(
    rule(
        "self.split('/').all(p, p != '' && p != '.' && p != '..') && !self.matches('[[:cntrl:]\\\\\\\\]')",
        "must be a relative path, e.g. services/web: no '/' at its start or end or doubled, no '.' or '..' parts, no "
        "backslash",
    )
)

# Each unit once and in order, with few enough digits that CEL's duration() cannot overflow.
DURATION: Final[Schema] = rules(
    rule(
        "self != '' && self.matches('^([0-9]{1,5}([.][0-9]{1,3})?h)?([0-9]{1,6}([.][0-9]{1,3})?m)?"
        "([0-9]{1,8}([.][0-9]{1,3})?s)?$') && duration(self) >= duration('1s') && "
        "duration(self) <= duration('8760h')",
        "must be a duration of at least 1s and at most 8760h, in h, m and s in this order, e.g. 90m or 1h30m",
    )
)

# go-containerregistry, pkg/name: v0.21.5, which kaniko v1.25.16 has, takes a repository of 2 to 255 characters without
# its registry; v0.22.1 takes 1, too. The OCI distribution specification has neither bound.
REPOSITORY_LENGTH: Final = rule(
    "(self.matches('^[^/]*[.:][^/]*/') ? self.substring(self.indexOf('/') + 1) : self).matches('^[^:]{2,255}(:|$)')",
    "the repository (without registry and tag) must have 2 to 255 characters: kaniko takes no other",
)

PULLED_IMAGE: Final[Schema] = rules(
    rule(
        f"self.matches('^{REPOSITORY_FORM}({_TAG})?(@sha256:[0-9a-f]{{64}})?$')",
        "must be [registry/]repository[:tag][@sha256:digest] with the repository in lower case",
    )
)

REPOSITORY: Final[Schema] = rules(
    rule(
        f"self.matches('^{REPOSITORY_FORM}$')",
        "must be [registry/]repository in lower case, without https:// and without a tag, "
        "e.g. registry.example.com/shop/web/cache",
    ),
    REPOSITORY_LENGTH,
)

HOST: Final[Schema] = rules(
    rule(
        f"self.matches('^{_HOST}$')",
        "must be host[:port], without https:// and without a path, e.g. registry.example.com:5000",
    )
)

ORIGIN: Final[Schema] = rules(
    rule(
        f"self.matches('^https?://{_HOST}$')",
        "must be https://host[:port] (or http://, unencrypted), without a path and without a '/' at its end, "
        "e.g. https://minio.example.com:9000",
    )
)

ENDPOINTS: Final[Schema] = rules(
    rule(
        f"self.all(e, e.matches('^{_HOST}(/{_FOLDER})*$'))",
        "each endpoint must be host[:port][/path], without https:// and without a '/' at its end, "
        "e.g. mirror.example.com/hub",
    )
)

OBJECT_NAME: Final[Schema] = rules(
    rule(
        "self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$')",
        "must be the name of an object: lower case letters, digits, '-' and '.', with a letter or digit at both ends",
    )
)

OBJECT_KEY: Final[Schema] = rules(
    rule("self.matches('^[A-Za-z0-9._-]+$')", "must be a key of the object: letters, digits, '.', '_' and '-'")
)

_QUALIFIED_NAME: Final = "[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"

QUALIFIED_KEYS: Final[Schema] = rule(
    f"self.all(k, k.matches('^([A-Za-z0-9]([A-Za-z0-9.-]{{0,251}}[A-Za-z0-9])?/)?{_QUALIFIED_NAME}$'))",
    "names must be [domain/]name, the name of at most 63 letters, digits, '-', '_' and '.', e.g. example.com/team",
)

LABEL_VALUES: Final[Schema] = rule(
    f"self.all(k, self[k].matches('^({_QUALIFIED_NAME})?$'))",
    "values must have at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends",
)

LABEL_VALUE: Final[Schema] = rules(
    rule(
        f"self.matches('^{_QUALIFIED_NAME}$')",
        "must have at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends",
    )
)

NOT_OURS: Final[Schema] = rule(
    "self.all(k, !k.startsWith('imagebuild.dev/') && k != 'app.kubernetes.io/managed-by' && "
    "!k.startsWith('container.apparmor.security.beta.kubernetes.io/'))",
    "imagebuild.dev/*, app.kubernetes.io/managed-by and container.apparmor.security.beta.kubernetes.io/* belong to the "
    "operator: use other names",
    reason="FieldValueForbidden",
)

# An object's annotations may hold 256 KiB in all; inline files (192 KiB) travel in the Pod's, too.
ANNOTATION_SIZE: Final[Schema] = rule(
    "self.map(k, size(k) + size(bytes(self[k]))).sum() <= 32768", "all annotations together may hold 32768 bytes"
)

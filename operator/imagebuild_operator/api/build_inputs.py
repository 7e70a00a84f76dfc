"""What the steps of the Dockerfile are given beside the context: build arguments, and files with secrets."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from imagebuild_operator.api.fields import KeyReference, Model
from imagebuild_operator.api.schema import Schema, exactly_one, rule, rules

# A value by reference reaches the executor as a variable of its own environment. These it, its libraries or the
# operator read there; some would change where it pushes to, or whether it does at all.
_OF_THE_EXECUTOR: Final = (
    "PATH|HOME|USER|TMPDIR|container|XDG_.*|SSL_CERT_.*|GO(MEMLIMIT|GC|DEBUG|MAXPROCS|TRACEBACK)|DOCKER_.*|"
    "REGISTRY_AUTH_FILE|(FF_)?KANIKO_.*|BUILDER_OUTPUT|BENCHMARK_FILE|SNAPSHOT_TIMEOUT_DURATION|UPSTREAM_CLIENT_TYPE|"
    "OTEL_.*|KUBERNETES_.*|AWS_.*|GOOGLE_.*|CLOUDSDK_.*|AZURE_.*|CI_REGISTRY.*|CI_DEPLOY_.*|CI_JOB_TOKEN|"
    "(HTTP|HTTPS|FTP|ALL|NO)_PROXY|(http|https|ftp|all|no)_proxy"
)


class ValueSource(Model):
    """Where a value is taken from."""

    secret_key_ref: KeyReference | None = Field(default=None, description="Key of a Secret.")
    config_map_key_ref: KeyReference | None = Field(default=None, description="Key of a ConfigMap.")


class BuildArg(Model):
    """One build argument (ARG in the Dockerfile)."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)] = Field(
        description="Name of the argument, as in the Dockerfile's ARG.",
        json_schema_extra=rules(
            rule(
                "self.matches('^[A-Za-z_][A-Za-z0-9_]*$')",
                "must be the name of an ARG: letters, digits and '_', not starting with a digit",
            )
        ),
    )
    value: Annotated[str, StringConstraints(max_length=8192)] | None = Field(
        default=None, description="Its value. Not for secrets: it is visible in this object and in the Pod."
    )
    value_from: ValueSource | None = Field(
        default=None,
        description="Takes the value from a Secret or ConfigMap instead, so that neither this object nor the Pod shows "
        "it. RUN steps can read it; prefer spec.secrets for secrets.",
        json_schema_extra=rules(exactly_one("secretKeyRef", "configMapKeyRef")),
    )


ONE_VALUE: Final[Schema] = rules(
    exactly_one("value", "valueFrom"),
    rule(
        f"!has(self.valueFrom) || !self.name.matches('^({_OF_THE_EXECUTOR})$')",
        "with valueFrom the argument is a variable in the executor's environment, and the executor itself reads one of "
        "this name: choose another name, or write the value as value",
        reason="FieldValueForbidden",
    )
    | {"fieldPath": ".name"},
)


class BuildSecret(Model):
    """A file for RUN --mount=type=secret."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=128)] = Field(
        description="The id in RUN --mount=type=secret,id=...",
        json_schema_extra=rules(
            rule(
                "self.matches('^[A-Za-z0-9][A-Za-z0-9._-]*$')",
                "must be letters, digits, '.', '_' and '-', with a letter or digit first",
            )
        ),
    )
    secret_key_ref: KeyReference = Field(description="Key of a Secret; its value is the file's content.")

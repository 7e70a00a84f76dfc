"""What is wrong with a Dockerfile, or with the files that it copies."""

from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core.causes.cause import Cause, said
from imagebuild_operator.core.executor_errors import (
    BUILDING,
    INSTRUCTION,
    LOOKING_FOR_FILES,
    OPTIMIZING,
    PARSING,
    STAGE,
)

_FILES: Final = f"{STAGE}(?:{OPTIMIZING})?{LOOKING_FOR_FILES}"
# Of COPY and ADD, as the executor wraps the error of the system call.
_PLACING: Final = rf"{INSTRUCTION}(?:[a-z ]+: )+(?:open|lstat|mkdir|unlinkat|symlink|write) "

INSTRUCTIONS: Final[tuple[Cause, ...]] = (
    said(
        "dockerfile-missing",
        Reason.DOCKERFILE_INVALID,
        "Error: error resolving dockerfile path: please provide a valid path to a Dockerfile",
        "The source has no Dockerfile where spec.dockerfile names it.",
        "Correct spec.dockerfile, a path below spec.source.subPath (Dockerfile if the spec names none), or put the "
        "file there.",
        by_files=True,
    ),
    said(
        "dockerfile-syntax",
        Reason.DOCKERFILE_INVALID,
        rf"{PARSING}dockerfile parse error on line (?P<line>[0-9]+): (?P<what>.*)",
        "Line {line} of the Dockerfile is wrong: {what}",
        "Correct line {line} of the Dockerfile.",
        by_files=True,
    ),
    said(
        "dockerfile-empty",
        Reason.DOCKERFILE_INVALID,
        rf"{PARSING}file with no instructions",
        "The Dockerfile has no instructions.",
        "Write a FROM into the Dockerfile, or name another file in spec.dockerfile.",
        by_files=True,
    ),
    said(
        "dockerfile-without-from",
        Reason.DOCKERFILE_INVALID,
        rf"{PARSING}no build stage in current context",
        "An instruction of the Dockerfile stands before its first FROM.",
        "Begin the Dockerfile with FROM; only ARG may stand before it.",
        by_files=True,
    ),
    said(
        "dockerfile-unreadable",
        Reason.DOCKERFILE_INVALID,
        rf"{PARSING}(?P<what>.*)",
        "The Dockerfile cannot be read: {what}",
        "Correct the instruction of the Dockerfile that the message names.",
        by_files=True,
    ),
    said(
        "stage-unknown",
        Reason.DOCKERFILE_INVALID,
        rf"{BUILDING}error finding target stage: (?P<stage>.*) is not a valid target build stage",
        "The Dockerfile has no stage {stage}.",
        "Correct spec.target, or name a stage of the Dockerfile by FROM ... AS {stage}.",
        by_files=True,
    ),
    said(
        "copy-from-unknown",
        Reason.DOCKERFILE_INVALID,
        rf"{BUILDING}could not parse reference: (?P<stage>[0-9]+)$",
        "COPY --from={stage} names no stage that stands before it in the Dockerfile.",
        "Correct --from: a stage's name, or its number, counted from 0.",
        by_files=True,
    ),
    said(
        "from-empty",
        Reason.DOCKERFILE_INVALID,
        rf"{BUILDING}(?:could not parse reference:(?: \S*[:@])?$|.*base name \(.*\) should not be blank)",
        "A build argument in FROM is empty:",
        "Give the ARG a default in the Dockerfile, before the first FROM, or set it in spec.buildArgs.",
        by_files=True,
    ),
    said(
        "image-name-invalid",
        Reason.DOCKERFILE_INVALID,
        rf"{BUILDING}could not parse reference: (?P<image>.+)",
        "{image} is neither a stage of the Dockerfile nor the name of an image.",
        "Correct FROM or COPY --from in the Dockerfile: a stage before it, or host/repository:tag in lower case, "
        "with 2 characters or more in the repository.",
        by_files=True,
    ),
    said(
        "heredoc-unsupported",
        Reason.EXECUTOR_UNSUPPORTED,
        rf"{_FILES}resolved envs is empty",
        "The executor does not know COPY or ADD of text that stands in the Dockerfile (<<EOF):",
        "Put the text into a file of the source, or name an executor of osscontainertools in spec.executor.",
        by_files=True,
    ),
    said(
        "copy-target-no-folder",
        Reason.DOCKERFILE_INVALID,
        rf"{_FILES}when specifying multiple sources in a COPY command, destination must be a directory",
        "COPY or ADD of several files names no folder to put them in.",
        "Let the last argument of COPY or ADD end in a slash.",
        by_files=True,
    ),
    said(
        "user-unknown",
        Reason.DOCKERFILE_INVALID,
        rf"{INSTRUCTION}.*user (?P<user>\S+) is not a uid and does not exist on the system",
        "The image has no user {user}, whom USER or --chown names.",
        "Add the user {user} in a RUN step before it, or name a number.",
        by_files=True,
    ),
    said(
        "group-unknown",
        Reason.DOCKERFILE_INVALID,
        rf'{INSTRUCTION}getting user group from chown: .*parsing "(?P<group>[^"]*)"',
        "--chown names the group {group}, which the image does not have.",
        "Add the group {group} in a RUN step before it, or name a number below 4294967296.",
        by_files=True,
    ),
    said(
        "mode-invalid",
        Reason.DOCKERFILE_INVALID,
        rf'{INSTRUCTION}getting permissions from chmod: .*parsing "(?P<mode>[^"]*)"',
        "--chmod={mode} is no mode.",
        "Write --chmod in octal digits, such as --chmod=755; the executor knows no letters.",
        by_files=True,
    ),
    said(
        "signal-unknown",
        Reason.DOCKERFILE_INVALID,
        rf"{INSTRUCTION}invalid signal: (?P<signal>.*)",
        "STOPSIGNAL names no signal: {signal}",
        "Correct STOPSIGNAL in the Dockerfile, such as SIGTERM or 15.",
        by_files=True,
    ),
    said(
        "copy-target-is-file",
        Reason.DOCKERFILE_INVALID,
        rf"{_PLACING}(?P<path>\S+): not a directory",
        "Nothing can be put at {path}: a file stands where a folder is wanted.",
        "Correct the last argument of COPY or ADD, or remove the file in a RUN step before it.",
        by_files=True,
    ),
    said(
        "copy-target-mounted",
        Reason.DOCKERFILE_INVALID,
        rf"{_PLACING}(?P<path>\S+): (?P<why>device or resource busy|read-only file system)",
        "Nothing can be put at {path}, where the Pod has something mounted: {why}",
        "Copy it to another path than {path}; the Pod itself needs /etc/hosts, /etc/resolv.conf, /sys and /proc.",
        by_files=True,
    ),
)

FILES: Final[tuple[Cause, ...]] = (
    said(
        "source-file-missing",
        Reason.SOURCE_FILE_MISSING,
        rf"{_FILES}.*lstat /kaniko/ctx/(?P<path>.+): no such file or directory",
        "The source has no file {path}, which COPY or ADD names.",
        "Put {path} into the source, or correct COPY or ADD; paths are below spec.source.subPath, and .dockerignore "
        "counts.",
        by_files=True,
    ),
    said(
        "stage-file-missing",
        Reason.SOURCE_FILE_MISSING,
        rf"{_FILES}.*lstat /kaniko/(?P<path>.+): no such file or directory",
        "Neither a stage nor an image that COPY --from names has the file, nor does it lie in the source: {path}",
        "Correct the path in COPY: with --from it is one of that stage or image, without it no higher than the source.",
        by_files=True,
    ),
    said(
        "add-url-missing",
        Reason.SOURCE_FILE_MISSING,
        rf"{INSTRUCTION}downloading remote source file: invalid response status (?P<status>4[0-9]{{2}})",
        "The server answered {status} to the download that ADD names.",
        "Correct the address in ADD; for one that wants a login, fetch the file as spec.source, or in a RUN step.",
        by_files=True,
    ),
    said(
        "add-url-untrusted",
        Reason.CERTIFICATE_UNKNOWN,
        rf"{INSTRUCTION}downloading remote source file: .*(?:x509: |HTTP response to HTTPS client)",
        "The server that ADD downloads from has no certificate, or one that is not trusted:",
        "Put the certificate authority that signed it into a ConfigMap and name that in spec.registries.caBundle.",
    ),
    said(
        "add-url-unreachable",
        Reason.SOURCE_UNREACHABLE,
        rf"{INSTRUCTION}downloading remote source file: ",
        "The server that ADD downloads from cannot be reached, or failed:",
        "Check the address in ADD, DNS, and the network policies and proxies between.",
        by_files=True,
    ),
)

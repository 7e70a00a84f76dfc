"""Dockerfiles that cannot be built, or that copy what is not there."""

from tests.e2e.broken_builds import Broken, files, lines, only, staged

DOCKERFILES = (
    Broken(
        "dockerfile-missing",
        "dockerfile-missing",
        lines("RUN true", dockerfile="nowhere/Dockerfile"),
        r"no Dockerfile where spec\.dockerfile",
        r"^Correct spec\.dockerfile",
    ),
    Broken(
        "dockerfile-syntax",
        "dockerfile-syntax",
        lines("# a comment", "RUNN echo typo"),
        r"^Line 3 of the Dockerfile is wrong: unknown instruction: RUNN",
        r"^Correct line 3 of the Dockerfile\.$",
    ),
    Broken("dockerfile-empty", "dockerfile-empty", only("# nothing"), r"no instructions", r"^Write a FROM"),
    Broken(
        "dockerfile-without-from",
        "dockerfile-without-from",
        only("RUN true", "FROM scratch"),
        r"before its first FROM",
        r"^Begin the Dockerfile with FROM",
    ),
    Broken(
        "dockerfile-unreadable",
        "dockerfile-unreadable",
        lines("ENV NAME"),
        r"cannot be read: ENV must have two arguments",
        r"^Correct the instruction",
    ),
    Broken(
        "stage-unknown",
        "stage-unknown",
        lines("RUN true", target="nowhere"),
        r"no stage nowhere\.",
        r"^Correct spec\.target.*AS nowhere",
    ),
    Broken(
        "copy-from-unknown",
        "copy-from-unknown",
        lines("COPY --from=5 /a /b"),
        r"^COPY --from=5 names no stage",
        r"^Correct --from",
    ),
    Broken(
        "from-empty",
        "from-empty",
        only("ARG BASE", "FROM ${BASE}", "RUN true"),
        r"argument in FROM is empty",
        r"^Give the ARG a default .*spec\.buildArgs",
    ),
    Broken(
        "image-name-invalid",
        "image-name-invalid",
        only("FROM Registry.imb.test:15000/BusyBox", "RUN true"),
        r"^Registry\.imb\.test:15000/BusyBox is neither a stage",
        r"^Correct FROM",
    ),
    Broken(
        "heredoc-unsupported",
        "heredoc-unsupported",
        lines("COPY <<EOF /a", "hello", "EOF"),
        r"does not know COPY or ADD of text",
        r"^Put the text into a file",
    ),
)
INSTRUCTIONS = (
    Broken(
        "copy-target-no-folder",
        "copy-target-no-folder",
        lines("COPY a b /x", more=files(a="a", b="b")),
        r"several files names no folder",
        r"end in a slash",
    ),
    Broken(
        "user-unknown", "user-unknown", lines("USER nobodyhere", "RUN true"), r"no user nobodyhere", r"^Add the user"
    ),
    Broken(
        "chown-unknown",
        "user-unknown",
        lines("COPY --chown=nobodyhere Dockerfile /x"),
        r"no user nobodyhere, whom USER or --chown names",
        r"^Add the user nobodyhere",
    ),
    Broken(
        "group-unknown",
        "group-unknown",
        lines("COPY --chown=root:nogrouphere Dockerfile /x"),
        r"the group nogrouphere",
        r"^Add the group nogrouphere",
    ),
    Broken(
        "mode-invalid", "mode-invalid", lines("COPY --chmod=rwx Dockerfile /x"), r"--chmod=rwx is no", r"octal digits"
    ),
    Broken("signal-unknown", "signal-unknown", lines("STOPSIGNAL NOPE"), r"no signal: NOPE", r"^Correct STOPSIGNAL"),
    Broken(
        "copy-target-is-file",
        "copy-target-is-file",
        lines("COPY Dockerfile /etc/passwd/x"),
        r"put at /etc/passwd/x: a file stands",
        r"^Correct the last argument",
    ),
    Broken(
        "copy-target-mounted",
        "copy-target-mounted",
        staged("RUN ln -s /x /link", "COPY --from=a /link /etc/hosts"),
        r"/etc/hosts, where the Pod has something mounted: device or resource busy",
        r"^Copy it to another path than /etc/hosts",
    ),
    Broken(
        "copy-target-read-only",
        "copy-target-mounted",
        lines("COPY Dockerfile /sys/x"),
        r"/sys/x, where the Pod has something mounted: read-only",
        r"^Copy it to another path than /sys/x",
    ),
    Broken(
        "source-file-missing",
        "source-file-missing",
        lines("COPY missing.txt /"),
        r"no file missing\.txt",
        r"^Put missing\.txt into the source",
    ),
    Broken(
        "source-files-missing",
        "source-file-missing",
        lines("ADD missing.txt Dockerfile /x/"),
        r"no file missing\.txt",
        r"^Put missing\.txt into the source",
    ),
    Broken(
        "stage-file-missing",
        "stage-file-missing",
        staged("RUN true", "COPY --from=a /nothing /b"),
        r"has the file, nor .*: 0/nothing",
        r"^Correct the path in COPY",
    ),
    Broken(
        "copy-from-above",
        "stage-file-missing",
        lines("COPY ../etc/passwd /x"),
        r"nor does it lie in the source: etc/passwd",
        r"no higher than the source",
    ),
    Broken(
        "add-url-missing",
        "add-url-missing",
        lambda place: lines(f"ADD https://{place.faulty('x').partition('/')[0]}/nothing /x")(place),
        r"answered 404 to the download",
        r"^Correct the address in ADD",
    ),
    Broken(
        "add-url-untrusted",
        "add-url-untrusted",
        lines("ADD https://insecure.imb.test:15002/v2/ /x"),
        r"has no certificate, or one that is not trusted: .*HTTP response to HTTPS client",
        r"spec\.registries\.caBundle",
    ),
    Broken(
        "add-url-unreachable",
        "add-url-unreachable",
        lines("ADD http://registry.imb.test:1/x /x", retry={"limit": 0}),
        r"cannot be reached.*connection refused",
        r"^Check the address in ADD",
    ),
)

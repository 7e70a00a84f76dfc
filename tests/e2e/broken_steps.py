"""RUN steps that fail, and executors that do."""

from tests.e2e.broken_builds import Broken, files, lines, only, staged

STEPS = (
    Broken(
        "step-failed",
        "step-failed",
        lines("RUN echo what the step says && exit 7"),
        r"^A RUN step ended with exit code 7\.$",
        r"^Mend the step",
        exit_code=7,
    ),
    Broken(
        "step-disk-full",
        "step-failed",
        lines("RUN dd if=/dev/zero of=/dev/shm/x bs=1M count=70"),
        r"exit code 1\.$",
        r'Its output says "No space left on device": Raise spec\.resources\.requests\.ephemeral-storage',
    ),
    Broken(
        "step-talks-like-kaniko",
        "step-failed",
        lines(
            "RUN echo 'error building image: parsing dockerfile: dockerfile parse error on line 9: no' >&2; "
            "echo 'error pushing image: PUT https://r.example.com/v2/a/manifests/1: DENIED: quota' >&2; exit 3"
        ),
        r"^A RUN step ended with exit code 3\.$",
        r"^Mend the step",
        exit_code=3,
    ),
    Broken(
        "step-program-missing",
        "step-program-missing",
        lines("RUN no-such-program --help"),
        r"program that the image does not have",
        r"^Install the program",
        exit_code=127,
    ),
    Broken(
        "step-program-not-executable",
        "step-program-not-executable",
        lines("COPY tool /tool", "RUN /tool", more=files(tool="#!/bin/sh\n")),
        r"cannot be executed",
        r"^Make it executable",
        exit_code=126,
    ),
    Broken(
        "step-killed",
        "step-killed",
        lines("RUN kill -9 $$"),
        r"died of a signal \(killed\)\.$",
        r"^Find out what ended",
        exit_code=255,
    ),
    Broken(
        "shell-missing",
        "shell-missing",
        only("FROM scratch", "COPY Dockerfile /a", "RUN echo x"),
        r"lacks its shell or program: starting command: fork/exec /bin/sh",
        r"on scratch only COPY",
    ),
    Broken(
        "program-missing",
        "shell-missing",
        lines('RUN ["nowhere"]'),
        r'lacks its shell or program: .*"nowhere"',
        r"^Build on an image that has it",
    ),
    Broken(
        "program-not-executable",
        "program-not-executable",
        lines("COPY tool /tool", 'RUN ["/tool"]', more=files(tool="#!/bin/sh\n")),
        r"/tool, which is not executable",
        r"^Make /tool executable",
    ),
    Broken(
        "wrong-architecture",
        "wrong-architecture",
        lines("COPY --chmod=755 tool /tool", 'RUN ["/tool"]', more=files(tool="no program")),
        r"/tool: it is no program for this node",
        r"^Build on nodes of",
    ),
)
EXECUTORS = (
    Broken(
        "disk-full",
        "disk-full",
        staged("RUN dd if=/dev/zero of=/big bs=1M count=70", "COPY --from=a /big /dev/shm/big"),
        r"disk was full while the executor wrote to it: .*/dev/shm/big",
        r"^Raise spec\.resources\.requests\.ephemeral-storage",
    ),
    Broken(
        "flag-unknown",
        "flag-unknown",
        lines("RUN true", executor={"variant": "osscontainertools", "version": "v1.28.3"}),
        r"does not know the flag --credential-helpers",
        r"^Correct spec\.executor\.variant",
    ),
    Broken(
        "executor-crash",
        "executor-crash",
        only("ARG A=1"),
        r"crashed over an error of its own: runtime error",
        r"^Name another version of the executor",
        exit_code=2,
    ),
)

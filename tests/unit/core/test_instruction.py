"""The instruction that was at work, and its line: as told by logs, or left open."""

import pytest

from imagebuild_operator.core.instruction import NOWHERE, Place, place
from imagebuild_operator.pod.dockerfile import instructions
from imagebuild_operator.pod.outline import Mark, decode, encode, marks_of

STAGE = "error building image: error building stage: "
EXITED = f"{STAGE}failed to execute command: waiting for process to exit: exit status 7"
NO_FILE = (
    "failed to get files used from context: failed to get fileinfo for /kaniko/ctx/x: lstat /kaniko/ctx/x: no such file"
)
NO_IMAGE = "error building image: unable to complete operation after 1 attempts, last error: GET r/v2: NOT_FOUND"


def log(*said: str) -> str:
    """Messages in the executor's format, then its last words, which are the ones that start with `error `."""
    return "".join(line(text) + "\n" for text in said)


def line(text: str) -> str:
    if text.startswith(("error ", "Error", "raw ")):
        return text.removeprefix("raw ")
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'time="2026-01-01T00:00:00Z" level=info msg="{quoted}"'


def stage(base: str, index: int = 0) -> str:
    return f"Building stage '{base}' [idx: '{index}', base-idx: '-1']"


def marks(dockerfile: str) -> tuple[Mark, ...]:
    return marks_of(instructions(dockerfile))


def both(dockerfile: str, *said: str) -> list[tuple[str, int | None]]:
    """What is found with the Dockerfile at hand, and with no more than its outline."""
    outline = decode(encode(marks(dockerfile)))
    found = (place(log(*said), 7, marks(dockerfile), dockerfile), place(log(*said), 7, outline))
    return [(each.instruction, each.line) for each in found]


SIMPLE = "FROM a\nRUN one\n\nRUN two  && \\\n    three\nCOPY x /\n"


def test_the_last_instruction_of_the_log_failed() -> None:
    told = both(SIMPLE, stage("a"), "RUN one", "Cmd: /bin/sh", "RUN two  &&     three", "Running: [x]", EXITED)
    assert told == [("RUN two  &&     three", 4)] * 2


@pytest.mark.parametrize("what", ["execute command: no such user", "take snapshot: x", "save snapshot to image: x"])
def test_whatever_the_executor_was_doing_about_it(what: str) -> None:
    assert both(SIMPLE, stage("a"), "RUN one", f"{STAGE}failed to {what}") == [("RUN one", 2)] * 2


@pytest.mark.parametrize(
    "printed",
    [
        ["RUN two  &&     three"],
        ["COPY x /"],
        [stage("a", 1), "RUN two  &&     three"],
        [stage("b", 1)],
        ["Executing 1 build triggers", stage("a", 1), "RUN two  &&     three"],
    ],
)
@pytest.mark.parametrize("words", [EXITED, EXITED.replace("waiting for process to exit", "starting command")])
def test_a_step_that_fails_is_the_one_whose_command_was_started_whatever_it_printed(
    printed: list[str], words: str
) -> None:
    assert both(SIMPLE, stage("a"), "RUN one", "Running: [/bin/sh -c one]", *printed, words) == [("RUN one", 2)] * 2


@pytest.mark.parametrize("before", [1, 20])
def test_what_a_step_prints_may_be_logged_before_the_message_that_it_was_started(before: int) -> None:
    printed = ["RUN two  &&     three"] * (before - 1)
    steps = (
        "RUN  --network=none   echo one   &&  exit 3",
        *printed,
        "Running: [/bin/sh -c echo one &&  exit 3]",
        EXITED,
    )
    source = "FROM a\nRUN --network=none echo one && exit 3\nRUN two && three\n"
    assert [line for _, line in both(source, stage("a"), *steps)] == [2, 2]


def test_a_command_that_no_instruction_has_is_that_of_the_latest() -> None:
    steps = ("RUN all", 'RUN ["make", "all"]', "Running: [make all]", EXITED)
    assert both('FROM a\nRUN all\nRUN ["make", "all"]\n', stage("a"), *steps) == [('RUN ["make", "all"]', 3)] * 2


def test_what_is_logged_after_a_command_counts_where_no_command_failed() -> None:
    failed = f"{STAGE}failed to execute command: mkdir /x: read-only file system"
    assert both(SIMPLE, stage("a"), "RUN one", "Running: [/bin/sh -c one]", "COPY x /", failed) == [("COPY x /", 6)] * 2


def test_without_a_dockerfile_the_log_alone_names_it() -> None:
    assert place(log(stage("a"), "RUN one", EXITED), 7, ()) == Place("RUN one")


def test_nothing_in_the_log_names_nothing() -> None:
    assert both(SIMPLE, EXITED) == [("", None)] * 2
    assert both(SIMPLE, "raw Killed") == [("", None)] * 2


@pytest.mark.parametrize(
    "words",
    [
        "error pushing image: failed to push",
        "error checking push permissions -- make sure",
        "error building image: something else",
        f"{STAGE}failed to optimize instructions: something else",
    ],
)
def test_another_failure_is_no_instructions(words: str) -> None:
    assert both(SIMPLE, stage("a"), "RUN one", words)[0] == ("", None)


def test_layers_go_to_the_cache_while_an_instruction_is_at_work() -> None:
    pushes = ("Pushing layer r/cache:1 to cache now", "Pushing image to r/cache:1", "Pushed r/cache@sha256:0")
    assert both(SIMPLE, stage("a"), "RUN one", *pushes, EXITED) == [("RUN one", 2)] * 2
    assert both(SIMPLE, stage("a"), "RUN one", *pushes, "raw Killed") == [("RUN one", 2)] * 2
    assert both(SIMPLE, stage("a"), "RUN one", *pushes, "Pushing image to r/x", "raw Killed") == [("", None)] * 2


@pytest.mark.parametrize("later", ["Pushing image to r/x", "Saving file x for later use", "Deleting filesystem..."])
def test_killed_in_the_middle_of_an_instruction_and_not_after_it(later: str) -> None:
    assert both(SIMPLE, stage("a"), "RUN one", "Running: [x]", "raw Killed") == [("RUN one", 2)] * 2
    assert both(SIMPLE, stage("a"), "RUN one", later, "raw Killed") == [("", None)] * 2


TWICE = "FROM a AS x\nRUN make\nRUN ls\nFROM a\nENV b=c\nRUN ls\nRUN ls\n"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (("RUN make", "RUN ls"), 3),
        (("ENV b=c", "RUN ls"), 6),
        (("ENV b=c", "RUN ls", "RUN ls"), 7),
        (("RUN ls",), None),
        (("RUN make", "ENV b=c", "RUN ls"), None),
    ],
)
def test_the_same_instruction_several_times(said: tuple[str, ...], found: int | None) -> None:
    assert both(TWICE, stage("a"), *said, EXITED) == [("RUN ls", found)] * 2


def test_where_the_logs_beginning_is_lost_it_is_left_open() -> None:
    assert both(TWICE, "ENV b=c", "RUN ls", EXITED) == [("RUN ls", None)] * 2


def test_stages_that_only_their_base_tells_apart() -> None:
    dockerfile = "FROM a\nRUN ls\nFROM b\nRUN ls\nFROM ${V}\nRUN ls\n"
    plain = dockerfile.partition("FROM $")[0]
    assert both(plain, stage("b", 1), "RUN ls", EXITED) == [("RUN ls", 4)] * 2
    assert both(plain, stage("c", 1), "RUN ls", EXITED) == [("RUN ls", None)] * 2
    assert both(dockerfile, stage("c", 2), "RUN ls", EXITED) == [("RUN ls", 6)] * 2
    assert both(dockerfile, stage("b", 1), "RUN ls", EXITED) == [("RUN ls", None)] * 2, "$V may be b"


def test_what_a_step_prints_is_no_instruction_of_the_dockerfile() -> None:
    said = (stage("a"), "RUN one", "RUN never", "raw RUN two", EXITED)
    assert both(SIMPLE, *said) == [("RUN one", 2)] * 2


def test_instructions_that_the_base_image_brings() -> None:
    trigger = ("Executing 1 build triggers", stage("a"), "RUN one")
    assert both(SIMPLE, *trigger, EXITED) == [("RUN one", None)] * 2, "it is the trigger, not the line that is the same"
    assert both(SIMPLE, *trigger, "RUN one", EXITED) == [("RUN one", 2)] * 2
    assert both("FROM a\nRUN b\n", *trigger, EXITED) == [("RUN one", None)] * 2
    assert both("FROM a\nRUN b\n", *trigger, stage("a", 1), "RUN b", EXITED) == [("RUN b", 2)] * 2


COPIES = "FROM a AS x\nRUN one\nMAINTAINER me\nCOPY x /\nFROM b\nADD y /\nRUN one\nRUN two\n"


def test_a_missing_file_is_told_before_its_instruction_is_logged() -> None:
    missing = f"{STAGE}{NO_FILE}"
    assert both(COPIES, stage("a"), "RUN one", missing) == [("COPY x /", 4), ("", 4)]
    assert both(COPIES, stage("b"), "Unpacking rootfs as cmd ADD y / requires it.", missing) == [("ADD y /", 6)] * 2
    assert both(COPIES, stage("b"), "ADD y /", "RUN one", missing) == [("", None)] * 2
    assert both(COPIES, stage("b"), "ADD y /", "RUN one", "RUN two", missing) == [("", None)] * 2, "nothing comes next"
    assert both(COPIES, missing) == [("", None)] * 2
    same = "FROM a\nCOPY x /\nFROM a\nCOPY y /\n"
    assert both(same, stage("a", 1), missing) == [("COPY x /", 2), ("", None)], "only the text tells which wants x"


@pytest.mark.parametrize(
    ("dockerfile", "found"),
    [
        ("FROM a\nRUN one\nCOPY x /\nRUN two", [("COPY x /", 3), ("", 3)]),
        ("FROM a\nCOPY y /\nADD z ./x /\n", [("ADD z ./x /", 3), ("", None)]),
        ('FROM a\nCOPY y /\nCOPY ["/x", "/"]\n', [('COPY ["/x", "/"]', 3), ("", None)]),
        ("FROM a\nCOPY $y /\nCOPY x /\n", [("", None)] * 2),
        ("FROM a\nCOPY y /\n", [("", None), ("", 2)]),
        ("FROM a\nCOPY x /\nCOPY x /b\n", [("", None)] * 2),
        ("FROM b\nCOPY x /\n", [("", None)] * 2),
        ("FROM b\nCOPY x /\nFROM a\nCOPY --from=0 x /\nCOPY x /\n", [("COPY x /", 5), ("", 5)]),
    ],
)
def test_with_a_cache_files_are_looked_for_before_anything_is_logged(
    dockerfile: str, found: list[tuple[str, int | None]]
) -> None:
    no_file = f"{STAGE}failed to optimize instructions: {NO_FILE}"
    relative = no_file.replace("fileinfo for /kaniko/ctx/x", "relative files")
    assert relative != no_file
    for words in (no_file, relative):
        assert both(dockerfile, stage("a"), "No cached layer found for cmd RUN one", words) == found


@pytest.mark.parametrize(
    ("dockerfile", "found"),
    [
        ("FROM a\nFROM r/none:1 AS x\nFROM r/none:1", [("FROM r/none:1 AS x", 2), ("FROM r/none:1", 2)]),
        ("ARG V\nFROM a\nFROM r/none:${V}", [("FROM r/none:${V}", 3), ("", 3)]),
        ("ARG V\nFROM $W\nFROM r/none:${V}", [("", None)] * 2),
        ("FROM a\nCOPY --from=r/none:1 a b", [("COPY --from=r/none:1 a b", 2), ("", None)]),
        ("FROM $V\nCOPY --from=other a b", [("", None)] * 2),
        ("FROM a", [("", None)] * 2),
    ],
)
def test_a_base_image_that_is_not_there(dockerfile: str, found: list[tuple[str, int | None]]) -> None:
    said = ("Retrieving image manifest a", "Retrieving image manifest r/none:1", "Retrieving image r/none:1", NO_IMAGE)
    assert both(dockerfile, *said) == found


def test_a_base_image_that_breaks_off_while_it_is_unpacked() -> None:
    words = f"{STAGE}failed to get filesystem from image: unexpected EOF"
    assert both(SIMPLE, stage("a"), "Unpacking rootfs as cmd RUN one requires it.", words) == [("FROM a", 1)] * 2


def test_the_parsers_own_line_counts_unless_a_step_printed_it() -> None:
    words = "error building image: parsing dockerfile: dockerfile parse error on line 4: unknown instruction: RUNN"
    assert both(SIMPLE, words) == [("RUN two  && \\", 4), ("", 4)]
    assert both("FROM a", words) == [("", 4)] * 2
    assert both(SIMPLE, stage("a"), "RUN one", words) == [("", None)] * 2


@pytest.mark.parametrize("text", ["", "x" * 1_000_000, "\ufffd" * 5000, '{"' * 9999, 'time="' * 9999, EXITED])
def test_a_log_of_anything(text: str) -> None:
    assert place(text, 1, marks(SIMPLE), SIMPLE) == NOWHERE

"""The executor's own last words in its log."""


def without_usage(log: str) -> str:
    """The log up to the flag usage that the executor prints after `Error: ...`, 85 lines and nothing after them.

    cobra prints it (no SilenceUsage), for the command `executor` (kaniko, cmd/executor/cmd/root.go). The output of
    RUN steps may well hold other programs' errors and usage.
    """
    return log.partition("\nUsage:\n  executor ")[0]


def error_line(log: str) -> str:
    """The line of the executor's log that says what went wrong, or an empty string.

    The executor ends with one plain line that starts with `error ` (build and push) or `Error: ` (options and
    context), whatever its log format; the last one counts.
    """
    lines = [line.strip() for line in without_usage(log).splitlines()]
    said = [line for line in lines if line.startswith(("error ", "Error: ", "fatal: "))]
    return said[-1] if said else next((line for line in reversed(lines) if line), "")

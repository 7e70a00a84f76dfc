"""`python3 -m imagebuild_operator`: read the settings, set up the log, serve."""

import signal
import sys
from types import FrameType
from typing import Final

EXIT_SETTINGS: Final = 2


def main() -> int:
    """The process's exit code: 2 when a setting is missing or wrong, said on stderr."""
    # Before the imports, which take seconds: the kernel drops a signal for process 1 that it has no handler for.
    signal.signal(signal.SIGTERM, _stopped)

    import asyncio
    import os

    from imagebuild_operator.app import serve
    from imagebuild_operator.config import SettingsError, load_settings
    from imagebuild_operator.shell.logs import configure_logging

    try:
        settings = load_settings(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"imagebuild-operator cannot start:\n{error}\n")
        return EXIT_SETTINGS
    configure_logging(log_format=settings.log_format, level=settings.log_level)
    return asyncio.run(serve(settings))


def _stopped(_number: int, _frame: FrameType | None) -> None:
    """Until the operator runs, and takes the signal over, there is nothing to finish."""
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())

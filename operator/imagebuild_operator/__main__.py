"""`python3 -m imagebuild_operator`: read the settings, set up the log, serve."""

import asyncio
import os
import sys
from typing import Final

from imagebuild_operator.app import serve
from imagebuild_operator.config import SettingsError, load_settings
from imagebuild_operator.shell.logs import configure_logging

EXIT_SETTINGS: Final = 2


def main() -> int:
    """The process's exit code: 2 when a setting is missing or wrong, said on stderr."""
    try:
        settings = load_settings(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"imagebuild-operator cannot start:\n{error}\n")
        return EXIT_SETTINGS
    configure_logging(log_format=settings.log_format, level=settings.log_level)
    return asyncio.run(serve(settings))


if __name__ == "__main__":
    sys.exit(main())

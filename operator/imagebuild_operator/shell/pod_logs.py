"""What is taken from the log of a container: its end, or the time of its last line."""

from datetime import datetime
from typing import Final

import aiohttp

from imagebuild_operator.core.times import parse_time

LOG_BYTES: Final = 1024 * 1024
# The kubelet answers 200 and one such line for a log that went with its container, or whose file did (kubernetes,
# pkg/kubelet/kuberuntime/kuberuntime_container.go, GetContainerLogs; cri-client, pkg/logs/logs.go, ReadLogs).
LOG_IS_GONE: Final = (
    "unable to retrieve container logs for ",
    'failed to try resolving symlinks in path "',
    'failed to open log file "',
)
# A time with nanoseconds and a zone takes 35.
TIME_BYTES: Final = 64


async def end_of_log(response: aiohttp.ClientResponse) -> str:
    """The last MiB in whole lines; empty when the kubelet has no log any more."""
    end = bytearray()
    cut = False
    async for chunk in response.content.iter_any():
        end += chunk
        if len(end) > 2 * LOG_BYTES:
            cut = True
            del end[:-LOG_BYTES]
    if cut or len(end) > LOG_BYTES:
        end = end[-LOG_BYTES:]
        # Half a line at the beginning would be misread as a whole one; but a line of its own is all there is.
        end = end.partition(b"\n")[2] or end
    log = end.decode(errors="replace")
    return "" if log.startswith(LOG_IS_GONE) and "\n" not in log.strip() else log


async def first_time(response: aiohttp.ClientResponse) -> datetime | None:
    """The time before the first line of a log that was asked for with timestamps; the rest is not read."""
    start = b""
    while b" " not in start and len(start) < TIME_BYTES and (chunk := await response.content.read(TIME_BYTES)):
        start += chunk
    return parse_time(start.partition(b" ")[0].decode(errors="replace"))

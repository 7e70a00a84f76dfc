"""The operator's process before anything of it runs."""

import os
import signal
import subprocess
import sys
import textwrap

# Runs the operator as `python3 -m` does, and stops for ever where the imports that take time begin.
SLOW_START = textwrap.dedent(
    """
    import builtins, runpy, time

    load = builtins.__import__

    def slowly(name, *arguments, **named):
        if name == "imagebuild_operator.app":
            print("importing", flush=True)
            time.sleep(60)
        return load(name, *arguments, **named)

    builtins.__import__ = slowly
    runpy.run_module("imagebuild_operator", run_name="__main__")
    """
)


def test_sigterm_counts_before_the_imports_are_done() -> None:
    """As process 1 of a container it would otherwise be dropped, and the kubelet would kill the operator 30 s later."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SLOW_START]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "importing\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0
        finally:
            process.kill()

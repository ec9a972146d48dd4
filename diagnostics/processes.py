"""Keeps a few child processes running: their lines on one screen, restarted when they die, stopped together.

One thread does it all: it waits on the children's pipes (end of file: somebody may have died), on signals, and on the clock.
"""

import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import IO, Self

AT_ONCE_SECONDS = 10.0  # who dies earlier than that did not really start
AT_ONCE_TIMES = 4  # as often in a row: stop everything instead of trying for ever
LONGEST_PAUSE = 30.0
GRACE_SECONDS = 10.0
TICK = 0.5

Say = Callable[[str], None]


class GaveUp(Exception):
    """{name} stops again and again"""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} stops again and again, its last lines are above")


@dataclass
class Child:
    """One process that should run. `stage`: at the end the highest stage is stopped first."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stage: int = 1
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0  # when to start it (again)
    early_deaths: int = 0
    unfinished: bytes = b""  # a line whose end has not come yet

    def start(self) -> IO[bytes]:
        """Starts it in a process group of its own, so that Ctrl-C reaches the supervisor alone, and returns its output."""
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(os.getpid()), *self.command],  # through `become`, below
            env={**os.environ, **self.environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        assert self.process.stdout is not None  # noqa: S101 (a pipe was asked for; tells mypy)
        return self.process.stdout

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self.runs and self.process:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)

    def kill(self) -> None:
        """The whole process group, so that nobody's children stay behind."""
        if self.process:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Supervisor:
    """A context: entering starts the children, leaving stops them, whatever happened in between."""

    def __init__(self, children: Sequence[Child], *, say: Say) -> None:
        self.children = children
        self.say = say
        self.wanted = True  # False once a signal asked to stop
        self._hurry = False  # a second signal: no more waiting
        self._selector = selectors.DefaultSelector()
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup: the portal outlives its terminal
                self._previous[number] = signal.signal(number, self._asked_to_stop)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.stop()
        finally:
            for number, handler in self._previous.items():
                signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave, it takes
            self._selector.close()

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._hurry = not self.wanted
        self.wanted = False

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Keeps the children running until a signal comes or `until` (asked twice a second) is true. Raises GaveUp."""
        while self.wanted and not until():
            for child in self.children:
                self._look_after(child)
            self._relay_output(TICK)

    def stop(self) -> None:
        """Gracefully, stage by stage, then hard after ten seconds or at a second signal."""
        deadline = time.monotonic() + GRACE_SECONDS
        for stage in sorted({child.stage for child in self.children}, reverse=True):
            stopping = [child for child in self.children if child.stage == stage]
            for child in stopping:
                child.signal(signal.SIGTERM)
            while any(child.runs for child in stopping) and time.monotonic() < deadline and not self._hurry:
                self._relay_output(0.1)
        self._relay_output(0)
        for child in self.children:
            if child.runs:
                self.say(f"{child.name} did not stop by itself and was ended")
            child.kill()

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        if child.runs:
            return
        if child.process is not None:
            self._note_death(child, now)
        if now >= child.due:
            output = child.start()
            self._selector.register(output, selectors.EVENT_READ, child)

    def _note_death(self, child: Child, now: float) -> None:
        """Says so and sets when to start it again: after 1, 2, 4, ... seconds while it keeps dying at once."""
        code = child.process.returncode if child.process else 0
        child.kill()  # what it may have left behind in its group
        child.process = None
        child.early_deaths = child.early_deaths + 1 if now - child.started < AT_ONCE_SECONDS else 0
        if child.early_deaths >= AT_ONCE_TIMES:
            raise GaveUp(child.name)
        pause = min(2.0 ** max(child.early_deaths - 1, 0), LONGEST_PAUSE)
        child.due = now + pause
        how = f"ended with status {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
        self.say(f"{child.name} {how}; starting it again in {pause:.0f} s")

    def _relay_output(self, timeout: float) -> None:
        if not self._selector.get_map():
            time.sleep(timeout)
        for key, _events in self._selector.select(timeout):
            child: Child = key.data
            data = os.read(key.fd, 65536)
            if not data:
                self._selector.unregister(key.fileobj)
            *lines, child.unfinished = (child.unfinished + data).split(b"\n")
            for line in lines:
                self.say(f"{child.name:<6} | {line.decode(errors='replace').rstrip()}")


def become(command: Sequence[str], supervisor: int) -> None:
    """Turns this process into the command, which is told to stop when the supervisor dies, however that happens (Linux)."""
    if sys.platform == "linux":
        death_signal = 1  # PR_SET_PDEATHSIG, kept over exec
        ctypes.CDLL(None).prctl(death_signal, signal.SIGTERM)
    if os.getppid() != supervisor:  # it died before we asked
        sys.exit(1)
    os.execv(command[0], list(command))  # noqa: S606 (the portal's own command line)


if __name__ == "__main__":
    become(sys.argv[2:], int(sys.argv[1]))

"""Whose leases end at once because the worker is surely dead, and whose must be waited for."""

import subprocess
import sys

from mailjobs import workers

NEW_NAME = "from mailjobs import workers; print(workers.new_name('deliver'))"


def name_of_another_process() -> str:
    return subprocess.run([sys.executable, "-c", NEW_NAME], capture_output=True, text=True, check=True).stdout.strip()


def test_a_process_that_has_ended_here_is_dead() -> None:
    mine, other = workers.new_name("a:name"), name_of_another_process()
    assert workers.dead([mine, other]) == [other]
    assert len(set(mine.split(":"))) == 4


def test_of_workers_elsewhere_nothing_is_known() -> None:
    label, process, place, unique = name_of_another_process().split(":")
    elsewhere = ":".join((label, process, "0" * len(place), unique))
    assert workers.dead([elsewhere, f"{label}:{process}", "", ":::", f"{label}:{10**30}:{place}:{unique}"]) == []

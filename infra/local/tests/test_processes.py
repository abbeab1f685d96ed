"""No child outlives its owner, whatever the child or the owner does."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from local.processes import Failed, Processes, plain_env

STUBBORN = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
# Leaves its group, as a daemon would; the parent prints the escaped child's id.
ESCAPING = (
    "import subprocess,sys,time;"
    "print(subprocess.Popen([sys.executable,'-c','import time; time.sleep(60)'],start_new_session=True).pid,flush=True);"
    "time.sleep(60)"
)


def running(process: int) -> bool:
    """Whether it exists and is not merely waiting to be reaped."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


def soon(condition, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Children(unittest.TestCase):
    def setUp(self):
        self.logs = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def started(self, code: str) -> tuple[Processes, int]:
        processes = Processes(self.logs)
        self.addCleanup(processes.close)
        child = processes.start("child", [sys.executable, "-c", code], plain_env())
        processes.wait_until("child", lambda: processes.tail("child"), "the child's first line")
        return processes, child.pid

    def test_end_with_their_owner(self):
        processes, child = self.started("import time; print('up', flush=True); time.sleep(60)")
        processes.close()
        self.assertFalse(running(child))

    def test_end_even_when_they_refuse_to(self):
        processes, child = self.started(STUBBORN)
        processes.close()
        self.assertFalse(running(child))

    @unittest.skipUnless(Path("/proc/self/environ").exists(), "the marker is read from /proc")
    def test_end_even_when_they_left_their_group(self):
        processes, _ = self.started(ESCAPING)
        escaped = int(processes.tail("child"))
        self.assertTrue(running(escaped))
        processes.close()
        self.assertTrue(soon(lambda: not running(escaped)))

    def test_end_when_the_owner_is_killed(self):
        code = (
            "import sys,time; from pathlib import Path; from local.processes import Processes, plain_env;"
            f"p = Processes(Path({str(self.logs)!r}));"
            "print(p.start('child', [sys.executable, '-c', 'import time; time.sleep(60)'], plain_env()).pid, flush=True);"
            "time.sleep(60)"
        )
        infra = str(Path(__file__).resolve().parents[2])
        owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": infra})
        child = int(owner.stdout.readline())
        self.assertTrue(running(child))
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        owner.stdout.close()
        self.assertTrue(soon(lambda: not running(child)))

    def test_that_end_early_are_reported_with_their_last_words(self):
        processes = Processes(self.logs)
        self.addCleanup(processes.close)
        processes.start("child", [sys.executable, "-c", "raise SystemExit('no such table')"], plain_env())
        with self.assertRaisesRegex(Failed, "child ended with code 1:\nno such table"):
            processes.wait_until("child", lambda: None, "nothing")

#!/usr/bin/env python3
"""Runs the end-to-end tests against a gosbridge binary.

    run.py BINARY [test file without .py ...] [-k NAME] [-j JOBS] [--screenshots DIR]

Each test file is a process of its own, some at a time. Each test has a time
limit; when it is over the stacks of all threads are printed and the file fails.
"""

import argparse
import concurrent.futures
import contextlib
import faulthandler
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 240  # seconds for one test, with the start of its gateway


class Result(unittest.TextTestResult):
    """Says how long each test took, and bounds it."""

    def startTest(self, test):
        self.began = time.monotonic()
        signal.alarm(LIMIT)
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        self.stream.writeln("    %.1f s" % (time.monotonic() - self.began))
        self.stream.flush()
        signal.alarm(LIMIT)

    def getDescription(self, test):
        return "%s: %s" % (type(test).__module__.removeprefix("test_"), test.shortDescription() or str(test))


def too_long(*_):
    faulthandler.dump_traceback(all_threads=True)
    raise SystemExit("a test took more than %d s" % LIMIT)


def ended(*_):
    raise SystemExit("ended by a signal")


def run_file(name, patterns):
    """Runs one test file in this process."""
    sys.path.insert(0, str(HERE))
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LIMIT)
    faulthandler.enable()
    loader = unittest.TestLoader()
    if patterns:
        loader.testNamePatterns = ["*%s*" % p for p in patterns]
    suite = loader.loadTestsFromName(name)
    if suite.countTestCases() == 0:
        return 0
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Result).run(suite)
    return 0 if result.wasSuccessful() else 1


class Files:
    """Runs test files in processes of their own."""

    def __init__(self, args):
        self.args = args
        self.running = set()
        self.lock = threading.Lock()

    def run(self, name):
        command = [sys.executable, __file__, str(self.args.binary), "--inner", name]
        for pattern in self.args.k or ():
            command += ["-k", pattern]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        with self.lock:
            self.running.add(process)
        said, _ = process.communicate()
        with self.lock:
            self.running.discard(process)
            print("--- %s\n%s" % (name, said.strip()), flush=True)
        return name, process.returncode

    def end(self):
        for process in list(self.running):
            process.terminate()

    def run_all(self, names):
        with concurrent.futures.ThreadPoolExecutor(self.args.j) as pool:
            tests = [pool.submit(self.run, name) for name in names]
            try:
                return [name for name, status in (t.result() for t in tests) if status != 0]
            except BaseException:
                for t in tests:
                    t.cancel()
                self.end()
                raise


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("files", nargs="*", help="test files, all when none is named")
    parser.add_argument("-k", action="append", default=None, metavar="NAME", help="only tests whose name contains it")
    parser.add_argument("-j", type=int, default=2, metavar="JOBS", help="how many files at once, 2 when not given")
    parser.add_argument("--all-programs", action="store_true",
                        help="a mail program that is not installed is a failure; else its tests are skipped")
    parser.add_argument("--screenshots", type=pathlib.Path, metavar="DIR", help="where tests with a screen keep pictures of it")
    parser.add_argument("--inner", metavar="FILE", help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.binary = args.binary.resolve(strict=True)
    os.environ["GOSBRIDGE"] = str(args.binary)
    if args.screenshots:
        os.environ["SCREENSHOTS"] = str(args.screenshots.resolve(strict=True))
    signal.signal(signal.SIGTERM, ended)
    if args.inner:
        return run_file(args.inner, args.k)
    if args.all_programs:
        os.environ["GOSBRIDGE_PROGRAMS"] = "required"
    with contextlib.ExitStack() as folders:
        temp = folders.enter_context(folder("/tmp"))  # short, because unix sockets are below it
        os.environ["TMPDIR"] = temp
        memory = folders.enter_context(folder("/dev/shm")) if os.access("/dev/shm", os.W_OK) else temp
        os.environ["GOSBRIDGE_MEMORY"] = memory
        os.chmod(memory, 0o711)  # one program runs as another user in its home below
        return run_files(args)


@contextlib.contextmanager
def folder(place):
    """A temporary folder."""
    path = tempfile.mkdtemp(prefix="gb", dir=place)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def run_files(args):
    """Runs the test files that were asked for."""
    # The longest first, so that the others run beside it.
    names = [n.removesuffix(".py") for n in args.files] or sorted(
        (p.stem for p in HERE.glob("test_*.py")), key=lambda n: (n not in ("test_crash", "test_thunderbird"), n))
    began = time.monotonic()
    failed = Files(args).run_all(names)
    print("\n%d files of end-to-end tests in %.0f s: %s" % (
        len(names), time.monotonic() - began, "failed: " + ", ".join(failed) if failed else "all passed"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

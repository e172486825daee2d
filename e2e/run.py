#!/usr/bin/env python3
"""Runs the end-to-end tests against a gosbridge binary.

    run.py BINARY [test file without .py ...] [-k NAME]

Each test has a time limit; when it is over the stacks of all threads are
printed and everything ends with status 1, the gateways too.
"""

import argparse
import faulthandler
import os
import pathlib
import signal
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 240  # seconds for one test with the start of its gateway


class Result(unittest.TextTestResult):
    """Says how long each test took, and bounds it."""

    def startTest(self, test):
        self.began = time.monotonic()
        faulthandler.cancel_dump_traceback_later()
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("files", nargs="*", help="test files, all when none is named")
    parser.add_argument("-k", action="append", default=None, metavar="NAME", help="only tests whose name contains it")
    args = parser.parse_args()
    os.environ["GOSBRIDGE"] = str(args.binary.resolve(strict=True))
    sys.path.insert(0, str(HERE))
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGTERM, ended)

    loader = unittest.TestLoader()
    if args.k:
        loader.testNamePatterns = ["*%s*" % k for k in args.k]
    names = args.files or sorted(p.stem for p in HERE.glob("test_*.py"))
    suite = loader.loadTestsFromNames([n.removesuffix(".py") for n in names])
    if suite.countTestCases() == 0:
        raise SystemExit("no test found")
    runner = unittest.TextTestRunner(verbosity=2, resultclass=Result, failfast=False)
    result = runner.run(suite)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.load import Wanted
from benchmarks.proxy import Proxy, Reader
from benchmarks.table import Row, show

ROOT = Path(__file__).parents[2]


def test_a_run_makes_two_round_trips_and_the_list_of_agents_none():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "trips"],
        cwd=ROOT,
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" ok ") == 3
    assert re.findall(r"│ (\d\.\d\d) ", done.stdout) == ["2.00", "2.00", "0.00"]


@pytest.mark.parametrize("given", [["speed"], ["--rounds", "0"], ["--seconds", "0"]])
def test_what_cannot_be_measured_is_refused(given, capsys):
    with pytest.raises(SystemExit):
        main(given)
    assert "unknown: speed" in (message := capsys.readouterr().err) or "more than 0" in message


@pytest.mark.parametrize(
    ("sign", "measured", "kept"),
    [
        ("≥", [0.4, 0.5, 0.9], True),
        ("≥", [0.4, 0.49, 0.9], False),
        ("≤", [0.1, 0.5, 0.9], True),
        ("≤", [0.1, 0.51, 0.9], False),
    ],
)
def test_the_median_keeps_or_misses_a_promise(sign, measured, kept, capsys):
    row = Row("it", sign, 0.5, measured)
    assert row.is_kept is kept
    assert show([Row("other", "≤", 1, [1]), row]) is kept
    assert ("MISSED" in capsys.readouterr().out) is not kept


@pytest.mark.parametrize(
    ("head", "body"), [(b"HTTP/1.1 500 No", b"ab ab"), (b"HTTP/1.1 200 OK", b"ab"), (b"HTTP/1.1 200 OK", b"")]
)
def test_a_wrong_answer_is_no_answer(head, body):
    with pytest.raises(RuntimeError):
        Wanted(b"", b"ab", 2).check(head, body)


def test_a_right_answer_is_one():
    Wanted(b"", b"ab", 2).check(b"HTTP/1.1 200 OK", b"ab ab")


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_is_executed_counts_and_what_is_prepared_does_not(size):
    sent = [
        message(b"", struct.pack("!i", 80877103)),
        message(b"", struct.pack("!i", 3 << 16) + b"user\0ai\0\0"),
        message(b"Q", b"BEGIN\0"),
        message(b"P", b"one\0SELECT 1\0\0\0") + message(b"S", b""),
        message(b"B", b"\0one\0") + message(b"E", b"\0\0\0\0\0") + message(b"S", b""),
        message(b"P", b"\0SELECT 2\0\0\0") + message(b"B", b"\0\0") + message(b"S", b""),
        message(b"X", b""),
    ]
    with Proxy(0) as proxy:
        reader, data = Reader(proxy), b"".join(sent)
        for start in range(0, len(data), size):
            reader.feed(data[start : start + size])
        assert proxy.take() == ["BEGIN", "SELECT 1", "SELECT 2"]
        assert proxy.take() == []

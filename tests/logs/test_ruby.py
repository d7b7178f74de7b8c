"""Ruby's regular expressions, which Logstash and Fluentd have, find what our tests' own find."""

import json
import shutil
import subprocess

import pytest

from tests.logs.conftest import HOSTILE
from tests.logs.test_configurations import FLUENTD
from tests.logs.test_pipelines import LOGSTASH, SHIPPED, cri, docker
from tests.support.fluentd import Element
from tests.support.grok import LIBRARIES, compiled, spelled
from tests.support.logstash import patterns

pytestmark = pytest.mark.integration

PROGRAM = """
require "json"
asked = JSON.parse($stdin.read)
puts JSON.generate(asked.map { |pattern, lines|
  expression = Regexp.new(pattern)
  lines.map { |line| (found = expression.match(line)) && found.named_captures }
})
"""


def lines() -> list[str]:
    heads = ("2026-01-02 03:04:05.678 INFO a.b - ", "2026-01-02T03:04:05.678Z x", "")
    events = ("GPU allocation 0b-1 created ", "GPU device n1-GPU-00 temperature 87.5 celsius ", "")
    told = [
        head + event + name.replace("\n", "\\n")
        for head in heads
        for event in events
        for name in HOSTILE
    ]
    return [*told, *docker(tuple(told)), *cri(tuple(told))]


def expressions(part: Element) -> list[str]:
    """Return the regular expressions of a part of Fluentd's configuration."""
    here = [part.told["expression"][1:-1]] if "expression" in part.told else []
    return here + [found for inner in part.inner for found in expressions(inner)]


def test_every_pattern_means_the_same_to_ruby() -> None:
    program = shutil.which("ruby")
    if program is None:
        pytest.skip("ruby is not installed; on Debian: apt-get install ruby")
    groks, conditions = patterns((SHIPPED / LOGSTASH).read_text("utf-8"))
    plain = [*conditions, *expressions(FLUENTD)]
    assert len(groks) == 3
    assert len(plain) == 5
    ours = [compiled(one, library) for library in LIBRARIES for one in groks]
    ours += [compiled(one) for one in plain]
    theirs = [spelled(one, library) for library in LIBRARIES for one in groks] + plain
    texts = lines()
    done = subprocess.run(
        [program, "-e", PROGRAM],
        input=json.dumps([[pattern, texts] for pattern in theirs]),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = json.loads(done.stdout)
    for pattern, expression, answers in zip(theirs, ours, found, strict=True):
        assert any(answer is not None for answer in answers), pattern
        matches = [expression.search(text) for text in texts]
        assert answers == [match and match.groupdict() for match in matches], pattern

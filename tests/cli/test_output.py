import pytest

from gpu_management.cli.output import Format, Printer


@pytest.mark.parametrize("name", ["n-GPU-00", "gpu-worker-1-GPU-03-MIG-1g.10gb-6", "x" * 200])
def test_a_column_that_bends_makes_the_table_fit(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    heads = [("ALLOCATION", False), ("PHASE", False), ("PLACED ON", False)]
    Printer(Format.TABLE).grid(heads, [("a" * 36, "Allocated", name)], flexible=["PLACED ON"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert max(len(line) for line in lines) <= 80
    assert "a" * 36 in lines[1]
    assert name[:20] in lines[1]

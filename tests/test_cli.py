import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli import main

HEAVY = ("torch", "prefect", "dvc", "cv2", "dlib", "pandas", "pyarrow", "pydantic")


def test_help_loads_nothing_heavy() -> None:
    code = f"import sys, pipeline.cli; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_users_error_is_one_message_and_exit_code_2(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (in_folder / "params.yaml").write_text("engine: {kind: local}")
    monkeypatch.setattr(sys, "argv", ["pipeline", "detect", "nowhere"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert "params.yaml: engine.workers: this key is missing" in said
    assert "Traceback" not in said


def test_every_weight_file_is_listed_with_licence_and_hash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["pipeline", "weights"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert "dlib-68" in said
    assert "not for commercial use" in said
    assert said.count("sha256 ") >= 10

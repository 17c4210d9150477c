"""The colours of real faces as a person checks them: sheets of aligned faces with the swatches beside each.

`python -m benchmarks.swatches FOLDER [SET ...]` writes FOLDER/SET-NNN.png for the sets real, anime and webtoon
of $LIKENESS_IMAGES, or for those named.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from benchmarks.demo_faces import COLOR_PARTS
from benchmarks.real_pictures import MISSING, REPOSITORY, find_real_pictures
from pipeline import images
from pipeline.params import load_params
from pipeline.stages import align, colors, detect, landmarks

SETS = {"real": "photo", "anime": "anime", "webtoon": "anime"}
FACE_PX = 152
COLUMNS = 6
FACES_A_SHEET = 48
_SWATCH_PX = FACE_PX // len(COLOR_PARTS)
_TEXT_PX = 84
_LINE_PX = 14
_CELL = (FACE_PX + _SWATCH_PX + _TEXT_PX, FACE_PX + _LINE_PX + 2)
_INK = (20, 20, 20)
_GROUND = (255, 255, 255)

Row = dict[str, Any]


def main() -> None:
    pictures = find_real_pictures()
    if pictures is None:
        raise SystemExit(MISSING)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or SETS:
        faces = list(colored_faces(pictures / name, SETS[name]))
        for start in range(0, len(faces), FACES_A_SHEET):
            path = folder / f"{name}-{start:03d}.png"
            sheet(faces[start : start + FACES_A_SHEET]).save(path)
            print(f"{path}: faces {start + 1} to {min(start + FACES_A_SHEET, len(faces))} of {len(faces)}")


def colored_faces(folder: Path, domain_name: str) -> Iterator[tuple[str, Row]]:
    """Yield the file's name, and crop and colours, of each face of a folder that the shipped chain aligns."""
    params = load_params(REPOSITORY / "params.yaml")
    domain = params.domains[domain_name]
    search = detect.search_of(domain, params.detect)
    marking = landmarks.marking_of(domain, params.landmarks)
    cut = align.cut_of(domain, params.align)
    for path in sorted(folder.iterdir()):
        try:
            rgb = images.decode(path.read_bytes())
        except images.ImageProblem:
            continue
        for found in _passed(detect.faces_of(search, path.name, rgb)):
            for marked in _passed([landmarks.landmarks_of(marking, rgb, found)]):
                for aligned in _passed([align.align_face(cut, rgb, marked)]):
                    (colored,) = colors.colors(colors.Options(), aligned, [marked], [found])
                    yield path.name, aligned | colored


def _passed(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if not row.get("reason")]


def sheet(faces: Sequence[tuple[str, Row]]) -> Image.Image:
    """Return the faces in rows, each with the swatches, names and confidences of skin, hair and eyes."""
    width, height = _CELL
    page = Image.new("RGB", (COLUMNS * width, -(-len(faces) // COLUMNS) * height), _GROUND)
    for number, (name, row) in enumerate(faces):
        page.paste(_cell(name, row), (number % COLUMNS * width, number // COLUMNS * height))
    return page


def _cell(name: str, row: Row) -> Image.Image:
    cell = Image.new("RGB", _CELL, _GROUND)
    draw, font = ImageDraw.Draw(cell), ImageFont.load_default(12)
    face = Image.fromarray(images.decode(row["bytes"]))
    cell.paste(face.resize((FACE_PX, FACE_PX), Image.Resampling.LANCZOS))
    for number, part in enumerate(COLOR_PARTS):
        top = number * _SWATCH_PX
        words = [part, "none"]
        if row.get(f"{part}_rgb"):
            box = (FACE_PX, top, FACE_PX + _SWATCH_PX - 2, top + _SWATCH_PX - 2)
            draw.rectangle(box, tuple(row[f"{part}_rgb"]))
            words = [row[f"{part}_name"], f"{row[f'{part}_confidence']:.2f}"]
        draw.multiline_text((FACE_PX + _SWATCH_PX + 2, top + 2), "\n".join(words), _INK, font)
    draw.text((2, FACE_PX), name[-38:], _INK, font)
    return cell


if __name__ == "__main__":
    main()

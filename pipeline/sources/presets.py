"""What published data sets say of their images: CelebA, FFHQ, CASIA NIR-VIS 2.0, and before-and-after names.

A preset yields files and what is said of each, as fields of `ImageRef`. What a data set lists and what is not
there is a refusal, so that an incomplete download shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from posixpath import splitext
from typing import Any

from pipeline.crawl.references import Refusal
from pipeline.errors import UserError
from pipeline.sources.files import File, Files

Said = dict[str, Any]
Found = Iterator[tuple[File, Said] | Refusal]

CELEBA_LICENCE = "CelebA agreement: non-commercial research only"
CELEBA_URL = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
CELEBA_FOLDERS = ("img_celeba", "img_align_celeba", "img_align_celeba_png")
CELEBA_PARTITIONS = {"0": "train", "1": "val", "2": "test"}
FFHQ_FOLDERS = ("images1024x1024", "thumbnails128x128", "in-the-wild-images")
FFHQ_KEYS = {
    "images1024x1024": "image",
    "thumbnails128x128": "thumbnail",
    "in-the-wild-images": "in_the_wild",
}
FFHQ_LICENCES = {
    "creativecommons.org/licenses/by/2.0": "CC BY 2.0",
    "creativecommons.org/licenses/by-nc/2.0": "CC BY-NC 2.0",
    "creativecommons.org/publicdomain/mark/1.0": "Public Domain Mark 1.0",
    "creativecommons.org/publicdomain/zero/1.0": "CC0 1.0",
    "www.usa.gov/copyright.shtml": "U.S. Government Works",
}
_PROTOCOL_LIST = re.compile(r"(?i)(?:^|/)protocols?/((?:vis|nir)_[^/]+)\.txt$")
_ROLE_WORD = re.compile(r"(?i)[\s._-]*(?<![a-z0-9])(before|after)(?![a-z0-9])[\s._-]*")
_ZIP_ENDING = re.compile(r"(?i)\.zip!$")


@dataclass(frozen=True)
class Preset:
    """How a data set is read, given its files and a glob; `says` are the options that it answers itself."""

    read: Callable[[Files, str], Found]
    says: frozenset[str]


def celeba(files: Files, glob: str) -> Found:
    """Yield CelebA's images with their attributes (`attribute:Smiling`), identities and partitions.

    `list_attr_celeba.txt` (a count, a line of names, then rows of `file 1 -1 …`) and `identity_CelebA.txt`
    (rows of `file identity`) must be there, `list_eval_partition.txt` (rows of `file 0|1|2`) may be. The data set's
    agreement allows non-commercial research only. https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html
    """
    images = _Images(files, glob, CELEBA_FOLDERS)
    tags = _celeba_attributes(_the_file(files, "list_attr_celeba.txt"))
    identities = _celeba_column(_the_file(files, "identity_CelebA.txt"))
    partition_list = _named(files, "list_eval_partition.txt")
    partitions = _celeba_column(partition_list) if partition_list else {}
    for file in images.chosen:
        number = PurePosixPath(file.path).stem
        said: Said = {"licence": CELEBA_LICENCE, "licence_url": CELEBA_URL, "tags": tags.get(number, ())}
        if number in identities:
            said["subject"] = f"celeba-{identities[number]}"
        if number in partitions:
            said["extra"] = {"partition": CELEBA_PARTITIONS.get(partitions[number], partitions[number])}
        yield file, said
    for number in (number for number in tags if number not in images.stems):
        path = f"{images.top}/{number}{images.suffix}"
        yield Refusal(files.url(path), "not_found", "list_attr_celeba.txt lists it")


def ffhq(files: Files, glob: str) -> Found:
    """Yield FFHQ's images with the author, title, licence and Flickr page of each.

    They are said in `ffhq-dataset-v2.json`, which is read at once: for a moment it takes about twice its size
    (255 MB) in memory. Without that file nothing is said. https://github.com/NVlabs/ffhq-dataset
    """
    images = _Images(files, glob, FFHQ_FOLDERS)
    table = _named(files, "ffhq-dataset-v2.json")
    entries = _ffhq_entries(table) if table else {}
    for file in images.chosen:
        entry = entries.get(PurePosixPath(file.path).stem.lstrip("0") or "0")
        yield file, _ffhq_said(entry) if entry else {}
    for number, entry in entries.items():
        if number.zfill(5) not in images.stems:
            listed = PurePosixPath(entry[FFHQ_KEYS[images.folder]]["file_path"])
            path = "/".join([images.top, *listed.parts[-images.depth :]])
            yield Refusal(files.url(path), "not_found", "ffhq-dataset-v2.json lists it")


def casia_nir_vis_2(files: Files, glob: str) -> Found:
    """Yield the images of CASIA NIR-VIS 2.0, `vis` or `nir` by their role, with their subjects and protocols.

    An image lies in the folder of its subject, below a folder `NIR` or `VIS`: `s1/NIR/10001/001.bmp`, and
    `NIR/s1/10001/001.bmp` just as well. The crops that come with it, in `NIR_128x128` and `VIS_128x128`, are left
    out. Lists such as `vis_gallery_1.txt` or `nir_train_dev.txt` lie in a folder `protocols` or `Protocol` beside
    those of the images. A row begins with a path, with slashes or backslashes; what follows it, such as a label, is
    not used. Nor is the ending of the path: the lists say .bmp of some files that are .jpg, and the reverse.
    """
    roles = {path: role for path in files.by_path if (role := _casia_role(path))}
    if not roles:
        raise UserError("path: no images in a folder NIR or VIS are there, as CASIA NIR-VIS 2.0 has them")
    listed = _casia_listed(files)
    for file in files.matching(glob):
        if file.path in roles:
            said: Said = {
                "subject": f"casia-{PurePosixPath(file.path).parent.name}",
                "role": roles[file.path],
            }
            if protocols := listed.get(_without_ending(file.path)):
                said["extra"] = {"protocol": protocols.names}
            yield file, said
    present = {_without_ending(path) for path in roles}
    for key, missing in listed.items():
        if key not in present:
            lists = ", ".join(f"{name}.txt" for name in missing.names)
            yield Refusal(files.url(missing.path), "not_found", f"listed in {lists}")


def before_after(files: Files, glob: str) -> Found:
    """Yield files with the role `before` or `after` and the pair that their paths tell.

    The word stands in the name of the file or of a folder, and what is left of the path without it names the
    pair: `012_before.jpg` and `012_after.jpg`, `before/012.jpg` and `after/012.png`, `case 7/Before.jpg`. A file
    whose partner is missing has role and pair all the same: data sets leave out what is no whole pair. A path with
    neither word, or with both, says nothing. For other words there is the option `pair`.
    """
    for file in files.matching(glob):
        yield file, _role_and_pair(file.path)


PRESETS = {
    "celeba": Preset(celeba, frozenset({"table", "subject", "pair", "licence", "licence_url"})),
    "ffhq": Preset(ffhq, frozenset({"table", "subject", "pair"})),
    "casia-nir-vis-2": Preset(casia_nir_vis_2, frozenset({"table", "subject", "pair"})),
    "before-after": Preset(before_after, frozenset({"table", "pair"})),
}


class _Images:
    """The images of a data set that has them in several versions, in a folder or zip each.

    `chosen` are those that the glob selects, all of one version; `stems` are the names of all of that version.
    `top` is the path of its folder, and `depth` how many names a path has below it.
    """

    def __init__(self, files: Files, glob: str, folders: tuple[str, ...]) -> None:
        tops = {path: top for path in files.by_path if (top := _top(path, folders))}
        self.chosen = [file for file in files.matching(glob) if file.path in tops]
        if not self.chosen:
            raise UserError(
                f"path: no images in a folder or zip {' or '.join(folders)}, or glob selects none"
            )
        patterns: dict[str, str] = {}
        for file in self.chosen:
            top = tops[file.path]
            below = PurePosixPath(file.path).relative_to(top).parts
            name = PurePosixPath(top).name
            patterns.setdefault(_plain(name), "/".join([name, *["*"] * len(below)]))
        if len(patterns) > 1:
            raise UserError(
                f"glob: {' and '.join(patterns)} are there, the same images twice; choose one of: "
                + ", ".join(map(repr, patterns.values()))
            )
        first = PurePosixPath(self.chosen[0].path)
        self.top = tops[self.chosen[0].path]
        self.folder = _plain(PurePosixPath(self.top).name)
        self.depth = len(first.relative_to(self.top).parts)
        self.suffix = first.suffix
        self.stems = {
            PurePosixPath(path).stem
            for path, top in tops.items()
            if _plain(PurePosixPath(top).name) == self.folder
        }


def _top(path: str, folders: tuple[str, ...]) -> str | None:
    """Return the path down to the innermost of some folders, which may be zips; None where there is none."""
    return next(
        (str(parent) for parent in PurePosixPath(path).parents if _plain(parent.name) in folders), None
    )


def _plain(name: str) -> str:
    """Return the name of a folder, of a zip without its ending."""
    return _ZIP_ENDING.sub("", name)


def _named(files: Files, name: str) -> File | None:
    found = (file for path, file in files.by_path.items() if PurePosixPath(path).name == name)
    return min(found, key=lambda file: (file.path.count("/"), file.path), default=None)


def _the_file(files: Files, name: str) -> File:
    file = _named(files, name)
    if file is None:
        raise UserError(f"path: {name} is not there; it comes with the data set")
    return file


def _celeba_attributes(file: File) -> dict[str, tuple[str, ...]]:
    _, header, *rows = [*file.read_list("path").splitlines(), "", ""]
    names = [f"attribute:{name}" for name in header.split()]
    if not names:
        raise UserError(f"path: {file.path}: line 2 names no attributes")
    tags = {}
    for line, row in enumerate(rows, start=3):
        name, *values = row.split() or [""]
        if not name:
            continue
        if len(values) != len(names):
            raise UserError(f"path: {file.path}: line {line} has {len(values)} values, not {len(names)}")
        tags[PurePosixPath(name).stem] = tuple(
            attribute for attribute, value in zip(names, values, strict=True) if value == "1"
        )
    return tags


def _celeba_column(file: File) -> dict[str, str]:
    """Return the second column of a list by the number of the image in the first."""
    column = {}
    for line, row in enumerate(file.read_list("path").splitlines(), start=1):
        words = row.split()
        if len(words) not in (0, 2):
            raise UserError(f"path: {file.path}: line {line} has {len(words)} words, not 2")
        if words:
            column[PurePosixPath(words[0]).stem] = words[1]
    return column


def _ffhq_entries(file: File) -> dict[str, Any]:
    try:
        entries = json.loads(file.read_list("path"), object_hook=_without_landmarks)
    except ValueError as error:
        raise UserError(f"path: {file.path}: is no JSON: {error}") from None
    if not isinstance(entries, dict) or not all(_is_ffhq_entry(entry) for entry in entries.values()):
        raise UserError(f"path: {file.path}: is not FFHQ's table: metadata and file paths by number")
    return entries


def _without_landmarks(value: dict[str, Any]) -> dict[str, Any]:
    """Forget 200 numbers per image, which would take gigabytes as Python objects, while they are parsed."""
    value.pop("face_landmarks", None)
    return value


def _is_ffhq_entry(entry: Any) -> bool:
    try:
        return isinstance(entry["metadata"], dict) and all(
            isinstance(entry[key]["file_path"], str) for key in FFHQ_KEYS.values()
        )
    except (KeyError, TypeError):
        return False


def _ffhq_said(entry: dict[str, Any]) -> Said:
    metadata = entry["metadata"]
    licence_url = metadata.get("license_url") or ""
    licence = FFHQ_LICENCES.get(licence_url.partition("://")[2].rstrip("/"), metadata.get("license"))
    said: Said = {
        "title": metadata.get("photo_title"),
        "author": metadata.get("author"),
        "licence": licence,
        "licence_url": licence_url,
        "page_url": metadata.get("photo_url"),
        "extra": {"partition": entry["category"]} if entry.get("category") else None,
    }
    return {name: value for name, value in said.items() if value}


@dataclass(frozen=True)
class _Listed:
    """A path as the first list that has it spells it, and the names of all lists that have it."""

    path: str
    names: list[str]


def _casia_listed(files: Files) -> dict[str, _Listed]:
    """Return what the protocols list, by path without ending."""
    listed: dict[str, _Listed] = {}
    for file in files.by_path.values():
        if match := _PROTOCOL_LIST.search(file.path):
            root = PurePosixPath(file.path).parent.parent
            for row in filter(None, map(str.split, file.read_list("path").splitlines())):
                path = str(root / row[0].replace("\\", "/").lstrip("/"))
                names = listed.setdefault(_without_ending(path), _Listed(path, [])).names
                if match[1] not in names:
                    names.append(match[1])
    return listed


def _casia_role(path: str) -> str | None:
    """Return the name of the folder NIR or VIS, in small letters; None where the file is not below one."""
    folders = (parent.name.lower() for parent in PurePosixPath(path).parent.parents)
    return next((name for name in folders if name in ("nir", "vis")), None)


def _without_ending(path: str) -> str:
    return splitext(path)[0].lower()


def _role_and_pair(path: str) -> Said:
    *folders, name = path.split("/")
    names = [*map(_plain, folders), splitext(name)[0]]
    words = [{word.lower() for word in _ROLE_WORD.findall(name)} for name in names]
    roles = set().union(*(found for found in words if len(found) == 1))
    if len(roles) != 1:
        return {}
    rest = (
        _ROLE_WORD.sub(_joint, name) if len(found) == 1 else name
        for name, found in zip(names, words, strict=True)
    )
    return {"role": roles.pop(), "pair_id": "/".join(filter(None, rest)) or "."}


def _joint(role: re.Match[str]) -> str:
    """Return what takes the place of a role within a name: nothing at its ends."""
    return "_" if role.start() > 0 and role.end() < len(role.string) else ""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from pipeline.crawl.references import ImageRef, NothingKnown, Refusal
from pipeline.crawl.session import Session
from pipeline.errors import UserError
from pipeline.params import SourceEntry
from pipeline.sources import build
from pipeline.sources.files import OPEN_ZIPS
from tests.crawl.local_site import LocalSite, crawl_into, png, rejected, stored
from tests.sources.recipes import entry_of, recipe, source_of


def source(path: Path, **options: Any) -> Any:
    entry = {"kind": "folder", "domain": "photo", "path": str(path)} | options
    return build("x", SourceEntry.model_validate(entry))


def found(path: Path, **options: Any) -> tuple[list[ImageRef], list[Refusal]]:
    with Session() as session:
        everything = list(source(path, **options).discover(session, NothingKnown()))
    images = [item for item in everything if isinstance(item, ImageRef)]
    return images, [item for item in everything if isinstance(item, Refusal)]


def by_url(path: Path, **options: Any) -> dict[str, ImageRef]:
    return {image.url.removeprefix("file:"): image for image in found(path, **options)[0]}


def write(folder: Path, *names: str) -> None:
    """Write a picture under each name, another one each time."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(zlib.crc32(name.encode()) % 65536))


def zip_of(path: Path, *names: str, **files: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, name in enumerate(names):
            archive.writestr(name, png(1000 + number))
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def pack(folder: Path) -> None:
    """Put a folder into a zip beside it."""
    zip_of(folder.with_suffix(".zip"), *(f"{folder.name}/{path.name}" for path in sorted(folder.iterdir())))
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


# Zips in a folder


def test_each_zip_of_a_folder_shows_one_character(tmp_path: Path) -> None:
    zip_of(tmp_path / "sets/조석_얼굴.zip", "001.png", "x/002.png")
    zip_of(tmp_path / "sets/women/Ana.ZIP", "001.png")
    write(tmp_path / "sets", "cover.png")
    images = by_url(tmp_path / "sets", subject="archive")
    assert {url: image.subject for url, image in images.items()} == {
        "cover.png": None,
        "women/Ana.ZIP!/001.png": "Ana",
        "조석_얼굴.zip!/001.png": "조석_얼굴",
        "조석_얼굴.zip!/x/002.png": "조석_얼굴",
    }


def test_a_single_zip_is_a_subject_too(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "rei.zip", "a.png")
    assert by_url(archive, subject="archive")["rei.zip!/a.png"].subject == "rei"


def test_a_pattern_finds_the_subject_in_a_path_that_leads_into_a_zip(tmp_path: Path) -> None:
    zip_of(tmp_path / "women_1393.zip", "s1/a.png")
    assert by_url(tmp_path, subject=r"^([a-z]+)_\d+\.zip!/")["women_1393.zip!/s1/a.png"].subject == "women"
    assert by_url(tmp_path, subject=r"/(s\d)/")["women_1393.zip!/s1/a.png"].subject == "s1"


@pytest.mark.parametrize(
    ("glob", "names"),
    [
        ("*_faces.zip", ["a_faces.zip!/1.png", "a_faces.zip!/notes.txt"]),
        ("*.png", ["a_faces.zip!/1.png", "b.zip!/1.png", "c.png"]),
        ("b.zip!/*", ["b.zip!/1.png"]),
    ],
)
def test_a_glob_selects_zips_or_files(tmp_path: Path, glob: str, names: list[str]) -> None:
    zip_of(tmp_path / "a_faces.zip", "1.png", "notes.txt")
    zip_of(tmp_path / "b.zip", "1.png")
    write(tmp_path, "c.png")
    assert list(by_url(tmp_path, glob=glob)) == names


def test_more_zips_than_a_process_keeps_open_are_crawled(tmp_path: Path) -> None:
    for number in range(OPEN_ZIPS + 10):
        with zipfile.ZipFile(tmp_path / f"{number:03}.zip", "w") as archive:
            archive.writestr("face.png", png(number))
    before = open_files()
    with Session() as session:
        images = list(source(tmp_path, subject="archive").discover(session, NothingKnown()))
        assert open_files() - before <= OPEN_ZIPS
        assert [image.local.read() for image in images] == [png(n) for n in range(OPEN_ZIPS + 10)]


def test_a_zip_that_is_none_costs_itself_only(tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 but then nothing")
    write(tmp_path, "a.png")
    images, refusals = found(tmp_path)
    assert [image.url for image in images] == ["file:a.png"]
    assert refusals == [Refusal("file:broken.zip", "unreadable", "the zip cannot be read: BadZipFile")]
    assert found(tmp_path, glob="*.png")[1] == []


def test_a_damaged_zip_that_was_asked_for_is_the_users_to_put_right(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", "1.png")
    data = bytearray(archive.read_bytes())
    directory = data.rindex(b"PK\x01\x02")
    data[directory : directory + 4] = b"none"
    archive.write_bytes(data)
    with pytest.raises(UserError, match=r"^path: .*a.zip: the zip cannot be read: BadZipFile"):
        found(archive)


def test_names_that_lead_out_of_a_zip_are_names_only(tmp_path: Path) -> None:
    zip_of(tmp_path / "in/evil.zip", "../../out.png", "/etc/face.png")
    crawl_into(tmp_path / "crawl", source(tmp_path / "in"), LocalSite())
    urls = {row["url"] for row in stored(tmp_path / "crawl")}
    assert urls == {"file:evil.zip!/../../out.png", "file:evil.zip!//etc/face.png"}
    assert not list(tmp_path.rglob("out.png"))


def test_a_zip_in_a_zip_is_no_image(tmp_path: Path) -> None:
    inner = zip_of(tmp_path / "inner.zip", "a.png").read_bytes()
    zip_of(tmp_path / "in/outer.zip", **{"inner.zip": inner})
    crawl_into(tmp_path / "crawl", source(tmp_path / "in"), LocalSite())
    assert rejected(tmp_path / "crawl")["file:outer.zip!/inner.zip"][0] == "not_an_image"


def test_an_encrypted_file_is_refused(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "in/a.zip", "1.png")
    data = bytearray(archive.read_bytes())
    data[6] |= 1  # the flag of encryption: in the file's own header, and in the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    crawl_into(tmp_path / "crawl", source(tmp_path / "in"), LocalSite())
    assert rejected(tmp_path / "crawl")["file:a.zip!/1.png"] == (
        "unreadable",
        "the file cannot be read: RuntimeError",
    )


def test_a_zip_bomb_is_read_no_further_than_the_cap(tmp_path: Path) -> None:
    zip_of(tmp_path / "in/bomb.zip", **{"a.png": bytes(60_000_000)})
    crawl_into(tmp_path / "crawl", source(tmp_path / "in"), LocalSite())
    assert rejected(tmp_path / "crawl")["file:bomb.zip!/a.png"] == ("too_large", "more than 20000000 bytes")


def test_a_zip_bomb_that_understates_its_size_is_read_no_further_than_that(tmp_path: Path) -> None:
    bomb = zip_of(tmp_path / "in/bomb.zip", **{"a.png": bytes(60_000_000)})
    data = bytearray(bomb.read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (1000).to_bytes(4, "little")
    bomb.write_bytes(data)
    crawl_into(tmp_path / "crawl", source(tmp_path / "in"), LocalSite())
    detail = "the file cannot be read: BadZipFile"
    assert rejected(tmp_path / "crawl")["file:bomb.zip!/a.png"] == ("unreadable", detail)


# CelebA


@pytest.fixture
def celeba(tmp_path: Path) -> Path:
    folder = tmp_path / "celeba"
    write(folder / "Img/img_celeba", "000001.jpg", "000002.jpg", "000004.jpg")
    (folder / "Anno").mkdir()
    (folder / "Eval").mkdir()
    (folder / "Anno/list_attr_celeba.txt").write_text(
        "3\nBald Smiling Young \n000001.jpg -1  1  1\n000002.jpg -1 -1 -1\n000003.jpg  1 -1 -1\n"
    )
    (folder / "Anno/identity_CelebA.txt").write_text("000001.jpg 2880\n000002.jpg 77\n000003.jpg 77\n")
    (folder / "Eval/list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg 2\n000003.jpg 1\n")
    return folder


def test_celeba_says_attributes_identity_partition_and_its_agreement(celeba: Path) -> None:
    images = by_url(celeba, preset="celeba")
    first = images["Img/img_celeba/000001.jpg"]
    assert first.tags == ("attribute:Smiling", "attribute:Young")
    assert (first.subject, first.extra) == ("celeba-2880", {"partition": "train"})
    assert first.licence == "CelebA agreement: non-commercial research only"
    assert first.licence_url == "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
    second = images["Img/img_celeba/000002.jpg"]
    assert (second.tags, second.subject, second.extra) == ((), "celeba-77", {"partition": "test"})


def test_celeba_images_beyond_its_lists_are_taken_and_missing_ones_refused(celeba: Path) -> None:
    images, refusals = found(celeba, preset="celeba")
    unlisted = images[-1]
    assert (unlisted.url, unlisted.tags, unlisted.subject) == ("file:Img/img_celeba/000004.jpg", (), None)
    assert refusals == [
        Refusal("file:Img/img_celeba/000003.jpg", "not_found", "list_attr_celeba.txt lists it")
    ]


def test_celeba_crawls_out_of_its_zip_and_a_file_added_later_is_no_longer_missing(
    celeba: Path, tmp_path: Path
) -> None:
    (celeba / "Img/img_celeba").rename(celeba / "Img/img_align_celeba")
    pack(celeba / "Img/img_align_celeba")
    assert crawl_into(tmp_path / "crawl", source(celeba, preset="celeba"), LocalSite()).new == 3
    third = "file:Img/img_align_celeba.zip!/img_align_celeba/000003.jpg"
    assert rejected(tmp_path / "crawl") == {third: ("not_found", "list_attr_celeba.txt lists it")}
    with zipfile.ZipFile(celeba / "Img/img_align_celeba.zip", "a") as archive:
        archive.writestr("img_align_celeba/000003.jpg", png(3))
    summary = crawl_into(tmp_path / "crawl", source(celeba, preset="celeba"), LocalSite())
    assert (summary.new, summary.known) == (1, 3)
    assert rejected(tmp_path / "crawl") == {}
    assert stored(tmp_path / "crawl")[-1]["tags"] == ["attribute:Bald"]


def test_celeba_twice_over_needs_a_choice(celeba: Path) -> None:
    zip_of(celeba / "Img/img_align_celeba.zip", "000001.jpg", "000002.jpg")
    with pytest.raises(UserError) as caught:
        found(celeba, preset="celeba")
    assert str(caught.value).startswith(
        "glob: img_align_celeba and img_celeba are there, the same images twice"
    )
    aligned, refusals = found(celeba, preset="celeba", glob="img_align_celeba.zip!/*")
    assert [image.subject for image in aligned] == ["celeba-2880", "celeba-77"]
    assert [refusal.url for refusal in refusals] == ["file:Img/img_align_celeba.zip!/000003.jpg"]
    assert "'img_align_celeba.zip!/*', 'img_celeba/*'" in str(caught.value)


def test_a_glob_takes_a_part_of_celeba_and_what_it_leaves_out_is_not_missing(celeba: Path) -> None:
    images, refusals = found(celeba, preset="celeba", glob="*1.jpg")
    assert ([image.url for image in images], len(refusals)) == (["file:Img/img_celeba/000001.jpg"], 1)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("list_attr_celeba.txt", None, "path: list_attr_celeba.txt is not there; it comes with the data set"),
        ("identity_CelebA.txt", None, "path: identity_CelebA.txt is not there"),
        ("list_attr_celeba.txt", "", "path: Anno/list_attr_celeba.txt: line 2 names no attributes"),
        ("list_attr_celeba.txt", "1\nBald Young\n\n000001.jpg 1\n", "line 4 has 1 values, not 2"),
        ("identity_CelebA.txt", "000001.jpg\n", "path: Anno/identity_CelebA.txt: line 1 has 1 words, not 2"),
        ("identity_CelebA.txt", b"\xff\xfe0", "path: Anno/identity_CelebA.txt: is not UTF-8"),
    ],
)
def test_a_wrong_list_of_celeba_is_the_users_to_put_right(
    celeba: Path, name: str, text: str | bytes | None, message: str
) -> None:
    path = celeba / "Anno" / name
    if text is None:
        path.unlink()
    else:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as caught:
        found(celeba, preset="celeba")
    assert message in str(caught.value)


def test_lists_without_images_are_the_users_to_put_right(celeba: Path) -> None:
    (celeba / "Img/img_celeba").rename(celeba / "Img/photos")
    with pytest.raises(UserError, match="path: no images in a folder or zip img_celeba or img_align_celeba"):
        found(celeba, preset="celeba")


@pytest.mark.parametrize("option", [{"subject": "archive"}, {"table": "t.csv"}, {"licence": "CC0 1.0"}])
def test_what_a_preset_says_is_not_said_twice(celeba: Path, option: dict[str, str]) -> None:
    with pytest.raises(UserError, match=rf"sources.x: leave out {next(iter(option))}: the preset 'celeba'"):
        source(celeba, preset="celeba", **option)


def test_an_unknown_preset_lists_the_known_ones(celeba: Path) -> None:
    with pytest.raises(UserError, match=r"sources.x.preset: .*'celeba', 'ffhq'"):
        source(celeba, preset="celebb")


# FFHQ


def ffhq_entry(number: int, **metadata: Any) -> dict[str, Any]:
    def version(folder: str) -> dict[str, Any]:
        path = f"{folder}/{number // 1000 * 1000:05}/{number:05}.png"
        return {"file_path": path, "file_md5": "0" * 32, "face_landmarks": [[1.5, 2.5]] * 68}

    said = {
        "photo_url": f"https://www.flickr.com/photos/x/{number}/",
        "photo_title": "Garden party",
        "author": "Ann",
        "license": "Attribution License",
        "license_url": "https://creativecommons.org/licenses/by/2.0/",
    }
    return {
        "category": "training",
        "metadata": said | metadata,
        "image": version("images1024x1024"),
        "thumbnail": version("thumbnails128x128"),
        "in_the_wild": version("in-the-wild-images"),
    }


@pytest.fixture
def ffhq(tmp_path: Path) -> Path:
    folder = tmp_path / "ffhq"
    write(folder / "images1024x1024", "00000/00000.png", "00000/00001.png", "69000/69999.png")
    entries = {
        "0": ffhq_entry(0),
        "1": ffhq_entry(
            1, license="Other License", license_url="https://x.test/licence", author="", photo_title=None
        ),
        "2": ffhq_entry(2),
        "69999": ffhq_entry(69999, license="No known", license_url=None),
    }
    (folder / "ffhq-dataset-v2.json").write_text(json.dumps(entries))
    return folder


def test_ffhq_says_author_licence_and_page_of_every_image(ffhq: Path) -> None:
    images = by_url(ffhq, preset="ffhq")
    first = images["images1024x1024/00000/00000.png"]
    assert (first.title, first.author, first.page_url) == (
        "Garden party",
        "Ann",
        "https://www.flickr.com/photos/x/0/",
    )
    assert (first.licence, first.licence_url) == ("CC BY 2.0", "https://creativecommons.org/licenses/by/2.0/")
    assert first.extra == {"partition": "training"}
    second = images["images1024x1024/00000/00001.png"]
    assert (second.title, second.author, second.licence) == (None, None, "Other License")
    last = images["images1024x1024/69000/69999.png"]
    assert (last.licence, last.licence_url) == ("No known", None)


def test_ffhq_images_that_its_table_lists_and_that_are_missing_are_refused(ffhq: Path) -> None:
    assert found(ffhq, preset="ffhq")[1] == [
        Refusal("file:images1024x1024/00000/00002.png", "not_found", "ffhq-dataset-v2.json lists it")
    ]


def test_ffhq_thumbnails_in_a_flat_folder_have_the_same_licences(ffhq: Path) -> None:
    write(ffhq / "thumbnails128x128", "00000.png", "00001.png", "69999.png")
    images, refusals = found(ffhq, preset="ffhq", glob="thumbnails128x128/*")
    assert [image.licence for image in images] == ["CC BY 2.0", "Other License", "No known"]
    assert [refusal.url for refusal in refusals] == ["file:thumbnails128x128/00002.png"]
    with pytest.raises(UserError, match=r"choose one of: 'images1024x1024/\*/\*', 'thumbnails128x128/\*'"):
        found(ffhq, preset="ffhq")


def test_ffhq_without_its_table_says_nothing_beyond_the_entry(ffhq: Path) -> None:
    (ffhq / "ffhq-dataset-v2.json").unlink()
    images, refusals = found(ffhq, preset="ffhq")
    assert {(image.licence, image.author, image.title) for image in images} == {(None, None, None)}
    assert refusals == []
    assert found(ffhq, preset="ffhq", licence="CC BY-NC-SA 4.0")[0][0].licence == "CC BY-NC-SA 4.0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"0": {"metadata"', "path: ffhq-dataset-v2.json: is no JSON: "),
        ("[]", "is not FFHQ's table"),
        ('{"0": {"metadata": {}, "image": {}}}', "is not FFHQ's table"),
    ],
)
def test_a_wrong_table_of_ffhq_is_the_users_to_put_right(ffhq: Path, text: str, message: str) -> None:
    (ffhq / "ffhq-dataset-v2.json").write_text(text)
    with pytest.raises(UserError) as caught:
        found(ffhq, preset="ffhq")
    assert message in str(caught.value)


# CASIA NIR-VIS 2.0


@pytest.fixture
def casia(tmp_path: Path) -> Path:
    folder = tmp_path / "NIR-VIS-2.0"
    write(
        folder, "s1/NIR/10001/001.bmp", "s1/NIR/10002/003.jpg", "s1/VIS/10001/001.jpg", "s4/VIS/40002/007.jpg"
    )
    write(folder, "s1/NIR_128x128/10001/001.bmp")
    (folder / "protocols").mkdir()
    (folder / "protocols/vis_gallery_1.txt").write_bytes(
        b"s1\\VIS\\10001\\001.jpg\r\ns4\\VIS\\40003\\002.jpg\r\n"
    )
    (folder / "protocols/nir_probe_1.txt").write_bytes(
        b"s1\\NIR\\10001\\001.bmp\r\n\r\ns4\\VIS\\40003\\002.jpg\r\n"
    )
    (folder / "protocols/nir_train_dev.txt").write_text("s1\\NIR\\10001\\001.jpg\ns1\\NIR\\10002\\003.bmp\n")
    return folder


def test_casia_says_modality_subject_and_protocols(casia: Path) -> None:
    images = by_url(casia, preset="casia-nir-vis-2", licence="CASIA release agreement")
    assert {url: (i.role, i.subject, i.extra) for url, i in images.items()} == {
        "s1/NIR/10001/001.bmp": ("nir", "casia-10001", {"protocol": ["nir_probe_1", "nir_train_dev"]}),
        "s1/NIR/10002/003.jpg": ("nir", "casia-10002", {"protocol": ["nir_train_dev"]}),
        "s1/VIS/10001/001.jpg": ("vis", "casia-10001", {"protocol": ["vis_gallery_1"]}),
        "s4/VIS/40002/007.jpg": ("vis", "casia-40002", {}),
    }
    assert {image.licence for image in images.values()} == {"CASIA release agreement"}


def test_a_casia_file_that_a_protocol_lists_and_that_is_missing_is_refused_once(casia: Path) -> None:
    assert found(casia, preset="casia-nir-vis-2")[1] == [
        Refusal("file:s4/VIS/40003/002.jpg", "not_found", "listed in nir_probe_1.txt, vis_gallery_1.txt")
    ]


def test_casia_in_its_other_shape_reads_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "casia"
    write(folder / "data", "NIR/s1/00001/1.bmp", "VIS/s1/00001/1.bmp")
    (folder / "data/Protocol").mkdir()
    (folder / "data/Protocol/vis_train_1.txt").write_text("VIS/s1/00001/1.bmp 0\n")
    images, refusals = found(folder, preset="casia-nir-vis-2")
    assert [(i.role, i.subject, i.extra) for i in images] == [
        ("nir", "casia-00001", {}),
        ("vis", "casia-00001", {"protocol": ["vis_train_1"]}),
    ]
    assert refusals == []


def test_another_folder_is_no_casia(tmp_path: Path) -> None:
    write(tmp_path, "VIS/1.bmp", "photos/s1/00001/1.bmp")
    with pytest.raises(UserError, match="path: no images in a folder NIR or VIS are there"):
        found(tmp_path, preset="casia-nir-vis-2")


# Before and after


@pytest.mark.parametrize(
    ("name", "role", "pair"),
    [
        ("012_before.jpg", "before", "012"),
        ("012-After.JPG", "after", "012"),
        ("after_012.png", "after", "012"),
        ("012_before_left.jpg", "before", "012_left"),
        ("Before/012.jpg", "before", "012"),
        ("nose/after/a-b_1.jpg", "after", "nose/a-b_1"),
        ("case 7/Before.jpg", "before", "case 7"),
        ("before.zip!/012.jpg", "before", "012"),
        ("before-after/012_after.jpg", "after", "before-after/012"),
        ("before/012_before.jpg", "before", "012"),
        ("after.jpg", "after", "."),
        ("012_before_after.jpg", None, None),
        ("before/012_after.jpg", None, None),
        ("hereafter_012.jpg", None, None),
        ("012.jpg", None, None),
    ],
)
def test_roles_and_pairs_are_read_off_paths(
    tmp_path: Path, name: str, role: str | None, pair: str | None
) -> None:
    if "!/" in name:
        zip_of(tmp_path / name.partition("!/")[0], name.partition("!/")[2])
    else:
        write(tmp_path, name)
    (image,) = by_url(tmp_path, preset="before-after").values()
    assert (image.role, image.pair_id) == (role, pair)


def test_both_of_a_pair_are_one_subject_and_one_without_its_partner_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "in", "before/012.jpg", "after/012.png", "after/013.jpg", "after/notes.txt")
    archive_of = {"preset": "before-after", "glob": "*.??g", "subject": r"(\d+)\."}
    crawl_into(tmp_path / "crawl", source(tmp_path / "in", **archive_of), LocalSite())
    assert {(row["pair_id"], row["role"], row["subject"]) for row in stored(tmp_path / "crawl")} == {
        ("012", "before", "012"),
        ("012", "after", "012"),
        ("013", "after", "013"),
    }


# Recipes


@pytest.mark.parametrize(
    ("name", "variable", "fixture", "count"),
    [
        ("celeba", "LIKENESS_CELEBA", "celeba", 3),
        ("ffhq", "LIKENESS_FFHQ", "ffhq", 3),
        ("casia-nir-vis", "LIKENESS_CASIA", "casia", 4),
        ("character-zips", "LIKENESS_CHARACTERS", "characters", 3),
        ("surgery-pairs", "LIKENESS_SURGERY", "surgery", 4),
    ],
)
def test_a_recipe_finds_its_data_set_through_the_environment(
    name: str,
    variable: str,
    fixture: str,
    count: int,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, str(request.getfixturevalue(fixture)))
    crawl_into(tmp_path / "crawl", source_of(name), LocalSite())
    rows = stored(tmp_path / "crawl")
    assert len(rows) == count
    domain = entry_of(name).domain
    domains = {domain if isinstance(domain, str) else domain[row["role"]] for row in rows}
    assert domains == set(recipe(name)["domains"])
    # FFHQ knows no identities.
    assert all(row["subject"] for row in rows if row["url"].split("/")[-1] != "000004.jpg") == (
        name != "ffhq"
    )


@pytest.fixture
def characters(tmp_path: Path) -> Path:
    zip_of(tmp_path / "sets/조석_얼굴_1176개.zip", "001.png", "002.png")
    with zipfile.ZipFile(tmp_path / "sets/외지주_여자얼굴.zip", "w") as archive:
        archive.writestr("001.png", png(7))
    write(tmp_path / "sets", "cover.png")
    return tmp_path / "sets"


@pytest.fixture
def surgery(tmp_path: Path) -> Path:
    write(tmp_path / "patients", "012_before.jpg", "012_after.jpg", "2023/after/7.jpg", "2023/before/7.jpg")
    return tmp_path / "patients"

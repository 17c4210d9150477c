"""What the running application keeps to itself: where it answers, which files it gives out, what it leaves behind."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import psutil
import pytest
import requests

from benchmarks.served import Application, served
from benchmarks.workspace import Workspace
from tests.serve.small_zoo import ALONE, portrait

pytestmark = pytest.mark.long


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "params.yaml",
        "./params.yaml",
        "../../../../../../etc/passwd",
        "..%2f..%2f..%2f..%2fetc%2fpasswd",
        "%2fetc%2fpasswd",
        "models/both-ways/weights/experiment.json",
        "data/catalogue/faces.parquet",
        "{project}/params.yaml",
        "{project}/models/../params.yaml",
        "file:///etc/passwd",
    ],
)
def test_no_file_of_the_machine_is_given_out(application: Application, project: Workspace, path: str) -> None:
    named = path.format(project=project.folder)
    for route in (
        f"/gradio_api/file={named}",
        f"/file={named}",
        f"/{named}",
        f"/gradio_api/{named}",
        f"/static/{named}",
        f"/assets/../../{named}",
        f"/theme.css/../{named}",
    ):
        request = requests.Request("GET", application.address).prepare()
        request.url = application.address + route  # as it is: a client tidies paths up
        with requests.Session() as session:
            answer = session.send(request, allow_redirects=False)
        assert answer.status_code in {400, 401, 403, 404, 405, 422}, (route, answer.status_code)
        assert b"root:" not in answer.content
        assert b"sources" not in answer.content


def test_it_does_not_fetch_addresses_for_others(application: Application) -> None:
    own = f"{application.address}/config"
    for route in (f"/gradio_api/proxy={own}", f"/proxy={own}", f"/gradio_api/file={own}"):
        answer = requests.get(application.address + route, allow_redirects=False)
        assert answer.status_code in {400, 403, 404, 405, 422}, (route, answer.status_code)


def test_it_answers_at_this_machines_own_address_only(application: Application) -> None:
    addresses = {
        connection.laddr.ip
        for connection in psutil.Process(application.process.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses
    assert all(ipaddress.ip_address(address).is_loopback for address in addresses)
    assert application.address.startswith("http://127.0.0.1:")


def test_the_page_names_no_path_of_the_machine(application: Application, project: Workspace) -> None:
    for route in ("/", "/config", "/gradio_api/info"):
        said = requests.get(application.address + route).text
        assert str(project.folder) not in said
        assert str(Path(__file__).parents[3]) not in said
        assert str(Path.home()) not in said.replace("/root.", "")


def test_a_file_over_the_limit_is_refused_and_not_kept(project: Workspace) -> None:
    with served(project.folder, "--max-upload-mb", "0.5") as small:
        upload = f"{small.address}/gradio_api/upload"
        answer = requests.post(upload, files={"files": ("huge.jpg", b"\0" * 600_000)})
        assert answer.status_code == 413
        assert requests.post(upload, files={"files": ("p.jpg", portrait(ALONE[0]))}).status_code == 200
        assert all(path.stat().st_size < 500_000 for path in files_below(small.temporary))


def test_nothing_uploaded_is_left_once_it_ends(project: Workspace) -> None:
    with served(project.folder) as ending:
        answer = requests.post(
            f"{ending.address}/gradio_api/upload", files={"files": ("p.jpg", portrait(ALONE[0]))}
        )
        assert answer.ok
        assert ending.end() == 0, ending.printed()
        assert files_below(ending.temporary) == []
        assert "Traceback" not in ending.printed()


def test_what_a_killed_one_left_is_removed_at_the_next_start(project: Workspace, tmp_path: Path) -> None:
    with served(project.folder, temporary=tmp_path) as killed:
        upload = f"{killed.address}/gradio_api/upload"
        assert requests.post(upload, files={"files": ("p.jpg", portrait(ALONE[0]))}).ok
        killed.process.kill()
        killed.process.wait()
        left = set(files_below(killed.temporary))
        assert left
    with served(project.folder, temporary=tmp_path):
        assert not left & set(files_below(tmp_path))


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]

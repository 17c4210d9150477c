"""The tab of many pictures: a zip or several files in, a zip of results and a table out."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import Context

from pipeline.errors import UserError
from pipeline.serve import fragments
from pipeline.serve.batch import Wanted
from pipeline.serve.desk import Desk, Finished, Most, Progress
from pipeline.serve.studio import Studio, shows

TABLE_HEADERS = ("file", "face", "output", "reason", "detail", "advice")
_COMMAND = (
    "For a folder on this machine, or more pictures: `python -m pipeline translate EXPERIMENT IN OUT`. "
    "It reads picture by picture and goes on where it was ended."
)
Updates = tuple[Any, ...]


def batch_tab(studio: Studio, most: Most | None = None) -> None:
    """Lay out the tab: what to translate, by which model, how far it is, and what came of it."""
    most = most or Most()
    names = studio.zoo.names()
    if not names:
        gr.HTML(fragments.no_models_html(), elem_id="batch-no-models")
        return
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            upload = gr.File(
                label="A zip, or several pictures",
                file_count="multiple",
                type="filepath",
                height=180,
                elem_id="batch-upload",
            )
            model = gr.Dropdown(names, value=None, label="Model", elem_id="batch-model")
            domain = gr.Dropdown([], label="What the pictures show", visible=False, elem_id="batch-domain")
            pastes = gr.Checkbox(
                label="Put the results back into the photographs, too", elem_id="batch-paste"
            )
            mark = gr.Checkbox(label='Write the word "generated" on every picture', elem_id="batch-mark")
            with gr.Row():
                start = gr.Button("Translate", variant="primary", elem_id="batch-start")
                cancel = gr.Button("Stop", interactive=False, elem_id="batch-cancel")
        with gr.Column(scale=3, min_width=300):
            status = gr.HTML(elem_id="batch-status")
            download = gr.DownloadButton("Download the results", interactive=False, elem_id="batch-download")
            table = gr.Dataframe(
                headers=list(TABLE_HEADERS),
                datatype="str",
                type="array",
                interactive=False,
                wrap=True,
                column_widths=["22%", "8%", "20%", "14%", "18%", "18%"],
                label="Every face, and every picture without one",
                elem_id="batch-table",
            )
    gr.Markdown(
        f"At most {most.files:,} files and {studio.limits.upload_bytes / 2**20:g} MB at once. {_COMMAND}",
        elem_id="batch-hint",
    )
    desks = _Desks(studio, most, Path(upload.GRADIO_CACHE))
    upload.change(desks.take, [upload], [status], queue=False, api_visibility="private")
    model.input(desks.domains, [model], [domain, status], api_visibility="private")
    ready = gr.State(False)
    begun = start.click(
        desks.begin,
        [model],
        [ready, status, table, download, start, cancel],
        queue=False,
        api_visibility="private",
    )
    worked = begun.then(
        desks.translate,
        [ready, model, domain, pastes, mark],
        [status, table, download],
        concurrency_limit=1,  # whoever comes next waits
        concurrency_id="batch",
        show_progress="hidden",
        api_visibility="private",
    )
    worked.then(desks.rest, [ready], [upload, start, cancel], queue=False, api_visibility="private")
    cancel.click(desks.stop, None, [cancel], queue=False, api_visibility="private")
    page = Context.root_block
    if page is not None:
        page.unload(desks.leave)


class _Desks:
    """What the tab's buttons do, for whoever pressed them."""

    def __init__(self, studio: Studio, most: Most, folder: Path) -> None:
        self._studio = studio
        self._most = most
        self._folder = folder

    def of(self, request: gr.Request) -> Desk:
        """Return the desk of whoever asks; one who comes without a session has a new one each time."""
        return Desk(self._folder, request.session_hash or secrets.token_hex(16))

    def take(self, uploads: list[str] | None, request: gr.Request) -> Any:
        """Keep what is uploaded; what was said of earlier pictures stays until there are others."""
        try:
            self.of(request).take([Path(upload) for upload in uploads or ()])
        except UserError as error:
            return fragments.text_html(str(error))
        return "" if uploads else gr.skip()

    def domains(self, model: str) -> Updates:
        """Offer what the model translates from, its first way's domain first."""
        try:
            found = list(dict.fromkeys(way.of for way in self._studio.zoo.ways(model)))
        except UserError as error:
            return gr.Dropdown(choices=[], value=None, visible=False), fragments.text_html(str(error))
        choices = [(shows(domain), domain) for domain in found]
        return gr.Dropdown(choices=choices, value=found[0], visible=len(found) > 1), ""

    def begin(self, model: str | None, request: gr.Request) -> Updates:
        """Let the visitor wait for the turn, or say what is wrong."""
        try:
            if model is None:
                raise UserError("choose a model first")
            self.of(request).begin(self._studio.limits.upload_bytes)
        except UserError as error:
            return False, fragments.text_html(str(error)), *[gr.skip()] * 4
        return (
            True,
            fragments.text_html("Waiting for its turn", "quiet"),
            [],
            gr.DownloadButton(value=None, interactive=False),
            gr.Button(interactive=False),
            gr.Button(interactive=True),
        )

    def translate(
        self,
        ready: bool,
        model: str,
        domain: str | None,
        pastes: bool,
        mark: bool,
        request: gr.Request,
    ) -> Iterator[Updates]:
        """Say how far it is after each picture, and show what came of all at the end."""
        if not ready:
            yield gr.skip(), gr.skip(), gr.skip()
            return
        wanted = Wanted(model, domain, pastes, mark)
        try:
            for each in self.of(request).translated(wanted, self._studio, self._most):
                if isinstance(each, Progress):
                    yield progress_html(each), gr.skip(), gr.skip()
                else:
                    download = gr.DownloadButton(value=str(each.archive), interactive=True)
                    yield finished_html(each), table_rows(each), download
        except UserError as error:
            yield fragments.text_html(str(error)), gr.skip(), gr.skip()

    def rest(self, ready: bool) -> Updates:
        """Make the tab ready for other pictures, once those that were given are done."""
        return None if ready else gr.skip(), gr.Button(interactive=True), gr.Button(interactive=False)

    def stop(self, request: gr.Request) -> Any:
        """Let it end after the picture at hand; what is done by then is there to download."""
        self.of(request).stop()
        return gr.Button(interactive=False)

    def leave(self, request: gr.Request) -> None:
        """Remove all that belongs to a visitor who has gone."""
        self.of(request).leave()


def progress_html(progress: Progress) -> str:
    """Return a bar that says how many pictures are done."""
    return (
        f'<p role="status">{progress.done} of {progress.total} pictures '
        f'<progress max="{max(progress.total, 1)}" value="{progress.done}" style="width: 100%"></progress></p>'
    )


def finished_html(finished: Finished) -> str:
    """Return in a sentence what came of the pictures."""
    counts = finished.counts
    rejected = sum(counts.rejected.values())
    said = f"{counts.pictures} pictures: {counts.translated} faces translated, {rejected} rejected"
    return fragments.text_html(f"{said}; {finished.ended}" if finished.ended else said, "quiet")


def table_rows(finished: Finished) -> list[list[str]]:
    """Return the table with the columns that are shown."""
    return [[row[name] for name in TABLE_HEADERS] for row in finished.rows]

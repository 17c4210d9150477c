"""The gallery of the test split's faces: choosing one gives its original picture to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from pipeline.errors import UserError
from pipeline.serve import fragments
from pipeline.serve.held_out_faces import HeldOut, crops_of, held_out_faces, picture_of
from pipeline.serve.studio import Studio

_PAGE = 24


@dataclass(frozen=True)
class HeldOutGallery:
    """`chosen` becomes the bytes of a picture and the number of the face in it."""

    chosen: gr.State


def held_out_gallery(studio: Studio, domain: gr.Radio) -> HeldOutGallery:
    """Lay out the gallery, a page at a time; it is filled when its tab is first looked at."""
    chosen, faces, first = gr.State(None), gr.State(()), gr.State(0)
    show = gr.Button("Show the faces of the test split", size="sm", elem_id="test-faces-show")
    problem = gr.HTML(elem_id="test-faces-problem")
    gallery = gr.Gallery(
        show_label=False,
        columns=4,
        height=320,
        allow_preview=False,
        interactive=False,
        buttons=[],
        format="webp",
        visible=False,
        elem_id="test-faces",
    )
    with gr.Row(visible=False) as pages:
        earlier = gr.Button("Earlier", size="sm", min_width=80, elem_id="test-faces-earlier")
        later = gr.Button("Later", size="sm", min_width=80, elem_id="test-faces-later")

    def page(of: Sequence[HeldOut], start: int) -> tuple[Any, ...]:
        start = max(0, min(start, (len(of) - 1) // _PAGE * _PAGE))
        try:
            crops = crops_of(of[start : start + _PAGE])
        except UserError as error:
            return of, 0, gr.update(visible=False), gr.update(visible=False), fragments.text_html(str(error))
        told = f"Faces {start + 1} to {start + len(crops)} of {len(of)}"
        none = "The test split has no faces of this kind; `dvc repro` gathers them"
        return (
            of,
            start,
            gr.update(value=[(crop, None) for crop in crops], visible=bool(crops), selected_index=None),
            gr.update(visible=len(of) > _PAGE),
            fragments.text_html(told if crops else none, "quiet"),
        )

    def first_page(shown: str) -> tuple[Any, ...]:
        try:
            return page(held_out_faces(shown, studio.takedowns()), 0)
        except UserError as error:
            return (), 0, gr.update(visible=False), gr.update(visible=False), fragments.text_html(str(error))

    def pick(of: Sequence[HeldOut], start: int, event: gr.SelectData) -> tuple[Any, Any]:
        face = of[start + event.index]
        try:
            return (picture_of(face), face.number), gr.skip()
        except UserError as error:
            return gr.skip(), fragments.text_html(str(error))

    outputs = [faces, first, gallery, pages, problem]
    gr.on([show.click, domain.input], first_page, domain, outputs, api_visibility="private")
    earlier.click(lambda of, at: page(of, at - _PAGE), [faces, first], outputs, api_visibility="private")
    later.click(lambda of, at: page(of, at + _PAGE), [faces, first], outputs, api_visibility="private")
    gallery.select(pick, [faces, first], [chosen, problem], api_visibility="private")
    return HeldOutGallery(chosen)

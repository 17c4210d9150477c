"""The widget of a model's control, by the control's kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from pipeline.serve.asking import Input


def widget(each: Input) -> Any:
    """Return the widget that asks for one value of a control."""
    return _WIDGETS[each.control.kind](each)


def _common(each: Input) -> dict[str, Any]:
    suffix = "" if each.part is None else f"-{each.part}"
    return {
        "label": each.label,
        "value": each.start,
        "min_width": 160,
        "elem_id": f"control-{each.control.field.replace('_', '-')}{suffix}",
    }


def _number(each: Input, **how: Any) -> Any:
    return gr.Number(
        **_common(each), info=each.control.hint, minimum=each.control.low, maximum=each.control.high, **how
    )


def _file(each: Input) -> Any:
    with gr.Column(min_width=200):
        gr.Markdown(each.control.hint)
        return gr.File(**_common(each), type="filepath", height=140)


_WIDGETS: dict[str, Callable[[Input], Any]] = {
    "colors": lambda each: gr.ColorPicker(**_common(each)),
    "seed": lambda each: _number(each, precision=0),
    "switch": lambda each: gr.Checkbox(**_common(each), info=each.control.hint),
    "image": _file,
    "labels": lambda each: gr.CheckboxGroup(
        **_common(each), choices=list(each.control.choices), info=each.control.hint
    ),
    "number": lambda each: gr.Slider(
        each.control.low or 0.0, each.control.high or 0.0, info=each.control.hint, **_common(each)
    ),
}

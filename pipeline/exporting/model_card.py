"""MODEL_CARD.md: what an exported model is, what it learnt from, how it was measured, what its limits are."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.datasets.attribution import ATTRIBUTION_NAME
from pipeline.experiments import as_dict
from pipeline.exporting.exported import NOTICE, Exported
from pipeline.exporting.limits import data_limits, limits
from pipeline.exporting.markdown import bullets, table, words
from pipeline.exporting.onnx_file import TOLERANCE
from pipeline.exporting.origins import SPLITS, Origin, counts, origins
from pipeline.exporting.trained import Trained
from pipeline.exporting.usage import usage
from pipeline.methods.cyclegan import CycleGan
from pipeline.methods.style_transfer import StyleTransfer
from pipeline.params import Params
from pipeline.parts import content_hash
from pipeline.report import tables
from pipeline.report.measured import is_measured, read_metrics, read_missing
from pipeline.weights import TABLE

_AUTHORS = 100


def model_card(trained: Trained, exported: Sequence[Exported], params: Params) -> str:
    """Return the card; the same models, metrics and dataset give the same text."""
    found = origins(trained.dataset)
    metrics = read_metrics(trained.name) if is_measured(trained.name) else {}
    sections = {
        "What it is": _what_it_is(trained),
        "Files": _files(trained, exported),
        "How to use it": usage(trained, exported, params),
        "What it learnt from": _learnt_from(trained),
        "Where the faces are from": _where_from(found),
        "How it was measured": _measured(trained, metrics),
        "Limits": bullets([*limits(trained, metrics), *data_limits(found, params)]),
        "Options": f"```yaml\n{_options(trained)}```",
    }
    body = "".join(f"\n## {title}\n\n{text}\n" for title, text in sections.items())
    return f"# Model card: {trained.name}\n\n**{NOTICE}**\n{body}"


def _what_it_is(trained: Trained) -> str:
    experiment, done = trained.experiment, trained.steps_done()
    cut_short = "" if done in (None, experiment.steps) else f", of which {done:,} were done"
    facts = {
        "method": f"`{experiment.method}` – {_first_line(trained.method)}",
        "domains": f"from {experiment.domains[0]} to {experiment.domains[1]}",
        "images": f"{experiment.size_px} × {experiment.size_px} pixels",
        "training": f"{experiment.steps or 0:,} steps{cut_short}, in batches of {experiment.batch_size}",
        "seed": f"{trained.seed}" + _other_seeds(experiment.seeds),
        "started from": _start(trained),
    }
    return table(("", ""), facts.items())


def _first_line(method: object) -> str:
    """Return what the method's module says of it, with the paper that it is from."""
    return words((sys.modules[type(method).__module__].__doc__ or "").split("\n")[0])


def _start(trained: Trained) -> str:
    """Return whose weights the training began with, and under which licence, where these are known."""
    method = trained.method
    if isinstance(method, StyleTransfer):
        name, part = method.options.perceptual_weights, ", which is part of the model"
    elif isinstance(method, CycleGan) and method.options.encoder == "face_features":
        name, part = method.options.encoder_weights, " in its first half"
    else:
        return trained.experiment.init_from or "random weights"
    licence = f" (licence: {words(TABLE[name].licence)})" if name in TABLE else ""
    return f"{words(Path(name).name)}{licence}{part}"


def _other_seeds(seeds: Sequence[int]) -> str:
    return f"; also trained from {', '.join(map(str, seeds[1:]))}, not exported" if seeds[1:] else ""


def _files(trained: Trained, exported: Sequence[Exported]) -> str:
    rows = [
        (f"`{each.file.name}`", f"{each.way.of} to {each.way.to}", f"`{content_hash(each.file)}`")
        for each in exported
    ]
    weights = [(f"`{path.name}`", f"`{content_hash(path)}`") for path in trained.weights()]
    checks = [
        f"`{each.file.name}`: on {each.difference.faces} faces of {each.way.of} its images differ from PyTorch's by "
        f"{each.difference.mean:.1e} on average and {each.difference.largest:.1e} at most, of values in [-1, 1]"
        for each in exported
    ]
    return (
        f"{table(('file', 'translation', 'SHA-256'), rows)}\n\nChecked by ONNX Runtime (at most {TOLERANCE:g} is let "
        f"through):\n\n{bullets(checks)}\n\nThe trained weights that they hold:\n\n"
        f"{table(('weights', 'SHA-256'), weights)}\n\nBeside them, `{ATTRIBUTION_NAME}` says whose the images are "
        "that the model learnt from, and `experiment.json` is the experiment with every option."
    )


def _learnt_from(trained: Trained) -> str:
    rows = [
        (domain, *(f"{of[split]:,}" for split in SPLITS), f"{sum(of.values()):,}")
        for domain, of in counts(trained.dataset)
    ]
    pairs = trained.dataset.pairs
    by = {"pair_id": "that belong together", "nearest_landmarks": "of similar landmarks, not of one person"}
    paired = (
        "" if pairs is None else f"\n\n{pairs.num_rows:,} pairs of faces {by[trained.experiment.pairing]}."
    )
    return table(("domain", "training", "validation", "test", "all"), rows) + paired


def _where_from(found: Sequence[Origin]) -> str:
    rows = [
        (
            words(each.domain),
            words(each.source),
            words(each.licence),
            f"{each.faces:,}",
            _authors(each.authors),
        )
        for each in found
    ]
    return (
        f"{table(('domain', 'source', 'licence', 'faces', 'authors'), rows)}\n\n`{ATTRIBUTION_NAME}` names for each "
        "image its address, page, title, author and licence; keep it with the model."
    )


def _authors(authors: Counter[str]) -> str:
    """Return the authors with how many faces are theirs, the most frequent first, up to a hundred."""
    ordered = sorted(authors.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{words(author)} ({count:,})" for author, count in ordered[:_AUTHORS]]
    others = len(ordered) - len(named)
    return ", ".join(named) + (f", and {others:,} others in `{ATTRIBUTION_NAME}`" if others > 0 else "")


def _measured(trained: Trained, metrics: Mapping[str, Any]) -> str:
    if not metrics:
        return f"Not yet: `dvc repro evaluate@{trained.name}` measures it."
    missing = read_missing(trained.name)
    return "\n\n".join(
        [
            "On test faces, which no training step saw; in brackets 95% intervals. `docs/measuring.md` of the project "
            "says what each number means.",
            *(_measured_way(way, values, missing.get(way, {})) for way, values in metrics.items()),
        ]
    )


def _measured_way(way: str, values: Mapping[str, Any], missing: Mapping[str, str]) -> str:
    rows = [(words(name), words(number)) for name, number in tables.numbers(values)]
    lacking = [f"not measured: {words(what)} – {words(why)}" for what, why in tables.missing(missing)]
    title = f"### {words(way.replace('_to_', ' to '))}"
    return f"{title}\n\n{table(('number', 'value'), rows)}\n\n{bullets(lacking)}".rstrip()


def _options(trained: Trained) -> str:
    plain = json.loads(json.dumps(as_dict(trained.experiment)))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)

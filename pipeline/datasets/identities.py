"""Faces by whom, or what, they show: which labels a recogniser learns, which faces have one, and their split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.datasets.selection import Candidates
from pipeline.datasets.splits import place_of, split_within_subjects
from pipeline.errors import UserError
from pipeline.experiments.recognising import SUBJECT, Recogniser

_NO_LABEL, _SEVERAL = "no_label", "several_labels"
_ONE_DOMAIN = "label_not_in_every_domain"
_BEYOND = "beyond_real_target"


def within_subjects(
    domains: Mapping[str, Candidates], by: Sequence[str], val: float, test: float
) -> dict[str, Candidates]:
    """Return the faces with a split of their own, the same in all domains, instead of the catalogue's.

    See `split_within_subjects`. It is a function of the kept faces of these domains alone: experiments on the same
    domains hold out the same faces, whatever else they leave out.
    """
    columns = ["face_id", "image_id", "page_url"]
    frames = [
        faces.frame.assign(**{name: faces.table[name].to_pylist() for name in columns})
        for faces in domains.values()
    ]
    together = pd.concat(frames, ignore_index=True)
    split = split_within_subjects(together, by, val, test).to_numpy()
    ends = np.cumsum([len(frame) for frame in frames])[:-1]
    return {
        name: _with_split(faces, own)
        for (name, faces), own in zip(domains.items(), np.split(split, ends), strict=True)
    }


def _with_split(faces: Candidates, split: np.ndarray) -> Candidates:
    place = faces.table.schema.get_field_index("split")
    table = faces.table.set_column(place, faces.table.schema.field(place), pa.array(split, pa.string()))
    return replace(faces, table=table, frame=faces.frame.assign(split=split))


def labels_of(faces: Candidates, label: str | tuple[str, ...]) -> pd.Series:
    """Return the label of each face: whom it shows, or the one tag of those that count; None with none or several."""
    if label == SUBJECT:
        return faces.frame["subject"].astype(object).where(faces.frame["subject"].notna(), None)
    found = [_counting(tags, label) for tags in faces.frame["tags"]]
    return pd.Series([tags[0] if len(tags) == 1 else None for tags in found], faces.frame.index, dtype=object)


def _counting(tags: Sequence[str] | None, label: str | tuple[str, ...]) -> list[str]:
    own = sorted(set(tags)) if tags is not None else []
    return [tag for tag in own if (tag.startswith(label) if isinstance(label, str) else tag in label)]


def choose_labels(name: str, experiment: Recogniser, domains: Mapping[str, Candidates]) -> tuple[str, ...]:
    """Leave out the faces that are of no use to a recogniser; return the labels of the others, in order.

    A label must be shown in each domain, by faces that `select` left. `name` is the experiment's. Raises `UserError`
    where fewer than two labels are left, or where there is nothing to train on or nobody to recognise.
    """
    labels = {domain: labels_of(faces, experiment.label) for domain, faces in domains.items()}
    for domain, faces in domains.items():
        several = [len(_counting(tags, experiment.label)) > 1 for tags in faces.frame["tags"]]
        if experiment.label != SUBJECT:
            faces.leave_out(pd.Series(several, faces.frame.index), _SEVERAL)
        faces.leave_out(labels[domain].isna(), _NO_LABEL)
    shown = {domain: set(labels[domain][faces.selected().index]) for domain, faces in domains.items()}
    for domain, found in shown.items():
        if not found:
            raise UserError(
                f"experiments.{name}.label: no face of {domain} has one (label: {_said(experiment.label)}; "
                f"left out: {_lost(domains[domain])}); does its source name subjects or tags?"
            )
    common = set.intersection(*shown.values())
    for domain, faces in domains.items():
        faces.leave_out(~labels[domain].isin(common), _ONE_DOMAIN)
    _limit_real_target(experiment, domains, labels)
    _refuse(name, experiment, domains, labels, common)
    return tuple(sorted(common))


def one_hot(labels: pd.Series, among: Sequence[str]) -> np.ndarray:
    """Return NxL uint8: 1 where a face's label is."""
    return (labels.to_numpy()[:, None] == np.array(among, dtype=object)).astype(np.uint8)


def _limit_real_target(
    experiment: Recogniser, domains: Mapping[str, Candidates], labels: Mapping[str, pd.Series]
) -> None:
    """Leave out training faces of the last domain beyond so many for each label, by a hash of their ids."""
    if experiment.real_target is None:
        return
    target = experiment.domains[-1]
    training = domains[target].training()
    place = training["face_id"].map(place_of)
    rank = place.groupby(labels[target][training.index]).rank(method="first")
    domains[target].leave_out(rank > experiment.real_target, _BEYOND)


def _refuse(
    name: str,
    experiment: Recogniser,
    domains: Mapping[str, Candidates],
    labels: Mapping[str, pd.Series],
    common: set[str],
) -> None:
    if len(common) < 2:
        raise UserError(
            f"experiments.{name}.label: {len(common)} of the labels ({_said(experiment.label)}) are shown in every "
            f"domain ({', '.join(domains)}); at least 2 are needed: add images, or lower per_subject.min"
        )
    trained = set().union(*(labels[domain][faces.training().index] for domain, faces in domains.items()))
    if missing := sorted(common - trained):
        raise UserError(
            f"experiments.{name}: {', '.join(missing[:5])} would be tested and not trained on "
            f"({len(missing)} in all have no training face); set split to within_subjects, or add images"
        )
    target = experiment.domains[-1]
    if not (domains[target].selected()["split"] == "test").any():
        raise UserError(
            f"experiments.{name}: {target} has no test face to recognise; raise catalogue.split.test, "
            "add images, or leave page_url out of catalogue.split.by where all images of a person are one page's"
        )


def _said(label: str | tuple[str, ...]) -> str:
    return label if isinstance(label, str) else ", ".join(label)


def _lost(faces: Candidates) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in faces.left_out().items()) or "none"

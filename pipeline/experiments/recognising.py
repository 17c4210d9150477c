"""The options of recognisers: who somebody is, learnt with and without images that a translation made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pipeline.experiments.common import Augment, Classifying, require

SUBJECT = "subject"


@dataclass(frozen=True, kw_only=True)
class Recogniser(Classifying):
    """A classifier that tells people apart (document 003), and whether generated images help it.

    `label`: `subject`, the people that the source names; or the tags of which a face has one: a list of them, or how
    they all begin, such as `expression:`. Only those are learnt that both domains show. The probes that count are the
    test faces of the last domain.

    `classifier: linear` learns one layer on the numbers that a finished network makes of each face, `embedding`:
    dlib's 128, which are always here; the 512 of Inception-ResNet-v1, whose file is `weights`; or the face's own grey
    `pixels`, which owe nothing to other faces. `classifier: inception-resnet-v1` trains that network too, from
    `weights`: the name of published ones, the path of a file, or `none` for random ones. `auto` is the published ones
    where they are here and `none` where they are not; the dataset says in `experiment.json` which it was.

    `generated_by`: the experiment whose translation from the first domain to the second makes a further image of each
    training face of the first; null for none. `real_target`: at most so many real training faces of the second domain
    for each label, for document 003's motive is that there are few; null for all.
    """

    method: Literal["recogniser"] = "recogniser"
    split: Literal["catalogue", "within_subjects"] = "within_subjects"
    augment: Augment = field(default_factory=lambda: Augment(enlarge=1.0))
    label: str | tuple[str, ...] = SUBJECT
    classifier: Literal["linear", "inception-resnet-v1"] = "linear"
    embedding: Literal["dlib-resnet-128", "inception-resnet-v1", "pixels"] = "dlib-resnet-128"
    weights: str = "auto"
    generated_by: str | None = None
    real_target: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.label), "label must be subject, the beginning of tags, or a list of tags")
        require(
            not isinstance(self.label, tuple) or len(set(self.label)) == len(self.label) >= 2,
            f"label must list at least two different tags, got {self.label}",
        )
        require(
            self.split == "within_subjects" or self.label != SUBJECT,
            "split: catalogue parts people, so that those to be recognised were never seen; "
            "set split to within_subjects, or label to tags",
        )
        require(
            len(self.domains) == 2 or (self.generated_by is None and self.real_target is None),
            "generated_by and real_target need two domains: what is translated, and to what",
        )
        require(
            self.real_target is None or self.real_target >= 1,
            f"real_target must be at least 1, got {self.real_target}",
        )
        require(not self.match, "match changes who is in the training; leave it out")
        require(
            self.classifier == "linear" or self.embedding == "dlib-resnet-128",
            "embedding is what classifier: linear learns on; leave it out",
        )
        require(
            self.embedding != "inception-resnet-v1" or self.weights != "none",
            "embedding: inception-resnet-v1 says nothing without weights; set weights to auto or to a file",
        )

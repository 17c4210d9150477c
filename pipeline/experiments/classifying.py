"""The options of the tag estimator: which tags faces have, learnt from what their sources say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pipeline.experiments.common import Augment, Classifying, require, require_at_least_1


@dataclass(frozen=True, kw_only=True)
class Tagger(Classifying):
    """Document 004's trainer of backbones: a network that says which tags a face has.

    `labels` by hand, or else the `top_tags` most frequent tags; of `categories` alone, where some are named (what
    stands before a tag's colon, such as Danbooru's `general` or CelebA's `attribute`). Tags that fewer than `min_count`
    training faces have, or lack, teach nothing and are left out; so are faces that no tag is known of, and those that
    are not alone in their picture, whose tags may be another's.

    `backbone`: any network of timm or torchvision by name; `backbone_weights`: `none`, `imagenet`, or the path of a
    file. `positive_weight`: how much the faces that have a tag count against those that lack it: `balanced` as much
    in sum, at most 20 times each; or a number for each label.
    """

    method: Literal["tagger"] = "tagger"
    augment: Augment = field(default_factory=lambda: Augment(brightness=0.05))
    backbone: str = "regnetx_002"
    backbone_weights: str = "none"
    top_tags: int = 50
    min_count: int = 10
    categories: tuple[str, ...] = ()
    positive_weight: Literal["balanced", "none"] | tuple[float, ...] = "balanced"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least_1(self, "top_tags", "min_count")
        require(self.batch_size >= 2, "batch_size must be at least 2: networks normalise over the batch")
        require(bool(self.backbone), "backbone must name a network of timm or torchvision")
        require(bool(self.backbone_weights), "backbone_weights must be none, imagenet, or the path of a file")
        if isinstance(self.positive_weight, tuple):
            require(
                len(self.positive_weight) == len(self.labels) > 0,
                f"positive_weight has {len(self.positive_weight)} numbers for {len(self.labels)} labels",
            )
            require(all(weight > 0 for weight in self.positive_weight), "positive_weight must be above 0")

    @property
    def needs_tags(self) -> bool:
        """Whether faces that no tag is known of are of no use."""
        return not self.labels

"""The landmarks of one found face: cut out as the models know faces, marked, and checked against what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.faces.ibug import eye_centers
from pipeline.faces.landmarks import SLOW, canonical, load_landmarker
from pipeline.faces.landmarks.agreement import disagreement, eyes_and_mouth, is_upright, wandering
from pipeline.faces.landmarks.drawn_eyes import find_irises
from pipeline.faces.mesh import fit_mesh
from pipeline.faces.pose import estimate_pose, roll_of_eyes

Point = tuple[float, float]

# How the box is moved and resized to see whether the points stay: parts of its side.
_MOVES = ((0, 0, 0), (0, 0, -0.08), (0, 0, 0.08), (0.04, 0.04, 0), (-0.04, -0.04, 0))
_MIN_PRESENCE = 0.5
# How much the model's eyes of a drawn face count beside the detector's.
_TRUST_IN_MODEL = 0.65
# How well two irises must fit the drawing (correlation): of 184 real ones none has less than 0.28.
_MIN_IRIS_FIT = 0.27


class Unmarkable(Exception):
    """A face whose landmarks are not to be had; `reason` is from the vocabulary of rejections."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Marked:
    """Points in pixels of the picture, and what is known from them.

    `points_68` is None and `disagreement` too where no model was asked. `disagreement` is in distances between the
    eyes. Drawn faces have no pitch: their mouth is where it pleases, which on a head of people reads as a nod.
    """

    eyes: np.ndarray
    points_68: np.ndarray | None
    disagreement: float | None
    yaw_deg: float | None
    pitch_deg: float | None
    roll_deg: float


def mark_real(
    rgb: np.ndarray,
    box_xyxy: tuple[float, ...],
    points: Mapping[str, Point],
    model: str,
    max_abs_yaw_deg: float = 90,
) -> Marked:
    """Return the landmarks of a real face in HxWx3 uint8 RGB; raise `Unmarkable` for profiles and no faces.

    The mesh, which knows turned heads, tells where the face is, how it is turned, and what to hold the model's
    points against. The points are the median over several boxes.
    """
    mesh = fit_mesh(rgb, box_xyxy, _eyes(points))
    if mesh.presence < _MIN_PRESENCE:
        raise Unmarkable("bad_landmarks", f"the face mesh is {mesh.presence:.0%} sure that it is a face")
    turned = estimate_pose(mesh.points_68)
    if abs(turned.yaw_deg) > max_abs_yaw_deg:
        raise Unmarkable("profile", f"yaw {turned.yaw_deg:.0f} degrees, at most {max_abs_yaw_deg:g}")
    face = canonical.leveled(rgb, mesh)
    marked, moved = _settled(face.pixels, model, _MOVES[:1] if model in SLOW else _MOVES)
    points_68 = face.to_picture(marked)
    apart = max(moved, disagreement(eyes_and_mouth(points_68), eyes_and_mouth(mesh.points_68)))
    return Marked(eye_centers(points_68), points_68, apart, **estimate_pose(points_68)._asdict())


def mark_cartoon(
    rgb: np.ndarray, points: Mapping[str, Point], model: str, box_xyxy: tuple[float, ...] | None = None
) -> Marked:
    """Return the landmarks of a drawn face in HxWx3 uint8 RGB; raise `Unmarkable`.

    Where the detector knows nothing but the box, the model's points in it stand alone, and are worth what they are
    steady over several boxes.
    """
    if not points and box_xyxy is not None and model != "none":
        return _mark_boxed_cartoon(rgb, box_xyxy, model)
    eyes, mouth = _eyes(points), points.get("mouth")
    if eyes is None or mouth is None:
        raise Unmarkable("eye_missing", "the detector does not see both eyes and the mouth")
    if not is_upright(eyes, np.array(mouth)):
        raise Unmarkable("bad_landmarks", "the mouth is not below the eyes")
    if model == "none":
        irises = _irises(rgb, eyes)
        return Marked(irises, None, None, None, None, roll_of_eyes(irises))
    face = canonical.stretched(rgb, points)
    points_68 = face.to_picture(load_landmarker(model)(face.pixels, canonical.BOX_XYXY))
    apart = disagreement(eyes_and_mouth(points_68), np.vstack([eyes, mouth]))
    # On large drawn eyes the detector sits high and wide, the model of people low: what is between them is held
    # against the drawing, which knows best how far across an eye is.
    between = (1 - _TRUST_IN_MODEL) * eyes + _TRUST_IN_MODEL * eye_centers(points_68)
    eyes = _half_way(between, _irises(rgb, between))
    return Marked(eyes, points_68, apart, estimate_pose(points_68).yaw_deg, None, roll_of_eyes(eyes))


def _irises(rgb: np.ndarray, eyes: np.ndarray) -> np.ndarray:
    found = find_irises(rgb, eyes)
    if found.fit < _MIN_IRIS_FIT:
        raise Unmarkable(
            "eye_missing", f"no two eyes are drawn there: {found.fit:.2f}, at least {_MIN_IRIS_FIT}"
        )
    return found.centers


def _half_way(between: np.ndarray, irises: np.ndarray) -> np.ndarray:
    """Return the irises, moved half way back to the eyes (2x2) along the face's own vertical."""
    across = between[1] - between[0]
    down = np.array([-across[1], across[0]]) / np.linalg.norm(across)
    return irises - ((irises - between) @ down / 2)[:, None] * down


def _mark_boxed_cartoon(rgb: np.ndarray, box_xyxy: tuple[float, ...], model: str) -> Marked:
    face = canonical.boxed(rgb, box_xyxy)
    marked, moved = _settled(face.pixels, model)
    points_68 = face.to_picture(marked)
    eyes = eye_centers(points_68)
    return Marked(eyes, points_68, moved, estimate_pose(points_68).yaw_deg, None, roll_of_eyes(eyes))


def _eyes(points: Mapping[str, Point]) -> np.ndarray | None:
    if not {"left_eye", "right_eye"} <= points.keys():
        return None
    return np.array([points["left_eye"], points["right_eye"]])


def _settled(
    pixels: np.ndarray, model: str, moves: Sequence[tuple[float, float, float]] = _MOVES
) -> tuple[np.ndarray, float]:
    """Return the median of the model's points over several boxes, and how far they wander."""
    predict = load_landmarker(model)
    attempts = np.array([predict(pixels, _moved(*move)) for move in moves])
    points_68 = np.median(attempts, axis=0)
    return points_68, wandering(attempts, points_68)


def _moved(right: float, down: float, larger: float) -> tuple[float, ...]:
    x, y = canonical.BOX_SIDE_PX * right, canonical.BOX_SIDE_PX * down
    half = canonical.BOX_SIDE_PX * larger / 2
    sides = zip(canonical.BOX_XYXY, (x - half, y - half, x + half, y + half), strict=True)
    return tuple(side + move for side, move in sides)

import numpy as np

from pipeline.datasets.labels import frequent_tags, label_faces, positive_weights

LABELS = {"nose": ["nose surgery", "rhinoplasty"], "smile": ["smile"]}


def test_a_label_is_a_tag_or_whole_words_of_the_title() -> None:
    tags = [["nose_surgery"], None, ["Smile", "outdoor"], [], []]
    titles = [None, "After Rhinoplasty, six weeks", "", "smiles all around", "Nose  surgery; a SMILE"]
    assert label_faces(tags, titles, LABELS).tolist() == [[1, 0], [1, 0], [0, 1], [0, 0], [1, 1]]


def test_an_experiment_without_labels_has_none() -> None:
    assert label_faces([["a"], None], ["b", None], {}).tolist() == [[], []]


def test_a_label_without_words_is_never_given() -> None:
    assert label_faces([["a"]], ["b"], {"nothing": []}).tolist() == [[0]]


def test_the_most_frequent_tags_that_tell_faces_apart_are_taken() -> None:
    photos = [["drawn", "Photo", "long_hair"], ["drawn", "photo", "hat"], ["drawn", "photo", "hat", "rare"]]
    anime = [
        ["drawn", "anime", "long hair"],
        ["drawn", "anime"],
        ["drawn", "anime", "hat"],
        ["drawn", "anime"],
    ]
    taken, left_out = frequent_tags([photos, anime], top=2, min_count=1)
    assert taken == ["hat", "long hair"]
    assert left_out == {"other_category": 0, "too_few": 0, "too_many": 3, "beyond_top": 1}


def test_a_tag_that_all_or_hardly_any_faces_of_a_domain_have_teaches_nothing() -> None:
    faces = [["all"], ["all"], ["all", "some"], ["all", "some", "one"]]
    assert frequent_tags([faces], top=9, min_count=2) == (
        ["some"],
        {"other_category": 0, "too_few": 1, "too_many": 1, "beyond_top": 0},
    )


def test_a_tag_of_one_domain_alone_says_which_domain_it_is_and_no_more() -> None:
    assert frequent_tags([[["photo"]] * 3, [["anime"]] * 3], top=9, min_count=1)[0] == []


def test_tags_of_some_categories_alone_can_be_learnt() -> None:
    """Danbooru's tags and CelebA's attributes come with what they are before a colon."""
    faces = [
        ["general:1girl", "artist:ada"],
        ["general:solo", "artist:ada", "attribute:Smiling"],
        ["artist:bob"],
    ]
    assert frequent_tags([faces], 9, 1, ["general"])[0] == ["general:1girl", "general:solo"]
    assert frequent_tags([faces], 9, 1, ["attribute"])[0] == ["attribute:smiling"]
    assert frequent_tags([faces], 9, 1, ["attribute"])[1]["other_category"] == 4


def test_faces_that_have_a_tag_count_as_much_as_those_that_lack_it() -> None:
    labels = np.array([[1, 1, 0, 1], [0, 1, 0, 1], [0, 1, 0, 1], [0, 0, 0, 1]])
    assert positive_weights(labels, most=20) == [3, 0.3333, 1, 0.05]
    assert positive_weights(labels, most=2) == [2, 0.5, 1, 0.5]

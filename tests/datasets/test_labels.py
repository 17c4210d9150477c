from pipeline.datasets.labels import label_faces

LABELS = {"nose": ["nose surgery", "rhinoplasty"], "smile": ["smile"]}


def test_a_label_is_a_tag_or_whole_words_of_the_title() -> None:
    tags = [["nose_surgery"], None, ["Smile", "outdoor"], [], []]
    titles = [None, "After Rhinoplasty, six weeks", "", "smiles all around", "Nose  surgery; a SMILE"]
    assert label_faces(tags, titles, LABELS).tolist() == [[1, 0], [1, 0], [0, 1], [0, 0], [1, 1]]


def test_an_experiment_without_labels_has_none() -> None:
    assert label_faces([["a"], None], ["b", None], {}).tolist() == [[], []]


def test_a_label_without_words_is_never_given() -> None:
    assert label_faces([["a"]], ["b"], {"nothing": []}).tolist() == [[0]]

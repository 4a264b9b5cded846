"""An evaluation becomes an appendix: what reporting guidelines ask for, filled in where the record knows it.

CLAIM 2024 (doi:10.1148/ryai.240300), STARD-AI 2025 (doi:10.1038/s41591-025-03953-8), TRIPOD+AI 2024
(doi:10.1136/bmj-2023-078378): the items' numbers are theirs, the words are ours.
"""

from __future__ import annotations

from batchscan.domain.evaluated import Evaluation
from batchscan.report.blocks import Cell, Section, Table, Words
from batchscan.report.checklist_answers import ANSWERS

TO_BE_PROVIDED = "To be provided"

ITEMS: tuple[tuple[str, str, str, str], ...] = (
    ("Title names the method and a measure of accuracy", "1", "1", "1"),
    ("Structured abstract", "2", "2", "2"),
    ("Background, intended use and place in the care", "3", "3", "3a 3b"),
    ("Known inequalities between groups of people", "", "", "3c"),
    ("Objectives and hypotheses", "4", "4", "4"),
    ("Prospective or retrospective", "5", "5", ""),
    ("Goal of the study", "6", "", ""),
    ("Ethics approval and consent", "", "6", "17"),
    ("Sources of the data", "7", "11", "5a"),
    ("Who and what was eligible", "8", "7", "6b"),
    ("How, where and when patients were found", "", "8 9 10", "5b 6a"),
    ("Treatments received", "", "", "6c"),
    ("Devices, acquisition and spacing", "13", "13 14", ""),
    ("Preparation of the data and its quality", "9", "", "7"),
    ("Selection of parts of the data", "10", "", ""),
    ("De-identification", "11", "", ""),
    ("Missing data", "12", "20", "11"),
    ("Results that are neither yes nor no", "", "19", ""),
    ("Reference standard", "14", "16a 16c", "8a"),
    ("Why this reference standard", "15", "16b", ""),
    ("Who labelled, with what training", "16", "12", "8b"),
    ("How and with which tools the test set was labelled", "17", "", ""),
    ("How far readers agree", "18", "", ""),
    ("Blinding", "", "17a 17b", "8c"),
    ("Predictors", "", "", "9a 9b 9c 12b"),
    ("How patients were assigned to partitions", "19", "", "12a"),
    ("At which level partitions are disjoint", "20", "", ""),
    ("Intended size of the study", "21", "22", "10"),
    ("Numbers in each analysis", "", "", "21"),
    ("The model", "22", "15a", "22"),
    ("Software", "23", "", ""),
    ("How the model was made", "24 25 26 27", "15b", "12c"),
    ("Rare classes", "", "", "13"),
    ("Output and thresholds", "", "15c", "15"),
    ("Users and their training", "", "15d", "27b"),
    ("How predictions were calculated", "", "", "12g"),
    ("Updating of the model", "", "", "12f 24"),
    ("Measures and plots", "28", "", "12e"),
    ("Uncertainty", "29", "18", ""),
    ("Robustness and variability", "30", "21", ""),
    ("Differences between clusters", "", "", "12d 23b"),
    ("Explanations", "31", "", ""),
    ("Internal and external testing", "32 33", "29", "16 20c"),
    ("Registration", "34", "36", "18d"),
    ("Flow of patients and slides", "35", "24", "20a"),
    ("Characteristics of the patients", "36", "25 26a 26b", "20b"),
    ("Time between scan and reference", "", "27", ""),
    ("Whether the cohort is like those it is meant for", "", "28", ""),
    ("Cross tabulation", "", "30", ""),
    ("Performance with intervals, subgroups", "37 38", "31", "23a"),
    ("Analysis of errors", "39", "", ""),
    ("Bias and fairness", "", "23 35", "14"),
    ("Adverse events", "", "32", ""),
    ("Limitations", "40", "33", "26"),
    ("Interpretation and meaning for practice", "41", "34", "25"),
    ("Poor or missing input", "", "", "27a"),
    ("Next steps", "", "", "27c"),
    ("Patients\u2019 and the public\u2019s part", "", "", "19"),
    ("Protocol", "42", "37", "18c"),
    ("Availability of data, model and code", "43", "40a", "18e 18f"),
    ("Whether outputs are kept and can be audited", "", "40b", ""),
    ("Funding and interests", "44", "38 39", "18a 18b"),
)
"""Topic, and the items of CLAIM 2024, STARD-AI and TRIPOD+AI that ask for it."""


def checklist(evaluation: Evaluation) -> Section:
    """A row a topic; what the record doesn't know people must write."""
    rows = tuple(
        (Cell(topic), Cell(claim), Cell(stard), Cell(tripod), Cell(_answer(topic, evaluation)))
        for topic, claim, stard, tripod in ITEMS
    )
    lead = Words(
        "Items by number of CLAIM 2024 (doi:10.1148/ryai.240300), STARD-AI 2025 (doi:10.1038/s41591-025-03953-8) and "
        "TRIPOD+AI 2024 (doi:10.1136/bmj-2023-078378), in our own words: the published wording counts. Filled in where "
        "the evaluation knows it; the rest is for the people who answer for the study."
    )
    table = Table(
        "",
        ("Topic", "CLAIM", "STARD-AI", "TRIPOD+AI", "This evaluation"),
        rows,
        n_text=5,
        widths=(48.0, 16.0, 17.0, 19.0),
    )
    return Section("Appendix: reporting guidelines", (lead, table))


def _answer(topic: str, evaluation: Evaluation) -> str:
    known = ANSWERS.get(topic)
    return known(evaluation) if known else f"{TO_BE_PROVIDED}."

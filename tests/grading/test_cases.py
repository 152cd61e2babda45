"""What no submission may do, 42 cases, and where each is a test.

`ATTACKS` of `segedu.grading.hostile` are run by `test_attacks`; a change of `test_accidents` is made to a perfect
notebook by the function of that name.
"""

import importlib

import pytest

from segedu.grading.hostile import ATTACKS

ATTACK = "hostile.ATTACKS"
CASES = {
    1: ("a perfect submission gets full marks", "test_accidents.test_a_perfect_submission_has_full_marks"),
    2: ("an untouched one gets 0", "test_accidents.untouched"),
    3: ("a syntax error costs its question and what depends on it",
        "test_accidents.test_an_error_in_one_question_costs_what_depends_on_it"),
    4: ("an endless loop", ATTACK),
    5: ("a loop that swallows KeyboardInterrupt", ATTACK),
    6: ("os._exit, a segmentation fault, SIGKILL", ATTACK),
    7: ("sys.exit()", ATTACK),
    8: ("100 GB", ATTACK),
    9: ("a fork bomb", ATTACK),
    10: ("an orphan", ATTACK),
    11: ("300 MB of print", ATTACK),
    12: ("20,000 displays", ATTACK),
    13: ("a file of 1 GB", ATTACK),
    14: ("input()", ATTACK),
    15: ("a deleted answer cell", "test_accidents.without_answer"),
    16: ("a deleted or edited check cell", "test_accidents.check_edited"),
    17: ("a duplicated cell", "test_accidents.answer_twice"),
    18: ("reordered cells", "test_accidents.reordered"),
    19: ("a code cell turned into text", "test_accidents.answer_turned_into_text"),
    20: ("tags and comments that skip", "test_accidents.told_to_skip"),
    21: ("faked outputs", "test_accidents.faked_outputs"),
    22: ("patched comparisons", ATTACK),
    23: ("an input transformer, a patched do_execute", ATTACK),
    24: ("an overwritten check(), shadow modules", ATTACK),
    25: ("conftest.py, pytest.ini, sitecustomize.py", "test_grade.test_no_file_that_lies_beside_a_submission_is_run"),
    26: ("reading the solutions", ATTACK),
    27: ("reading or killing the parent", ATTACK),
    28: ("writing the results", ATTACK),
    29: ("answers for the visible inputs only", "test_accidents.answers_of_visible_inputs_only"),
    30: ("torch or scipy imported", ATTACK),
    31: ("the network", ATTACK),
    32: ("invalid JSON, empty, binary", "test_accidents.test_what_is_no_notebook_is_unreadable_and_the_class_goes_on"),
    33: ("hw (1).ipynb", "test_accidents.test_a_perfect_submission_has_full_marks"),
    34: ("nbformat 3, another kernel", "test_accidents.another_kernel"),
    35: ("zip-slip, links, bombs", "test_intake.test_a_path_that_leaves_its_folder_is_rejected_and_the_class_goes_on"),
    36: ("HTML or script in output and names", "test_pages.test_no_text_changes_the_elements_of_a_page"),
    37: ("a formula in a table", "test_tables.test_no_text_begins_a_formula_and_numbers_stay_what_they_are"),
    38: ("a CUDA kernel that hangs, races, reads out of bounds",
         "test_cuda_answers.test_a_wrong_kernel_is_described_and_costs_its_question_only"),
    39: ("the library's own operators", ATTACK),
    40: ("PyTorch through sys.modules", ATTACK),
    41: ("np.random patched", "test_accidents.seeds_fixed"),
    42: ("forged results", ATTACK),
}  # fmt: skip


@pytest.mark.parametrize("number", range(1, 43))
def test_the_case_is_a_test(number):
    _, where = CASES[number]
    if where == ATTACK:
        assert number in {attack.number for attack in ATTACKS}
    else:
        module, name = where.split(".")
        found = getattr(importlib.import_module(f"tests.grading.{module}"), name)
        changes = importlib.import_module("tests.grading.test_accidents").CHANGES
        assert name.startswith("test_") or found in changes

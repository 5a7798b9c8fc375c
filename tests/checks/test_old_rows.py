"""Rows that moved are counted, input or output, and those of new tokens are not."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch

from lexigraft.checks.old_rows import old_rows
from lexigraft.host import Host
from lexigraft.likelihood import output_rows


def test_a_copy_has_not_moved_and_more_rows_do_not_count(tiny_host: Host) -> None:
    taught = copy.deepcopy(tiny_host.model)
    used = len(tiny_host.tokenizer)
    taught.resize_token_embeddings(used + 20, mean_resizing=False)
    found = old_rows(tiny_host.model, taught, tiny_host.tokenizer)
    assert (found.rows, found.moved, found.mean, found.most) == (used, 0, 0.0, 0.0)


@pytest.mark.parametrize("side", ["input", "output"])
def test_a_row_that_moved_is_found_on_either_side(
    side: str, make_host: Callable[[str], Host]
) -> None:
    host = make_host("byte-untied")
    taught = copy.deepcopy(host.model)
    matrix = taught.get_input_embeddings().weight if side == "input" else output_rows(taught)
    with torch.no_grad():
        matrix[3] *= 1.5
    found = old_rows(host.model, taught, host.tokenizer)
    assert found.moved == 1
    assert found.most == pytest.approx(0.5, rel=1e-5)
    assert found.mean == pytest.approx(0.5 / found.rows, rel=1e-5)

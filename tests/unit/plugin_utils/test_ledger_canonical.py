# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The canonical bytes of a document."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.sicekat.backup.plugins.plugin_utils import canonical

texts = st.text(st.characters(exclude_categories=["Cs"]))
documents = st.recursive(st.none() | st.booleans() | st.integers() | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20)


def test_keys_are_sorted_without_spaces_and_text_stays_utf8():
    assert canonical.canonical_bytes({"b": [1, True, None], "a": "é"}) == '{"a":"é","b":[1,true,null]}'.encode()


@given(documents)
def test_reading_canonical_bytes_gives_the_document_back(document):
    assert json.loads(canonical.canonical_bytes(document)) == document


@given(documents)
def test_canonical_bytes_of_what_was_read_are_the_same_bytes(document):
    body = canonical.canonical_bytes(document)
    assert canonical.canonical_bytes(json.loads(body)) == body


@given(st.dictionaries(texts, documents))
def test_the_order_of_keys_does_not_matter(document):
    assert canonical.canonical_bytes(dict(reversed(document.items()))) == canonical.canonical_bytes(document)


@given(st.floats())
def test_a_float_is_refused_wherever_it_lies(number):
    with pytest.raises(ValueError, match=r"^rows\[1\]\.size: .* is a float"):
        canonical.canonical_bytes({"rows": [0, {"size": number}]})


def test_a_key_that_is_not_text_is_refused():
    with pytest.raises(ValueError, match="rows: key 1 is not a string"):
        canonical.canonical_bytes({"rows": {1: 2}})


@pytest.mark.parametrize("document", ["\ud800", ["\udc80"], {"\udfff": 1}])
def test_a_lone_surrogate_is_refused(document):
    with pytest.raises(ValueError, match="not Unicode text"):
        canonical.canonical_bytes(document)

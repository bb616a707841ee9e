# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes in an inventory, and where they are noted.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils.policy_messages import POLICY_MESSAGES

_SHOWN = 80  # characters of a value that a problem shows


def english(message: Mapping) -> str:
    """Returns a message {"code", "params"} as English text."""
    return POLICY_MESSAGES[message["code"]].format_map(message["params"])


@dataclass(frozen=True)
class Problem:
    """One mistake. `found_message` and `allowed_message` are {"code", "params"}; `found`, `allowed` and `str()` are English."""

    host: str
    dataset: str | None
    key: str
    found_message: dict
    allowed_message: dict
    suggestion: str | None = None

    @property
    def found(self) -> str:
        return english(self.found_message)

    @property
    def allowed(self) -> str:
        return english(self.allowed_message)

    def text(self, say: Callable[[Mapping], str]) -> str:
        """Returns the problem as one line; `say` turns a message {"code", "params"} into text of the reader's language."""
        place = record.message("policy_host" if self.dataset is None else "policy_dataset", host=self.host, dataset=self.dataset)
        code = "policy_problem" if self.suggestion is None else "policy_problem_suggestion"
        found, allowed = say(self.found_message), say(self.allowed_message)
        return say(record.message(code, place=say(place), key=self.key, found=found, allowed=allowed, suggestion=self.suggestion))

    def __str__(self) -> str:
        return self.text(english)


class PolicyError(Exception):
    """The inventory holds mistakes; `problems` lists all of them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        self.message = record.message("policy_problems", count=len(self.problems))
        super().__init__("\n".join([english(self.message), *map(str, self.problems)]))


class Place:
    """A host, or a data set of a host, whose mistakes go into `problems`."""

    def __init__(self, problems: list[Problem], host: str, dataset: str | None = None) -> None:
        self._problems = problems
        self._host = host
        self._dataset = dataset

    def of_dataset(self, name: str) -> Place:
        return Place(self._problems, self._host, name)

    def wrong(self, key: str, found: dict, allowed: str, suggestion: str | None = None, **params: object) -> None:
        """Notes a mistake: `found` is a message, `allowed` the code of one, with its parameters."""
        self._problems.append(Problem(self._host, self._dataset, key, found, record.message(allowed, **params), suggestion))

    def not_one_of(self, key: str, found: dict, value: object, choices: Iterable[str]) -> None:
        """Notes that a value is none of the choices, and suggests the one that looks like it."""
        choices = list(choices)
        close = difflib.get_close_matches(value.lower(), choices, n=1) if isinstance(value, str) else []
        self.wrong(key, found, "policy_choice", suggestion=close[0] if close else None, choices=", ".join(choices))


def shown(value: object) -> dict:
    """Returns what was found as a message. For values that cannot hold a secret."""
    if value is None:
        return record.message("policy_found_nothing")
    if isinstance(value, str):
        return record.message("policy_found", value=f"'{record.printable(value[:_SHOWN])}'")
    if isinstance(value, bool):
        return record.message("policy_found", value=str(value).lower())
    return hidden(value) if isinstance(value, (list, tuple, Mapping)) else record.message("policy_found", value=str(value)[:_SHOWN])


def hidden(value: object) -> dict:
    """Returns the kind of what was found as a message, without anything of the value."""
    if value is None:
        return record.message("policy_found_nothing")
    if isinstance(value, str):
        return record.message("policy_found_characters", count=len(value))
    if isinstance(value, Mapping):
        return record.message("policy_found_mapping")
    if isinstance(value, (list, tuple)):
        return record.message("policy_found_list")
    return record.message("policy_found_other")

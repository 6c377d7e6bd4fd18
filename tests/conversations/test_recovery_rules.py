"""Which jobs run again by themselves once they have failed for good."""

from __future__ import annotations

from conversations import jobs as declared
from jobs import JobDefinition


def test_the_sync_of_models_and_the_costs_of_a_conversation_are_recovered_with_a_cap() -> None:
    rules = {
        name: value.recover
        for name, value in vars(declared).items()
        if isinstance(value, JobDefinition) and value.recover is not None
    }

    assert set(rules) == {"sync_model_pricing", "calculate_conversation_costs"}
    assert {rule.at_most for rule in rules.values()} == {3}

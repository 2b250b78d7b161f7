"""Gathers what a report says from what a run stores: layers, records, manifests, `audit.json`; it measures nothing.

A run that is half done is told as far as it is, and says so. Costs two passes over the columns that stages added, and
what samples and words of groups cost. Memory: a slice of each column of one shard, and counts.
"""

from __future__ import annotations

from datapipe.report.facts_duplicates import duplicates_of
from datapipe.report.facts_groups import WORDS, contamination_of, groups_of, personal_of
from datapipe.report.facts_samples import samples_of
from datapipe.report.facts_stages import alarms_of, corpus_of, run_facts, sources_of, stage_facts, work_facts
from datapipe.report.facts_training import conversations_of, mixtures_of, packing_of, planted_of
from datapipe.report.model import FORM, Report
from datapipe.run.context import Context
from datapipe.run.standing import stage_states

__all__ = ["gather"]


def gather(context: Context, *, texts: bool = True) -> Report:
    """The report of an opened run, without its gates; `texts` false: without samples and words, for gates alone."""
    states = {state.name: state for state in stage_states(context)}
    sources = sources_of(context)
    return Report(
        form=FORM,
        run=run_facts(context, list(states.values())),
        stages={name: stage_facts(context, node, states[name]) for name, node in context.recipe.nodes.items()},
        work={name: work_facts(context, state) for name, state in states.items()},
        corpus=corpus_of(context),
        sources=sources,
        alarms=alarms_of(context, sources),
        groups=groups_of(context, words=WORDS if texts else 0),
        duplicates=duplicates_of(context),
        contamination=contamination_of(context),
        personal=personal_of(context),
        conversations=conversations_of(context),
        mixture=mixtures_of(context),
        packing=packing_of(context),
        audit=planted_of(context),
        samples=samples_of(context, context.recipe.seed) if texts else (),
        gates=(),
    )

"""What may be wrong with what was saved of a network: a sentence each, with the remedy; nothing if all is well."""

from ufm.network.comparison import Comparison
from ufm.output.records import plain
from ufm.output.sections import Section, Sentence, Two


def diagnosis_sections(found: Comparison) -> list[Section]:
    """One section, or none."""
    parts = [
        Sentence(f"{one.name}{'' if one.sure else ' (suspected)'}: {one.sentence}. Remedy: {one.remedy}")
        for one in found.diagnoses
    ]
    return [Section(Two("what may be wrong", "What may be wrong"), parts, early=True)] if parts else []


def diagnosis_records(found: Comparison) -> list[dict]:
    """The same for the record."""
    return [plain(one) for one in found.diagnoses]

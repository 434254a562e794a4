"""What lies on the forge: a recipient, donors, and what the child has of whom.

Values in, values out: a :class:`Splicing` is the whole view of the page. The address and the
browser both tell one, and may tell anything, so what is not of the right type is left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard
from urllib.parse import urlencode

from speciation.analysis.forge import Forged, Party, assemble
from speciation.genome.genes import Gene

MOST_DONORS = 3
"""With the recipient and the child, as many outlines as can be told apart."""

POSITIONS = 200
"""Steps of a slider; a whole-number gene has one for each number, if they are not too many."""

MOST_GENES = 100
_ID = re.compile(r"[0-9a-f]{32}")
_GENE = re.compile(r"[a-z0-9_]{1,40}")


@dataclass(frozen=True)
class Splicing:
    """A child in the making.

    Args:
        recipient: Genome id; "" if nobody was chosen.
        donors: Their genome ids.
        taken: Gene → id of the donor who gives it.
        values: Gene → value set by hand, which counts before what is taken.
    """

    recipient: str = ""
    donors: tuple[str, ...] = ()
    taken: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)

    def among(self, recipient: str, donors: Iterable[str]) -> Splicing:
        """Of other parties; what is taken from a donor who leaves goes along."""
        kept = tuple(dict.fromkeys(own for own in donors if own != recipient))[:MOST_DONORS]
        taken = {gene: donor for gene, donor in self.taken.items() if donor in kept}
        return replace(self, recipient=recipient, donors=kept, taken=taken)

    def taking(self, donor: str, genes: Iterable[str]) -> Splicing:
        """With genes of a donor, whatever the child had there."""
        if donor not in self.donors:
            return self
        given = dict.fromkeys(genes, donor)
        values = {gene: own for gene, own in self.values.items() if gene not in given}
        return replace(self, taken={**self.taken, **given}, values=values)

    def setting(self, gene: str, value: float) -> Splicing:
        """With a gene set by hand."""
        return replace(self, values={**self.values, gene: value})

    def without(self, genes: Iterable[str]) -> Splicing:
        """With genes as the recipient has them."""
        gone = frozenset(genes)
        taken = {gene: own for gene, own in self.taken.items() if gene not in gone}
        values = {gene: own for gene, own in self.values.items() if gene not in gone}
        return replace(self, taken=taken, values=values)

    def child(self, parties: Mapping[str, Party]) -> Forged:
        """The child, named by what it inherited.

        Args:
            parties: Genome id → who it is, of recipient and donors.

        Raises:
            GenomeError: A gene is none, or a value is out of its range.
        """
        gifts = [
            (parties[donor], [gene for gene, own in self.taken.items() if own == donor])
            for donor in self.donors
            if donor in self.taken.values()
        ]
        return assemble(parties[self.recipient], gifts, self.values)

    def query(self) -> str:
        """It as the query of an address; donors of genes are told by their place."""
        place = {donor: str(i + 1) for i, donor in enumerate(self.donors)}
        told = {
            "recipient": self.recipient,
            "donors": ".".join(self.donors),
            "take": " ".join(f"{gene}:{place[own]}" for gene, own in self.taken.items()),
            "set": " ".join(f"{gene}:{value!r}" for gene, value in self.values.items()),
        }
        return urlencode({key: text for key, text in told.items() if text}, safe=":")

    def data(self) -> dict[str, Any]:
        """It as JSON for the browser; :func:`of_data` undoes it."""
        return {
            "recipient": self.recipient,
            "donors": list(self.donors),
            "taken": dict(self.taken),
            "values": dict(self.values),
        }


def of_query(wanted: Mapping[str, str]) -> Splicing:
    """What an address tells; undoes :meth:`Splicing.query`."""
    donors = wanted.get("donors", "").split(".")
    start = Splicing().among(_id(wanted.get("recipient")), ids(donors))
    by_place = {str(i + 1): donor for i, donor in enumerate(start.donors)}
    taken = {
        gene: by_place[place]
        for gene, place in _pairs(wanted.get("take", ""))
        if place in by_place
    }
    told = {gene: number(text) for gene, text in _pairs(wanted.get("set", ""))}
    values = {gene: value for gene, value in told.items() if value is not None}
    return replace(start, taken=taken, values=values)


def of_data(data: Any) -> Splicing:
    """What a browser tells; undoes :meth:`Splicing.data`."""
    told = data if isinstance(data, dict) else {}
    donors, taken, values = (told.get(key) for key in ("donors", "taken", "values"))
    start = Splicing().among(_id(told.get("recipient")), ids(donors))
    of_whom = taken if isinstance(taken, dict) else {}
    by_hand = values if isinstance(values, dict) else {}
    given = {gene: number(own) for gene, own in list(by_hand.items())[:MOST_GENES]}
    return replace(
        start,
        taken={g: own for g, own in of_whom.items() if _gene(g) and own in start.donors},
        values={g: own for g, own in given.items() if _gene(g) and own is not None},
    )


# -- Sliders --------------------------------------------------------------------------------


def steps(gene: Gene) -> int:
    """How many steps the slider of a gene has."""
    whole = round(gene.high - gene.low)
    return whole if gene.scale == "integer" and whole <= 1000 else POSITIONS


def position(gene: Gene, value: float) -> int:
    """The place of a slider that is nearest to a value."""
    return round(float(gene.to_unit(value)) * steps(gene))


def value_at(gene: Gene, place: float) -> float:
    """The value at a place of a slider, on the gene's own scale."""
    return float(gene.from_unit(place / steps(gene)))


def digits(value: float) -> str:
    """A value as a box for numbers shows it."""
    return f"{value:.6g}"


def ids(words: Any) -> list[str]:
    """Those of a browser's words that are genome ids."""
    return [own for own in words if _id(own)] if isinstance(words, list | tuple) else []


def number(value: Any) -> float | None:
    """A finite number, or a text that is one; None of anything else."""
    try:
        found = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and not isinstance(value, bool) else None


# -- Inside ---------------------------------------------------------------------------------


def is_genome_id(word: Any) -> TypeGuard[str]:
    """Whether what a browser told has the form of a genome's id."""
    return isinstance(word, str) and _ID.fullmatch(word) is not None


def _id(word: Any) -> str:
    return word if is_genome_id(word) else ""


def _gene(word: Any) -> bool:
    return isinstance(word, str) and _GENE.fullmatch(word) is not None


def _pairs(text: str) -> list[tuple[str, str]]:
    """``a:1 b:2`` as pairs."""
    parts = (part.partition(":") for part in text.split()[:MOST_GENES])
    return [(name, rest) for name, _, rest in parts if _gene(name)]

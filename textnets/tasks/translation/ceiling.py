"""What a translator that makes no mistake would score."""

from __future__ import annotations

from dataclasses import dataclass

LOW_CEILING = 95.0  # BLEU that should be in reach


@dataclass(frozen=True)
class Ceiling:
    """What a translator that makes no mistake would score.

    Attributes:
        bleu, chrf: of the references after their way through the target's vocabulary and back.
        known: BLEU if the vocabulary had every token; ``None`` where nobody asked for it.
        unknown_share: of the references' tokens, those that are ``[UNK]``.
        cut_share: of the references, those that are longer than a translation may be.
        signature: sacrebleu's, of BLEU.
    """

    bleu: float
    chrf: float
    known: float | None
    unknown_share: float
    cut_share: float
    signature: str

    @property
    def reason(self) -> str:
        """Why it is low, and what to do."""
        if self.chrf > LOW_CEILING and self.bleu < 1.0:
            return "the references have too few words for BLEU's sequences of four; look at chrF"
        if self.cut_share > 0.01:
            return (
                f"{self.cut_share:.0%} of the references are longer than a translation may be; "
                "raise evaluation.length_ratio"
            )
        if self.known is not None and self.known - self.bleu > 1.0:
            return (
                f"{self.unknown_share:.1%} of the references' tokens are [UNK], which is never "
                "written; lower text.min_count, raise text.max_tokens, or take the tokenizer "
                "sentencepiece, which spells any word"
            )
        return "the tokenizer leaves out parts of the texts (text.pattern, text.max_length)"

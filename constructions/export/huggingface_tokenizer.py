"""Names with tabs between to token ids, and back: a tokenizer of Hugging Face transformers 5.x."""

from __future__ import annotations

from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from constructions.export.names import distinct_names, special_name
from constructions.facts.names import NameIndex
from constructions.guards.errors import InputError
from constructions.model.answering import Answering


class FactualRecallTokenizer(PreTrainedTokenizerFast):
    """Each piece between tabs is a name, and one token.

    Decoding writes a tab before each name: so a decoded continuation can be put behind its prompt.
    """

    # as transformers declares it
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012

    def _encode_plus(self, text: Any, *arguments: Any, **options: Any) -> Any:
        """As Hugging Face's. Raises InputError with a name that there is not, and close ones."""
        try:
            return super()._encode_plus(text, *arguments, **options)
        except Exception as error:
            if "UNK" not in str(error):
                raise
            known = tuple(self.get_vocab())
            index = NameIndex("token", known)
            for piece in _pieces(text):
                if (found := known[index.find(piece)]) != piece:
                    raise InputError(
                        f"no token is named {piece!r} ({piece!a}); {found!r} ({found!a}) is the"
                        " same but for Unicode normalization: give that spelling"
                    ) from None
            raise

    def clean_up_tokenization(self, text: str) -> str:
        """The text as it is: a space before a full stop belongs to its name."""
        return text


def tokenizer(model: Answering) -> FactualRecallTokenizer:
    """Names separated by tabs to token ids; a name that there is not is an error. See
    `names.distinct_names`.

    Padding is on the left. `<pad>` is the token that a chain of thought reads after a path that is
    shorter than the longest; of other models it is one more token, behind all others, which is
    never an answer. `<unknown>` is an answer, so it is not skipped with the special tokens.
    """
    names = distinct_names(model)
    pad = special_name("pad", names)
    end = None
    if model.hops_per_token:
        pad, end = (names[model.vocabulary.special(special)] for special in ("pad", "end"))
    else:
        names.append(pad)
    words = Tokenizer(models.WordLevel({name: token for token, name in enumerate(names)}))
    words.pre_tokenizer = pre_tokenizers.Split("\t", "removed")
    words.decoder = decoders.Sequence([decoders.Replace(Regex(r"\A"), "\t"), decoders.Fuse()])
    return FactualRecallTokenizer(
        tokenizer_object=words, pad_token=pad, eos_token=end, padding_side="left"
    )


def _pieces(text: Any) -> list[str]:
    """All names in what a tokenizer takes: texts, or lists of them."""
    if isinstance(text, str):
        return [piece for piece in text.split("\t") if piece]
    return [piece for part in text for piece in _pieces(part)]
